"""Time: from timestamps to seconds, over several connections, and at the pace of the wall clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

from camreel.interfaces import Source
from camreel.structures import Frame, VideoInfo

DEFAULT_FRAME_RATE = Fraction(25)
"""Frames per second of a stream that claims none, or an impossible rate."""
MAX_LEAD_SECONDS = 10.0
"""Longest time before its first frame at which a stream may claim to start and still be believed."""
RESTART_SECONDS = 1.0
"""Timestamps that fall back by more than this have started anew: later frames are shifted behind the earlier ones."""
MIN_INTERVAL_SECONDS = 1e-3
"""Interval between two frames whose times would coincide."""

Wait = Callable[[float], bool]
"""Wait for so many seconds; return True if the run was asked to stop."""


def zero_timestamp(start_time: int | None, first: int | None, time_base: Fraction) -> int:
    """Return the timestamp that counts as 0 s: the stream's start if it is known and plausible, else the first frame's.

    Args:
        start_time: start according to the container, in `time_base` units.
        first: timestamp of the first frame.
        time_base: seconds per unit.
    """
    if start_time is None or first is None:
        return start_time or first or 0
    return start_time if 0 <= (first - start_time) * time_base <= MAX_LEAD_SECONDS else first


class TimestampClock:
    """Seconds from the source's zero for each frame, strictly increasing.

    A sound timestamp is taken as it is. A frame without a timestamp follows the frame before by an average interval;
    a repeated or backward timestamp follows by half an interval, so that the source's own times are soon met again.
    When timestamps start anew, far behind or far ahead, time continues by an average interval.

    Args:
        time_base: seconds per timestamp unit.
        rate: frames per second, if known.
        zero: timestamp that counts as 0 s.
        max_leap: seconds; timestamps that run further ahead from one frame to the next have started anew.

    Example:
        >>> clock = TimestampClock(Fraction(1, 1000), Fraction(10), zero=0)
        >>> [clock(pts) for pts in (0, 100, None, 100)]
        [0.0, 0.1, 0.2, 0.25]
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None, zero: int, max_leap: float = float("inf")) -> None:
        plausible = rate if rate and Fraction(1, 100) <= rate <= 1000 else DEFAULT_FRAME_RATE
        self._numerator, self._denominator = time_base.numerator, time_base.denominator
        self._interval = float(1 / plausible)
        self._zero = zero
        self._max_leap = max_leap
        self._shift = 0.0
        self._last: float | None = None

    def seconds(self, pts: int) -> float:
        """Convert a timestamp in `time_base` units to seconds from the source's zero, without correction."""
        return (pts - self._zero) * self._numerator / self._denominator

    def __call__(self, pts: int | None) -> float:
        """Return the time of the next frame in seconds."""
        last = self._last
        if pts is None:
            time = 0.0 if last is None else last + self._interval
        else:
            time = self.seconds(pts) + self._shift
            if last is not None and not last < time <= last + self._max_leap:
                time = self._corrected(last, time)
        self._last = time
        return time

    def _corrected(self, last: float, time: float) -> float:
        if 0 <= last - time <= RESTART_SECONDS:
            return last + self._interval / 2
        self._shift += last + self._interval - time
        return last + self._interval


class Timeline:
    """Index and time that continue over all connections to a source.

    Time counts from the first frame of the first connection. Within a connection it follows the source's own time;
    the gap between two connections is measured by the arrival of frames.
    """

    def __init__(self) -> None:
        self._index = 0
        self._origin: float | None = None
        self._last: float | None = None
        self._shift: float | None = None

    def start_connection(self) -> None:
        """Expect frames whose own time is unrelated to that of the frames before."""
        self._shift = None

    def number(self, frames: Iterable[Frame], part: int) -> Iterator[Frame]:
        """Yield the frames of a connection with the index and the time of the whole.

        Args:
            frames: frames with `captured`.
            part: number of the connection.
        """
        for frame in frames:
            if self._shift is None:
                self._shift = self._connection_start(frame) - frame.time
            time = frame.time + self._shift
            if self._last is not None and time <= self._last:
                time = self._last + MIN_INTERVAL_SECONDS
            yield replace(frame, index=self._index, time=time, part=part)
            self._index += 1
            self._last = time

    def _connection_start(self, frame: Frame) -> float:
        """Return the time at which a connection with this first frame starts."""
        captured = frame.captured or 0.0
        if self._origin is None:
            self._origin = captured
        elapsed = captured - self._origin
        return elapsed if self._last is None else max(elapsed, self._last + MIN_INTERVAL_SECONDS)


def pace_realtime(
    frames: Iterable[Frame], wait: Wait, clock: Callable[[], float], *, slack: float = 0.0
) -> Iterator[Frame]:
    """Yield each frame when it is due by its own time, counted from the first frame, and stamp it with that moment.

    The schedule is absolute: frames that are late come at once, and the frames after them are on time again.

    Args:
        frames: frames with times in seconds.
        wait: waits until a frame is due; the iteration ends when it returns True.
        clock: return monotonic seconds.
        slack: seconds in all by which late frames may postpone the schedule, for sources whose frames come in bursts.
    """
    begin: float | None = None
    for frame in frames:
        now = clock()
        if begin is None:
            begin = now - frame.time
        late = now - (begin + frame.time)
        if late < 0 and wait(-late):
            return
        postponed = min(max(late, 0.0), slack)
        begin, slack = begin + postponed, slack - postponed
        yield replace(frame, captured=clock())


class MappedSource(Source):
    """A source whose frames pass through a function.

    Args:
        source: closed with this source.
        info: properties of the result.
        function: generator of the resulting frames.
    """

    def __init__(self, source: Source, info: VideoInfo, function: Callable[[Iterable[Frame]], Iterator[Frame]]) -> None:
        self.info = info
        self.notes = source.notes
        self._source = source
        self._frames = function(source)

    @property
    def corrupt(self) -> int:
        """Number of packets that could not be decoded so far."""
        return self._source.corrupt

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """End the iteration and close the source."""
        getattr(self._frames, "close", lambda: None)()
        self._source.close()
