"""Energy, pixel precision and box accuracy on cases that can be computed by hand, on pictures that are not square."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.metrics.localization import (
    PixelPrecision,
    best_iou,
    box_accuracy,
    box_iou,
    cell_coverage,
    energy_inside,
    mean_over_videos,
)


@pytest.fixture
def mask():
    """40 rows, 100 columns; somebody at x 80 to 89, y 5 to 14."""
    mask = np.zeros((40, 100), bool)
    mask[5:15, 80:90] = True
    return mask


def test_cells_that_a_mask_covers_in_part(mask):
    covered = cell_coverage(mask, (4, 10))
    assert covered[0, 8] == covered[1, 8] == pytest.approx(0.5)
    assert covered.sum() == pytest.approx(1.0)


def test_energy_is_the_share_of_positive_mass_inside(mask):
    saliency = np.zeros((40, 100), np.float32)
    saliency[10, 85], saliency[30, 20], saliency[31, 20] = 3, 1, -5
    assert energy_inside(saliency, cell_coverage(mask, saliency.shape)) == pytest.approx(0.75)
    assert energy_inside(np.zeros_like(saliency), cell_coverage(mask, saliency.shape)) == 0
    flat = energy_inside(np.ones((20, 50), np.float32), cell_coverage(mask, (20, 50)))
    assert flat == pytest.approx(mask.mean(), abs=1e-6)


def pixel_precision(maps, masks) -> float:
    """Over all pixels, threshold by threshold."""
    s, t = np.stack(maps), np.stack(masks)
    area, before = 0.0, 0.0
    for least in np.unique(s)[::-1]:
        chosen = s >= least
        precision, recall = (chosen & t).sum() / chosen.sum(), (chosen & t).sum() / t.sum()
        area, before = area + precision * (recall - before), recall
    return area


def test_pixel_precision_equals_that_over_all_pixels_of_all_frames():
    rng = np.random.default_rng(2)
    maps = [(rng.integers(0, 1001, (5, 12)) / 1000).astype(np.float32) for _ in range(3)]
    masks = [np.zeros((40, 120), bool) for _ in maps]
    masks[0][3:22, 15:48], masks[1][:, 100:], masks[2][39:, 0:1] = True, True, True
    measured = PixelPrecision()
    for saliency, inside in zip(maps, masks, strict=True):
        measured.add(saliency, cell_coverage(inside, saliency.shape))
    large = [np.kron(saliency, np.ones((8, 10), np.float32)) for saliency in maps]
    assert measured.value == pytest.approx(pixel_precision(large, masks), abs=1e-6)


def test_pixel_precision_by_hand(mask):
    covered = cell_coverage(mask, (8, 20))
    right, flat = PixelPrecision(), PixelPrecision()
    right.add(covered, covered)
    flat.add(np.full((8, 20), 0.3, np.float32), covered)
    assert right.value == pytest.approx(1)
    assert flat.value == pytest.approx(mask.mean())
    half = PixelPrecision()
    saliency = np.zeros((8, 20), np.float32)
    saliency[1:3, 17:19] = (
        0.8  # the right half of who acts and as much beside: 100 pixels at recall .5, the rest at all 4000
    )
    half.add(saliency, covered)
    assert half.value == pytest.approx(0.5 * 50 / 100 + 0.5 * 100 / 4000)
    assert np.isnan(PixelPrecision().value)


def test_the_best_pair_of_boxes_counts():
    found = np.array([[0, 0, 1, 1], [0, 0, 40, 10]], np.float32)
    true = np.array([[20, 0, 40, 10], [90, 90, 99, 99]], np.float32)
    assert best_iou(found, true) == pytest.approx(0.5)
    assert best_iou(found[:0], true) == 0
    assert best_iou(found, true[:0]) == 0
    assert best_iou(found[:1], true) == 0


def test_box_iou_is_computed_pair_by_pair():
    a = np.array([[0, 0, 40, 10], [0, 0, 10, 40], [0, 0, 4, 4]], np.float32)
    b = np.array([[20, 0, 60, 10], [0, 20, 10, 60], [4, 0, 8, 4]], np.float32)
    assert box_iou(a, b) == pytest.approx([1 / 3, 1 / 3, 0])


def test_box_accuracy_is_the_mean_over_three_overlaps():
    ious = np.array([[0.3, 0.29], [0.72, 0.5]], np.float32)
    # at the first threshold: .3 by both, .5 by one, .7 by one; at the second: .3 by one, .5 by one, .7 by none
    assert box_accuracy(ious) == pytest.approx([(1 + 0.5 + 0.5) / 3, (0.5 + 0.5) / 3])


def test_videos_weigh_the_same_however_long_they_are():
    assert mean_over_videos([np.array([True]), np.array([False] * 9), np.array([], bool)]) == pytest.approx(0.5)
    assert np.isnan(mean_over_videos([]))
