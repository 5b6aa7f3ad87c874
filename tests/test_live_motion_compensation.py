"""Motion compensation: boxes, peak and saliency follow a texture that moves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from camreel.live.motion_compensation import MotionCompensator
from camreel.structures import Action, Box, Frame, Grid, Localization
from tests.make import MILLI, textured


def localization(frame: Frame, xyxy: tuple[float, float, float, float]) -> Localization:
    """Return a localization with saliency in a box."""
    grid = Grid((0.5, 0.5), (2.0, 2.0))
    saliency = np.zeros((frame.picture.height // 2, frame.picture.width // 2), np.float32)
    x1, y1, x2, y2 = (round(v / 2) for v in xyxy)
    saliency[y1:y2, x1:x2] = 1
    peak = ((xyxy[0] + xyxy[2]) / 2, (xyxy[1] + xyxy[3]) / 2)
    return Localization(frame, (Action(1, "wave", 0.9, 2.0, saliency, 1.0, grid, peak, (Box(xyxy, 0.9, 4),)),))


def moving(count: int, pixels: int = 2) -> list[Frame]:
    """Return frames of a texture that moves to the right, `pixels` per frame."""
    return [Frame(n, n, n / 30, MILLI, textured(shift=pixels * n)) for n in range(count)]


def test_a_localization_follows_the_motion():
    frames = moving(11)
    compensator = MotionCompensator()
    for frame in frames:
        compensator.add(frame)
    original = localization(frames[0], (50, 40, 80, 70))
    moved = compensator.move(original)
    assert moved is not None
    (action,) = moved.actions
    assert action.boxes[0].xyxy == pytest.approx((70, 40, 100, 70), abs=3)
    assert action.boxes[0].track == 4
    assert action.peak == pytest.approx((85, 55), abs=3)
    assert action.saliency is not None
    columns = np.flatnonzero(action.saliency.max(axis=0) > 0.5)
    assert (2 * columns[0], 2 * columns[-1]) == pytest.approx((70, 98), abs=6)


def test_without_motion_a_localization_stays():
    frames = [dataclasses.replace(f, picture=textured()) for f in moving(8)]
    compensator = MotionCompensator()
    for frame in frames:
        compensator.add(frame)
    original = localization(frames[2], (50, 40, 80, 70))
    (before,), (after,) = original.actions, compensator.move(original).actions
    assert after.boxes[0].xyxy == pytest.approx(before.boxes[0].xyxy, abs=0.5)
    np.testing.assert_allclose(after.saliency, before.saliency, atol=0.05)


def test_a_localization_of_the_newest_frame_is_unchanged():
    frames = moving(3)
    compensator = MotionCompensator()
    for frame in frames:
        compensator.add(frame)
    original = localization(frames[2], (50, 40, 80, 70))
    assert compensator.move(original) is original


def test_no_localization_moves_over_a_scene_cut():
    frames = moving(6)
    other = [Frame(n, n, n / 30, MILLI, textured(seed=9)) for n in range(6, 9)]
    compensator = MotionCompensator()
    for frame in (*frames, *other):
        compensator.add(frame)
    assert compensator.move(localization(frames[3], (50, 40, 80, 70))) is None
    assert compensator.move(localization(other[0], (50, 40, 80, 70))) is not None


def test_boxes_that_leave_the_picture_are_removed():
    frames = moving(25, pixels=4)
    compensator = MotionCompensator()
    for frame in frames:
        compensator.add(frame)
    (action,) = compensator.move(localization(frames[0], (100, 40, 140, 70))).actions
    assert action.boxes == ()


def test_the_number_of_remembered_frames_is_bounded():
    compensator = MotionCompensator()
    for frame in moving(400, pixels=0):
        compensator.add(frame)
    assert len(compensator._steps) < 130
