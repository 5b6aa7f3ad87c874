"""Batches of labeled clips: every epoch shows each clip once, in another part, at another speed, as another variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from camreel.structures import U8, Ints
from camreel.train.augment import augment
from camreel.train.clip_cache import ClipCache
from camreel.train.dataset import LabeledClip

BATCH_SIZE = 8
"""Maximum number of clips in a batch."""
MAX_LOG_SPEED = 0.25
"""Largest logarithm of the factor by which a clip is sped up or slowed down."""
ASPECT_BINS_PER_E = 8
"""Bins of the aspect ratio per factor of e. Clips of a batch come from about one bin, because they are resized to one
shape."""


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
