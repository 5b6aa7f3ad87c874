"""Average precision of things found against things that are there, whatever they are: segments, boxes, tubes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Place = TypeVar("Place", bound=Hashable)
Thing = TypeVar("Thing")


def matched_precision(
    found: Sequence[tuple[float, Place, Thing]],
    true: Mapping[Place, Sequence[Thing]],
    overlap: Callable[[Thing, Thing], float],
    least: float,
) -> float:
    """Interpolated average precision of one class.

    Things are taken from the surest on; each is right if it overlaps a true one in its place, that none before it took, by at
    least `least`, and takes the one that it overlaps most.

    Args:
        found: score, place (a video, or a frame of one) and thing.
        true: the true things by place, at least one in all.
        overlap: of two things, in [0, 1].
        least: overlap.
    """
    mine = sorted(found, key=lambda item: -item[0])
    taken: set[tuple[Place, int]] = set()
    right = np.zeros(len(mine), bool)
    for rank, (_, place, thing) in enumerate(mine):
        free = [(overlap(thing, t), i) for i, t in enumerate(true.get(place, ())) if (place, i) not in taken]
        best, index = max(free, default=(0.0, -1))
        if index >= 0 and best >= least:
            taken.add((place, index))
            right[rank] = True
    return _interpolated(right, sum(map(len, true.values())))


def _interpolated(right: NDArray[np.bool_], total: int) -> float:
    """The area under precision over recall, precision being the best at any recall at least as high."""
    if not len(right):
        return 0.0
    hits = np.cumsum(right)
    precision = np.maximum.accumulate((hits / np.arange(1, len(right) + 1))[::-1])[::-1]
    return float((precision * right).sum() / total)
