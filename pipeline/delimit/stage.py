"""FrameActivation* -> FrameActivation*: how far whoever acts extends, for the boxes.

A class's evidence is where it differs from other classes: a hand, not the person. A box shall hold the person. What belongs to
people moves, be it a little, is evidence of something, be it against the class, and has the colours of what moves. All three say
where people are, and none knows classes; `locate` takes what of it is near a class's evidence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.delimit.colours import Colours
from pipeline.delimit.motion import Motion
from pipeline.guided import guided
from pipeline.shrink import shrink_plane
from pipeline.structures import F32, FrameActivation

SHARE = 0.75
"""Weight of the evidence beside the motion."""
REACH = 0.037
"""Of the guided filter: half its window as a share of the longer side. It must not join limbs with what is beside them."""
STEEP, LEVEL = 4.0, 0.35
"""Logit of somebody being there: by so much motion and evidence, relative to the most, it is even."""


def delimit(activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
    """Adds the extent, on the grid of the maps; wants maps of all classes that there are, on a grid that tiles the picture."""
    motion, colours = Motion(), Colours()
    for activation in activations:
        frame = activation.frame
        height, width = activation.maps.shape[1:]
        luma = shrink_plane(frame.picture.y, width, height).astype(np.float32)
        moving = motion(frame, luma, activation.flow)
        if moving is None:
            colours.forget()
            moving = np.zeros((height, width), np.float32)
        signs = relative(moving) + SHARE * relative(evident(activation.maps))
        if signs.any():
            signs = relative(np.maximum(guided(luma / np.float32(255), signs[None], REACH)[0], 0))
            signs = colours(frame.picture, frame.time, np.float32(STEEP) * (signs - np.float32(LEVEL)))
        yield dataclasses.replace(activation, extent=signs)


def evident(maps: F32) -> F32:
    """Evidence for or against anything: the sum over maps [S, h, w] of how far they are from what they mostly are."""
    if not len(maps):
        return np.zeros(maps.shape[1:], np.float32)
    # Every other cell in both directions tells what most cells are.
    usual = np.median(maps[:, ::2, ::2], axis=(1, 2), keepdims=True)
    return np.asarray(np.abs(maps - usual).sum(axis=0), np.float32)


def relative(cells: F32) -> F32:
    """Over the largest; zeros stay zeros."""
    return cells / np.float32(max(float(cells.max(initial=0.0)), 1e-9))
