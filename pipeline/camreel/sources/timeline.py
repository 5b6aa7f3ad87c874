"""What goes on over all connections to a source: the index and the time of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from camreel.interfaces import Source
from camreel.structures import Frame, VideoInfo

STEP = 1e-3
"""Seconds between two frames whose times would fall together."""


class Running:
    """Numbers the frames of one connection after another.

    The time counts from the first frame of the first connection. Within a connection it is the source's; what is lost between
    two of them is measured by when frames arrived.
    """

    def __init__(self) -> None:
        self._index = 0
        self._origin: float | None = None
        self._last: float | None = None
        self._shift: float | None = None

    def reconnected(self) -> None:
        """What comes now has a clock of its own."""
        self._shift = None

    def __call__(self, frames: Iterable[Frame], part: int) -> Iterator[Frame]:
        """Yields the frames of a connection as parts of the whole.

        Args:
            frames: with `captured`.
            part: their number.
        """
        for frame in frames:
            if self._shift is None:
                self._shift = self._begin(frame) - frame.time
            time = frame.time + self._shift
            if self._last is not None and time <= self._last:
                time = self._last + STEP
            yield replace(frame, index=self._index, time=time, part=part)
            self._index += 1
            self._last = time

    def _begin(self, frame: Frame) -> float:
        """When a connection begins whose first frame this is."""
        captured = frame.captured or 0.0
        if self._origin is None:
            self._origin = captured
        since = captured - self._origin
        return since if self._last is None else max(since, self._last + STEP)


class Relay(Source):
    """A source whose frames pass through a function on their way."""

    def __init__(self, source: Source, info: VideoInfo, through: Callable[[Iterable[Frame]], Iterator[Frame]]) -> None:
        self.info = info
        self.notes = source.notes
        self._source = source
        self._frames = through(source)

    @property
    def corrupt(self) -> int:
        """Packets that could not be decoded so far."""
        return self._source.corrupt

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Closes the source itself."""
        getattr(self._frames, "close", lambda: None)()
        self._source.close()
