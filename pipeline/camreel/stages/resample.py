"""FrameActivation* -> FrameActivation*: resample the maps to cells that tile the picture, at their true positions.

The cells of a network are centered at start + jump * j, which is not where half-pixel upsampling puts them: that would
shift the heat by up to 7 % of the picture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from camreel.imageops.grid import fit_cells, tiling
from camreel.structures import F32, FrameActivation

MAP_SIDE = 107
"""Long side of the resampled maps in cells: finer than any network's grid, cheap to smooth."""


def resample(activations: Iterable[FrameActivation], long_side: int = MAP_SIDE) -> Iterator[FrameActivation]:
    """Interpolate the maps linearly at cells that tile the picture; beyond the outermost cells they are held.

    Args:
        activations: activations on the network's grid.
        long_side: cells along the longer side of the picture.
    """
    for activation in activations:
        picture = activation.frame.picture
        yield resample_maps(activation, fit_cells(picture.width, picture.height, long_side))


def resample_maps(activation: FrameActivation, shape: tuple[int, int]) -> FrameActivation:
    """Return the activation with maps of (rows, columns) cells that tile the picture."""
    picture, grid = activation.frame.picture, activation.grid
    target = tiling(shape, (picture.width, picture.height))
    if not len(activation.classes):
        return dataclasses.replace(activation, maps=np.empty((0, *shape), np.float32), grid=target)
    rows, columns = (
        interpolation_matrix(
            (grid.start[axis], grid.jump[axis], activation.maps.shape[axis + 1]),
            (target.start[axis], target.jump[axis], shape[axis]),
        )
        for axis in (0, 1)
    )
    return dataclasses.replace(activation, maps=np.asarray(rows @ activation.maps @ columns.T, np.float32), grid=target)


def interpolation_matrix(cells: tuple[float, float, int], points: tuple[float, float, int]) -> F32:
    """Return the matrix [points, cells] of linear interpolation along one axis.

    Args:
        cells: (start, jump, count): cell j lies at start + jump * j.
        points: (start, jump, count) of the points to interpolate at.
    """
    start, jump, count = cells
    first, step, wanted = points
    position = np.clip((first + step * np.arange(wanted) - start) / jump, 0, count - 1)
    low = np.minimum(position.astype(int), max(count - 2, 0))
    matrix = np.zeros((wanted, count), np.float32)
    fraction = position - low
    matrix[np.arange(wanted), low] = 1 - fraction
    if count > 1:
        matrix[np.arange(wanted), low + 1] = fraction
    return matrix
