"""FrameActivation* -> FrameActivation*: pull the maps to the edges of the picture (optional)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from pipeline.shrink import shrink_plane
from pipeline.structures import F32, FrameActivation, Grid

LONG_SIDE = 214
"""Cells along the picture's longer side after refinement."""
RADIUS = 6
"""Of the filter's window, in cells."""
EPSILON = 0.01
"""Variance of luma (in [0, 1]) under which the picture counts as flat."""


def refine(activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
    """Filters each map with the frame's luma as guide, at twice the projected size."""
    for activation in activations:
        picture = activation.frame.picture
        scale = min(1.0, LONG_SIDE / max(picture.width, picture.height))
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        luma = shrink_plane(picture.y, *size).astype(np.float32) / np.float32(255)
        maps = np.empty((len(activation.classes), size[1], size[0]), np.float32)
        for i, cam in enumerate(activation.maps):
            maps[i] = guided(luma, np.asarray(cv2.resize(cam, size, interpolation=cv2.INTER_LINEAR), np.float32))
        jump = (picture.height / size[1], picture.width / size[0])
        yield dataclasses.replace(activation, maps=maps, grid=Grid(((jump[0] - 1) / 2, (jump[1] - 1) / 2), jump))


def guided(guide: F32, values: F32, radius: int = RADIUS, epsilon: float = EPSILON) -> F32:
    """The guided filter (He, Sun, Tang: Guided Image Filtering, TPAMI 2013): locally a linear function of the guide.

    Args:
        guide: [h, w] in [0, 1].
        values: [h, w], any unit.
        radius: of the square window, in cells.
        epsilon: variance of the guide under which it is ignored.
    """

    def mean(x: F32) -> F32:
        return np.asarray(cv2.blur(x, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT), np.float32)

    guide_mean, values_mean = mean(guide), mean(values)
    slope = (mean(guide * values) - guide_mean * values_mean) / (mean(guide * guide) - guide_mean**2 + epsilon)
    offset = values_mean - slope * guide_mean
    return mean(slope) * guide + mean(offset)
