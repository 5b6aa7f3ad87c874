"""Things that tests of the evaluation are made of: a network, small synthetic videos, truths."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.annotations import Truth
from camreel.config.schema import Config
from camreel.evaluate.datasets import synthetic
from camreel.evaluate.localization_scores import LocalizationScores
from camreel.metrics.frame_scores import FrameScores
from camreel.synthetic import ACTIONS
from tests.make import TinyRecognizer

SIZE = (96, 64)

FRAMES = 30

PLAIN = Config.model_validate({"model": {"precision": "float32"}})

UNTRAINED = Config.model_validate({"model": {"name": "tests.evaluating:untrained", "precision": "float32"}})


def untrained() -> TinyRecognizer:
    """A network with the classes of the action world that was never trained on it."""
    network = TinyRecognizer(count=len(ACTIONS), frame_rate=12.0, multilabel=True)
    network.classes = ACTIONS
    network.weights = "made up"
    return network


def untrained_stranger() -> TinyRecognizer:
    network = untrained()
    network.classes = ("wave one hand", "Clap", *(f"class {i}" for i in range(13)))
    return network


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Make the synthetic videos of the evaluation small and short, of two splits."""
    patch.setattr(synthetic, "SIZE", SIZE)
    patch.setattr(synthetic, "SECONDS", FRAMES / synthetic.FRAME_RATE)
    patch.setattr(synthetic, "SPLITS", ("single", "pair"))
    patch.setattr(synthetic, "VALIDATION_SPLITS", ("pair",))


def make_truth(actions, boxes=None, masks=None, size=(100, 40)) -> Truth:
    """Two classes on as many frames as there are actions [T, P], 10 per second."""
    actions = np.array(actions, np.int16)
    count, people = actions.shape
    if boxes is None:
        boxes = np.full((count, people, 4), np.nan, np.float32)
    return Truth(("walk", "clap"), *size, np.arange(count) / 10, actions, np.array(boxes, np.float32), masks)


def frame_scores(true, values) -> FrameScores:
    """Return scores of a video of 10 frames per second [T, C], without segments."""
    true, values = np.array(true, bool), np.array(values, np.float32)
    return FrameScores(np.arange(len(true)) / 10, true, np.log(values / (1 - values)), values, ())


def box_scores(ious) -> LocalizationScores:
    """Return localization scores that only have overlaps of boxes [N, K]."""
    ious = np.array(ious, np.float32)
    none = np.zeros(len(ious), np.float32)
    return LocalizationScores(none.astype(np.int64), none, none, none, ious, none > 0, none, none, 0.0, 0.0, 0.0)
