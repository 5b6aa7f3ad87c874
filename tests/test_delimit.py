"""Extents: what moves or is evidence, and what of it belongs to a class."""

from __future__ import annotations

import dataclasses

import numpy as np
from camreel.stages.foreground.residual_motion import MOST

from camreel.stages.foreground import foreground
from camreel.stages.localize import BoxRule, Localizer
from camreel.structures import FrameActivation
from tests.make import activation, frames, picture

WIDTH, HEIGHT = 200, 120


def scenes(count: int, blocks: list[tuple[int, int]], maps: np.ndarray) -> list[FrameActivation]:
    """Frames in which bright blocks (left, top), 16 pixels wide and 48 high, move to the right by a pixel a frame."""
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


def test_what_moves_is_in_the_extent_and_the_wall_is_not():
    *_, last = foreground(scenes(12, [(100, 40)], np.zeros((1, 60, 100))))
    assert last.extent is not None and last.extent.shape == (60, 100) and 0.9 < last.extent.max() <= 1
    inside = last.extent[22:42, 51:62]
    outside = np.concatenate([last.extent[:, :40].ravel(), last.extent[:, 75:].ravel()])
    assert inside.mean() > 0.6
    assert outside.mean() < 0.25


def test_evidence_against_a_class_says_that_somebody_is_there_too():
    for value in (5.0, -5.0):
        (only,) = foreground(scenes(1, [], blob(30, 30, value)[None]))
        y, x = np.unravel_index(only.extent.argmax(), only.extent.shape)
        assert abs(x - 30) < 8 and abs(y - 30) < 8


def test_where_nothing_moves_and_nothing_is_evidence_there_is_no_extent():
    still = scenes(1, [], np.zeros((2, 60, 100)))[0]
    later = [dataclasses.replace(still, frame=frame) for frame in frames([0.0, 0.1, 0.2], width=WIDTH, height=HEIGHT)]
    later = [dataclasses.replace(one, frame=dataclasses.replace(one.frame, picture=still.frame.picture)) for one in later]
    assert all(one.extent.max() == 0 for one in foreground(later))
    empty = activation(still.frame, np.zeros((0, 60, 100)), [])
    (only,) = foreground([empty])
    assert only.extent.shape == (60, 100) and only.extent.max() == 0


def test_it_takes_what_comes_and_keeps_few_frames():
    taken = 0

    def source():
        nonlocal taken
        for one in scenes(2 * MOST, [(20, 40)], np.zeros((1, 60, 100))):
            taken += 1
            yield one

    stage = foreground(source())
    for i in range(2 * MOST):
        next(stage)
        assert taken == i + 1


def test_a_box_holds_the_whole_of_who_acts_and_not_who_moves_elsewhere():
    hand = blob(int((20 + 11) / 2) + 4, 22)  # at the top of the left block
    items = foreground(scenes(12, [(20, 40), (150, 40)], hand[None]))
    *_, last = Localizer(items, ["wave"], True, BoxRule(threshold=0.4))
    (action,) = last.actions
    left, top, right, bottom = action.boxes[0].xyxy
    assert right < 70  # only the left one
    assert top < 50 and bottom > 75  # far beyond the hand, which is 12 pixels high
    assert action.extent is not None and action.extent.max() == 1
    assert left > 5


def test_the_peak_is_exact_where_the_saliency_is_full():
    cam = np.full((60, 100), 50.0, np.float32)
    cam[7, 90] = 51.0
    one = scenes(1, [], cam[None])[0]
    *_, last = Localizer([one] * 2, ["a"], True, BoxRule())
    x, y = last.actions[0].peak
    assert (x, y) == (90 * 2 + 0.5, 7 * 2 + 0.5)


def test_the_peak_is_on_who_acts_where_the_evidence_reaches_beyond():
    y, x = np.mgrid[:60, :100]
    beside = 5 * np.exp(-((x - 26) ** 2 + (y - 30) ** 2) / 50).astype(np.float32)  # the block ends at cell 23
    *_, last = Localizer(foreground(scenes(12, [(20, 40)], beside[None])), ["wave"], True, BoxRule())
    (action,) = last.actions
    assert action.saliency is not None and action.saliency[30, 26] == action.saliency.max()
    left, top = action.peak
    assert 31 <= left < 47 and 40 <= top < 88


def test_what_moves_without_evidence_is_in_no_box():
    hand = blob(19, 22)
    items = list(foreground(scenes(12, [(20, 40), (60, 40)], hand[None])))
    *_, last = Localizer(items, ["wave"], True, BoxRule(threshold=0.05))
    centres = [(box.xyxy[0] + box.xyxy[2]) / 2 for box in last.actions[0].boxes]
    assert centres and all(centre < 60 for centre in centres)
