"""FrameActivation* -> FrameActivation*: lay the maps on the picture, each cell where it truly lies.

A network's cells are centred at start + jump * j, which is not where half-pixel upsampling would put them: drawing them there
shifts the heat by up to 7 % of the picture. From here on maps are on a grid that tiles the picture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.structures import F32, FrameActivation, Grid

MAP_SIDE = 107
"""Long side of the projected maps in cells: finer than any network's grid, cheap to smooth."""


def project(activations: Iterable[FrameActivation], long_side: int = MAP_SIDE) -> Iterator[FrameActivation]:
    """Resamples the maps linearly to cells that tile the picture; beyond the outermost cells they are held.

    Args:
        activations: activations on the network's grid.
        long_side: cells along the picture's longer side.
    """
    for activation in activations:
        picture = activation.frame.picture
        yield on_picture(activation, fitted(picture.width, picture.height, long_side))


def fitted(width: int, height: int, long_side: int) -> tuple[int, int]:
    """(height, width) of width x height scaled to a long side: at least 1, never more than there is."""
    scale = min(1.0, long_side / max(width, height))
    return max(1, round(height * scale)), max(1, round(width * scale))


def on_picture(activation: FrameActivation, shape: tuple[int, int]) -> FrameActivation:
    """The activation's maps resampled to `shape` cells that tile the picture, each cell where it truly lies; held at the edges."""
    picture, grid = activation.frame.picture, activation.grid
    jump = (picture.height / shape[0], picture.width / shape[1])
    target = Grid(((jump[0] - 1) / 2, (jump[1] - 1) / 2), jump)
    if not len(activation.classes):
        return dataclasses.replace(activation, maps=np.empty((0, *shape), np.float32), grid=target)
    rows, columns = (
        _interpolation(
            activation.maps.shape[axis + 1], shape[axis], grid.start[axis], grid.jump[axis], target.start[axis], jump[axis]
        )
        for axis in (0, 1)
    )
    return dataclasses.replace(activation, maps=np.asarray(rows @ activation.maps @ columns.T, np.float32), grid=target)


def _interpolation(cells: int, points: int, start: float, jump: float, first: float, step: float) -> F32:
    """The matrix [points, cells] of linear interpolation from cells at start + jump * j to points at first + step * i."""
    at = np.clip((first + step * np.arange(points) - start) / jump, 0, cells - 1)
    low = np.minimum(at.astype(int), max(cells - 2, 0))
    matrix = np.zeros((points, cells), np.float32)
    fraction = at - low
    matrix[np.arange(points), low] = 1 - fraction
    if cells > 1:
        matrix[np.arange(points), low + 1] = fraction
    return matrix
