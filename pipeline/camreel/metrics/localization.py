"""Metrics of maps and boxes on class-frames: energy, pixel precision, box accuracy, and the pointing game.

Pointing game: Zhang et al., "Top-down neural attention by excitation backprop" (ECCV 2016).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from camreel.metrics import F64, Bools
from camreel.structures import F32

SALIENCY_BINS = 1000
"""Bins of the histogram of saliency."""
BOX_IOUS = (0.3, 0.5, 0.7)
"""Overlaps that a box must reach in MaxBoxAccV2."""


TOLERANCE_PIXELS = 15
"""Distance by which a peak may miss in the tolerant pointing game, in pixels of the displayed picture."""
TOLERANCE_SHARE = 0.05
"""The same as a share of the picture's height, for boxes that are drawn by eye."""


def cell_coverage(mask: Bools, shape: tuple[int, int]) -> F32:
    """Return the share of every cell that a mask covers [h, w].

    Args:
        mask: mask [H, W].
        shape: (h, w) of cells that tile the picture.
    """
    small = cv2.resize(mask.astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def energy_inside(saliency: F32, coverage: F32) -> float:
    """Return the share of a map's positive mass that lies inside a mask, in [0, 1]; 0 if there is no mass.

    The energy-based pointing game of Wang et al., "Score-CAM" (CVPR workshops 2020).

    Args:
        saliency: map [h, w]; negative values do not count.
        coverage: share of every cell that the mask covers [h, w].
    """
    mass = np.maximum(saliency, 0).astype(np.float64)
    total = mass.sum()
    return float((mass * coverage).sum() / total) if total > 0 else 0.0


@dataclass(slots=True)
class PixelPrecision:
    """PxAP (Choe et al., "Evaluating weakly supervised object localization methods right", CVPR 2020).

    The area under precision over recall of the pixels at or above a saliency, over all thresholds and all frames of a
    video. Keeps a histogram instead of maps: saliency counts in thousandths. Every frame has the same weight.
    """

    shares: F64 = field(default_factory=lambda: np.zeros((2, SALIENCY_BINS + 1)))
    """Share of a picture by saliency, summed over frames: inside the masks, and outside [2, SALIENCY_BINS + 1]."""

    def add(self, saliency: F32, coverage: F32) -> None:
        """Add the map of a frame.

        Args:
            saliency: map in [0, 1], on cells that tile the picture [h, w].
            coverage: share of every cell that the mask covers [h, w].
        """
        bins = np.rint(saliency * SALIENCY_BINS).astype(int).ravel()
        for row, weight in zip(self.shares, (coverage, 1 - coverage), strict=True):
            row += np.bincount(bins, weight.ravel(), SALIENCY_BINS + 1) / bins.size

    @property
    def value(self) -> float:
        """The sum over thresholds, from high to low, of precision times the recall gained there; NaN without masks."""
        inside, outside = np.cumsum(self.shares[:, ::-1], axis=1)
        if inside[-1] <= 0:
            return float("nan")
        precision = inside / np.maximum(inside + outside, 1e-12)
        return float((precision * np.diff(inside, prepend=0)).sum() / inside[-1])


def box_iou(a: F32, b: F32) -> F64:
    """Return the intersection over union of boxes [..., 4] (xyxy), pair by pair as NumPy broadcasts them.

    Example:
        >>> float(box_iou(np.array([0, 0, 40, 10]), np.array([20, 0, 40, 10])))
        0.5
    """
    one, other = a.astype(np.float64), b.astype(np.float64)
    sides = np.clip(np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2]), 0, None)
    shared = sides[..., 0] * sides[..., 1]
    areas = [(x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1]) for x in (one, other)]
    return np.asarray(shared / (areas[0] + areas[1] - shared), np.float64)


def best_iou(boxes: F32, true_boxes: F32) -> float:
    """Return the largest overlap of any box [M, 4] with any true box [N, 4] (xyxy); 0 without boxes."""
    if not len(boxes) or not len(true_boxes):
        return 0.0
    return float(box_iou(boxes[:, None], true_boxes[None]).max())


def box_accuracy(ious: F32) -> F64:
    """Return the share of class-frames whose best box reaches an overlap, averaged over the overlaps .3, .5 and .7.

    MaxBoxAccV2 (Choe et al., CVPR 2020) before the choice of a threshold.

    Args:
        ious: best overlap of every class-frame at each of K thresholds [N, K], N > 0.

    Returns:
        Accuracy at each threshold [K].
    """
    return np.asarray(np.mean([(ious >= least).mean(axis=0) for least in BOX_IOUS], axis=0), np.float64)


def mean_over_videos(videos: Iterable[F32 | F64 | Bools]) -> float:
    """Return the mean over videos of the mean over the class-frames of each [N], so that long videos do not weigh more.

    Videos without class-frames are left out; NaN if all are.

    Example:
        >>> mean_over_videos([np.array([1.0]), np.array([0.0, 0.0, 0.0])])
        0.5
    """
    means = [float(np.mean(values)) for values in videos if len(values)]
    return float(np.mean(means)) if means else float("nan")


def peak_distance(mask: Bools, peak: tuple[float, float] | None, reach: int = TOLERANCE_PIXELS) -> float:
    """Return the distance in pixels from a peak to the nearest pixel of a mask.

    Args:
        mask: mask [H, W].
        peak: (x, y) in pixels, rounded to the nearest; None: the map has no evidence.
        reach: pixels in x or y beyond which the distance is not measured.

    Returns:
        0 inside the mask; infinity without a peak, or if the mask is out of reach.
    """
    if peak is None:
        return np.inf
    column, row = round(peak[0]), round(peak[1])
    top, left = max(row - reach, 0), max(column - reach, 0)
    rows, columns = np.nonzero(mask[top : row + reach + 1, left : column + reach + 1])
    if rows.size == 0:
        return np.inf
    return float(np.hypot(rows + top - row, columns + left - column).min())


def paint_boxes(boxes: F32, shape: tuple[int, int]) -> Bools:
    """Return the mask [H, W] of the pixels in any of the boxes.

    Args:
        boxes: boxes [N, 4] (xyxy, half-open); edges are rounded to whole pixels.
        shape: (H, W) of the picture.
    """
    mask = np.zeros(shape, bool)
    for left, top, right, bottom in np.rint(boxes).astype(int).tolist():
        mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    return mask


def judge_peak(
    peak: tuple[float, float] | None, actors: Bools, ignored: Bools, bystanders: Bools
) -> tuple[float, float]:
    """Return whether a peak hits an actor within `TOLERANCE_SHARE`, and whether it is exactly on a bystander instead.

    Args:
        peak: (x, y) in pixels; None: the map has no evidence.
        actors: mask of the people who perform the class [H, W].
        ignored: mask of the people that count neither as actors nor as bystanders [H, W].
        bystanders: mask of the people who do something else [H, W].

    Returns:
        1 or 0 each. Both are NaN if the peak misses the actors and is on an ignored person who is not hidden by a
        bystander.
    """
    reach = TOLERANCE_SHARE * len(actors)
    hit = peak_distance(actors, peak, math.ceil(reach)) <= reach
    on_actor, on_ignored, on_bystander = (peak_distance(mask, peak, 0) == 0 for mask in (actors, ignored, bystanders))
    if on_ignored and not on_bystander and not hit:
        return math.nan, math.nan
    return float(hit), float(on_bystander and not on_actor)
