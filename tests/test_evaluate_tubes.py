"""Boxes and tubes against those that are there: every number by hand, on pictures that are not square."""

from __future__ import annotations

import numpy as np
import pytest
from camreel.annotations import NO_ACTION, Truth
from camreel.evaluate.detections import Finds, true_boxes
from camreel.metrics.tubes import Boxes, frame_map, tube_overlap, video_map
from camreel.structures import Action, Box, Grid

WIDE = (20.0, 10.0, 60.0, 20.0)
SHIFTED = (40.0, 10.0, 80.0, 20.0)
"""Overlaps WIDE by a third."""
TALL = (20.0, 10.0, 30.0, 50.0)
"""Overlaps WIDE by 100 / 700."""
NAN = float("nan")


def boxes(*rows) -> Boxes:
    """Rows of label, frame, tube, score, box."""
    labels, frames, tubes, scores, places = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Boxes(
        np.array(labels, np.str_),
        np.array(frames, np.int64),
        np.array(tubes, np.int64),
        np.array(scores, np.float32),
        np.array(places, np.float32).reshape(-1, 4),
    )


def tube(label, first, end, box=WIDE, number=0, score=1.0) -> list:
    return [(label, frame, number, score, box) for frame in range(first, end)]


def test_a_frame_has_one_right_box_for_each_true_one():
    true = [boxes(*tube("run", 0, 2), ("run", 0, 1, 1.0, (70, 0, 90, 40)))]
    found = [
        boxes(
            ("run", 0, 0, 0.9, SHIFTED),  # right at .2, not at .5
            ("run", 0, 1, 0.8, WIDE),  # taken already at .2, right at .5
            ("run", 1, 0, 0.7, TALL),  # wrong: x and y are not the same
            ("run", 1, 1, 0.6, WIDE),
        )
    ]
    # At .2 right, wrong, wrong, right of three; at .5 wrong, right, wrong, right.
    assert frame_map(found, true, 0.2) == pytest.approx((1 + 2 / 4) / 3)
    assert frame_map(found, true, 0.5) == pytest.approx((1 / 2 + 2 / 4) / 3)


def test_boxes_of_all_videos_are_ranked_together_and_found_in_their_own():
    true = [boxes(*tube("run", 0, 1)), boxes(*tube("run", 5, 6))]
    elsewhere = [boxes(), boxes(("run", 5, 0, 0.5, WIDE), ("run", 0, 1, 0.9, WIDE))]
    assert frame_map(elsewhere, true, 0.5) == pytest.approx(0.5 * 1 / 2)
    assert frame_map([boxes(*tube("run", 0, 1)), boxes(*tube("run", 5, 6))], true, 0.5) == 1


def test_classes_weigh_the_same_and_go_by_name():
    true = [boxes(*tube("run", 0, 9)), boxes(*tube("clap", 0, 1))]
    found = [boxes(*tube("run", 0, 9), *tube("jump", 0, 9, score=0.99)), boxes(*tube("run", 0, 1, score=0.1))]
    assert frame_map(found, true, 0.5) == video_map(found, true, 0.5) == pytest.approx(0.5)
    assert np.isnan(frame_map(found, [boxes(), boxes()], 0.5))
    assert video_map([boxes(), boxes()], true, 0.5) == 0


def half(first, end, box=WIDE):
    return np.arange(first, end), np.array([box] * (end - first), np.float32)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (half(0, 4), 1),
        (half(2, 6), 2 / 6),  # two frames of six
        (half(0, 4, SHIFTED), 1 / 3),
        (half(2, 6, SHIFTED), 2 / 6 / 3),
        (half(0, 4, TALL), 1 / 7),
        (half(4, 8), 0),
    ],
)
def test_tubes_overlap_in_time_and_space(other, expected):
    assert tube_overlap(half(0, 4), other) == pytest.approx(expected)
    assert tube_overlap(other, half(0, 4)) == pytest.approx(expected)


def test_a_hole_in_a_tube_is_missing():
    frames, places = half(0, 4)
    assert tube_overlap(half(0, 4), (frames[[0, 3]], places[[0, 3]])) == pytest.approx(2 / 4)


def test_tubes_rank_by_the_mean_score_of_their_boxes():
    true = [boxes(*tube("run", 0, 4))]
    late = [("run", frame, 1, score, WIDE) for frame, score in zip(range(20, 24), (1, 0.5, 0.5, 0.5), strict=True)]
    found = [boxes(*tube("run", 0, 4, score=0.7), *late)]
    assert video_map(found, true, 0.5) == 1
    louder = [boxes(*tube("run", 0, 4, score=0.6), *late)]
    assert video_map(louder, true, 0.5) == pytest.approx(1 / 2)
    early = [boxes(*tube("run", 0, 2))]
    assert video_map(early, true, 0.2) == video_map(early, true, 0.5) == 1
    assert video_map([boxes(*tube("run", 0, 1))], true, 0.5) == 0


def action(score, *found: Box) -> Action:
    return Action(3, "run", score, 1.0, None, 1.0, Grid((0, 0), (1, 1)), None, found)


def test_finds_are_what_the_program_reports():
    finds = Finds(0.1, 0.5)
    finds.add(0, 0.0, "Run", action(0.8, Box(WIDE, 0.7, 4), Box(TALL, 0.6, 9)))
    finds.add(1, 0.2, "Run", action(0.09, Box(WIDE, 0.05, 4)))  # too little to be told
    finds.add(2, 0.5, "Run", action(0.8, Box(WIDE, 0.75, 4)))  # half a second later: still the same
    finds.add(9, 1.1, "Run", action(0.1, Box(WIDE, 0.1, 4)))  # that was too long
    found = finds.detected(Truth(("Run",), 100, 60, np.arange(9) / 10, np.full((9, 0), NO_ACTION, np.int16), np.empty((9, 0, 4)))).found
    assert found.frames.tolist() == [0, 0, 2, 9]
    assert found.tubes.tolist() == [0, 1, 0, 2]
    assert found.scores == pytest.approx([0.7, 0.6, 0.75, 0.1])
    assert set(found.labels.tolist()) == {"Run"}
    assert found.xyxy[1].tolist() == list(TALL)


def test_every_run_of_an_actor_is_a_tube_of_the_frames_on_which_he_is_seen():
    actions = np.array([[0, NO_ACTION], [0, 1], [NO_ACTION, 1], [0, 1]], np.int16)
    places = np.array([[WIDE, TALL]] * 4, np.float32)
    places[2, 1] = NAN
    true = true_boxes(Truth(("run", "clap"), 100, 60, np.arange(4) / 10, actions, places))
    rows = sorted(zip(true.labels.tolist(), true.tubes.tolist(), true.frames.tolist(), strict=True))
    assert rows == [("clap", 2, 1), ("clap", 2, 3), ("run", 0, 0), ("run", 0, 1), ("run", 1, 3)]
    assert true.xyxy[true.labels == "clap"].tolist() == [list(TALL)] * 2
