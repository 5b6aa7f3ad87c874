"""The linear probe: what it learns, and how its weight decay is chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from camreel.train.dataset import LabeledClip
from camreel.train.linear_probe import ClipEmbeddings, LinearProbe, _regress, choose_weight_decay, fit_probe

NAMES = ("class 0", "class 1", "class 2")


def clouds(count: int = 12, classes: int = 3, seed: int = 0) -> list[ClipEmbeddings]:
    """Clips whose embeddings lie around one center per class."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(classes, 8)) * 3
    clips = []
    for c in range(classes):
        for i in range(count):
            windows = (centers[c] + rng.normal(size=(4, 8))).astype(np.float32)
            clips.append(ClipEmbeddings(LabeledClip(Path(f"{c}-{i}"), NAMES[c], f"group {i}"), windows, windows + 0.1))
    return clips


def test_a_probe_separates_clouds_and_weighs_classes_alike():
    clips = clouds()
    rare = [clip for clip in clips if clip.clip.label == "class 2"][:2]
    few = [clip for clip in clips if clip.clip.label != "class 2"] + rare
    probe = fit_probe(few, NAMES, 0.01, mirror=True)
    assert probe.weight.shape == (3, 8) and probe.bias.shape == (3,)
    predicted = [NAMES[int(probe.logits(clip.plain).mean(axis=0).argmax())] for clip in clips]
    assert np.mean([a == clip.clip.label for a, clip in zip(predicted, clips, strict=True)]) > 0.95


@pytest.mark.parametrize("classes", [2, 3])
def test_the_regression_minimizes_the_weighted_cross_entropy_plus_weight_decay(classes: int):
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(60, 5)).astype(np.float32), rng.integers(classes, size=60)
    weights = rng.random(60)
    weights /= weights.sum()
    weight, bias = _regress(x, targets, weights, classes, 0.02)
    logits = x @ weight.T + bias
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    error = weights[:, None] * (chances - np.eye(classes)[targets])
    np.testing.assert_allclose(error.T @ x + 2 * 0.02 * weight, 0, atol=1e-6)
    np.testing.assert_allclose(error.sum(axis=0), 0, atol=1e-6)


def test_the_weight_decay_is_chosen_over_folds_of_groups():
    decay, score = choose_weight_decay(clouds(), NAMES, mirror=False, seed=0)
    assert decay > 0 and score > 0.9


def test_a_scaled_probe_has_scaled_logits():
    probe = LinearProbe(np.ones((2, 3), np.float32), np.ones(2, np.float32))
    assert probe.scaled(0.5).logits(np.ones((1, 3), np.float32)).tolist() == [[2.0, 2.0]]
