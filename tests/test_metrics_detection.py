"""Average precision of segments, boxes and tubes: every number by hand, on pictures that are not square."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.metrics.detection import (
    BoxTable,
    find_spans,
    frame_map,
    segment_average_precision,
    span_iou,
    temporal_map,
    tube_iou,
    video_map,
)
from camreel.structures import Segment

WIDE = (20.0, 10.0, 60.0, 20.0)

SHIFTED = (40.0, 10.0, 80.0, 20.0)
"""Overlaps WIDE by a third."""

TALL = (20.0, 10.0, 30.0, 50.0)
"""Overlaps WIDE by 100 / 700."""


def test_spans_end_when_the_next_frame_begins():
    times = np.array([0.0, 0.1, 0.2, 0.4])
    assert find_spans(times, np.array([True, True, False, True])) == [
        (0.0, pytest.approx(0.2)),
        (0.4, pytest.approx(0.6)),
    ]
    assert find_spans(times, np.zeros(4, bool)) == []


def test_overlap_in_time():
    assert span_iou((0, 2), (1, 3)) == pytest.approx(1 / 3)
    assert span_iou((0, 1), (1, 2)) == 0


def segment(start, end, score, class_id=0):
    return Segment(class_id, "", start, end, score)


def test_each_true_span_is_matched_once_with_the_highest_score_first():
    true = [[(0.0, 1.0), (2.0, 3.0)], [(5.0, 6.0)]]
    found = [
        [segment(0, 1, 0.9), segment(0, 1, 0.8), segment(2, 3, 0.7)],
        [segment(0, 1, 0.6), segment(5, 6, 0.99, class_id=1)],
    ]
    # right, double, right, wrong: precision 1 at recall 1/3, 2/3 at recall 2/3, the last span is missed
    assert segment_average_precision(found, true, 0, 0.5) == pytest.approx((1 + 2 / 3) / 3)


def test_precision_is_interpolated():
    true = [[(0.0, 1.0), (2.0, 3.0)]]
    found = [[segment(8, 9, 0.9), segment(0, 1, 0.8), segment(2, 3, 0.7)]]
    assert segment_average_precision(found, true, 0, 0.5) == pytest.approx(2 / 3)


def test_temporal_map_is_the_mean_over_classes_and_overlaps():
    true = [[[(0.0, 10.0)], [], [(0.0, 1.0)]]]
    found = [[segment(0, 5, 0.9)]]
    # class 0 is right at .3, .4 and .5; class 2 is never found; class 1 does not occur
    assert temporal_map(found, true) == pytest.approx(3 / 5 / 2)
    assert temporal_map([[]], true) == 0
    assert np.isnan(temporal_map([[]], [[[]]]))


def boxes(*rows) -> BoxTable:
    """Rows of label, frame, tube, score, box."""
    labels, frames, tubes, scores, places = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return BoxTable(
        np.array(labels, np.str_),
        np.array(frames, np.int64),
        np.array(tubes, np.int64),
        np.array(scores, np.float32),
        np.array(places, np.float32).reshape(-1, 4),
    )


def tube(label, first, end, box=WIDE, number=0, score=1.0) -> list:
    return [(label, frame, number, score, box) for frame in range(first, end)]


def test_each_true_box_is_matched_once():
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


def test_classes_weigh_the_same_and_are_matched_by_name():
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
    assert tube_iou(half(0, 4), other) == pytest.approx(expected)
    assert tube_iou(other, half(0, 4)) == pytest.approx(expected)


def test_a_hole_in_a_tube_is_missing():
    frames, places = half(0, 4)
    assert tube_iou(half(0, 4), (frames[[0, 3]], places[[0, 3]])) == pytest.approx(2 / 4)


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
