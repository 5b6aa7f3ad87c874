"""Keeps answers from growing old: first frames are dropped, then the network sees fewer samples, until it follows again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from camreel.structures import Frame

PERIOD = 2.0
"""Seconds over which it is seen whether the network follows."""
LATE = 0.05
"""Share of the frames of a period that may have waited too long; more, and the network is asked for less."""
IDLE = 0.4
"""Share of the time that the network may be busy at most before it is asked for twice as much again."""
LEAST = 1 / 8
"""Of the network's samples: less would be no video any more."""
CALM = (2, 32)
"""Periods of calm before more is asked for: at first, and at most. It doubles each time that this was too early."""


class Governor:
    """Stands between what waits for the network and the network.

    Args:
        most: seconds that a frame may have waited; None: any, and nothing is ever dropped or slowed down here.
        notify: takes sentences for people.
        clock: as `Frame.captured`.
    """

    def __init__(
        self,
        most: float | None,
        notify: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.late = 0
        """Frames that were dropped because they had waited too long."""
        self.pace = 1.0
        """Share of its samples that the network has time for."""
        self._most, self._notify, self._clock = most, notify, clock
        self._begin: float | None = None
        self._taken = self._before = 0
        self._busy = 0.0
        self._calm, self._patience = 0, CALM[0]
        self._raised = False

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yields the frames that are worth an answer; measures how long each takes."""
        for frame in frames:
            now = self._clock()
            self._review(now)
            if self._most is not None and frame.captured is not None and now - frame.captured > self._most:
                self.late += 1
                continue
            self._taken += 1
            yield frame
            self._busy += self._clock() - now

    def _review(self, now: float) -> None:
        """At the end of a period: whether to ask the network for less, or for more again."""
        if self._begin is None:
            self._begin = now
        elapsed = now - self._begin
        if self._most is None or elapsed < PERIOD:
            return
        late = self.late - self._before
        if late > LATE * (late + self._taken):
            self._lower()
        elif self.pace < 1 and late == 0 and self._busy < IDLE * elapsed:
            self._calm += 1
            if self._calm >= self._patience:
                self._raise()
        else:
            self._calm = 0
        self._begin, self._taken, self._before, self._busy = now, 0, self.late, 0.0

    def _lower(self) -> None:
        if self._raised:
            self._patience = min(2 * self._patience, CALM[1])
        self._calm, self._raised = 0, False
        if self.pace > LEAST:
            self.pace /= 2
            self._notify(f"the network cannot follow: it sees 1 of {round(1 / self.pace)} of its samples")

    def _raise(self) -> None:
        self.pace, self._calm, self._raised = 2 * self.pace, 0, True
        rest = f"1 of {round(1 / self.pace)} of its samples" if self.pace < 1 else "all of its samples again"
        self._notify(f"the network follows: it sees {rest}")
