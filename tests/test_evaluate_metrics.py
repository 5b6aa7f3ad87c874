"""Every metric on cases that can be computed by hand, on pictures that are not square."""

from __future__ import annotations

import numpy as np
import pytest
from camreel.metrics.frames import false_signal, idle, lag, macro_f1, temporal_iou
from camreel.metrics.pixels import PixelPrecision
from camreel.metrics.pointing_game import (
    best_iou,
    box_accuracy,
    cover,
    distance,
    energy,
    over_videos,
    overlaps,
    painted,
    verdict,
)
from camreel.metrics.segments import detection_precision, overlap, spans, temporal_map
from camreel.metrics.stability import Flicker, Passage
from camreel.metrics.windows import average_precision, mean_average_precision, top1, windows
from camreel.structures import Segment

from tests.make import picture, textured

NAN = float("nan")


@pytest.fixture
def mask():
    """40 rows, 100 columns; somebody at x 80 to 89, y 5 to 14."""
    mask = np.zeros((40, 100), bool)
    mask[5:15, 80:90] = True
    return mask


def flags(*rows: str) -> np.ndarray:
    """ "x." is one frame of two classes: the first active, the second not."""
    return np.array([[c == "x" for c in row] for row in rows])


@pytest.mark.parametrize(
    ("peak", "expected"),
    [
        ((80, 5), 0.0),
        ((89.4, 14.4), 0.0),
        ((89.6, 14.4), 1.0),
        ((70, 10), 10.0),
        ((77, 1), 5.0),
        ((99, 39), np.inf),
        ((10, 80), np.inf),
        ((0, 0), np.inf),
        (None, np.inf),
    ],
)
def test_the_distance_of_a_peak_to_the_mask(mask, peak, expected):
    assert distance(mask, peak) == pytest.approx(expected)


def test_x_and_y_are_not_swapped(mask):
    assert distance(mask, (85, 10)) == 0
    assert distance(mask, (10, 35)) > 15


def test_fifteen_pixels_are_within_reach_and_sixteen_are_not(mask):
    assert distance(mask, (65, 10)) == 15
    assert distance(mask, (64, 10)) == np.inf


def test_cells_that_a_mask_covers_in_part(mask):
    covered = cover(mask, (4, 10))
    assert covered[0, 8] == covered[1, 8] == pytest.approx(0.5)
    assert covered.sum() == pytest.approx(1.0)


def test_energy_is_the_share_of_positive_mass_inside(mask):
    saliency = np.zeros((40, 100), np.float32)
    saliency[10, 85], saliency[30, 20], saliency[31, 20] = 3, 1, -5
    assert energy(saliency, cover(mask, saliency.shape)) == pytest.approx(0.75)
    assert energy(np.zeros_like(saliency), cover(mask, saliency.shape)) == 0
    flat = energy(np.ones((20, 50), np.float32), cover(mask, (20, 50)))
    assert flat == pytest.approx(mask.mean(), abs=1e-6)


def test_the_best_pair_of_boxes_counts():
    found = np.array([[0, 0, 1, 1], [0, 0, 40, 10]], np.float32)
    true = np.array([[20, 0, 40, 10], [90, 90, 99, 99]], np.float32)
    assert best_iou(found, true) == pytest.approx(0.5)
    assert best_iou(found[:0], true) == 0
    assert best_iou(found, true[:0]) == 0
    assert best_iou(found[:1], true) == 0


def test_overlaps_of_boxes_are_pair_by_pair():
    a = np.array([[0, 0, 40, 10], [0, 0, 10, 40], [0, 0, 4, 4]], np.float32)
    b = np.array([[20, 0, 60, 10], [0, 20, 10, 60], [4, 0, 8, 4]], np.float32)
    assert overlaps(a, b) == pytest.approx([1 / 3, 1 / 3, 0])


def test_boxes_are_painted_half_open_and_rounded():
    boxes = np.array([[2.4, 0.6, 5.5, 3.4], [8, 2, 12, 9], [-3, 3, 1, 4]], np.float32)
    expected = np.zeros((4, 10), bool)
    expected[1:3, 2:6] = expected[2:4, 8:10] = expected[3:4, 0:1] = True
    assert np.array_equal(painted(boxes, (4, 10)), expected)
    assert not painted(boxes[:0], (4, 10)).any()


@pytest.mark.parametrize(
    ("peak", "expected"),
    [
        ((85, 10), (1, 0)),  # on who acts
        ((91, 10), (1, 0)),  # 2 pixels beside him: 5 % of the height of 40
        ((92, 10), (0, 0)),  # 3 pixels
        ((85, 17), (0, 0)),
        ((78, 10), (1, 1)),  # near enough, and yet on a bystander
        ((75, 10), (0, 1)),
        ((50, 30), (NAN, NAN)),  # on somebody to be ignored
        ((60, 30), (0, 1)),  # on somebody to be ignored before a bystander
        ((20, 20), (0, 0)),
        (None, (0, 0)),
    ],
)
def test_the_verdict_on_a_peak(mask, peak, expected):
    ignored = painted(np.array([[45, 25, 65, 35]]), mask.shape)
    others = painted(np.array([[70, 5, 80, 15], [58, 25, 70, 35]]), mask.shape)
    assert verdict(peak, mask, ignored, others) == pytest.approx(expected, nan_ok=True)


def test_who_is_ignored_beside_who_acts_does_not_spoil_a_hit(mask):
    nobody = np.zeros_like(mask)
    assert verdict((90, 10), mask, painted(np.array([[88, 5, 99, 15]]), mask.shape), nobody) == (1, 0)


def pixel_precision(maps, masks) -> float:
    """Over all pixels, threshold by threshold."""
    s, t = np.stack(maps), np.stack(masks)
    area, before = 0.0, 0.0
    for least in np.unique(s)[::-1]:
        chosen = s >= least
        precision, recall = (chosen & t).sum() / chosen.sum(), (chosen & t).sum() / t.sum()
        area, before = area + precision * (recall - before), recall
    return area


def test_pixel_precision_is_that_over_all_pixels_of_all_frames():
    rng = np.random.default_rng(2)
    maps = [(rng.integers(0, 1001, (5, 12)) / 1000).astype(np.float32) for _ in range(3)]
    masks = [np.zeros((40, 120), bool) for _ in maps]
    masks[0][3:22, 15:48], masks[1][:, 100:], masks[2][39:, 0:1] = True, True, True
    measured = PixelPrecision()
    for saliency, inside in zip(maps, masks, strict=True):
        measured.add(saliency, cover(inside, saliency.shape))
    large = [np.kron(saliency, np.ones((8, 10), np.float32)) for saliency in maps]
    assert measured.value == pytest.approx(pixel_precision(large, masks), abs=1e-6)


def test_pixel_precision_by_hand(mask):
    covered = cover(mask, (8, 20))
    right, flat = PixelPrecision(), PixelPrecision()
    right.add(covered, covered)
    flat.add(np.full((8, 20), 0.3, np.float32), covered)
    assert right.value == pytest.approx(1)
    assert flat.value == pytest.approx(mask.mean())
    half = PixelPrecision()
    saliency = np.zeros((8, 20), np.float32)
    saliency[1:3, 17:19] = 0.8  # the right half of who acts and as much beside: 100 pixels at recall .5, the rest at all 4000
    half.add(saliency, covered)
    assert half.value == pytest.approx(0.5 * 50 / 100 + 0.5 * 100 / 4000)
    assert np.isnan(PixelPrecision().value)


def test_box_accuracy_is_the_mean_over_three_overlaps():
    ious = np.array([[0.3, 0.29], [0.72, 0.5]], np.float32)
    # at the first threshold: .3 by both, .5 by one, .7 by one; at the second: .3 by one, .5 by one, .7 by none
    assert box_accuracy(ious) == pytest.approx([(1 + 0.5 + 0.5) / 3, (0.5 + 0.5) / 3])


def test_videos_weigh_the_same_however_long_they_are():
    assert over_videos([np.array([True]), np.array([False] * 9), np.array([], bool)]) == pytest.approx(0.5)
    assert np.isnan(over_videos([]))


def test_macro_f1_is_over_the_classes_that_occur():
    true = [flags("x..", "x..", ".x."), flags(".x.")]
    found = [flags("x.x", "...", ".xx"), flags("...")]
    # class 0: 1 right, 1 missed; class 1: 1 right, 1 missed; class 2 does not occur
    assert macro_f1(found, true) == pytest.approx(2 / 3)
    assert np.isnan(macro_f1([flags("x")], [flags(".")]))


def test_idle_frames_are_half_a_second_away_from_any_action():
    times = np.arange(12) * 0.2
    true = np.zeros((12, 2), bool)
    true[5, 1] = True  # at 1.0 s
    assert np.flatnonzero(idle(times, true)).tolist() == [0, 1, 2, 8, 9, 10, 11]
    assert idle(times, np.zeros((12, 2), bool)).all()
    assert not idle(times, np.ones((12, 2), bool)).any()


def test_false_signal_is_the_share_of_idle_frames_with_a_class():
    found = [flags("..", "xx", ".x", ".."), flags("x.")]
    still = [np.array([True, True, False, True]), np.array([False])]
    assert false_signal(found, still) == pytest.approx(1 / 3)
    assert np.isnan(false_signal(found, [np.zeros(4, bool), np.zeros(1, bool)]))


def test_temporal_iou_is_over_classes_present_in_videos():
    true = [flags("x.", "x.", "..", ".."), flags(".x", ".x", ".x", ".x")]
    found = [flags("..", "x.", "x.", ".."), flags("..", "..", ".x", ".x")]
    assert temporal_iou(found, true) == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert np.isnan(temporal_iou([flags(".")], [flags(".")]))


@pytest.mark.parametrize("shift", [-6, 0, 3])
def test_the_lag_is_found_with_its_sign(shift):
    times = np.arange(90) / 30
    true = (times >= 1) & (times < 2)
    scores = np.roll(true, shift).astype(np.float32) * 0.8 + 0.1
    assert lag(times, scores, true) == pytest.approx(shift / 30)


def test_there_is_no_lag_where_nothing_changes():
    times, flat = np.arange(90) / 30, np.full(90, 0.5, np.float32)
    assert np.isnan(lag(times, flat, times > 1))
    assert np.isnan(lag(times, times.astype(np.float32), np.ones(90, bool)))


def test_windows_are_sixteen_samples_at_twelve_per_second():
    times = np.arange(90) / 30  # 2.97 s: 36 samples, two windows
    true = flags("x.") & (times < 0.5)[:, None]
    logits = np.stack([times, -times], axis=1).astype(np.float32)
    mean, share = windows(times, logits, true)
    assert share[:, 0] == pytest.approx([6 / 16, 0])
    assert mean.shape == (2, 2)
    assert mean[0, 0] == pytest.approx(np.mean(np.arange(16) / 12), abs=0.01)
    assert mean[1, 0] == pytest.approx(np.mean(np.arange(16, 32) / 12), abs=0.01)


def test_a_video_shorter_than_a_window_has_none():
    mean, share = windows(np.arange(10) / 30, np.zeros((10, 3), np.float32), np.zeros((10, 3), bool))
    assert mean.shape == share.shape == (0, 3)


def test_top1_is_over_windows_with_one_active_class():
    share = np.array([[0.4, 0.39], [0, 1], [1, 1], [0, 0]], np.float32)
    logits = np.array([[2, 1], [2, 1], [2, 1], [2, 1]], np.float32)
    assert top1(logits, share) == 0.5
    assert np.isnan(top1(logits[2:], share[2:]))


def test_average_precision_by_hand_and_with_ties():
    scores = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    assert average_precision(scores, np.array([True, False, True, False])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(4, np.float32), np.array([True, False, False, False])) == pytest.approx(0.25)


def test_unsure_windows_do_not_count():
    share = np.array([[0.5], [0.2], [0.0]], np.float32)
    logits = np.array([[1.0], [2.0], [0.0]], np.float32)
    assert mean_average_precision(logits, share) == 1.0
    assert np.isnan(mean_average_precision(logits, np.zeros_like(share)))


def test_spans_end_when_the_next_frame_begins():
    times = np.array([0.0, 0.1, 0.2, 0.4])
    assert spans(times, np.array([True, True, False, True])) == [(0.0, pytest.approx(0.2)), (0.4, pytest.approx(0.6))]
    assert spans(times, np.zeros(4, bool)) == []


def test_overlap_in_time():
    assert overlap((0, 2), (1, 3)) == pytest.approx(1 / 3)
    assert overlap((0, 1), (1, 2)) == 0


def segment(start, end, score, class_id=0):
    return Segment(class_id, "", start, end, score)


def test_detection_takes_each_true_span_once_and_the_surest_first():
    true = [[(0.0, 1.0), (2.0, 3.0)], [(5.0, 6.0)]]
    found = [[segment(0, 1, 0.9), segment(0, 1, 0.8), segment(2, 3, 0.7)], [segment(0, 1, 0.6), segment(5, 6, 0.99, class_id=1)]]
    # right, double, right, wrong: precision 1 at recall 1/3, 2/3 at recall 2/3, the last span is missed
    assert detection_precision(found, true, 0, 0.5) == pytest.approx((1 + 2 / 3) / 3)


def test_precision_is_interpolated():
    true = [[(0.0, 1.0), (2.0, 3.0)]]
    found = [[segment(8, 9, 0.9), segment(0, 1, 0.8), segment(2, 3, 0.7)]]
    assert detection_precision(found, true, 0, 0.5) == pytest.approx(2 / 3)


def test_temporal_map_is_the_mean_over_classes_and_overlaps():
    true = [[[(0.0, 10.0)], [], [(0.0, 1.0)]]]
    found = [[segment(0, 5, 0.9)]]
    # class 0 is right at .3, .4 and .5; class 2 is never found; class 1 does not occur
    assert temporal_map(found, true) == pytest.approx(3 / 5 / 2)
    assert temporal_map([[]], true) == 0
    assert np.isnan(temporal_map([[]], [[[]]]))


def test_flicker_is_relative_to_the_strongest_evidence():
    flicker = Flicker()
    low, high = np.full((3, 7), 0.2, np.float32), np.full((3, 7), 0.4, np.float32)
    for frame, saliency in enumerate((low, high, low)):
        flicker.add(frame, 4, saliency)
    assert flicker.value == pytest.approx(1000 * 0.2 / 0.4)


def test_flicker_needs_the_same_class_on_two_frames_in_a_row():
    flicker = Flicker()
    one = np.ones((2, 3), np.float32)
    for frame, class_id in ((0, 0), (1, 1), (2, 0)):
        flicker.add(frame, class_id, one)
    assert np.isnan(flicker.value)
    flicker.add(3, 0, one)
    assert flicker.value == 0


def blob(x: int, y: int = 40) -> np.ndarray:
    """A map [45, 80] of a picture of 160x90 with a soft spot at (x, y) in pixels."""
    rows, columns = np.mgrid[:45, :80]
    return np.exp(-((columns - x / 2) ** 2 + (rows - y / 2) ** 2) / 60).astype(np.float32)


def watched(step: int, drift: int, pictures=None) -> Flicker:
    """Four frames on which the picture moves by `step` pixels and the map by `drift`."""
    flicker, passage = Flicker(), Passage()
    for frame in range(4):
        passage.see(pictures[frame] if pictures else textured(160, 90, shift=step * frame))
        flicker.add(frame, 0, blob(60 + drift * frame), passage)
    return flicker


def test_a_map_that_moves_with_the_picture_flickers_and_does_not_warp():
    along = watched(6, 6)
    assert along.value > 20
    assert along.warping < along.value / 8


def test_a_map_that_stays_while_the_picture_moves_warps_and_does_not_flicker():
    staying = watched(6, 0)
    assert staying.value == 0
    assert staying.warping == pytest.approx(watched(0, 6).value, rel=0.25)


def test_both_are_the_same_where_nothing_moves():
    still = watched(0, 6)
    assert still.warping == pytest.approx(still.value, rel=0.02)


def test_a_scene_cut_hardly_counts():
    cut = [textured(160, 90, seed=seed, shift=3 * frame) for frame, seed in enumerate((0, 0, 1, 1))]
    passage = Passage()
    passage.see(cut[1])
    passage.see(cut[2])
    source, sure = passage((45, 80))
    assert source.shape == (45, 80, 2) and sure.mean() < 0.35
    passage.see(cut[3])
    assert passage((45, 80))[1].mean() > 0.9


def test_the_warping_error_needs_two_frames_in_a_row():
    flicker, passage = Flicker(), Passage()
    for frame in (0, 2, 4):
        passage.see(picture(160, 90))
        flicker.add(frame, 0, blob(60), passage)
    assert np.isnan(flicker.warping) and np.isnan(flicker.value)
    flicker.add(5, 0, blob(60))
    assert np.isnan(flicker.warping) and flicker.value == 0
