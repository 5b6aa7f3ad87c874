"""Baselines without a network."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.evaluate.baselines import center_gaussian, center_point, motion_peak, random_map, residual_motion
from camreel.evaluate.localization_scores import LocalizationScorer, PredictedLocation, class_targets
from camreel.structures import Frame, Picture
from tests.evaluating import make_truth
from tests.make import MILLI, picture, textured


def shown(picture: Picture, index: int = 0) -> Frame:
    return Frame(index, index, index / 25, MILLI, picture)


def test_baselines_point_at_the_center_at_motion_or_at_noise():
    luma = np.full((60, 107), 90)
    luma[40:50, 70:80] = 200
    still, moved = shown(picture(107, 60, 90)), shown(picture(107, 60, luma))
    assert center_point(0)(still).peak == (53, 29.5)
    gaussian = center_gaussian(0)(still)
    assert gaussian.saliency.shape == (60, 107)
    assert gaussian.peak == pytest.approx((53, 29.5), abs=1)
    locate = motion_peak(0)
    assert locate(still) == PredictedLocation(None, None)
    assert locate(moved).peak == pytest.approx((74.5, 44.5), abs=1.5)
    assert locate(moved) == PredictedLocation(None, None)
    noise, again = random_map(5), random_map(5)
    first = noise(still)
    assert first.peak == again(still).peak
    assert not np.array_equal(first.saliency, noise(still).saliency)


def test_residual_motion_leaves_out_the_motion_of_the_camera():
    """The camera pans over a texture; a square walks the other way."""
    baselines = {"all": motion_peak(0), "own": residual_motion(0)}
    for step in range(8):
        luma = textured(160, 90, shift=3 * step).y.copy()
        luma[50:70, 100 - 3 * step : 120 - 3 * step] = 255
        locations = {name: locate(shown(picture(160, 90, luma), step)) for name, locate in baselines.items()}
    x, y = locations["own"].peak
    assert 45 <= y <= 75 and 70 <= x <= 110
    shares = {
        name: location.saliency[33:47, 48:72].sum() / location.saliency.sum() for name, location in locations.items()
    }
    assert shares["own"] > 2 * shares["all"]
    assert residual_motion(0)(shown(picture(160, 90))) == PredictedLocation(None, None)


def test_an_actor_in_the_center_is_found_by_the_center_baseline():
    scorer = LocalizationScorer((0.5,), 0.0)
    masks = np.zeros((2, 40, 100), np.uint8)
    masks[:, 15:25, 45:55] = 1
    centered = make_truth([[0], [0]], masks=masks)
    scorer.add(class_targets(centered, 0)[0], center_gaussian(0)(shown(picture(100, 40))))
    assert scorer.scores().distance[0] == 0
    assert scorer.scores().energy[0] > centered.masks[0].mean() * 2
