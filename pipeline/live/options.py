"""What a live run is asked for beside the settings of the flow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Show = Literal["window", "web"]


@dataclass(frozen=True, slots=True)
class Options:
    """How cameras are shown and what is kept of them."""

    show: frozenset[Show] = frozenset()
    """Where; empty: nowhere."""
    address: str = "127.0.0.1:8090"
    """Where the page is served."""
    browser: bool = False
    """The camera is that of whoever opens the page."""
    records: str | None = None
    """JSON Lines: a file or `-`; None: none."""
    record: Path | None = None
    """The annotated video; of several cameras each gets its own, numbered."""
    segment: float | None = None
    """Seconds after which a recording goes on in another file; None: never."""
    push: str | None = None
    """Address to stream the annotated picture to."""
    duration: float | None = None
    """Seconds from the first frame; None: until it is stopped."""
    max_frames: int | None = None
    """Captured frames of each camera; None: until it is stopped."""
    realtime: bool = True
    """Files are played at their own pace."""
