"""Motion compensation: a localization moves along the optical flow from the frame it is for to the newest frame.

The network knows a frame only after it has seen some of the following ones; by then the actors are elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections import deque

import numpy as np

from camreel.imageops.grid import shrink_plane
from camreel.imageops.motion import CUT_AGREEMENT, OpticalFlow, agreement, flow_luma, flow_origins, warp
from camreel.structures import F32, U8, Action, Box, Frame, Localization

GRID_CELLS = 54
"""Cells along the longer side of the grid on which motion is followed."""
MAX_REACH_SECONDS = 4.0
"""Maximum age of a localization that is moved."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Step:
    """The motion from one displayed frame to the next."""

    index: int
    time: float
    """Seconds."""
    luma: U8
    """Luma at the size of the optical flow [H, W]."""
    small: F32
    """Luma on the grid [h, w]."""
    origins: F32
    """Position (x, y) of each cell on the frame before, in cells [h, w, 2]."""


class MotionCompensator:
    """Follows the motion over the displayed frames, all of the same size.

    Example:
        >>> compensator = MotionCompensator()
        >>> for frame in frames:
        ...     compensator.add(frame)
        >>> moved = compensator.move(localization)
    """

    def __init__(self) -> None:
        self._flow = OpticalFlow()
        self._steps: deque[_Step] = deque()
        self._newest: Frame

    def add(self, frame: Frame) -> None:
        """Add the next displayed frame; the same frame again changes nothing."""
        if self._steps and self._steps[-1].index == frame.index:
            return
        self._newest = frame
        luma = flow_luma(frame.picture)
        scale = GRID_CELLS / max(luma.shape)
        height, width = (max(2, round(side * scale)) for side in luma.shape)
        small = shrink_plane(luma, width, height).astype(np.float32)
        before = self._steps[-1].luma if self._steps else luma
        origins = flow_origins(self._flow(luma, before), (height, width))
        if self._steps and float(agreement(warp(self._steps[-1].small, origins), small).mean()) < CUT_AGREEMENT:
            self._steps.clear()  # a scene cut: there is no motion from the frames before it
        self._steps.append(_Step(frame.index, frame.time, luma, small, origins))
        while self._steps[0].time < frame.time - MAX_REACH_SECONDS:
            self._steps.popleft()

    def move(self, localization: Localization) -> Localization | None:
        """Return the localization of an earlier frame moved to the newest frame.

        Returns:
            None if a scene cut or more than `MAX_REACH_SECONDS` lie between the two frames.
        """
        newest = self._newest
        if newest.index == localization.frame.index:
            return localization
        path = self._path(localization.frame)
        if path is None:
            return None
        actions = tuple(_move_action(action, path, newest) for action in localization.actions)
        return dataclasses.replace(localization, frame=newest, actions=actions)

    def _path(self, origin: Frame) -> F32 | None:
        """Return the position (x, y) of each cell of the newest frame on an earlier frame, in cells [h, w, 2]."""
        if self._steps[0].time > origin.time:
            return None
        path: F32 | None = None
        for step in reversed(self._steps):
            if step.time <= origin.time:
                break
            path = step.origins if path is None else warp(step.origins, path)
        return _identity(self._steps[-1].origins) if path is None else path


def _move_action(action: Action, path: F32, frame: Frame) -> Action:
    """Move saliency, peak and boxes; boxes whose content has left the picture are removed."""
    size = np.array([frame.picture.width, frame.picture.height], np.float32)
    scale = size / np.array(path.shape[1::-1], np.float32)
    # Cell centers in pixels, on the newest frame and on the earlier one.
    here, there = (np.asarray((cells + np.float32(0.5)) * scale, np.float32) for cells in (_identity(path), path))
    boxes = (_move_box(box, here, there, size) for box in action.boxes)
    return dataclasses.replace(
        action,
        saliency=None if action.saliency is None else _warp_saliency(action.saliency, path),
        peak=None if action.peak is None else _move_point(action.peak, here, there, size),
        boxes=tuple(box for box in boxes if box is not None),
    )


def _identity(path: F32) -> F32:
    """Return the path of a picture without motion."""
    return flow_origins(np.zeros_like(path), path.shape[:2])


def _warp_saliency(saliency: F32, path: F32) -> F32:
    """Warp saliency [h, w] on a grid that tiles the picture."""
    return warp(saliency, flow_origins(np.asarray(path - _identity(path), np.float32), saliency.shape))


def _move_box(box: Box, here: F32, there: F32, size: F32) -> Box | None:
    """Move a box by the median motion of the cells inside; return None if none of them is left."""
    x1, y1, x2, y2 = box.xyxy
    inside = (there[..., 0] >= x1) & (there[..., 0] < x2) & (there[..., 1] >= y1) & (there[..., 1] < y2)
    if not inside.any():
        return None
    shift = np.median((here - there)[inside], axis=0)
    left, top = np.clip(np.array((x1, y1)) + shift, 0, size).tolist()
    right, bottom = np.clip(np.array((x2, y2)) + shift, 0, size).tolist()
    return dataclasses.replace(box, xyxy=(left, top, right, bottom)) if min(right - left, bottom - top) >= 1 else None


def _move_point(point: tuple[float, float], here: F32, there: F32, size: F32) -> tuple[float, float]:
    """Move a point by the motion of the nearest cell."""
    distance = np.hypot(there[..., 0] - point[0], there[..., 1] - point[1])
    cell = np.unravel_index(int(distance.argmin()), distance.shape)
    x, y = np.clip(np.array(point) + here[cell] - there[cell], 0, size - 1).tolist()
    return x, y
