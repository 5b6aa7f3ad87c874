"""Batches of labeled clips."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from camreel.train.batch_sampler import BATCH_SIZE, BatchSampler, random_part, steps_per_epoch
from camreel.train.dataset import LabeledClip
from camreel.train.training_data import balance_classes
from tests.labeled_clips import labeled_clip


class Pictures:
    """Stands for a cache: clips whose pictures tell the clip and the sample."""

    def __init__(self, lengths: list[int], sizes: list[tuple[int, int]]) -> None:
        self.of = {
            labeled_clip(i): np.stack([np.full((*size, 3), 10 * i + t, np.uint8) for t in range(length)])
            for i, (length, size) in enumerate(zip(lengths, sizes, strict=True))
        }

    def pictures(self, clip: LabeledClip) -> np.ndarray:
        return self.of[clip]


def sampler_of(cache: Pictures, seed: int = 0, mirror: bool = True) -> BatchSampler:
    return BatchSampler(list(cache.of), cast(Any, cache), ("a", "b"), 8, mirror, seed)


def test_an_epoch_shows_every_clip_once_in_batches_of_about_one_shape(monkeypatch):
    monkeypatch.setattr("camreel.train.batch_sampler.augment", lambda pictures, size, rng, mirror: pictures[:, :2, :2])
    sampler = sampler_of(Pictures([8] * 20, [(12, 12), (12, 24)] * 10))
    steps = steps_per_epoch(20)
    assert steps == math.ceil(20 / BATCH_SIZE)
    batches = [sampler.draw(step) for step in range(steps)]
    clips = [sorted({int(clip.min()) // 10 for clip in batch.pictures}) for batch in batches]
    assert sorted(i for rows in clips for i in rows) == list(range(20))
    assert sum(len({i % 2 for i in rows}) > 1 for rows in clips) <= 1, "at most one batch mixes two shapes"
    for rows, batch in zip(clips, batches, strict=True):
        assert sorted(batch.labels.tolist()) == sorted(i % 2 for i in rows)


def test_a_batch_depends_on_the_seed_and_the_step_only():
    cache = Pictures([9, 12, 10, 8], [(16, 24)] * 4)
    one, two, other = (sampler_of(cache, seed).draw(3).pictures for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert one.shape == (4, 8, 16, 24, 3) and not np.array_equal(one, other)


def test_a_part_stays_in_order_and_repeats_the_last_sample_of_a_short_clip():
    rng = np.random.default_rng(0)
    clip = np.arange(20, dtype=np.uint8)[:, None, None, None]
    for _ in range(50):
        at = random_part(clip, 10, rng).ravel().astype(int)
        assert len(at) == 10 and (np.diff(at) >= 0).all() and np.diff(at).max() <= 2
    assert random_part(clip[:3], 6, rng).ravel()[-1] == 2


def test_classes_have_the_same_weight_whatever_their_number_of_clips():
    weights = balance_classes([labeled_clip(i) for i in (0, 1, 3, 5)], ("a", "b"))
    np.testing.assert_allclose(weights, [2.0, 2 / 3])
