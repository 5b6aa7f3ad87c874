"""The pointing game on cases that can be computed by hand, on pictures that are not square."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.metrics.localization import judge_peak, paint_boxes, peak_distance

NAN = float("nan")


@pytest.fixture
def mask():
    """40 rows, 100 columns; somebody at x 80 to 89, y 5 to 14."""
    mask = np.zeros((40, 100), bool)
    mask[5:15, 80:90] = True
    return mask


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
    assert peak_distance(mask, peak) == pytest.approx(expected)


def test_x_and_y_are_not_swapped(mask):
    assert peak_distance(mask, (85, 10)) == 0
    assert peak_distance(mask, (10, 35)) > 15


def test_fifteen_pixels_are_within_reach_and_sixteen_are_not(mask):
    assert peak_distance(mask, (65, 10)) == 15
    assert peak_distance(mask, (64, 10)) == np.inf


def test_boxes_are_painted_half_open_and_rounded():
    boxes = np.array([[2.4, 0.6, 5.5, 3.4], [8, 2, 12, 9], [-3, 3, 1, 4]], np.float32)
    expected = np.zeros((4, 10), bool)
    expected[1:3, 2:6] = expected[2:4, 8:10] = expected[3:4, 0:1] = True
    assert np.array_equal(paint_boxes(boxes, (4, 10)), expected)
    assert not paint_boxes(boxes[:0], (4, 10)).any()


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
def test_a_peak_is_on_an_actor_or_on_a_bystander_or_does_not_count(mask, peak, expected):
    ignored = paint_boxes(np.array([[45, 25, 65, 35]]), mask.shape)
    others = paint_boxes(np.array([[70, 5, 80, 15], [58, 25, 70, 35]]), mask.shape)
    assert judge_peak(peak, mask, ignored, others) == pytest.approx(expected, nan_ok=True)


def test_an_ignored_person_beside_an_actor_does_not_spoil_a_hit(mask):
    nobody = np.zeros_like(mask)
    assert judge_peak((90, 10), mask, paint_boxes(np.array([[88, 5, 99, 15]]), mask.shape), nobody) == (1, 0)
