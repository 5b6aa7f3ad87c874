"""Parts of a clip taken away, or brought back, in an order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from camreel.structures import F32, U8

Order = NDArray[np.int64]
"""Positions, the first to be taken first."""

STEPS = 10
"""Of the share that is removed, from none to all."""
BLUR = 0.1
"""Standard deviation of the blur that takes a cell away, as a share of the picture's short side."""


def blurred(pictures: U8) -> U8:
    """Pictures [T, h, w, 3] in which nobody can be told from anybody."""
    spread = BLUR * min(pictures.shape[1:3])
    return np.stack([np.asarray(cv2.GaussianBlur(picture, (0, 0), spread), np.uint8) for picture in pictures])


def ranked(values: F32, chance: Order) -> Order:
    """The positions of values [...] from the largest on; equal ones are left to chance, as where a map says nothing.

    Args:
        values: N in all.
        chance: an order of them [N].
    """
    return chance[np.argsort(-values.ravel()[chance], kind="stable")]


def fading(before: U8, after: U8, order: Order) -> Iterator[U8]:
    """One clip turning into another [T, h, w, 3], cell by cell, in equal steps.

    Args:
        before: what is removed.
        after: what it is replaced by.
        order: of the T * h * w cells.

    Yields:
        What is between the two, `STEPS` - 1 clips.
    """
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    step = rank.reshape(before.shape[:3]) * STEPS // len(order)
    for done in range(1, STEPS):
        yield np.where((step < done)[..., None], after, before)


def stops(samples: int) -> Order:
    """How many of a clip's samples are removed at every step; the last one always stays."""
    return np.unique(np.rint(np.linspace(0, samples - 1, STEPS + 1)).astype(np.int64))


def stilled(pictures: U8, order: Order) -> Iterator[U8]:
    """A clip [T, h, w, 3] that loses its motion: what is removed becomes like the nearest sample that is kept.

    Args:
        pictures: the clip.
        order: of the T samples.

    Yields:
        A clip for every one of `stops` but the first.
    """
    samples = np.arange(len(pictures))
    for removed in stops(len(pictures))[1:]:
        kept = np.sort(order[removed:])
        yield pictures[kept[np.abs(samples[:, None] - kept).argmin(axis=1)]]


def area(scores: Sequence[float], removed: Order | None = None) -> float:
    """The area under scores over the share that is removed (trapezoids), in [0, 1].

    Args:
        scores: of every step [S].
        removed: how much is removed at each [S]; None: the steps are equal.
    """
    at = np.arange(len(scores)) if removed is None else removed
    return float(np.trapezoid(scores, at / at[-1]))
