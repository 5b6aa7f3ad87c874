"""The pointing game: whether the peak of a class's map is on an actor of that class.

Zhang et al., "Top-down neural attention by excitation backprop" (ECCV 2016).
"""

from __future__ import annotations

import math

import numpy as np

from camreel.metrics import Bools
from camreel.structures import F32

TOLERANCE_PIXELS = 15
"""Distance by which a peak may miss in the tolerant pointing game, in pixels of the displayed picture."""
TOLERANCE_SHARE = 0.05
"""The same as a share of the picture's height, for boxes that are drawn by eye."""


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
