"""Variants of clips: size, crop, mirroring, colors and noise."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.train import batch_sampler
from camreel.train.batch_sampler import augment
from camreel.train.render_pool import FILM_SIZES


def clip(frames: int = 6, height: int = 136, width: int = 136) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (frames, height, width, 3), np.uint8)


def test_variants_have_the_requested_size_and_depend_on_the_seed_alone():
    one, same, other = (augment(clip(), (80, 80), np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert (one.shape, one.dtype) == ((6, 80, 80, 3), np.uint8)
    assert (one == same).all()
    assert (one != other).any()


def test_variants_do_not_change_the_original():
    source = clip()
    before = source.copy()
    for seed in range(5):
        augment(source, (112, 112), np.random.default_rng(seed))
    assert (source == before).all()


@pytest.mark.parametrize("shape", FILM_SIZES)
def test_crops_keep_most_of_the_picture(shape: tuple[int, int]):
    rng = np.random.default_rng(0)
    for _ in range(300):
        top, left, height, width = batch_sampler._crop(shape, rng)
        assert height * width >= batch_sampler.MIN_CROP_AREA * shape[0] * shape[1]
        assert 0 <= top <= top + height <= shape[0]
        assert 0 <= left <= left + width <= shape[1]


def test_some_variants_are_mirrored_gray_or_noisy():
    ramp = np.broadcast_to(np.linspace(0, 255, 136).astype(np.uint8)[None, None, :, None], (2, 136, 136, 3))
    mirrored = gray = noisy = 0
    for seed in range(60):
        result = augment(ramp, (80, 80), np.random.default_rng(seed)).astype(int)
        mirrored += result[..., :10, :].mean() > result[..., -10:, :].mean()
        gray += bool((np.ptp(result, axis=3) == 0).all())
        noisy += bool((result[0] != result[1]).any())
    assert 15 < mirrored < 45
    assert 1 <= gray < 20
    assert 10 < noisy < 40


def test_all_frames_of_a_clip_are_changed_alike():
    still = np.repeat(clip(1), 4, axis=0)
    results = [augment(still, (80, 80), np.random.default_rng(seed)).astype(float) for seed in range(8)]
    quiet = [result for result in results if (result[0] == result[1]).all()]
    assert quiet
    for result in quiet:
        assert (result == result[:1]).all()


def test_clips_that_must_not_be_mirrored_are_not():
    ramp = np.repeat(np.arange(48, dtype=np.uint8)[None, None, :, None] * 5, 3, axis=3).repeat(24, axis=1)
    variants = [augment(ramp, (24, 48), np.random.default_rng(i), mirror=False)[0, 12] for i in range(30)]
    rows = [variant.astype(int).sum(axis=1) for variant in variants]
    assert all(row[40] > row[8] for row in rows)
