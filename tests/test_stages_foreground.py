"""Foreground: where actors are by motion, evidence and color, and the part of it that belongs to a class."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from camreel.imageops.motion import MAX_FRAMES
from camreel.stages.foreground import (
    BIN_BLUR,
    COLOR_BINS,
    MAX_LOG_RATIO,
    ColorModel,
    color_bins,
    foreground,
    log_ratio,
)
from camreel.stages.localize import BoxRule, Localizer
from camreel.structures import FrameActivation, Picture
from tests.make import activation, frames, picture

WIDTH, HEIGHT = 200, 120


def scenes(count: int, blocks: list[tuple[int, int]], maps: np.ndarray) -> list[FrameActivation]:
    """Return frames in which bright blocks (left, top) of 16 x 48 pixels move to the right by one pixel per frame."""
    rng = np.random.default_rng(0)
    wall = rng.integers(60, 70, (HEIGHT, WIDTH))
    made = []
    for i, frame in enumerate(frames([i / 30 for i in range(count)])):
        luma = wall.copy()
        for left, top in blocks:
            luma[top : top + 48, left + i : left + i + 16] = 200
        frame = dataclasses.replace(frame, picture=picture(WIDTH, HEIGHT, luma))
        made.append(activation(frame, maps, [3.0] * len(maps)))
    return made


def blob(x: int, y: int, value: float = 5.0) -> np.ndarray:
    cam = np.zeros((60, 100), np.float32)
    cam[y - 3 : y + 3, x - 3 : x + 3] = value
    return cam


def test_moving_blocks_are_foreground_and_the_wall_is_not():
    *_, last = foreground(scenes(12, [(100, 40)], np.zeros((1, 60, 100))))
    assert last.foreground is not None and last.foreground.shape == (60, 100) and 0.9 < last.foreground.max() <= 1
    inside = last.foreground[22:42, 51:62]
    outside = np.concatenate([last.foreground[:, :40].ravel(), last.foreground[:, 75:].ravel()])
    assert inside.mean() > 0.6
    assert outside.mean() < 0.25


def test_evidence_against_a_class_is_foreground_too():
    for value in (5.0, -5.0):
        (only,) = foreground(scenes(1, [], blob(30, 30, value)[None]))
        y, x = np.unravel_index(only.foreground.argmax(), only.foreground.shape)
        assert abs(x - 30) < 8 and abs(y - 30) < 8


def test_without_motion_and_evidence_there_is_no_foreground():
    still = scenes(1, [], np.zeros((2, 60, 100)))[0]
    later = [dataclasses.replace(still, frame=frame) for frame in frames([0.0, 0.1, 0.2], width=WIDTH, height=HEIGHT)]
    later = [
        dataclasses.replace(one, frame=dataclasses.replace(one.frame, picture=still.frame.picture)) for one in later
    ]
    assert all(one.foreground.max() == 0 for one in foreground(later))
    empty = activation(still.frame, np.zeros((0, 60, 100)), [])
    (only,) = foreground([empty])
    assert only.foreground.shape == (60, 100) and only.foreground.max() == 0


def test_the_stage_yields_each_frame_at_once_over_a_long_video():
    taken = 0

    def source():
        nonlocal taken
        for one in scenes(2 * MAX_FRAMES, [(20, 40)], np.zeros((1, 60, 100))):
            taken += 1
            yield one

    stage = foreground(source())
    for i in range(2 * MAX_FRAMES):
        next(stage)
        assert taken == i + 1


def test_a_box_holds_the_whole_actor_and_no_other_moving_block():
    hand = blob(int((20 + 11) / 2) + 4, 22)  # at the top of the left block
    items = foreground(scenes(12, [(20, 40), (150, 40)], hand[None]))
    *_, last = Localizer(["wave"], True, rule=BoxRule(threshold=0.4))(items)
    (action,) = last.actions
    left, top, right, bottom = action.boxes[0].xyxy
    assert right < 70  # only the left one
    assert top < 50 and bottom > 75  # far beyond the hand, which is 12 pixels high
    assert action.foreground is not None and action.foreground.max() == 1
    assert left > 5


def test_the_peak_is_exact_where_the_saliency_is_full():
    cam = np.full((60, 100), 50.0, np.float32)
    cam[7, 90] = 51.0
    one = scenes(1, [], cam[None])[0]
    *_, last = Localizer(["a"], True)([one] * 2)
    x, y = last.actions[0].peak
    assert (x, y) == (90 * 2 + 0.5, 7 * 2 + 0.5)


def test_the_peak_is_on_the_actor_where_the_evidence_reaches_beyond():
    y, x = np.mgrid[:60, :100]
    beside = 5 * np.exp(-((x - 26) ** 2 + (y - 30) ** 2) / 50).astype(np.float32)  # the block ends at cell 23
    *_, last = Localizer(["wave"], True)(foreground(scenes(12, [(20, 40)], beside[None])))
    (action,) = last.actions
    assert action.saliency is not None and action.saliency[30, 26] == action.saliency.max()
    left, top = action.peak
    assert 31 <= left < 47 and 40 <= top < 88


def test_motion_without_evidence_is_in_no_box():
    hand = blob(19, 22)
    items = list(foreground(scenes(12, [(20, 40), (60, 40)], hand[None])))
    *_, last = Localizer(["wave"], True, rule=BoxRule(threshold=0.05))(items)
    centers = [(box.xyxy[0] + box.xyxy[2]) / 2 for box in last.actions[0].boxes]
    assert centers and all(center < 60 for center in centers)


def dressed(shirt: int, trousers: int) -> Picture:
    """Return a person 40 pixels wide, red above and blue below, before a green wall, all equally bright."""
    u, v = np.full((90, 160), 90, np.uint8), np.full((90, 160), 90, np.uint8)
    v[20:45, 60:80] = shirt
    u[45:80, 60:80] = trousers
    return Picture(np.full((180, 320), 120, np.uint8), u, v)


def test_clothes_that_moved_before_are_found_at_rest_and_the_wall_is_not():
    picture, colors = dressed(180, 180), ColorModel()
    up, all_of_it = np.full((45, 80), -1.4, np.float32), np.full((45, 80), -1.4, np.float32)
    all_of_it[8:42, 28:42] = 2.0  # includes some of the wall beside the person
    up[8:24, 28:42] = 2.0
    for i in range(5):
        colors(picture, i / 30, all_of_it)
    found = colors(picture, 5 / 30, up)
    assert found[12:20, 31:39].min() > 0.9
    assert found[26:38, 31:39].min() > 0.6
    assert found[:, :26].max() < 0.25
    assert found[8:24, 28:29].max() < 1 / (1 + np.exp(-2.0)) < found[12:20, 31:39].min()


def test_the_prior_is_kept_where_everything_has_one_color():
    picture = Picture(np.full((90, 160), 77, np.uint8), *[np.full((45, 80), 128, np.uint8)] * 2)
    prior = np.random.default_rng(0).normal(size=(45, 80)).astype(np.float32)
    np.testing.assert_allclose(ColorModel()(picture, 0.0, prior), 1 / (1 + np.exp(-prior)), atol=1e-5)


def test_colors_fade_with_time_and_are_forgotten_at_once_by_a_reset():
    picture = dressed(180, 180)
    likely, even = np.full((45, 80), -2.0, np.float32), np.zeros((45, 80), np.float32)
    likely[10:40, 30:40] = 2.0

    def after(seconds: float, reset: bool = False) -> float:
        colors = ColorModel()
        for i in range(30):
            colors(picture, i / 30, likely)
        if reset:
            colors.reset()
        return float(colors(picture, 1 + seconds, even)[12:38, 32:38].mean())

    fresh = ColorModel()(picture, 0.0, even)[12:38, 32:38].mean()
    assert after(0.1) > after(5.0) > 0
    assert after(0.1, reset=True) == pytest.approx(fresh, abs=1e-6)
    assert after(60.0) == pytest.approx(fresh, abs=1e-3)


def test_the_log_ratio_is_bounded_and_antisymmetric():
    rng = np.random.default_rng(1)
    counts = rng.random((2, COLOR_BINS**3)) * (rng.random((2, COLOR_BINS**3)) < 0.01)
    found = log_ratio(counts)
    assert found.shape == (COLOR_BINS**3,) and np.abs(found).max() <= MAX_LOG_RATIO
    np.testing.assert_allclose(log_ratio(counts[::-1]), -found, atol=1e-6)
    assert not log_ratio(np.zeros((2, COLOR_BINS**3))).any()


def test_the_blur_of_histograms_keeps_counts():
    np.testing.assert_allclose(BIN_BLUR.sum(axis=0), 1)
    np.testing.assert_allclose(BIN_BLUR.sum(axis=1), 1)


def test_every_color_has_a_bin():
    extremes = np.array([[0, 255], [63, 64], [191, 192], [128, 127]], np.uint8)
    picture = Picture(np.kron(extremes, np.ones((8, 8), np.uint8)), *[np.kron(extremes, np.ones((4, 4), np.uint8))] * 2)
    bins = color_bins(picture, (2, 4))
    assert bins.min() >= 0 and bins.max() < COLOR_BINS**3 and len(set(bins.tolist())) > 4


def test_the_histograms_of_a_long_video_stay_bounded():
    colors = ColorModel()
    for i in range(50):
        colors(dressed(180, 60), i / 30, np.zeros((45, 80), np.float32))
    assert colors._counts.sum() == pytest.approx(45 * 80 / (1 - np.exp(-1 / 30 / 0.7)), rel=0.2)
