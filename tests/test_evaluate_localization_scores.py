"""Predicted locations and detections of one video against its truth, on pictures that are not square."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from camreel.annotations import NO_ACTION, Truth
from camreel.evaluate.localization_scores import (
    DetectionCollector,
    LocalizationScorer,
    PredictedLocation,
    class_targets,
    true_boxes,
)
from camreel.stages.localize import BoxRule, find_boxes
from camreel.structures import Action, Box, Grid
from tests.evaluating import make_truth
from tests.make import activation, frames


@pytest.fixture
def two_actors() -> Truth:
    """On the first frame an actor on the left walks and one on the right claps, on the second both clap."""
    masks = np.zeros((2, 40, 100), np.uint8)
    masks[:, 10:30, 10:20], masks[:, 5:15, 80:90] = 1, 2
    boxes = [[[10, 10, 20, 30], [80, 5, 90, 15]]] * 2
    return make_truth([[0, 1], [1, 1]], boxes, masks)


def test_targets_are_classes_with_all_their_actors(two_actors):
    walk, clap = class_targets(two_actors, 0)
    assert (walk.class_id, clap.class_id) == (0, 1)
    assert walk.two_actors and clap.two_actors
    assert walk.mask.sum() == 200 and clap.mask[5, 80] and not clap.mask[10, 10]
    (both,) = class_targets(two_actors, 1)
    assert both.mask.sum() == 300
    assert both.boxes.tolist() == [[10, 10, 20, 30], [80, 5, 90, 15]]
    assert not both.two_actors


def test_a_hidden_actor_is_no_target(two_actors):
    hidden = two_actors.masks.copy()
    hidden[hidden == 2] = 0
    (walk,) = class_targets(dataclasses.replace(two_actors, masks=hidden), 0)
    assert walk.class_id == 0


def test_without_masks_boxes_stand_for_them(two_actors):
    boxes = two_actors.boxes.copy()
    boxes[1, 0] = np.nan
    boxes[0, 1] = (80.4, 4.6, 90.4, 15.4)
    plain = dataclasses.replace(two_actors, masks=None, boxes=boxes)
    walk, clap = class_targets(plain, 0)
    assert np.array_equal(walk.mask, two_actors.masks[0] == 1) and np.array_equal(clap.mask, two_actors.masks[0] == 2)
    (alone,) = class_targets(plain, 1)
    assert np.array_equal(alone.mask, two_actors.masks[1] == 2) and alone.boxes.tolist() == [[80, 5, 90, 15]]
    assert class_targets(dataclasses.replace(plain, boxes=np.full_like(boxes, np.nan)), 0) == []
    # Half of the box is empty: the mask says so.
    assert (
        class_targets(dataclasses.replace(two_actors, masks=two_actors.masks * (np.arange(100) < 85)), 0)[1].mask.sum()
        == 50
    )


def test_locations_are_scored_by_class(two_actors):
    scorer = LocalizationScorer((0.5,), 0.0)
    left = np.zeros((20, 50), np.float32)
    left[5:15, 5:10] = 1
    for target in class_targets(two_actors, 0):
        scorer.add(target, PredictedLocation(left, (14.0, 20.0)))
    scorer.add(class_targets(two_actors, 1)[0], PredictedLocation(None, None))
    scores = scorer.scores()
    assert scores.distance.tolist() == [0, np.inf, np.inf]
    assert scores.energy.tolist() == [1, 0, 0]
    assert scores.area == pytest.approx([0.05, 0.025, 0.075])
    assert scores.ious.tolist() == [[1], [0], [0]]
    assert scores.two_actors.tolist() == [True, True, False]
    assert scores.frames.tolist() == [0, 0, 1]


def test_boxes_are_cut_as_by_the_program():
    saliency = cv2.GaussianBlur(np.random.default_rng(0).random((27, 48)).astype(np.float32), (0, 0), 2)
    saliency = (saliency - saliency.min()) / np.ptp(saliency)
    shown = activation(frames([0.0], width=101, height=57)[0], saliency[None], [0.0])
    found = find_boxes(saliency, shown.grid, (101, 57), BoxRule(0.7, 0.001), 1.0)
    mine = LocalizationScorer((), 0.001)._boxes(saliency, (101, 57), 0.7)
    assert len(found) > 1
    assert mine == pytest.approx(np.array([box.xyxy for box in found], np.float32))


WIDE = (20.0, 10.0, 60.0, 20.0)

TALL = (20.0, 10.0, 30.0, 50.0)
"""Overlaps WIDE by 100 / 700."""


def action(score, *found: Box) -> Action:
    return Action(3, "run", score, 1.0, None, 1.0, Grid((0, 0), (1, 1)), None, found)


def test_detections_are_collected_by_the_rules_of_the_program():
    collector = DetectionCollector(0.1, 0.5)
    collector.add(0, 0.0, "Run", action(0.8, Box(WIDE, 0.7, 4), Box(TALL, 0.6, 9)))
    collector.add(1, 0.2, "Run", action(0.09, Box(WIDE, 0.05, 4)))  # the score is too low to be reported
    collector.add(2, 0.5, "Run", action(0.8, Box(WIDE, 0.75, 4)))  # half a second later: still the same
    collector.add(9, 1.1, "Run", action(0.1, Box(WIDE, 0.1, 4)))  # that was too long
    found = collector.detections(
        Truth(("Run",), 100, 60, np.arange(9) / 10, np.full((9, 0), NO_ACTION, np.int16), np.empty((9, 0, 4)))
    ).predicted
    assert found.frames.tolist() == [0, 0, 2, 9]
    assert found.tubes.tolist() == [0, 1, 0, 2]
    assert found.scores == pytest.approx([0.7, 0.6, 0.75, 0.1])
    assert set(found.labels.tolist()) == {"Run"}
    assert found.xyxy[1].tolist() == list(TALL)


def test_every_run_of_an_actor_is_a_tube_of_the_frames_on_which_the_actor_is_visible():
    actions = np.array([[0, NO_ACTION], [0, 1], [NO_ACTION, 1], [0, 1]], np.int16)
    places = np.array([[WIDE, TALL]] * 4, np.float32)
    places[2, 1] = np.nan
    true = true_boxes(Truth(("run", "clap"), 100, 60, np.arange(4) / 10, actions, places))
    rows = sorted(zip(true.labels.tolist(), true.tubes.tolist(), true.frames.tolist(), strict=True))
    assert rows == [("clap", 2, 1), ("clap", 2, 3), ("run", 0, 0), ("run", 0, 1), ("run", 1, 3)]
    assert true.xyxy[true.labels == "clap"].tolist() == [list(TALL)] * 2
