"""How well a map says where: pointing, energy and boxes, for one class on one frame."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from camreel.structures import F32

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]

TOLERANCE = 15
"""Pixels of the picture's own size by which a peak may miss in the tolerant pointing game."""
NEAR = 0.05
"""The same as a share of the picture's height, where boxes are drawn by eye."""
IOUS = (0.3, 0.5, 0.7)
"""Overlaps that a box must reach in MaxBoxAccV2."""


def distance(mask: Bool, peak: tuple[float, float] | None, reach: int = TOLERANCE) -> float:
    """Pixels from a peak to the nearest pixel of a mask.

    Args:
        mask: [H, W].
        peak: (x, y) in pixels, rounded to the nearest; None: the map has no evidence.
        reach: pixels beyond which nobody asks.

    Returns:
        0 inside the mask; infinity without a peak, or where it misses by more than `reach` in x or y.
    """
    if peak is None:
        return np.inf
    column, row = round(peak[0]), round(peak[1])
    top, left = max(row - reach, 0), max(column - reach, 0)
    rows, columns = np.nonzero(mask[top : row + reach + 1, left : column + reach + 1])
    if rows.size == 0:
        return np.inf
    return float(np.hypot(rows + top - row, columns + left - column).min())


def painted(boxes: F32, shape: tuple[int, int]) -> Bool:
    """The pixels of a picture of (H, W) in any of the boxes [N, 4] (xyxy, half-open, edges rounded to whole pixels)."""
    mask = np.zeros(shape, bool)
    for left, top, right, bottom in np.rint(boxes).astype(int).tolist():
        mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    return mask


def verdict(peak: tuple[float, float] | None, aim: Bool, ignored: Bool, others: Bool) -> tuple[float, float]:
    """Whether a peak hits, within `NEAR` of the picture's height, and whether it is on somebody else instead, exactly.

    Args:
        peak: (x, y) in pixels; None: the map has no evidence.
        aim: what it should be on [H, W].
        ignored: people that count neither way [H, W].
        others: those who do something else [H, W].

    Returns:
        1 or 0 each; NaN both where the peak counts neither way: on people to be ignored, on nobody else, and no hit.
    """
    reach = NEAR * len(aim)
    hit = distance(aim, peak, math.ceil(reach)) <= reach
    on_aim, on_ignored, on_others = (distance(mask, peak, 0) == 0 for mask in (aim, ignored, others))
    if on_ignored and not on_others and not hit:
        return math.nan, math.nan
    return float(hit), float(on_others and not on_aim)


def cover(mask: Bool, shape: tuple[int, int]) -> F32:
    """The share of every cell that a mask covers.

    Args:
        mask: [H, W].
        shape: (h, w) of cells that tile the picture.
    """
    small = cv2.resize(mask.astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def energy(saliency: F32, covered: F32) -> float:
    """The share of a map's positive mass inside a mask.

    Args:
        saliency: [h, w]; what is negative does not count.
        covered: the share of every cell [h, w] that the mask covers.

    Returns:
        In [0, 1]; 0 where there is no mass.
    """
    mass = np.maximum(saliency, 0).astype(np.float64)
    total = mass.sum()
    return float((mass * covered).sum() / total) if total > 0 else 0.0


def overlaps(a: F32, b: F32) -> F64:
    """Intersection over union of boxes [..., 4] (xyxy), pair by pair as NumPy broadcasts them."""
    one, other = a.astype(np.float64), b.astype(np.float64)
    sides = np.clip(np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2]), 0, None)
    shared = sides[..., 0] * sides[..., 1]
    areas = [(x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1]) for x in (one, other)]
    return np.asarray(shared / (areas[0] + areas[1] - shared), np.float64)


def best_iou(boxes: F32, truths: F32) -> float:
    """The largest intersection over union of any box [M, 4] with any true box [N, 4] (xyxy); 0 where there is none."""
    if not len(boxes) or not len(truths):
        return 0.0
    return float(overlaps(boxes[:, None], truths[None]).max())


def box_accuracy(ious: F32) -> F64:
    """For each of K thresholds the mean, over the overlaps .3, .5 and .7, of the share of class-frames that reach it.

    Args:
        ious: best overlap of every class-frame at every threshold [N, K], N > 0.

    Returns:
        [K]
    """
    return np.asarray(np.mean([(ious >= least).mean(axis=0) for least in IOUS], axis=0), np.float64)


def over_videos(values: Iterable[F32 | F64 | Bool]) -> float:
    """The mean over videos of the mean over each one's class-frames [N]; videos without any are left out, NaN where all are."""
    means = [float(np.mean(each)) for each in values if len(each)]
    return float(np.mean(means)) if means else float("nan")
