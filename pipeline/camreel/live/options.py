"""Options of live runs. Importable without OpenCV and torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from camreel.options import Options, Seconds, one_of

POLICIES = ("drop-oldest", "latest", "block")
DEFAULT_ADDRESS = "127.0.0.1:8090"
"""HOST:PORT of the page: only this computer can reach it."""


class CaptureOptions(Options):
    """Cameras and streams."""

    policy: one_of(POLICIES) = Field(  # type: ignore[valid-type]
        default="drop-oldest",
        description="what happens to frames that come faster than the network follows: the oldest waiting one is "
        "dropped, all but the newest are, or the source waits",
    )
    max_latency: Seconds = Field(
        default=0.5,
        gt=0,
        description="age from which a frame is dropped rather than answered; if that goes on, the network sees less",
    )
    silence: Seconds = Field(default=10.0, gt=0, description="time without a picture until a connection counts as lost")
    deadline: Seconds = Field(default=60.0, gt=0, description="time without a connection until a source is given up")


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Displays and outputs of a live run."""

    show: frozenset[str] = frozenset()
    """Names in `DISPLAYS`; empty: no display."""
    address: str = DEFAULT_ADDRESS
    """HOST:PORT of the page."""
    browser: bool = False
    """The source is the camera of the page's visitor."""
    records: str | None = None
    """JSON Lines: a file or `-` for standard output; None: no records."""
    record: Path | None = None
    """The annotated video; with several cameras one per camera, numbered. None: no recording."""
    segment: float | None = None
    """Seconds after which a recording continues in another file; None: never."""
    push: str | None = None
    """Address to stream the annotated picture to; None: no stream."""
    duration: float | None = None
    """Seconds from the first frame; None: until the run is stopped."""
    max_frames: int | None = None
    """Captured frames of each camera; None: until the run is stopped."""
    realtime: bool = True
    """Files are played at their own pace."""
