"""Flicker and warping error of maps, on pictures that are not square."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.metrics.stability import FlickerMeter, FrameMotion
from tests.make import picture, textured


def test_flicker_is_relative_to_the_strongest_evidence():
    flicker = FlickerMeter()
    low, high = np.full((3, 7), 0.2, np.float32), np.full((3, 7), 0.4, np.float32)
    for frame, saliency in enumerate((low, high, low)):
        flicker.add(frame, 4, saliency)
    assert flicker.flicker == pytest.approx(1000 * 0.2 / 0.4)


def test_flicker_needs_the_same_class_on_two_frames_in_a_row():
    flicker = FlickerMeter()
    one = np.ones((2, 3), np.float32)
    for frame, class_id in ((0, 0), (1, 1), (2, 0)):
        flicker.add(frame, class_id, one)
    assert np.isnan(flicker.flicker)
    flicker.add(3, 0, one)
    assert flicker.flicker == 0


def blob(x: int, y: int = 40) -> np.ndarray:
    """A map [45, 80] of a picture of 160x90 with a soft spot at (x, y) in pixels."""
    rows, columns = np.mgrid[:45, :80]
    return np.exp(-((columns - x / 2) ** 2 + (rows - y / 2) ** 2) / 60).astype(np.float32)


def measured(step: int, drift: int, pictures=None) -> FlickerMeter:
    """Four frames on which the picture moves by `step` pixels and the map by `drift`."""
    flicker, motion = FlickerMeter(), FrameMotion()
    for frame in range(4):
        motion.add(pictures[frame] if pictures else textured(160, 90, shift=step * frame))
        flicker.add(frame, 0, blob(60 + drift * frame), motion)
    return flicker


def test_a_map_that_moves_with_the_picture_flickers_and_does_not_warp():
    along = measured(6, 6)
    assert along.flicker > 20
    assert along.warping < along.flicker / 8


def test_a_map_that_stays_while_the_picture_moves_warps_and_does_not_flicker():
    staying = measured(6, 0)
    assert staying.flicker == 0
    assert staying.warping == pytest.approx(measured(0, 6).flicker, rel=0.25)


def test_flicker_and_warping_error_are_the_same_where_nothing_moves():
    still = measured(0, 6)
    assert still.warping == pytest.approx(still.flicker, rel=0.02)


def test_a_scene_cut_hardly_counts():
    cut = [textured(160, 90, seed=seed, shift=3 * frame) for frame, seed in enumerate((0, 0, 1, 1))]
    motion = FrameMotion()
    motion.add(cut[1])
    motion.add(cut[2])
    source, sure = motion.between((45, 80))
    assert source.shape == (45, 80, 2) and sure.mean() < 0.35
    motion.add(cut[3])
    assert motion.between((45, 80))[1].mean() > 0.9


def test_the_warping_error_needs_two_frames_in_a_row():
    flicker, motion = FlickerMeter(), FrameMotion()
    for frame in (0, 2, 4):
        motion.add(picture(160, 90))
        flicker.add(frame, 0, blob(60), motion)
    assert np.isnan(flicker.warping) and np.isnan(flicker.flicker)
    flicker.add(5, 0, blob(60))
    assert np.isnan(flicker.warping) and flicker.flicker == 0
