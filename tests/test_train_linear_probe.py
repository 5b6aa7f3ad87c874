"""The linear probe: what it learns, and how its weight decay is chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from camreel.train.dataset import LabeledClip
from camreel.train.embeddings import ClipEmbeddings
from camreel.train.linear_probe import LinearProbe, choose_weight_decay, fit_probe

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


def test_the_weight_decay_is_chosen_over_folds_of_groups():
    decay, score = choose_weight_decay(clouds(), NAMES, mirror=False, seed=0)
    assert decay > 0 and score > 0.9


def test_a_scaled_probe_has_scaled_logits():
    probe = LinearProbe(np.ones((2, 3), np.float32), np.ones(2, np.float32))
    assert probe.scaled(0.5).logits(np.ones((1, 3), np.float32)).tolist() == [[2.0, 2.0]]
