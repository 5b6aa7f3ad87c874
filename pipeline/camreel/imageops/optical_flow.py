"""Dense optical flow between two frames, and the agreement of two pictures."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from camreel.imageops.resize import shrink_plane
from camreel.structures import F32, U8, Picture

FLOW_LONG_SIDE = 214
"""Long side in pixels of the pictures that flow is computed on: measured best for accuracy per millisecond."""
FLOW_SHORT_SIDE = 64
"""Minimum short side in pixels. With fewer than 8 pixels on the coarsest scale (an eighth of this), the search of
OpenCV reads outside the picture and crashes."""
AGREEMENT_LEVELS = 12.0
"""Difference in luma levels at which the agreement of two pictures falls to exp(-1)."""
CUT_AGREEMENT = 0.35
"""Mean agreement below which two frames are separated by a scene cut."""


class OpticalFlow:
    """DIS optical flow (Kroeger et al., ECCV 2016)."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def __call__(self, target: U8, origin: U8) -> F32:
        """Return the displacement (dx, dy) [H, W, 2] from each pixel of `target` [H, W] to its position in `origin`."""
        flow = self._dis.calc(target, origin, None)  # type: ignore[call-overload]  # the stubs want a buffer
        return np.asarray(flow, np.float32)


def flow_luma(picture: Picture) -> U8:
    """Return the luma of a picture at the size that flow is computed on."""
    scale = min(1.0, FLOW_LONG_SIDE / max(picture.width, picture.height))
    sides = (max(FLOW_SHORT_SIDE, round(side * scale)) for side in (picture.width, picture.height))
    return shrink_plane(picture.y, *sides)


def agreement(one: F32, other: F32) -> F32:
    """Return the agreement of two pictures [h, w] in luma levels, per cell, in [0, 1]."""
    difference = cv2.blur(cv2.absdiff(one, other), (3, 3))
    return np.asarray(np.exp(-((difference / AGREEMENT_LEVELS) ** 2)), np.float32)


def flow_origins(flow: F32, shape: tuple[int, int]) -> F32:
    """Convert flow [H, W, 2] to the origin (x, y) of each of (h, w) cells, in cells [h, w, 2]."""
    height, width = shape
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    shift = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) * scale
    return np.asarray(shift + _mesh(height, width), np.float32)


@cache
def _mesh(height: int, width: int) -> F32:
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def warp(values: F32, origins: F32) -> F32:
    """Read values [h, w] or [h, w, S] at the points (x, y) of `origins` [h, w, 2]; beyond the edges they are held."""
    warped = cv2.remap(values, origins, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(warped, np.float32).reshape(values.shape)
