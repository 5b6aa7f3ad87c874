"""Timestamps of the output, from the timestamps of the source (`SourceClock`) or the times of capture (`LiveClock`)."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Any, Protocol

from camreel.structures import Frame, VideoInfo

MAX_TICKS_PER_SECOND = 1_000_000
"""Finer time bases overflow the clocks of containers; 90 kHz is used instead."""
COARSE_TIME_BASE = Fraction(1, 2000)
"""Longer time bases (in seconds) are divided by `COARSE_DIVISOR`."""
COARSE_DIVISOR = 16
MAX_START_SECONDS = 2.0
"""If the first frame comes later than this, or before 0, the output starts at 0: players would wait for the frame."""
RECENT_FRAMES = 64
"""Number of frames whose timestamps are compared to find repeated ones."""


class OutputClock(Protocol):
    """A source of timestamps for the frames of an output."""

    time_base: Fraction
    """Seconds per unit of a timestamp."""

    def stamp(self, frame: Frame) -> int:
        """Return the timestamp of the next frame in `time_base` units: strictly increasing."""
        ...

    def restore(self, packet: Any) -> None:
        """Give an encoded packet the exact timestamp, if the encoder would not have accepted it."""
        ...


class SourceClock:
    """A clock that keeps the timestamps of the source wherever possible.

    Encoders need strictly increasing timestamps. `stamp` returns such timestamps, and `restore` puts the source's own
    timestamps into the packets.

    Args:
        info: properties of the source.

    Example:
        >>> clock = SourceClock(info)
        >>> image.pts, image.time_base = clock.stamp(frame), clock.time_base
        >>> for packet in encoder.encode(image):
        ...     clock.restore(packet)
    """

    def __init__(self, info: VideoInfo) -> None:
        too_fine = info.time_base.denominator > MAX_TICKS_PER_SECOND or info.time_base <= 0
        # Coarse time bases are divided, so that decoding times fit between presentation times that run backwards.
        divisor = COARSE_DIVISOR if info.time_base > COARSE_TIME_BASE else 1
        self.time_base = Fraction(1, 90_000) if too_fine else info.time_base / divisor
        self.offset = 0.0
        """Seconds that were subtracted from every timestamp."""
        self.moved = 0
        """Number of frames whose own timestamp could not be used."""
        self._last: int | None = None
        self._zero = 0.0
        """Output time of the source's time 0 in seconds, for frames without a usable timestamp."""
        self._exact: dict[int, int] = {}
        """Timestamp given to the encoder -> timestamp of the source, where they differ."""
        self._recent: deque[int] = deque(maxlen=RECENT_FRAMES)
        self._advance = 0
        """Ticks by which decoding times are moved ahead."""
        self._last_decoding: int | None = None

    def stamp(self, frame: Frame) -> int:
        """Return the timestamp of the next frame for the encoder, in `time_base` units."""
        stamp = exact = None
        if frame.pts is not None:
            seconds = frame.pts * frame.time_base
            if self._last is None and not 0 <= seconds <= MAX_START_SECONDS:
                self.offset = float(seconds)
            stamp = exact = round((seconds - Fraction(self.offset)) / self.time_base)
        if exact in self._recent:
            exact = None  # Only one of two frames with the same time would be shown.
        elif exact is not None:
            self._recent.append(exact)
        if stamp is None or (self._last is not None and stamp <= self._last):
            self.moved += exact is None
            stamp = round((frame.time + self._zero) / self.time_base)
            if self._last is not None:
                stamp = max(stamp, self._last + 1)
        self._zero = float(stamp * self.time_base) - frame.time
        self._last = stamp
        if exact is not None and exact != stamp:
            self._exact[stamp] = exact
            self._advance = max(self._advance, 2 * (stamp - exact))
        return stamp

    def restore(self, packet: Any) -> None:
        """Give a packet the source's own timestamp, if timestamps run backwards there: no encoder accepts that.

        Decoding times must not be later than presentation times; they are moved ahead from the first such frame on.
        """
        if self._advance and packet.dts is not None:
            earliest = packet.dts if self._last_decoding is None else self._last_decoding + 1
            packet.dts = max(earliest, packet.dts - self._advance)
        self._last_decoding = packet.dts
        exact = self._exact.pop(packet.pts, None)
        if exact is not None and (packet.dts is None or exact >= packet.dts):
            packet.pts = exact
        else:
            self.moved += exact is not None


class LiveClock:
    """A clock for live pictures: the time since the first picture, by the times of capture.

    A picture that is shown again follows itself after one tick. If the source's time falls back, the output's time
    continues from there.
    """

    time_base = Fraction(1, 90_000)

    def __init__(self) -> None:
        self._zero: float | None = None
        self._time = 0.0
        self._last = -1

    def seconds(self, frame: Frame) -> float:
        """Return the output time of `frame` in seconds, if it is the next frame."""
        return 0.0 if self._zero is None else max(frame.time, self._time) - self._zero

    def stamp(self, frame: Frame) -> int:
        """Return the timestamp of the next frame in `time_base` units."""
        if self._zero is None:
            self._zero = frame.time
        elif frame.time < self._time:
            self._zero -= self._time - frame.time
        self._time = frame.time
        self._last = max(round((frame.time - self._zero) / self.time_base), self._last + 1)
        return self._last

    def restore(self, packet: Any) -> None:
        """Do nothing: the encoder gets the exact timestamps."""
