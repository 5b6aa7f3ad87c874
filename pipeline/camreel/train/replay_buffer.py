"""Batches of films: new films arrive all the time, each is drawn a few times in different variants, old films leave.

B clips, T frames, W windows of a clip, C classes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from camreel.structures import F32, U8
from camreel.train.batch_sampler import augment, resize
from camreel.train.render_pool import FILM_SIZES, SyntheticClip

CLIP_SIZES = ((112, 112), (96, 144), (88, 152))
"""(height, width) of the clips of a batch, one for each size of films; about as many pixels each."""
SIZE_SCHEDULE = ((0.5, 0.57), (0.75, 0.75), (1.0, 1.0))
"""Pairs (share of the training until which it holds, factor on the size of clips): small clips cost a third, and most
can be learned from them."""
CLIP_FRAMES = 32
"""Frames of a clip."""
MIN_SPLIT, MAX_SPLIT = 12, 20
"""Range of the frame at which a clip is split into two windows."""
ACTIVE_PERCENT, UNCLEAR_PERCENT = 40, 10
"""Percent of a window's frames from which on a class counts as happening, and below which it counts as absent."""
DRAWS_PER_FILM = 6.0
"""How many times a film is drawn, on average: rendering one costs a seventh of training on it."""
CAPACITY = 1500
"""Maximum number of films: 3.3 GB."""
INITIAL_FILMS = 240
"""Number of films before the first batch."""
FILL_TIMEOUT = 0.2
"""Seconds to wait for each of the initial films, between two reports."""
NEXT_FILM_TIMEOUT = 0.002
"""Seconds to wait for a film that may be there: the next film of a process comes a little after the one before was
taken."""


@dataclass(frozen=True, slots=True)
class FilmBatch:
    """Clips with labels of their windows, without any position in the picture."""

    pictures: U8
    """RGB [B, T, H, W, 3]."""
    windows: F32
    """Share of each frame in the window's mean [B, W, T]; a row adds up to 1."""
    targets: F32
    """1 where the class happens in the window, else 0 [B, W, C]."""
    weights: F32
    """0 where the label is unclear and the window is left out of the loss, else 1 [B, W, C]."""

    @staticmethod
    def join(batches: Sequence[FilmBatch]) -> FilmBatch:
        """Concatenate batches whose pictures have the same size."""
        return FilmBatch(*(np.concatenate([getattr(b, name) for b in batches]) for name in FilmBatch.__slots__))


class FilmSource(Protocol):
    """A stream of films, such as `RenderPool`."""

    def take(self, limit: int, timeout: float) -> list[SyntheticClip]:
        """Return at most `limit` films, waiting `timeout` seconds for each."""
        ...


class ReplayBuffer:
    """Random batches from a stream of films.

    Args:
        classes: number of classes.
        batch_size: clips per batch.
        seed: seed of the random choices.
        initial: number of films before the first batch.

    Example:
        >>> buffer = ReplayBuffer(classes=15, batch_size=16, seed=0)
        >>> buffer.fill(pool, on_film=lambda films: None)
        >>> batch = buffer.draw(step=0, share=0.0)
    """

    def __init__(self, classes: int, batch_size: int, seed: int, initial: int = INITIAL_FILMS) -> None:
        self._classes = classes
        self._batch_size = batch_size
        self._seed = seed
        self._initial = initial
        self._films: FilmSource | None = None
        self._pools: list[deque[SyntheticClip]] = [deque(maxlen=CAPACITY // len(FILM_SIZES)) for _ in FILM_SIZES]
        self._drawn = self._taken = self._next = 0
        self._ahead = 0
        """Films that were taken before they were needed."""

    @property
    def draws_per_film(self) -> float:
        """How many times a film was drawn so far, on average."""
        return self._drawn / max(1, self._taken)

    @property
    def counters(self) -> Mapping[str, int]:
        """Clips drawn, films taken, and the number of the first film that was not taken."""
        return {"drawn": self._drawn, "films": self._taken, "next": self._next}

    def restore(self, counters: Mapping[str, int]) -> None:
        """Continue from the counters of an earlier run; call it before `fill`."""
        self._drawn, self._taken, self._next = (counters.get(name, 0) for name in ("drawn", "films", "next"))

    def fill(self, films: FilmSource, on_film: Callable[[int], None]) -> None:
        """Take films from `films` from now on, and wait for the initial ones.

        Args:
            films: source of films.
            on_film: called with the number of films so far, a few times a second.
        """
        self._films = films
        have = 0
        while have < self._initial or not all(self._pools):
            have += self._take(4, FILL_TIMEOUT)
            on_film(have)
        # The initial films do not count as owed.
        self._ahead = self._taken - int(self._drawn / DRAWS_PER_FILM)

    def draw(self, step: int, share: float) -> FilmBatch:
        """Return the batch of a step, with clips of one size; see `Task.draw`."""
        owed = int(self._drawn / DRAWS_PER_FILM) + self._ahead - self._taken
        if owed > 0:
            self._take(owed, NEXT_FILM_TIMEOUT)
        rng = np.random.default_rng((self._seed, step))
        shape = int(rng.integers(len(FILM_SIZES)))
        pool = self._pools[shape]
        chosen = rng.choice(len(pool), self._batch_size, replace=len(pool) < self._batch_size)
        self._drawn += self._batch_size
        size = clip_size(shape, share)
        return FilmBatch.join([_random_part(pool[index], size, self._classes, rng) for index in chosen])

    def _take(self, limit: int, timeout: float) -> int:
        assert self._films is not None, "fill comes first"
        clips = self._films.take(limit, timeout)
        for clip in clips:
            self._pools[clip.number % len(FILM_SIZES)].append(clip)
            self._next = max(self._next, clip.number + 1)
        self._taken += len(clips)
        return len(clips)


def clip_size(shape: int, share: float) -> tuple[int, int]:
    """Return (height, width) of the clips in a batch.

    Args:
        shape: index of the film's size in `FILM_SIZES`.
        share: share of the training that is over.
    """
    scale = next((scale for end, scale in SIZE_SCHEDULE if share < end), 1.0)
    height, width = (max(8, round(side * scale / 8) * 8) for side in CLIP_SIZES[shape])
    return height, width


def _random_part(clip: SyntheticClip, size: tuple[int, int], classes: int, rng: np.random.Generator) -> FilmBatch:
    """Return a random part and variant of a film, of (height, width), split at a random frame."""
    start = int(rng.integers(len(clip.pictures) - CLIP_FRAMES + 1))
    at = int(rng.integers(MIN_SPLIT, MAX_SPLIT + 1))
    pictures = augment(clip.pictures[start : start + CLIP_FRAMES], size, rng)
    return _labeled(pictures, clip, start, at, classes)


def held_out_batch(clip: SyntheticClip, classes: int) -> FilmBatch:
    """Return the middle of a film as one clip in full size, unchanged, split in the middle."""
    start = (len(clip.pictures) - CLIP_FRAMES) // 2
    size = clip_size(clip.number % len(FILM_SIZES), 1.0)
    pictures = resize(clip.pictures[start : start + CLIP_FRAMES], size)
    return _labeled(pictures, clip, start, CLIP_FRAMES // 2, classes)


def _labeled(pictures: U8, clip: SyntheticClip, start: int, at: int, classes: int) -> FilmBatch:
    windows = split_windows(CLIP_FRAMES, at)
    targets, weights = label_windows(clip.actions[start : start + CLIP_FRAMES], windows, classes)
    return FilmBatch(pictures[None], windows[None], targets[None], weights[None])


def split_windows(frames: int, at: int) -> F32:
    """Return two windows, before and after frame `at`, as shares [2, frames] of each window's mean."""
    shares = np.zeros((2, frames), np.float32)
    shares[0, :at] = 1 / at
    shares[1, at:] = 1 / (frames - at)
    return shares


def label_windows(actions: NDArray[np.int16], windows: F32, classes: int) -> tuple[F32, F32]:
    """Return the labels of windows from the actions of the actors.

    A class happens in a frame if any actor performs it. It is a target in a window if it happens in at least
    `ACTIVE_PERCENT` of its frames, and is left out of the loss if it happens in less than that, but in
    `UNCLEAR_PERCENT` or more.

    Args:
        actions: class ids of the actors [T, P]; -1: none.
        windows: positive where a frame belongs to the window [W, T].
        classes: number of classes.

    Returns:
        Targets and weights [W, C], 0 or 1.
    """
    happens = (actions[:, :, None] == np.arange(classes)).any(axis=1).astype(np.int64)
    inside = (windows > 0).astype(np.int64)
    percent, whole = 100 * (inside @ happens), inside.sum(axis=1, keepdims=True)
    targets = percent >= ACTIVE_PERCENT * whole
    unclear = (percent >= UNCLEAR_PERCENT * whole) & ~targets
    return targets.astype(np.float32), (~unclear).astype(np.float32)
