"""Batches of labeled clips: every epoch shows each clip once, in another part, at another speed, as another variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from camreel.structures import F32, U8, Ints
from camreel.train.dataset import LabeledClip
from camreel.train.training_data import ClipCache

BATCH_SIZE = 8
"""Maximum number of clips in a batch."""
MAX_LOG_SPEED = 0.25
"""Largest logarithm of the factor by which a clip is sped up or slowed down."""
ASPECT_BINS_PER_E = 8
"""Bins of the aspect ratio per factor of e. Clips of a batch come from about one bin, because they are resized to one
shape."""


MIN_CROP_AREA = 0.75
"""Minimum share of the picture's area that a crop keeps, so that the label stays true."""
GRAY_SHARE, NOISY_SHARE, MIRRORED_SHARE = 0.1, 0.4, 0.5
"""Share of the clips that are gray, noisy or mirrored."""
MAX_NOISE = 8
"""Largest standard deviation of the noise, of 255."""
LUMA_WEIGHTS = np.array((0.299, 0.587, 0.114), np.float32)
_NOISE: F32 = np.random.default_rng(0).standard_normal(1 << 20, dtype=np.float32)
"""Normal noise. New noise for each frame would cost more than all the rest."""


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """Clips of one shape with their labels."""

    pictures: U8
    """RGB [B, T, H, W, 3]."""
    labels: Ints
    """Class ids [B]."""


def steps_per_epoch(clips: int) -> int:
    """Return the number of batches that show each of so many clips once."""
    return -(-clips // BATCH_SIZE)


class BatchSampler:
    """Random batches of clips that depend on the seed and the step alone.

    Args:
        clips: training clips, all of them readable.
        cache: their pictures.
        classes: class names.
        clip_len: maximum number of samples in a clip.
        mirror: clips may be mirrored left to right.
        seed: seed of all choices.
    """

    def __init__(
        self,
        clips: Sequence[LabeledClip],
        cache: ClipCache,
        classes: Sequence[str],
        clip_len: int,
        mirror: bool,
        seed: int,
    ) -> None:
        self._clips = clips
        self._cache = cache
        self._labels = np.array([classes.index(clip.label) for clip in clips])
        self._clip_len = clip_len
        self._mirror = mirror
        self._seed = seed
        shapes = [cache.pictures(clip).shape for clip in clips]
        self._aspects = np.array([round(ASPECT_BINS_PER_E * np.log(shape[2] / shape[1])) for shape in shapes])
        self._steps_per_epoch = steps_per_epoch(len(clips))

    def draw(self, step: int) -> ClipBatch:
        """Return the batch of a step, counted from 0."""
        epoch, number = divmod(step, self._steps_per_epoch)
        rows = self._order(np.random.default_rng((self._seed, epoch)))[number]
        rng = np.random.default_rng((self._seed, epoch, number))
        clips = [self._cache.pictures(self._clips[i]) for i in rows]
        length = min(self._clip_len, int(np.median([len(clip) for clip in clips])))
        height, width = (int(np.median([clip.shape[axis] for clip in clips])) for axis in (1, 2))
        parts = (random_part(clip, length, rng) for clip in clips)
        variants = [augment(part, (height, width), rng, mirror=self._mirror) for part in parts]
        return ClipBatch(np.stack(variants), self._labels[rows])

    def _order(self, rng: np.random.Generator) -> list[Ints]:
        """Return batches of indices of clips with about one aspect ratio, in random order."""
        shuffled = rng.permutation(len(self._clips))
        rows = shuffled[np.argsort(self._aspects[shuffled], kind="stable")]
        batches = [rows[start : start + BATCH_SIZE] for start in range(0, len(rows), BATCH_SIZE)]
        return [batches[i] for i in rng.permutation(len(batches))]


def random_part(pictures: U8, length: int, rng: np.random.Generator) -> U8:
    """Return a random part of a clip at a random speed; its last sample is repeated where the clip is too short.

    Args:
        pictures: [T, H, W, 3].
        length: number of samples.
        rng: chooses part and speed.
    """
    speed = float(np.exp(rng.uniform(-MAX_LOG_SPEED, MAX_LOG_SPEED)))
    start = rng.uniform(0, max(0.0, len(pictures) - length * speed))
    at = np.clip(np.rint(start + speed * np.arange(length)).astype(int), 0, len(pictures) - 1)
    return np.asarray(pictures[at], np.uint8)


def augment(pictures: U8, size: tuple[int, int], rng: np.random.Generator, mirror: bool = True) -> U8:
    """Return a random variant of a clip.

    Args:
        pictures: RGB [T, H, W, 3].
        size: (height, width) of the result, of about the same aspect ratio as the pictures.
        rng: chooses the variant.
        mirror: the clip may be mirrored left to right.

    Returns:
        RGB [T, *size, 3]; all frames are changed alike, except for the noise.

    Example:
        >>> augment(clip, (112, 112), np.random.default_rng(0)).shape
        (32, 112, 112, 3)
    """
    top, left, height, width = _crop(pictures.shape[1:3], rng)
    clip = resize(pictures[:, top : top + height, left : left + width], size)
    if rng.random() < MIRRORED_SHARE and mirror:
        clip = np.ascontiguousarray(clip[:, :, ::-1])
    flat = clip.reshape(1, -1, 3)
    flat = np.asarray(cv2.transform(cv2.LUT(flat, _curves(rng)), _saturation(rng)), np.uint8)
    if rng.random() < NOISY_SHARE:
        flat = _add_noise(flat, float(rng.uniform(1, MAX_NOISE)), rng)
    return flat.reshape(clip.shape)


def resize(pictures: U8, size: tuple[int, int]) -> U8:
    """Resize pictures [T, H, W, 3] to (height, width)."""
    shrinks_much = pictures.shape[1] > 1.4 * size[0]
    result = np.empty((len(pictures), *size, 3), np.uint8)
    for source, target in zip(pictures, result, strict=True):
        cv2.resize(source, size[::-1], dst=target, interpolation=cv2.INTER_AREA if shrinks_much else cv2.INTER_LINEAR)
    return result


def _crop(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Return (top, left, height, width) of a random crop of about the same aspect ratio."""
    area, stretch = rng.uniform(MIN_CROP_AREA, 1), np.exp(rng.uniform(-0.1, 0.1))
    # Rounded up, so that no less than the minimum area is kept.
    height = min(shape[0], int(np.ceil(shape[0] * np.sqrt(area / stretch))))
    width = min(shape[1], int(np.ceil(shape[1] * np.sqrt(area * stretch))))
    return int(rng.integers(shape[0] - height + 1)), int(rng.integers(shape[1] - width + 1)), height, width


def _curves(rng: np.random.Generator) -> U8:
    """Return a random look-up table per channel [256, 1, 3]: gamma, contrast, brightness and a tint."""
    value = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.uniform(-0.3, 0.3))
    value = (value - 0.5) * rng.uniform(0.7, 1.3) + 0.5 + rng.uniform(-0.15, 0.15)
    curves: U8 = np.clip(value * rng.uniform(0.85, 1.15, 3) * 255 + 0.5, 0, 255).astype(np.uint8)[:, None]
    return curves


def _saturation(rng: np.random.Generator) -> F32:
    """Return a matrix [3, 3] that changes the saturation, sometimes to gray."""
    saturation = 0.0 if rng.random() < GRAY_SHARE else rng.uniform(0.5, 1.4)
    return (saturation * np.eye(3) + (1 - saturation) * LUMA_WEIGHTS).astype(np.float32)


def _add_noise(flat: U8, strength: float, rng: np.random.Generator) -> U8:
    start = int(rng.integers(len(_NOISE)))
    noise = np.resize(np.roll(_NOISE, -start), flat.size)
    noise *= strength
    noise += flat.ravel()
    return np.clip(noise, 0, 255, out=noise).astype(np.uint8).reshape(flat.shape)
