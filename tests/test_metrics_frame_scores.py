"""Metrics of scores over time on cases that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.metrics.frame_scores import (
    FrameScores,
    average_precision,
    cut_windows,
    false_signal,
    idle_frames,
    lag,
    macro_f1,
    mean_average_precision,
    temporal_iou,
    top1,
)
from camreel.structures import Segment


def flags(*rows: str) -> np.ndarray:
    """ "x." is one frame of two classes: the first active, the second not."""
    return np.array([[c == "x" for c in row] for row in rows])


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
    assert np.flatnonzero(idle_frames(times, true)).tolist() == [0, 1, 2, 8, 9, 10, 11]
    assert idle_frames(times, np.zeros((12, 2), bool)).all()
    assert not idle_frames(times, np.ones((12, 2), bool)).any()


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


def test_segments_say_which_frames_are_reported():
    segment = Segment(1, "b", 0.1, 0.3, 0.9)
    times, zeros = np.arange(4) / 10, np.zeros((4, 2), np.float32)
    video = FrameScores(times, zeros > 0, zeros, zeros, (segment,))
    assert video.reported.tolist() == [[False, False], [False, True], [False, True], [False, False]]


def test_windows_are_sixteen_samples_at_twelve_per_second():
    times = np.arange(90) / 30  # 2.97 s: 36 samples, two windows
    true = flags("x.") & (times < 0.5)[:, None]
    logits = np.stack([times, -times], axis=1).astype(np.float32)
    mean, share = cut_windows(times, logits, true)
    assert share[:, 0] == pytest.approx([6 / 16, 0])
    assert mean.shape == (2, 2)
    assert mean[0, 0] == pytest.approx(np.mean(np.arange(16) / 12), abs=0.01)
    assert mean[1, 0] == pytest.approx(np.mean(np.arange(16, 32) / 12), abs=0.01)


def test_a_video_shorter_than_a_window_has_none():
    mean, share = cut_windows(np.arange(10) / 30, np.zeros((10, 3), np.float32), np.zeros((10, 3), bool))
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
