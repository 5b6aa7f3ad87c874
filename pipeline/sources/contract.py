"""What every source keeps."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from pipeline.structures import Frame, VideoInfo


class Source(Protocol):
    """Frames in order, once. Closed by whoever opened it, at any time and more than once; or used in `with`.

    `close` frees the demuxer, and with it what `Track.template` stands on: close a source after the sinks it feeds.
    """

    info: VideoInfo
    notes: list[str]
    """What the source could not carry or had to change, as sentences for the user."""

    @property
    def corrupt(self) -> int:
        """Packets that could not be decoded so far."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Yields every frame once; a second iterator goes on where the first one stopped.

        Raises:
            InputError: reading failed and nothing more can come.
        """
        ...

    def close(self) -> None:
        """Ends the iteration and frees everything; to be called from the thread that iterates, or after it stopped."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
