"""Batches of clips to learn from: every epoch shows each once, another part of it, faster or slower, as another variant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from camreel.structures import U8
from camreel.train.augment import vary
from camreel.train.clips.clip_cache import Shelf
from camreel.train.clips.dataset import Example

BATCH = 8
"""Clips."""
SPEED = 0.25
"""Largest logarithm of how much faster or slower a clip is shown."""
CLASSES_OF_SHAPE = 8
"""Shapes whose logarithms differ by less than one part of so many are alike: clips of a batch are brought to one shape."""


def per_epoch(examples: int) -> int:
    """Batches that show each of so many clips once."""
    return -(-examples // BATCH)


class Draws:
    """The batches, in an order that depends on the seed and nothing else.

    Args:
        examples: to learn from, all of which can be read.
        shelf: has their pictures.
        classes: names.
        clip_len: samples of a clip at most.
        mirror: whether clips may be mirrored left to right.
        seed: of all choices.
    """

    def __init__(
        self, examples: Sequence[Example], shelf: Shelf, classes: Sequence[str], clip_len: int, mirror: bool, seed: int
    ) -> None:
        self._examples = examples
        self._shelf = shelf
        self._labels = np.array([classes.index(example.label) for example in examples])
        self._clip_len = clip_len
        self._mirror = mirror
        self._seed = seed
        shapes = [shelf.pictures(example).shape for example in examples]
        self._shapes = np.array([round(CLASSES_OF_SHAPE * np.log(shape[2] / shape[1])) for shape in shapes])
        self.per_epoch = per_epoch(len(examples))

    def draw(self, step: int) -> tuple[U8, NDArray[np.int64]]:
        """The clips of a step, RGB [B, T, H, W, 3], and their class ids [B]."""
        epoch, number = divmod(step, self.per_epoch)
        order = self._order(np.random.default_rng((self._seed, epoch)))
        rows = order[number]
        rng = np.random.default_rng((self._seed, epoch, number))
        clips = [self._shelf.pictures(self._examples[i]) for i in rows]
        length = min(self._clip_len, int(np.median([len(clip) for clip in clips])))
        size = tuple(int(np.median([clip.shape[axis] for clip in clips])) for axis in (1, 2))
        parts = (part(clip, length, rng) for clip in clips)
        shown = [vary(pictures, (size[0], size[1]), rng, mirror=self._mirror) for pictures in parts]
        return np.stack(shown), self._labels[rows]

    def _order(self, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        """Batches of rows of about one shape, in random order."""
        shuffled = rng.permutation(len(self._examples))
        rows = shuffled[np.argsort(self._shapes[shuffled], kind="stable")]
        batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        return [batches[i] for i in rng.permutation(len(batches))]


def part(pictures: U8, length: int, rng: np.random.Generator) -> U8:
    """`length` samples of a clip [T, H, W, 3] at another speed from anywhere in it; its last one is held where it is too short."""
    speed = float(np.exp(rng.uniform(-SPEED, SPEED)))
    start = rng.uniform(0, max(0.0, len(pictures) - length * speed))
    at = np.clip(np.rint(start + speed * np.arange(length)).astype(int), 0, len(pictures) - 1)
    return np.asarray(pictures[at], np.uint8)
