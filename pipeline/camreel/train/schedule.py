"""What depends on how much of the time is over: the learning rate, and when something is due."""

from __future__ import annotations

import math

WARM_UP = 0.05
"""Share of the time in which the learning rate rises."""


def learning_rate(share: float, highest: float) -> float:
    """Rises in a line from a tenth, then falls as a cosine to 0.

    Args:
        share: how much of the time is over, in [0, 1].
        highest: the rate at its highest.
    """
    if share < WARM_UP:
        return highest * (0.1 + 0.9 * share / WARM_UP)
    return highest * 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARM_UP) / (1 - WARM_UP))))


class Due:
    """Says when something is to be done again.

    Args:
        every: seconds between.
        start: seconds on the clock now.
        cost: share of the time that it may take; where it takes long it is done less often.
    """

    def __init__(self, every: float, start: float, cost: float = 1.0) -> None:
        self._every = every
        self._cost = cost
        self._next = start + every

    def now(self, time: float) -> bool:
        """Whether it is due."""
        return time >= self._next

    def done(self, begin: float, end: float) -> None:
        """Notes that it was done between two times."""
        self._next = end + max(self._every, (end - begin) / self._cost)
