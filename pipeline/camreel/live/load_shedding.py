"""Load shedding: a network that cannot follow loses old frames, then sees fewer samples until it follows again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from camreel.interfaces import Note
from camreel.structures import Frame

REVIEW_SECONDS = 2.0
"""Length of the period after which the load is reviewed."""
MAX_LATE_SHARE = 0.05
"""Share of late frames in a period above which the network gets fewer samples."""
IDLE_SHARE = 0.4
"""Share of the time that the network is busy below which it may get twice as many samples again."""
MIN_PACE = 1 / 8
"""Minimum share of the network's samples: a network that sees fewer does not see a video any more."""
MIN_CALM_PERIODS, MAX_CALM_PERIODS = 2, 32
"""Calm periods before the network gets more samples: at first, and at most; doubled after each raise that failed."""


class LoadShedder:
    """Filter between the frames that wait for the network and the network.

    Args:
        max_latency: maximum waiting time of a frame in seconds; None: nothing is ever dropped or slowed down.
        note: called with a sentence whenever the pace changes.
        clock: clock of `Frame.captured`.

    Example:
        >>> shedder = LoadShedder(max_latency=0.5, note=print)
        >>> for frame in shedder(channel):
        ...     network(frame, share_of_samples=shedder.pace)
    """

    def __init__(self, max_latency: float | None, note: Note, clock: Callable[[], float] = time.monotonic) -> None:
        self.late = 0
        """Number of frames that were dropped because they had waited too long."""
        self.pace = 1.0
        """Share of its samples that the network has time for, in (0, 1]."""
        self._max_latency, self._note, self._clock = max_latency, note, clock
        self._period_start: float | None = None
        self._late_before = 0
        """`late` at the start of the period."""
        self._passed = 0
        """Frames that were passed on in the period."""
        self._busy_seconds = 0.0
        self._calm_periods, self._required_calm = 0, MIN_CALM_PERIODS
        self._raised = False
        """Whether the last change of the pace was a raise."""

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames that are not too old, and measure how long the consumer takes for each."""
        for frame in frames:
            now = self._clock()
            self._review(now)
            if (
                self._max_latency is not None
                and frame.captured is not None
                and now - frame.captured > self._max_latency
            ):
                self.late += 1
                continue
            self._passed += 1
            yield frame
            self._busy_seconds += self._clock() - now

    def _review(self, now: float) -> None:
        """Adapt the pace at the end of a period."""
        if self._period_start is None:
            self._period_start = now
        elapsed = now - self._period_start
        if self._max_latency is None or elapsed < REVIEW_SECONDS:
            return
        late = self.late - self._late_before
        if late > MAX_LATE_SHARE * (late + self._passed):
            self._lower()
        elif self.pace < 1 and late == 0 and self._busy_seconds < IDLE_SHARE * elapsed:
            self._calm_periods += 1
            if self._calm_periods >= self._required_calm:
                self._raise()
        else:
            self._calm_periods = 0
        self._period_start, self._passed, self._late_before, self._busy_seconds = now, 0, self.late, 0.0

    def _lower(self) -> None:
        if self._raised:
            self._required_calm = min(2 * self._required_calm, MAX_CALM_PERIODS)
        self._calm_periods, self._raised = 0, False
        if self.pace > MIN_PACE:
            self.pace /= 2
            self._note(f"the network cannot follow: it sees 1 of {round(1 / self.pace)} of its samples")

    def _raise(self) -> None:
        self.pace, self._calm_periods, self._raised = 2 * self.pace, 0, True
        rest = f"1 of {round(1 / self.pace)} of its samples" if self.pace < 1 else "all of its samples again"
        self._note(f"the network follows: it sees {rest}")
