"""Clip* -> ClipActivation*: run the network. The only place that touches the device."""

from __future__ import annotations

from pipeline.recognize.backend import Backend, choose_backend, map_cells
from pipeline.recognize.stage import Selection, recognize

__all__ = ["Backend", "Selection", "choose_backend", "map_cells", "recognize"]
