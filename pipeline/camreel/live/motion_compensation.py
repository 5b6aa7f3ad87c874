"""Answers carried along the motion in the picture, from the frame they are for to the newest one.

The network knows a frame only when it has seen some of what follows, and by then whoever acts is elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections import deque

import numpy as np

from camreel.imageops.optical_flow import CUT_AGREEMENT, OpticalFlow, agreement, flow_luma, flow_origins, warp
from camreel.imageops.resize import shrink_plane
from camreel.structures import F32, U8, Action, Box, Frame, Localization

CELLS = 54
"""Along the longer side of the grid on which motion is followed."""
REACH = 4.0
"""Seconds that an answer is carried at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Step:
    """What is left of a frame, and from where in the one before it each cell came."""

    index: int
    time: float
    """Seconds."""
    luma: U8
    """For the flow."""
    small: F32
    """On the grid [h, w]."""
    source: F32
    """(x, y) in cells [h, w, 2]."""


class Carrier:
    """Follows the motion over the frames that are shown, all of one size."""

    def __init__(self) -> None:
        self._flow = OpticalFlow()
        self._steps: deque[_Step] = deque()
        self._newest: Frame

    def see(self, frame: Frame) -> None:
        """Takes the next frame that is shown; the same one again changes nothing."""
        if self._steps and self._steps[-1].index == frame.index:
            return
        self._newest = frame
        luma = flow_luma(frame.picture)
        scale = CELLS / max(luma.shape)
        height, width = (max(2, round(side * scale)) for side in luma.shape)
        small = shrink_plane(luma, width, height).astype(np.float32)
        before = self._steps[-1].luma if self._steps else luma
        source = flow_origins(self._flow(luma, before), (height, width))
        if self._steps and float(agreement(warp(self._steps[-1].small, source), small).mean()) < CUT_AGREEMENT:
            self._steps.clear()  # a scene cut: nothing from before it is here any more
        self._steps.append(_Step(frame.index, frame.time, luma, small, source))
        while self._steps[0].time < frame.time - REACH:
            self._steps.popleft()

    def warp(self, answer: Localization) -> Localization | None:
        """The answer for an earlier frame, on the newest one; None: a scene cut lies between, or too much time."""
        newest = self._newest
        if newest.index == answer.frame.index:
            return answer
        path = self._path(answer.frame)
        if path is None:
            return None
        return dataclasses.replace(
            answer, frame=newest, actions=tuple(_moved(action, path, newest) for action in answer.actions)
        )

    def _path(self, origin: Frame) -> F32 | None:
        """Where on an earlier frame each cell of the newest one was, (x, y) in cells [h, w, 2]."""
        if self._steps[0].time > origin.time:
            return None
        path: F32 | None = None
        for step in reversed(self._steps):
            if step.time <= origin.time:
                break
            path = step.source if path is None else warp(step.source, path)
        return _standing(self._steps[-1].source) if path is None else path


def _moved(action: Action, path: F32, frame: Frame) -> Action:
    """An action where its parts are now; boxes of what is gone are left out."""
    size = np.array([frame.picture.width, frame.picture.height], np.float32)
    scale = size / np.array(path.shape[1::-1], np.float32)
    here, there = (np.asarray((cells + np.float32(0.5)) * scale, np.float32) for cells in (_standing(path), path))
    moved = (_box(box, here, there, size) for box in action.boxes)
    return dataclasses.replace(
        action,
        saliency=None if action.saliency is None else _warped(action.saliency, path),
        peak=None if action.peak is None else _point(action.peak, here, there, size),
        boxes=tuple(box for box in moved if box is not None),
    )


def _standing(path: F32) -> F32:
    """The path of what does not move."""
    return flow_origins(np.zeros_like(path), path.shape[:2])


def _warped(saliency: F32, path: F32) -> F32:
    """Saliency [h, w] on a grid that tiles the picture, read along the path."""
    return warp(saliency, flow_origins(np.asarray(path - _standing(path), np.float32), saliency.shape))


def _box(box: Box, here: F32, there: F32, size: F32) -> Box | None:
    """A box moved as most of what it holds has moved; None: all of that is gone."""
    x1, y1, x2, y2 = box.xyxy
    inside = (there[..., 0] >= x1) & (there[..., 0] < x2) & (there[..., 1] >= y1) & (there[..., 1] < y2)
    if not inside.any():
        return None
    shift = np.median((here - there)[inside], axis=0)
    left, top = np.clip(np.array((x1, y1)) + shift, 0, size).tolist()
    right, bottom = np.clip(np.array((x2, y2)) + shift, 0, size).tolist()
    return dataclasses.replace(box, xyxy=(left, top, right, bottom)) if min(right - left, bottom - top) >= 1 else None


def _point(point: tuple[float, float], here: F32, there: F32, size: F32) -> tuple[float, float]:
    """A point moved as the cell nearest to it has moved."""
    apart = np.hypot(there[..., 0] - point[0], there[..., 1] - point[1])
    at = np.unravel_index(int(apart.argmin()), apart.shape)
    x, y = np.clip(np.array(point) + here[at] - there[at], 0, size - 1).tolist()
    return x, y
