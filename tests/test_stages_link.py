"""Boxes linked to tubes, and scores to segments."""

from __future__ import annotations

import pytest

from camreel.stages.link import iou, link
from camreel.stages.options import LinkOptions
from camreel.structures import Action, Box, Grid, Localization, Segment, Tube
from tests.make import frames


def action(score=0.9, boxes=(), class_id=1):
    return Action(
        class_id,
        f"class {class_id}",
        score,
        3.0,
        None,
        1.0,
        Grid((0, 0), (1, 1)),
        None,
        tuple(Box(b, score) for b in boxes),
    )


def run(per_frame, rate=10.0, **rules):
    shown = frames([i / rate for i in range(len(per_frame))])
    return list(link((Localization(f, tuple(a)) for f, a in zip(shown, per_frame, strict=True)), LinkOptions(**rules)))


def ended(out, kind):
    return [x for localization in out for x in localization.ended if isinstance(x, kind)]


def tracks(out):
    return [[b.track for a in localization.actions for b in a.boxes] for localization in out]


def test_a_moving_box_keeps_its_track():
    out = run([[action(boxes=[(i, 0, i + 20, 20)])] for i in range(10)])
    assert tracks(out) == [[0]] * 10
    (tube,) = ended(out, Tube)
    assert (tube.start, tube.end) == pytest.approx((0.0, 1.0))
    assert tube.score == pytest.approx(0.9)


def test_two_boxes_that_cross_over_in_order_keep_their_tracks():
    out = run(
        [[action(boxes=[(0, 0, 20, 20), (100, 0, 120, 20)])], [action(boxes=[(101, 0, 121, 20), (1, 0, 21, 20)])]]
    )
    assert tracks(out) == [[0, 1], [1, 0]]


def test_classes_have_tracks_of_their_own():
    box = (0, 0, 20, 20)
    out = run([[action(boxes=[box]), action(boxes=[box], class_id=2)]] * 2)
    assert tracks(out) == [[0, 1], [0, 1]]


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    shown, hidden = [action(boxes=[(0, 0, 20, 20)])], []
    assert tracks(run([shown, hidden, hidden, shown], gap=0.35)) == [[0], [], [], [0]]
    out = run([shown, hidden, hidden, shown], gap=0.15)
    assert tracks(out) == [[0], [], [], [1]]
    first, second = ended(out, Tube)
    assert (first.start, first.end) == pytest.approx((0.0, 0.1))
    assert (second.start, second.end) == pytest.approx((0.3, 0.4))


def test_two_boxes_of_one_frame_never_share_a_track():
    out = run([[action(boxes=[(0, 0, 20, 20)])], [action(boxes=[(0, 0, 20, 20), (1, 0, 21, 20)])]])
    assert tracks(out) == [[0], [0, 1]]


def test_segments_start_and_end_with_hysteresis():
    scores = [0.2, 0.4, 0.6, 0.4, 0.35, 0.2, 0.1, 0.1, 0.1]
    out = run([[action(score=s)] for s in scores], enter=0.5, leave=0.3, gap=0.2, min_length=0.0)
    (segment,) = ended(out, Segment)
    assert (segment.start, segment.end) == pytest.approx((0.2, 0.5))
    assert segment.score == pytest.approx((0.6 + 0.4 + 0.35) / 3)
    assert segment.label == "class 1"


def test_a_class_that_drops_out_of_the_top_k_ends_too():
    out = run([[action()]] * 5 + [[]] * 10, gap=0.2)
    (segment,) = ended(out, Segment)
    assert segment.end == pytest.approx(0.5)


def test_segments_that_are_too_short_are_dropped():
    assert ended(run([[action()]] + [[]] * 10, gap=0.2, min_length=0.2), Segment) == []


def test_open_tubes_and_segments_end_with_the_last_frame():
    out = run([[action(boxes=[(0, 0, 20, 20)])]] * 5)
    assert all(localization.ended == () for localization in out[:-1])
    (segment,), (tube,) = ended(out, Segment), ended(out, Tube)
    assert segment.end == tube.end == pytest.approx(0.5)


def test_no_frame_gives_nothing_and_one_frame_a_tube():
    assert run([]) == []
    (only,) = run([[action(boxes=[(0, 0, 20, 20)])]])
    assert [type(x) for x in only.ended] == [Tube]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1),
        ((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3),
        ((0, 0, 10, 20), (10, 0, 20, 20), 0),
    ],
)
def test_overlap_of_half_open_boxes(a, b, expected):
    assert iou(Box(a, 1), Box(b, 1)) == pytest.approx(expected)
