"""Frames at their own pace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from camreel.structures import Frame

Wait = Callable[[float], bool]
"""Waits so many seconds; True: asked to stop."""


def pace(frames: Iterable[Frame], wait: Wait, clock: Callable[[], float], *, slack: float = 0.0) -> Iterator[Frame]:
    """Yields each frame when it is due by its own time, counted from when the first one came, and stamps that moment on it.

    The schedule is absolute: frames that are late come at once, and those after them are on time again.

    Args:
        frames: with times in seconds.
        wait: ends the iteration when it says so.
        clock: monotonic seconds.
        slack: seconds by which the schedule may be put off, in all, where frames come late: for sources that come in bursts.
    """
    begin: float | None = None
    for frame in frames:
        now = clock()
        if begin is None:
            begin = now - frame.time
        late = now - (begin + frame.time)
        if late < 0 and wait(-late):
            return
        put_off = min(max(late, 0.0), slack)
        begin, slack = begin + put_off, slack - put_off
        yield replace(frame, captured=clock())
