"""Pictures of clips: what is kept, and clips that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.models.loading import load
from camreel.train.dataset import LabeledClip
from camreel.train.training_data import ClipCache, UnusableClip
from tests.labeled_clips import folder as folder


def test_a_clip_of_a_moment_is_too_short(folder):
    cache = ClipCache(load("figures"))
    path = folder / "up" / "up0.mp4"
    with pytest.raises(UnusableClip, match="too short"):
        cache.pictures(LabeledClip(path, "up", "g", None, 0.0, 0.1))


def test_pictures_that_do_not_fit_are_read_again(folder):
    clip = LabeledClip(folder / "up" / "up0.mp4", "up", "g")
    roomy, narrow = ClipCache(load("figures")), ClipCache(load("figures"), capacity=0)
    assert roomy.pictures(clip) is roomy.pictures(clip)
    assert narrow.pictures(clip) is not narrow.pictures(clip)
    np.testing.assert_array_equal(roomy.pictures(clip), narrow.pictures(clip))
