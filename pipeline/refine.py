"""FrameActivation* -> FrameActivation*: pull the maps to the edges of the picture.

Evidence is where something is told from something else: between a hand's turning points, beside a leg. The filter moves it onto
what has an outline there. Measured on DAVIS (9 clips, real ImageNet weights, target given): the peak lies in the object on 85 % of
the frames, without it on 60 %.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.guided import guided
from pipeline.shrink import shrink_plane
from pipeline.structures import FrameActivation, Grid

LONG_SIDE = 214
"""Cells along the picture's longer side after refinement."""


def refine(activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
    """Filters the maps with the frame's luma as guide, and gives them twice the projected size."""
    for activation in activations:
        if not len(activation.classes):
            yield activation
            continue
        picture = activation.frame.picture
        scale = min(1.0, LONG_SIDE / max(picture.width, picture.height))
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        luma = shrink_plane(picture.y, *size).astype(np.float32) / np.float32(255)
        maps = guided(luma, activation.maps)
        jump = (picture.height / size[1], picture.width / size[0])
        yield dataclasses.replace(activation, maps=maps, grid=Grid(((jump[0] - 1) / 2, (jump[1] - 1) / 2), jump))
