"""The fast guided filter, which aligns maps with the edges of a picture."""

from __future__ import annotations

import cv2
import numpy as np

from camreel.structures import F32

RADIUS = 0.07
"""Half the filter window as a share of the longer side; smaller leaves heat beside the actor, larger joins actors."""
EPSILON = 0.001
"""Variance of luma (in [0, 1]) below which the picture counts as flat."""


def guided_filter(guide: F32, maps: F32, radius: float = RADIUS, epsilon: float = EPSILON) -> F32:
    """Filter maps so that they become locally linear functions of the guide (He and Sun, arXiv:1505.00996).

    The coefficients are computed at the size of the maps and applied at the size of the guide.

    Args:
        guide: [H, W] in [0, 1].
        maps: [S, h, w], in any unit.
        radius: half the window as a share of the longer side.
        epsilon: variance of the guide below which it is ignored.

    Returns:
        [S, H, W]
    """
    height, width = maps.shape[1:]
    side = 2 * max(1, round(radius * max(height, width))) + 1
    coarse = np.asarray(cv2.resize(guide, (width, height), interpolation=cv2.INTER_AREA), np.float32)

    def mean(planes: F32) -> F32:
        return np.stack([cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT) for plane in planes])

    guide_mean, guide_square = mean(np.stack([coarse, coarse * coarse]))
    values_mean = mean(maps)
    covariance = mean(coarse * maps) - guide_mean * values_mean
    slope = covariance / (guide_square - guide_mean**2 + np.float32(epsilon))
    both = mean(np.concatenate([slope, values_mean - slope * guide_mean]))
    fine = [cv2.resize(plane, guide.shape[::-1], interpolation=cv2.INTER_LINEAR) for plane in both]
    pairs = zip(fine[: len(maps)], fine[len(maps) :], strict=True)
    return np.stack([np.asarray(slope * guide + offset, np.float32) for slope, offset in pairs])
