"""The fast guided filter, which pulls maps to the edges of a picture: a pure function that several stages share."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.structures import F32

REACH = 0.07
"""Half the filter's window, as a share of the longer side: smaller leaves evidence beside the actor, larger joins neighbours."""
EPSILON = 0.001
"""Variance of luma (in [0, 1]) under which the picture counts as flat."""


def guided(guide: F32, maps: F32, reach: float = REACH, epsilon: float = EPSILON) -> F32:
    """The fast guided filter (He, Sun: Fast Guided Filter, arXiv 1505.00996): locally, maps become linear functions of the guide.

    The coefficients are found at the size of the maps and applied at that of the guide.

    Args:
        guide: [H, W] in [0, 1].
        maps: [S, h, w], any unit.
        reach: half the window, as a share of the longer side.
        epsilon: variance of the guide under which it is ignored.

    Returns:
        [S, H, W]
    """
    height, width = maps.shape[1:]
    side = 2 * max(1, round(reach * max(height, width))) + 1
    coarse = shrunk(guide, (width, height))

    def mean(planes: F32) -> F32:
        return np.stack([cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT) for plane in planes])

    guide_mean, guide_square = mean(np.stack([coarse, coarse * coarse]))
    values_mean = mean(maps)
    slope = (mean(coarse * maps) - guide_mean * values_mean) / (guide_square - guide_mean**2 + np.float32(epsilon))
    both = mean(np.concatenate([slope, values_mean - slope * guide_mean]))
    fine = [cv2.resize(plane, guide.shape[::-1], interpolation=cv2.INTER_LINEAR) for plane in both]
    pairs = zip(fine[: len(maps)], fine[len(maps) :], strict=True)
    return np.stack([np.asarray(slope * guide + offset, np.float32) for slope, offset in pairs])


def shrunk(guide: F32, size: tuple[int, int]) -> F32:
    """The guide at (width, height), which is not larger than it."""
    return np.asarray(cv2.resize(guide, size, interpolation=cv2.INTER_AREA), np.float32)
