"""How much each part of a picture changes beyond what the camera does.

A camera that pans, zooms or shakes changes everything. Its motion is the affine one that most of the picture follows; the frames
before are carried along it before they are compared. Measured with it and without, boxes: on DAVIS (9 clips) .655 and .57, in the
action world .65 and .60.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.optical_flow import CUT, OpticalFlow, agreement, small_luma
from pipeline.structures import F32, U8, Frame

SPAN = 0.2
"""Seconds back to which a frame is compared, with one frame at least."""
MOST = 16
"""Frames that are kept at most."""
STEP = 8
"""Pixels between the points whose flow tells the camera's motion."""
SLACK = 0.6
"""Pixels of flow beside the camera's motion at which a point begins to count as moving by itself."""
ROUNDS = 4
"""Of finding the motion, then the points that follow it."""
SOFT = 0.8
"""Standard deviation in cells of the blur against noise."""
OUTSIDE = -1e6
"""What lies beyond the edges; a little of it makes a cell negative."""
FLOOR = 0.5
"""Luma levels of change that count as noise."""


class Motion:
    """Takes frame after frame."""

    def __init__(self) -> None:
        self._flow = OpticalFlow()
        self._last: U8 | None = None
        self._past: deque[tuple[float, F32, F32]] = deque(maxlen=MOST)
        """Time, cells, and the matrix [2, 3] from a point (x, y, 1) of now to where it was."""

    def __call__(self, frame: Frame, cells: F32, flow: F32 | None = None) -> F32 | None:
        """Logarithm of how much each cell changes, over how much most cells do.

        Args:
            frame: the next one.
            cells: its luma [h, w].
            flow: from the frame before, where somebody has computed it already, see `FrameActivation`.

        Returns:
            [h, w]; 0 where nothing changes by itself. None: a scene cut.
        """
        if flow is None:
            flow = self._own_flow(small_luma(frame.picture))
        while len(self._past) > 1 and frame.time - self._past[0][0] > SPAN:
            self._past.popleft()
        found: F32 | None = np.zeros_like(cells)
        if flow is not None and self._past and self._past[-1][1].shape == cells.shape:
            height, width = cells.shape
            self._carry(camera_motion(flow, (width, height)))
            found = self._change(cells)
        else:
            self._past.clear()
        if found is None:
            self._past.clear()
        self._past.append((frame.time, cells, np.eye(2, 3, dtype=np.float32)))
        return found

    def _own_flow(self, luma: U8) -> F32 | None:
        last, self._last = self._last, luma
        return None if last is None or last.shape != luma.shape else self._flow(luma, last)

    def _carry(self, step: F32) -> None:
        """Lets the camera make one step [2, 3] for all that is remembered."""
        square = np.vstack([step, np.array([[0, 0, 1]], np.float32)])
        for index, (time, cells, way) in enumerate(self._past):
            self._past[index] = time, cells, way @ square

    def _change(self, cells: F32) -> F32 | None:
        total, count = np.zeros_like(cells), np.zeros_like(cells)
        for _, past, way in self._past:
            seen, inside = warp(past, way)
            total += np.abs(seen - cells) * inside
            count += inside
        # The last one is the nearest.
        if not inside.any() or float(agreement(np.where(inside, seen, cells), cells).mean()) < CUT:
            return None
        change = cv2.GaussianBlur(total / np.maximum(count, 1), (0, 0), SOFT)
        usual = float(np.median(change[::2, ::2]))
        return np.asarray(np.log1p(np.maximum(change - usual, 0) / (usual + FLOOR)), np.float32)


def warp(cells: F32, way: F32) -> tuple[F32, NDArray[np.bool_]]:
    """Luma [h, w] read at where the points of now were, by the matrix [2, 3], and which of them were in the picture."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(cells, way, cells.shape[::-1], flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=OUTSIDE)
    return np.asarray(warped, np.float32), np.asarray(warped >= 0)


def camera_motion(flow: F32, size: tuple[int, int]) -> F32:
    """The affine motion that most of a picture follows, by least squares that are weighed again and again.

    Args:
        flow: where each pixel came from, (dx, dy) [H, W, 2].
        size: (width, height) in cells of the picture that the matrix is for.

    Returns:
        Matrix [2, 3] from a point (x, y, 1) in cells, with centres on integers, to where it was.
    """
    scale = size[0] / flow.shape[1], size[1] / flow.shape[0]
    rows, columns = (np.arange(STEP // 2, side, STEP) for side in flow.shape[:2])
    shift = flow[np.ix_(rows, columns)].reshape(-1, 2).astype(np.float64)
    y, x = (grid.ravel() + 0.5 for grid in np.meshgrid(rows, columns, indexing="ij"))
    points = np.stack([x * scale[0] - 0.5, y * scale[1] - 0.5, np.ones(len(x))], axis=1)
    weight, ways = np.ones(len(x)), np.zeros((3, 2))
    for _ in range(ROUNDS):
        weighed = points * weight[:, None]
        # A little ridge: a flat picture tells nothing.
        ways = np.linalg.solve(weighed.T @ points + 1e-6 * np.eye(3), weighed.T @ shift)
        off = ((shift - points @ ways) ** 2).sum(axis=1)
        weight = 1 / (1 + off / SLACK**2) ** 2
    found = (ways * np.array(scale)).T
    found[:, :2] += np.eye(2)
    return np.asarray(found, np.float32)
