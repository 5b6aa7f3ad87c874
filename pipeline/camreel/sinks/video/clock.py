"""From the source's time stamps to the output's."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Any, Protocol

from camreel.structures import Frame, VideoInfo

FINEST = 1_000_000
"""Time bases finer than this overflow the clocks of containers, and 90 kHz takes their place."""
COARSE = Fraction(1, 2000)
"""Time bases of longer steps (in seconds) are split."""
SPLIT = 16
"""Into so many."""
LATE = 2.0
"""Where the first picture comes later than this many seconds, or before 0, the output begins at 0: players would wait for it."""


class Stamps(Protocol):
    """Gives pictures their time stamps in an output."""

    time_base: Fraction
    """Seconds per unit of a stamp."""

    def stamp(self, frame: Frame) -> int:
        """The time stamp of the next frame, in `time_base` units: strictly increasing."""
        ...

    def restore(self, packet: Any) -> None:
        """Gives an encoded picture a time stamp that its encoder would not take."""
        ...


class Clock:
    """From the source's time stamps to the output's: the same, where they can be.

    An encoder wants them strictly increasing. What it gets is, and `restore` puts the source's own back into its packets.

    Args:
        info: of the source.
    """

    def __init__(self, info: VideoInfo) -> None:
        fine = info.time_base.denominator > FINEST or info.time_base <= 0
        # Coarse ones are split, so that decoding times find room between presentation times that run backwards.
        self.time_base = Fraction(1, 90_000) if fine else info.time_base / (SPLIT if info.time_base > COARSE else 1)
        self.offset = 0.0
        """Seconds that were taken from every time stamp."""
        self.moved = 0
        """Frames whose own time stamp could not be used."""
        self._last: int | None = None
        self._zero = 0.0
        self._exact: dict[int, int] = {}
        self._used: deque[int] = deque(maxlen=64)
        self._early = 0
        self._decoded: int | None = None

    def stamp(self, frame: Frame) -> int:
        """The output's time stamp of the next frame, in `time_base` units."""
        stamp = exact = None
        if frame.pts is not None:
            seconds = frame.pts * frame.time_base
            if self._last is None and not 0 <= seconds <= LATE:
                self.offset = float(seconds)
            stamp = exact = round((seconds - Fraction(self.offset)) / self.time_base)
        if exact in self._used:
            exact = None  # Two pictures at one time: only one would be shown.
        elif exact is not None:
            self._used.append(exact)
        if stamp is None or (self._last is not None and stamp <= self._last):
            self.moved += exact is None
            stamp = round((frame.time + self._zero) / self.time_base)
            if self._last is not None:
                stamp = max(stamp, self._last + 1)
        self._zero = float(stamp * self.time_base) - frame.time
        self._last = stamp
        if exact is not None and exact != stamp:
            self._exact[stamp] = exact
            self._early = max(self._early, 2 * (stamp - exact))
        return stamp

    def restore(self, packet: Any) -> None:
        """Gives a packet the source's own time stamp where that runs backwards, which an encoder would not take.

        Decoding times, which may not be later, are moved ahead from the first such frame on.
        """
        if self._early and packet.dts is not None:
            earliest = packet.dts if self._decoded is None else self._decoded + 1
            packet.dts = max(earliest, packet.dts - self._early)
        self._decoded = packet.dts
        exact = self._exact.pop(packet.pts, None)
        if exact is not None and (packet.dts is None or exact >= packet.dts):
            packet.pts = exact
        else:
            self.moved += exact is not None


class Elapsed:
    """Time stamps of live pictures: from 0 at the first one, as they were captured.

    A picture that comes again follows itself at once. Where the source's time falls back, the output's goes on from there.
    """

    time_base = Fraction(1, 90_000)

    def __init__(self) -> None:
        self._zero: float | None = None
        self._time = 0.0
        self._last = -1

    def seconds(self, frame: Frame) -> float:
        """Since the first picture, if `frame` is the next."""
        return 0.0 if self._zero is None else max(frame.time, self._time) - self._zero

    def stamp(self, frame: Frame) -> int:
        """The time stamp of the next frame, in `time_base` units."""
        if self._zero is None:
            self._zero = frame.time
        elif frame.time < self._time:
            self._zero -= self._time - frame.time
        self._time = frame.time
        self._last = max(round((frame.time - self._zero) / self.time_base), self._last + 1)
        return self._last

    def restore(self, packet: Any) -> None:
        """Nothing: what the encoder gets is what is meant."""
