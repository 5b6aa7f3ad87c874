"""Scores, saliency, peaks and boxes of the reported classes."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.stages.localize import FALL_SECONDS, BoxRule, Localizer, find_boxes, select
from camreel.structures import ClassSelection, Grid
from tests.make import activation, frames

LABELS = ["still", "wave", "jump"]


def blob(x, y, size=4, level=10.0, shape=(60, 107)):
    cam = np.full(shape, -1.0, np.float32)
    cam[y - size : y + size, x - size : x + size] = level
    return cam


def run(sequence, multilabel=False, threshold=0.7, **selection):
    """Localize frames of (maps, logits, mapped classes)."""
    shown = frames([i / 30 for i in range(len(sequence))], width=640, height=360)
    stream = (activation(f, maps, logits, classes) for f, (maps, logits, classes) in zip(shown, sequence, strict=True))
    localizer = Localizer(LABELS, multilabel, ClassSelection(**selection), BoxRule(threshold))
    return list(localizer(stream))


def test_actions_are_sorted_by_score_and_weak_ones_left_out():
    (out,) = run([([blob(50, 30)] * 3, [0.0, 3.0, 2.0], [0, 1, 2])], top_k=3, min_score=0.1)
    assert [a.label for a in out.actions] == ["wave", "jump"]
    assert sum(a.score for a in out.actions) == pytest.approx(np.exp([3, 2]).sum() / np.exp([0, 3, 2]).sum(), abs=1e-5)


def test_multilabel_scores_are_sigmoids():
    (out,) = run([([blob(50, 30)] * 3, [2.0, 2.0, -9.0], [0, 1, 2])], multilabel=True)
    assert [a.score for a in out.actions] == pytest.approx([1 / (1 + np.exp(-2))] * 2, abs=1e-5)


def test_only_selected_classes_are_reported():
    (out,) = run([([blob(50, 30)], [5.0, 3.0, 4.9], [2])], class_ids=(2,), min_score=0.0)
    assert [a.class_id for a in out.actions] == [2]


def test_peak_and_box_lie_on_the_evidence_in_picture_pixels():
    (out,) = run([([blob(80, 20)], [0.0, 9.0, 0.0], [1])])
    (action,) = out.actions
    scale = 640 / 107
    assert action.peak == pytest.approx((80 * scale, 20 * 6), abs=7)
    (box,) = action.boxes
    assert box.xyxy == pytest.approx((76 * scale, 16 * 6, 84 * scale, 24 * 6), abs=1e-3)
    assert box.score == pytest.approx(action.score)


def test_every_component_gets_a_box_strongest_first():
    cam = np.maximum(blob(20, 20, level=10), blob(80, 40, level=20))
    (out,) = run([([cam], [0.0, 9.0, 0.0], [1])], threshold=0.4)
    left, right = out.actions[0].boxes[1], out.actions[0].boxes[0]
    assert left.xyxy[2] < right.xyxy[0]
    assert left.score < right.score


def test_boxes_stay_inside_the_picture_and_tiny_ones_are_left_out():
    saliency = np.zeros((10, 10), np.float32)
    saliency[:3, :3] = 1
    saliency[8, 8] = 1
    grid = Grid((-5.0, -5.0), (10.0, 10.0))
    boxes = find_boxes(saliency, grid, (90, 90), BoxRule(0.5, 0.02), 0.8)
    assert [b.xyxy for b in boxes] == [(0.0, 0.0, 20.5, 20.5)]


def test_negative_evidence_is_no_evidence():
    (out,) = run([([np.full((60, 107), -5.0)], [0.0, 9.0, 0.0], [1])])
    assert out.actions[0].peak is None
    assert out.actions[0].boxes == ()
    assert out.actions[0].saliency.max() == 0


def test_a_class_without_a_map_is_reported_without_a_location():
    (out,) = run([([blob(20, 20)], [0.0, 9.0, 0.0], [0])])
    assert out.actions[0].label == "wave"
    assert out.actions[0].saliency is None and out.actions[0].peak is None


def test_a_video_in_which_nothing_happens_stays_dark():
    noise = [([np.random.default_rng(i).normal(0, 0.05, (60, 107))] * 3, [0.3, 0.1, 0.2], [0, 1, 2]) for i in range(20)]
    assert all(a.saliency.max() < 0.3 for out in run(noise) for a in out.actions)
    assert all(out.actions == () for out in run(noise, multilabel=True, min_score=0.6))


def test_the_scale_does_not_follow_a_single_frame():
    strong, weak = ([blob(50, 30, level=20)], [0.0, 9.0, 0.0], [1]), ([blob(50, 30, level=4)], [0.0, 9.0, 0.0], [1])
    out = run([strong] * 10 + [weak] * 10)
    assert out[5].actions[0].saliency.max() == 1
    # Weaker evidence looks weaker: it is not scaled up to the maximum.
    assert 0.15 < out[12].actions[0].saliency.max() < 0.3
    assert out[12].actions[0].scale == pytest.approx(20, rel=10 / 30 / FALL_SECONDS + 0.05)


def test_frames_with_nan_have_no_action():
    (out,) = run([(np.empty((0, 60, 107)), [-1e4] * 3, [])], multilabel=True)
    assert out.actions == ()


def test_maps_of_unreported_classes_are_dropped_without_a_change_of_the_result():
    rng = np.random.default_rng(4)
    items = [
        activation(frame, rng.normal(size=(4, 6, 10)), rng.normal(size=4) * 3) for frame in frames([0.0, 0.1, 0.2])
    ]
    selection = ClassSelection(top_k=2, min_score=0.2)
    kept = list(select(items, True, selection))
    assert all(len(item.maps) == len(item.classes) <= 2 for item in kept)
    assert all(np.array_equal(item.maps, whole.maps[item.classes]) for item, whole in zip(kept, items, strict=True))
    labels = ["a", "b", "c", "d"]
    localizer = Localizer(labels, True, selection)
    for one, other in zip(localizer(kept), localizer(items), strict=True):
        assert [(a.class_id, a.score, a.peak, a.boxes) for a in one.actions] == [
            (a.class_id, a.score, a.peak, a.boxes) for a in other.actions
        ]


def test_each_class_has_its_own_scale_within_a_range_of_the_best():
    strong, weak, faint = blob(20, 30, level=100.0), blob(80, 30, level=40.0), blob(80, 30, level=5.0)
    (one,) = run([([strong, weak, faint], [3.0, 2.0, 1.0], [0, 1, 2])], multilabel=True)
    assert [action.scale for action in one.actions] == pytest.approx([100, 40, 25])
    assert one.actions[1].saliency.max() == pytest.approx(1)
    assert one.actions[2].saliency.max() == pytest.approx(0.2)


def test_a_picked_class_is_reported_whatever_its_score():
    selection = ClassSelection(top_k=1, picked=lambda: 2)
    (frame,) = frames([0.0], width=640, height=360)
    one = activation(frame, [blob(50, 30)] * 3, [0.0, 9.0, -9.0], [0, 1, 2])
    (kept,) = select([one], False, selection)
    assert kept.classes.tolist() == [1, 2]
    (out,) = Localizer(LABELS, False, selection)([kept])
    assert [action.label for action in out.actions] == ["wave", "jump"]
