"""Grids of cells on a picture: tiling, resizing of planes, and the fast guided filter."""

from __future__ import annotations

import cv2
import numpy as np

from camreel.structures import F32, U8, Grid

RADIUS = 0.07
"""Half the filter window as a share of the longer side; smaller leaves heat beside the actor, larger joins actors."""
EPSILON = 0.001
"""Variance of luma (in [0, 1]) below which the picture counts as flat."""


def fit_cells(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Scale a picture of width x height pixels to `long_side` cells.

    Returns:
        (rows, columns): at least 1, and never more than there are pixels.
    """
    scale = min(1.0, long_side / max(width, height))
    return max(1, round(height * scale)), max(1, round(width * scale))


def tiling(cells: tuple[int, int], picture: tuple[int, int]) -> Grid:
    """Return the grid of cells that tile a picture.

    Args:
        cells: (rows, columns).
        picture: (width, height) in pixels.

    Example:
        >>> tiling((2, 4), (80, 40))
        Grid(start=(9.5, 9.5), jump=(20.0, 20.0))
    """
    jump = picture[1] / cells[0], picture[0] / cells[1]
    return Grid(((jump[0] - 1) / 2, (jump[1] - 1) / 2), jump)


def shrink_plane(plane: U8, width: int, height: int) -> U8:
    """Shrink a plane [H, W] to [height, width] without aliasing, at a tenth of the cost of averaging over all pixels.

    The plane is halved, which processors do fast, while it stays larger than the result, and then interpolated.
    """
    plane = np.ascontiguousarray(plane)
    while plane.shape[1] >= 2 * width and plane.shape[0] >= 2 * height:
        half = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2]
        size = half.shape[1] // 2, half.shape[0] // 2
        plane = np.asarray(cv2.resize(half, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


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
