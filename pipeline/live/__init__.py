"""Cameras: the flow of files with other sources, a policy for what comes too fast, and pictures that never wait for the network.

    capture lane           network lane, one per camera             main lane
    connections ─┬─► screen channel ───────────────────────────►  newest frame ─┐
                 └─► network channel ► governor ► the flow ────►  newest answer ┴► painter ► window, page, recording, push
                                                           └───►  records

Both channels are bounded in frames and bytes; what is dropped is decided by how full they are and by how old a frame is.
"""

from __future__ import annotations

from pipeline.live.options import Options
from pipeline.live.run import watch

__all__ = ["Options", "watch"]
