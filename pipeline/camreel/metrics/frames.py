"""How well scores say what and when, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from camreel.structures import F32

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]

AWAY = 0.5
"""Seconds around an action in which a signal is early or late rather than false: `temporal_iou` measures that."""
LONGEST_LAG = 1.0
"""Seconds by which scores are shifted to find their lag."""


def macro_f1(found: Sequence[Bool], true: Sequence[Bool]) -> float:
    """F1 of "active on this frame" over all frames of all videos, averaged over the classes that occur.

    Args:
        found: active by the scores, [T, C] each.
        true: active by the truth, [T, C] each.
    """
    f, t = np.concatenate(found), np.concatenate(true)
    occurs = t.any(axis=0)
    if not occurs.any():
        return float("nan")
    f1 = 2 * (f & t).sum(axis=0) / np.maximum(f.sum(axis=0) + t.sum(axis=0), 1)
    return float(f1[occurs].mean())


def idle(times: F64, true: Bool) -> Bool:
    """Frames on which nobody performs any class, nor did or will within `AWAY`: whether an action has ended there is no question.

    Args:
        times: of the frames in seconds, ascending [T].
        true: active by the truth [T, C].

    Returns:
        [T]
    """
    busy = times[true.any(axis=1)]
    if not len(busy):
        return np.ones(len(times), bool)
    after = np.clip(np.searchsorted(busy, times), 0, len(busy) - 1)
    nearest = np.minimum(np.abs(busy[after] - times), np.abs(busy[np.maximum(after - 1, 0)] - times))
    return np.asarray(nearest > AWAY)


def false_signal(found: Sequence[Bool], still: Sequence[Bool]) -> float:
    """The share of idle frames on which some class is active by the scores; NaN where there are no idle frames.

    Args:
        found: active by the scores, [T, C] each.
        still: idle by the truth, [T] each.
    """
    said, where = np.asarray(np.concatenate(found).any(axis=1)), np.concatenate(still)
    return float(said[where].mean()) if where.any() else float("nan")


def temporal_iou(found: Sequence[Bool], true: Sequence[Bool]) -> float:
    """The mean, over every class present in every video, of the overlap of its active frames with the true ones."""
    overlaps = [
        (f[:, c] & t[:, c]).sum() / (f[:, c] | t[:, c]).sum()
        for f, t in zip(found, true, strict=True)
        for c in np.flatnonzero(t.any(axis=0))
    ]
    return float(np.mean(overlaps)) if overlaps else float("nan")


def lag(times: F64, scores: F32, true: Bool) -> float:
    """Seconds by which a score trails the truth: the shift at which the two correlate best.

    Args:
        times: of the frames in seconds [T].
        scores: of one class [T].
        true: whether it is performed [T].

    Returns:
        Negative where the score comes first; NaN where the truth or the score never changes.
    """
    if len(times) < 3 or true.all() or not true.any() or np.ptp(scores) == 0:
        return float("nan")
    step = float(np.median(np.diff(times)))
    most = min(round(LONGEST_LAG / step), len(times) // 2)
    shifts = np.array(sorted(range(-most, most + 1), key=abs))
    count = len(times)
    fits = [_correlation(scores[max(s, 0) : count + min(s, 0)], true[max(-s, 0) : count - max(s, 0)]) for s in shifts]
    return float(shifts[int(np.argmax(fits))] * step)


def _correlation(a: F32, b: Bool) -> float:
    """Pearson's; -1 where one of the two does not change."""
    if np.ptp(a) == 0 or b.all() or not b.any():
        return -1.0
    return float(np.corrcoef(a, b)[0, 1])
