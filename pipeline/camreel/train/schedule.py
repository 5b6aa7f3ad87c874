"""What depends on the time: the learning rate, periodic work, and early stopping."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

WARM_UP_SHARE = 0.05
"""Share of the training in which the learning rate rises."""


def learning_rate(share: float, highest: float) -> float:
    """Return the learning rate: a linear warm-up from a tenth, then a cosine to 0.

    Args:
        share: share of the training that is over, in [0, 1].
        highest: rate after the warm-up.

    Example:
        >>> learning_rate(0.0, 1e-3), learning_rate(0.05, 1e-3), learning_rate(1.0, 1e-3)
        (0.0001, 0.001, 0.0)
    """
    if share < WARM_UP_SHARE:
        return highest * (0.1 + 0.9 * share / WARM_UP_SHARE)
    return highest * 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARM_UP_SHARE) / (1 - WARM_UP_SHARE))))


class PeriodicTimer:
    """A timer for work that is repeated, less often if it takes long.

    Args:
        interval: seconds between two times.
        start: seconds on the clock now.
        max_share: maximum share of the time that the work may take.
    """

    def __init__(self, interval: float, start: float, max_share: float = 1.0) -> None:
        self._interval = interval
        self._max_share = max_share
        self._next = start + interval

    def is_due(self, time: float) -> bool:
        """Return whether the work is due at a time in seconds."""
        return time >= self._next

    def restart(self, begin: float, end: float) -> None:
        """Wait for the next time, after the work was done between two times in seconds."""
        self._next = end + max(self._interval, (end - begin) / self._max_share)


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Training in epochs: a validation after each, the best checkpoint kept, an end when nothing improves."""

    steps_per_epoch: int
    max_epochs: int
    patience: int
    """Epochs in a row without a better network after which the training ends."""


@dataclass(slots=True)
class TrainingHistory:
    """The validations of a training, in order."""

    rank: Callable[[Mapping[str, float]], tuple[float, ...]]
    """Sort key of an entry, see `Task.rank`."""
    entries: list[dict[str, float]] = field(default_factory=list)

    @property
    def best(self) -> int:
        """Index of the best entry; the first of several equal ones."""
        return max(range(len(self.entries)), key=lambda index: self.rank(self.entries[index]))

    def is_over(self, stopping: EarlyStopping) -> bool:
        """Return whether all epochs are done, or nothing has improved for `patience` epochs."""
        if not self.entries:
            return False
        last = self.entries[-1]["epoch"]
        return last >= stopping.max_epochs or last - self.entries[self.best]["epoch"] >= stopping.patience
