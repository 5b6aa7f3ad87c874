"""Clip* -> ClipActivation*: run the network. The only place that touches the device."""

from __future__ import annotations

from pipeline.recognize.backend import Backend, choose_backend, map_cells
from pipeline.recognize.network import Look, Selection, look
from pipeline.recognize.stage import recognize
from pipeline.recognize.steps import Advance, Step, advance

__all__ = [
    "Advance",
    "Backend",
    "Look",
    "Selection",
    "Step",
    "advance",
    "choose_backend",
    "look",
    "map_cells",
    "recognize",
]
