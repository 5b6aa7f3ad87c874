"""Perturbations of a clip: parts are removed, or brought back, step by step in a given order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from camreel.structures import F32, U8, Ints

STEPS = 10
"""Steps from the intact clip to the fully perturbed one."""
BLUR = 0.1
"""Standard deviation of the blur that removes a cell, as a share of the picture's short side."""


def blur_pictures(pictures: U8) -> U8:
    """Return pictures [T, h, w, 3] blurred so much that no person can be recognized."""
    spread = BLUR * min(pictures.shape[1:3])
    return np.stack([np.asarray(cv2.GaussianBlur(picture, (0, 0), spread), np.uint8) for picture in pictures])


def rank_by_evidence(evidence: F32, random_order: Ints) -> Ints:
    """Return the positions of values in descending order; equal values keep their random order.

    Args:
        evidence: values [...], N in all.
        random_order: a permutation of the positions [N].
    """
    return random_order[np.argsort(-evidence.ravel()[random_order], kind="stable")]


def replace_stepwise(before: U8, after: U8, order: Ints) -> Iterator[U8]:
    """Turn one clip into another, cell by cell in equal steps.

    Args:
        before: clip at the start [T, h, w, 3].
        after: clip at the end [T, h, w, 3].
        order: order in which the T * h * w cells are replaced.

    Yields:
        The `STEPS` - 1 clips between the two.
    """
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    step = rank.reshape(before.shape[:3]) * STEPS // len(order)
    for done in range(1, STEPS):
        yield np.where((step < done)[..., None], after, before)


def frozen_counts(samples: int) -> Ints:
    """Return how many samples of a clip are frozen at each step, from none to all but one."""
    return np.unique(np.rint(np.linspace(0, samples - 1, STEPS + 1)).astype(np.int64))


def freeze_stepwise(pictures: U8, order: Ints) -> Iterator[U8]:
    """Take the motion out of a clip: frozen samples become copies of the nearest sample that is left.

    Args:
        pictures: clip [T, h, w, 3].
        order: order in which the T samples are frozen.

    Yields:
        A clip for each entry of `frozen_counts` but the first.
    """
    samples = np.arange(len(pictures))
    for frozen in frozen_counts(len(pictures))[1:]:
        left = np.sort(order[frozen:])
        yield pictures[left[np.abs(samples[:, None] - left).argmin(axis=1)]]


def area_under(scores: Sequence[float], removed: Ints | None = None) -> float:
    """Return the area under scores over the share that is removed (trapezoidal rule), in [0, 1].

    Args:
        scores: score at each step.
        removed: how much is removed at each step; None: the steps are equal.

    Example:
        >>> area_under([1.0, 0.5, 0.0])
        0.5
    """
    x = np.arange(len(scores)) if removed is None else removed
    return float(np.trapezoid(scores, x / x[-1]))
