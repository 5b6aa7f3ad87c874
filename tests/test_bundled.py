"""The network that comes with camreel, on the videos that come with camreel: what, where and when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from camreel.annotations import find_truth, read_truth
from camreel.config.schema import Config
from camreel.flow import load_recognizer, localize
from camreel.interfaces import Recognizer
from camreel.structures import Segment

SAMPLES = sorted((Path(__file__).resolve().parents[1] / "sample_videos").glob("*.mp4"))
SOON = 0.5
"""Seconds around a change in which nothing is asked."""


@pytest.fixture(scope="module")
def network() -> tuple[Recognizer, Config]:
    config = Config().with_model("figures")
    return load_recognizer(config), config


@pytest.mark.parametrize("video", SAMPLES, ids=lambda path: path.stem)
def test_it_says_what_where_and_when(video: Path, network: tuple[Recognizer, Config]):
    recognizer, config = network
    truth = read_truth(find_truth(video))
    assert recognizer.classes == truth.classes
    hits, found, false, segments = [], [], [], []
    for shown in localize(str(video), config=config, recognizer=recognizer):
        t = shown.frame.index
        segments += [ended for ended in shown.ended if isinstance(ended, Segment)]
        near = truth.actions[np.abs(truth.times - shown.frame.time) <= SOON]
        active = {action.class_id: action for action in shown.actions if action.score >= 0.5}
        for class_id in set(truth.actions[t].tolist()) - {-1}:
            if not (near == class_id).any(axis=1).all():
                continue
            found.append(class_id in active)
            if class_id in active:
                x, y = (round(value) for value in active[class_id].peak)
                who = np.flatnonzero(truth.actions[t] == class_id)
                hits.append(
                    bool(np.isin(truth.masks[t, max(y - 15, 0) : y + 16, max(x - 15, 0) : x + 16], who + 1).any())
                )
        false.append(bool(set(active) - set(near.ravel().tolist())))
    assert np.mean(found) > 0.75
    assert np.mean(hits) > 0.8
    assert np.mean(false) < 0.25
    present = set(truth.actions.ravel().tolist()) - {-1}
    assert present <= {segment.class_id for segment in segments}
