"""Dense optical flow between two frames, and whether they agree: what several stages share."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from pipeline.shrink import shrink_plane
from pipeline.structures import F32, U8, Picture

LONG_SIDE = 214
"""Of the pictures that flow is computed on, in pixels: measured best for accuracy per millisecond."""
LEAST_SIDE = 64
"""Short side likewise: below 8 pixels on its coarsest scale (an eighth of this) the search reads outside the picture and
crashes."""
GUARD = 12.0
"""Luma levels of disagreement at which two pictures agree by exp(-1)."""
CUT = 0.35
"""Scene cut where the mean agreement falls below this."""


class OpticalFlow:
    """DIS flow (Kroeger et al., ECCV 2016)."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def __call__(self, target: U8, origin: U8) -> F32:
        """From where in `origin` [H, W] each pixel of `target` [H, W] came: its (dx, dy) [H, W, 2], in pixels."""
        flow = self._dis.calc(target, origin, None)  # type: ignore[call-overload]  # the stubs want a buffer
        return np.asarray(flow, np.float32)


def small_luma(picture: Picture) -> U8:
    """A picture's luma at the size for flow."""
    scale = min(1.0, LONG_SIDE / max(picture.width, picture.height))
    return shrink_plane(picture.y, *(max(LEAST_SIDE, round(side * scale)) for side in (picture.width, picture.height)))


def agreement(one: F32, other: F32) -> F32:
    """How much two pictures [h, w] in luma levels agree, by cell, in [0, 1]."""
    difference = cv2.blur(cv2.absdiff(one, other), (3, 3))
    return np.asarray(np.exp(-((difference / GUARD) ** 2)), np.float32)


def origins(flow: F32, shape: tuple[int, int]) -> F32:
    """Where in the one picture each of (h, w) cells of the other came from: (x, y) in cells [h, w, 2], from the flow [H, W, 2]."""
    height, width = shape
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    shift = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) * scale
    return np.asarray(shift + _mesh(height, width), np.float32)


@cache
def _mesh(height: int, width: int) -> F32:
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def carry(values: F32, source: F32) -> F32:
    """Values [h, w] or [h, w, S] read at the points (x, y) of `source` [h, w, 2]; held beyond the edges."""
    carried = cv2.remap(values, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(carried, np.float32).reshape(values.shape)
