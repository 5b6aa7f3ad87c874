"""What the scores say of short windows, as the network was trained on them: 16 samples at 12 per second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from camreel.structures import F32

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]

RATE = 12.0
LENGTH = 16
ACTIVE, UNSURE = 0.4, 0.1
"""A class is active in a window from the first share of its samples on, and cannot be told from the second on."""


def windows(times: F64, logits: F32, true: Bool) -> tuple[F32, F32]:
    """The windows of a video in a row, without overlap; what is left at its end is left out.

    Args:
        times: of the frames in seconds [T].
        logits: [T, C].
        true: which classes are performed [T, C].

    Returns:
        Mean logits and share of the samples in which a class is performed, [W, C] each.
    """
    ticks = np.arange(int((times[-1] - times[0]) * RATE) + 1) / RATE + times[0]
    frames = np.abs(times[None] - ticks[:, None]).argmin(axis=1)
    count = len(frames) // LENGTH
    shape = count, LENGTH, logits.shape[1]
    mean, share = (values[frames[: count * LENGTH]].reshape(shape).mean(axis=1) for values in (logits, true))
    return mean.astype(np.float32), share.astype(np.float32)


def top1(logits: F32, share: F32) -> float:
    """The share of windows with one active class in which that class has the largest logit; NaN where there is none.

    Args:
        logits: [W, C].
        share: of the samples in which a class is performed [W, C].
    """
    active = share >= ACTIVE
    single = active.sum(axis=1) == 1
    if not single.any():
        return float("nan")
    return float((logits[single].argmax(axis=1) == active[single].argmax(axis=1)).mean())


def mean_average_precision(logits: F32, share: F32) -> float:
    """Average precision of the windows of a class, averaged over the classes that are active in any.

    Windows in which a class is performed for 10 to 40 % of the samples do not count for it.

    Args:
        logits: [W, C].
        share: [W, C].
    """
    values = []
    for c in range(logits.shape[1]):
        counted = (share[:, c] >= ACTIVE) | (share[:, c] < UNSURE)
        positive = share[counted, c] >= ACTIVE
        if positive.any():
            values.append(average_precision(logits[counted, c], positive))
    return float(np.mean(values)) if values else float("nan")


def average_precision(scores: F32, positive: Bool) -> float:
    """The sum, over the distinct scores from high to low, of precision times the recall gained there; ties count as one step."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[ends]
    precision, recall = hits / (ends + 1), hits / positive.sum()
    return float((precision * np.diff(recall, prepend=0)).sum())


def pooled(parts: Sequence[tuple[F32, F32]]) -> tuple[F32, F32]:
    """The windows of several videos as one."""
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
