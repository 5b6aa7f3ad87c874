"""Where frames come from: a uri in, `VideoInfo` and frames out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pipeline.structures import Frame, VideoInfo


class Source(Protocol):
    """Frames in order, once. Closed by whoever opened it, at any time and more than once."""

    info: VideoInfo
    corrupt: int
    """Packets that could not be decoded so far."""
    notes: list[str]
    """What the source could not carry or had to change, as sentences for the user."""

    def __iter__(self) -> Iterator[Frame]:
        """Yields every frame once.

        Raises:
            InputError: reading failed and nothing more can come.
        """
        ...

    def close(self) -> None: ...
