"""From the source's timestamps to seconds that strictly increase."""

from __future__ import annotations

from fractions import Fraction

FALLBACK_RATE = Fraction(25)
LEAD = 10.0
"""A stream may claim to start this many seconds before its first frame and still be believed."""
RESTART = 1.0
"""Timestamps that fall back by more seconds than this began anew: what follows is shifted behind what was."""


def zero_of(start_time: int | None, first: int | None, time_base: Fraction) -> int:
    """The timestamp that counts as 0 s: the stream's start where it is known and sane, else the first frame's.

    Args:
        start_time: What the container claims, in `time_base` units.
        first: Timestamp of the first frame.
        time_base: Seconds per unit.
    """
    if start_time is None or first is None:
        return start_time or first or 0
    return start_time if 0 <= (first - start_time) * time_base <= LEAD else first


class Clock:
    """Gives each frame its seconds from the source's zero.

    A sound timestamp is taken as it is. A frame without one comes an average interval after the frame before it; one that
    repeats or falls back comes half an interval after it, so that the source's own times are soon met again. Where the timestamps
    begin anew, far behind or far ahead, time goes on by an average interval.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None, zero: int, leap: float = float("inf")) -> None:
        """Starts the clock.

        Args:
            time_base: Seconds per timestamp unit.
            rate: Frames per second, where it is known.
            zero: Timestamp that counts as 0 s.
            leap: Timestamps that run ahead by more seconds than this from one frame to the next began anew.
        """
        sane = rate if rate and Fraction(1, 100) <= rate <= 1000 else FALLBACK_RATE
        self._numerator, self._denominator = time_base.numerator, time_base.denominator
        self._interval = float(1 / sane)
        self._zero = zero
        self._leap = leap
        self._shift = 0.0
        self._last: float | None = None

    def at(self, pts: int) -> float:
        """Seconds from the source's zero of any timestamp in `time_base` units, as the source says."""
        return (pts - self._zero) * self._numerator / self._denominator

    def __call__(self, pts: int | None) -> float:
        """The time of the next frame in seconds."""
        last = self._last
        if pts is None:
            time = 0.0 if last is None else last + self._interval
        else:
            time = self.at(pts) + self._shift
            if last is not None and not last < time <= last + self._leap:
                time = self._after(last, time)
        self._last = time
        return time

    def _after(self, last: float, time: float) -> float:
        if 0 <= last - time <= RESTART:
            return last + self._interval / 2
        self._shift += last + self._interval - time
        return last + self._interval
