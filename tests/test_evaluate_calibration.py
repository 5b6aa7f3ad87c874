"""Thresholds and calibration chosen on validation videos."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from camreel.errors import ModelError
from camreel.evaluate.calibration import (
    BOX_CANDIDATES,
    SCORE_CANDIDATES,
    calibrate,
    calibrate_scores,
    choose_box,
    choose_score,
    fold_calibration,
)
from camreel.metrics.frame_scores import FrameScores, false_signal, macro_f1
from camreel.models import checkpoint
from camreel.models.loading import load
from camreel.synthetic import ACTIONS
from tests.evaluating import PLAIN, box_scores, frame_scores, shrink


@pytest.fixture
def small_world(monkeypatch):
    """Small short films of one split, one of each."""
    shrink(monkeypatch)
    monkeypatch.setattr("camreel.evaluate.calibration.VALIDATION_VIDEOS", 1)


def test_the_score_threshold_is_the_best_that_keeps_false_signals_rare():
    true = [[1]] * 40 + [[0]] * 60
    quiet = frame_scores(true, [[0.6]] * 40 + [[0.3]] * 60)
    chosen = choose_score([quiet])
    assert 0.3 < chosen <= 0.6
    # Best F1 would be at .5, but 2 of 100 frames then have a false signal.
    loud = frame_scores(true, [[0.6]] * 20 + [[0.8]] * 20 + [[0.3]] * 30 + [[0.7]] * 2 + [[0.3]] * 28)
    assert 0.7 < choose_score([loud]) <= 0.8
    hopeless = frame_scores([[0]] * 10, [[0.995]] * 10)
    assert choose_score([hopeless]) == SCORE_CANDIDATES[-1]


def test_the_box_threshold_is_best_over_videos_and_not_over_frames():
    many, few = box_scores([[0.8, 0.0]] * 9), box_scores([[0.0, 0.8]])
    other = box_scores([[0.4, 0.8]])
    assert choose_box([many, few, other], (0.2, 0.6)) == 0.6
    assert choose_box([box_scores(np.empty((0, 3)))], (0.1, 0.2, 0.3)) == 0.2


def test_one_half_is_the_best_threshold_of_calibrated_scores():
    rng = np.random.default_rng(0)
    true = rng.random((4000, 3)) < 0.2
    true[2000:] = False
    raw = np.where(true, 2.0, -1.0) * [1, 3, 1] + [4, -2, 0] + rng.normal(0, 1, true.shape)
    video = FrameScores(np.arange(4000) / 30, true, raw.astype(np.float32), np.zeros(true.shape, np.float32), ())
    scale, bias = calibrate_scores([video])
    found = [raw * scale + bias >= 0]
    assert false_signal(found, [video.idle]) <= 0.015
    assert macro_f1(found, [true]) > 0.8 > macro_f1([raw >= 0], [true])
    assert len(set(scale.tolist())) == 1 and scale[0] > 0


def test_a_class_that_never_occurs_gets_the_threshold_of_the_others():
    true = np.zeros((100, 2), bool)
    true[:50, 0] = True
    raw = np.where(true, 3.0, -1.0).astype(np.float32)
    scale, bias = calibrate_scores([FrameScores(np.arange(100) / 30, true, raw, raw, ())])
    assert bias[0] == pytest.approx(-scale[0]) == pytest.approx(bias[1])


def test_a_folded_calibration_moves_the_logits_and_keeps_maps_complete():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(6, 4, 5, generator=generator)
    tensors = {
        "classifier.weight": torch.randn(3, 6, generator=generator),
        "classifier.bias": torch.ones(3),
        "stem": torch.ones(1),
    }
    scale, bias = np.array([0.5, 1, 2], np.float32), np.array([1, 0, -3], np.float32)
    folded = fold_calibration(tensors, scale, bias)
    logits = [t["classifier.weight"] @ features.mean((1, 2)) + t["classifier.bias"] for t in (tensors, folded)]
    assert torch.allclose(logits[1], logits[0] * torch.tensor(scale) + torch.tensor(bias), atol=1e-6)
    maps = torch.einsum("ck,khw->chw", folded["classifier.weight"], features)
    assert torch.allclose(maps.mean((1, 2)) + folded["classifier.bias"], logits[1], atol=1e-6)
    assert torch.equal(tensors["classifier.bias"], torch.ones(3))
    assert folded["stem"] is tensors["stem"]


def test_a_checkpoint_is_calibrated_in_place(small_world, tmp_path):
    path, network = tmp_path / "network.safetensors", load("figures", "random", seed=1)
    tensors = network.net.state_dict()
    checkpoint.save(path, tensors, network.metadata.model_copy(update={"classes": ACTIONS}))
    found = calibrate(path, PLAIN)
    after, metadata, _ = checkpoint.read(path)
    assert metadata.threshold == found.threshold in BOX_CANDIDATES
    scale, bias = torch.tensor(found.scale), torch.tensor(found.bias)
    assert torch.allclose(after["classifier.weight"], tensors["classifier.weight"] * scale[:, None])
    assert torch.allclose(after["classifier.bias"], tensors["classifier.bias"] * scale + bias)
    assert torch.equal(after["last.0.weight"], tensors["last.0.weight"])
    assert found.metrics.get("false_signal", 0) <= 0.015 and found.metrics["frame_f1"] > 0
    assert metadata.metrics["validation"] == found.metrics and "max_box_acc_v2" in found.metrics
    assert "frame_map_50" not in found.metrics


def test_a_checkpoint_of_other_classes_is_not_changed(small_world, tmp_path):
    path, network = tmp_path / "network.safetensors", load("figures", "random", seed=1)
    checkpoint.save(path, network.net.state_dict(), network.metadata)
    before = path.read_bytes()
    with pytest.raises(ModelError, match="does not know the classes"):
        calibrate(path, PLAIN)
    assert path.read_bytes() == before
