"""Batches of films: new ones come all the time, each is seen a few times as another variant, old ones leave."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from camreel.structures import U8
from camreel.train.augment import fit, vary
from camreel.train.interfaces import Batch
from camreel.train.render_pool import SHAPES, Shot
from camreel.train.window_labels import label, split

CANVASES = ((112, 112), (96, 144), (88, 152))
"""(height, width) of the clips of a batch, one for each shape of films; about as many pixels each."""
GROWTH = ((0.5, 0.57), (0.75, 0.75), (1.0, 1.0))
"""Up to which share of the time the clips are how large: small ones cost a third, and most can be learned from them."""
CLIP = 32
"""Frames of a clip."""
EARLIEST, LATEST = 12, 20
"""Frames after which a clip is split into two windows."""
REUSE = 6.0
"""How often a film is drawn, on average: it costs a seventh of what it costs to learn from it."""
CAPACITY = 1500
"""Films at hand: 3.3 GB."""
START = 240
"""Films before the first batch."""
MOMENT = 0.002
"""Seconds to wait for a film that might be there: the next one of a process comes a little after the one before it was taken."""


class Films(Protocol):
    """Where films come from."""

    def take(self, limit: int, patience: float) -> list[Shot]:
        """At most `limit` films; waits `patience` seconds for each."""
        ...


class Replay:
    """Batches from a stream of films.

    Args:
        films: where they come from.
        classes: how many there are.
        clips: of a batch.
        seed: of the random choices.
        counters: of an earlier run that is to be gone on with.
    """

    def __init__(self, films: Films, classes: int, clips: int, seed: int, counters: Mapping[str, int]) -> None:
        self._films = films
        self._classes = classes
        self._clips = clips
        self._seed = seed
        self._pools: list[deque[Shot]] = [deque(maxlen=CAPACITY // len(SHAPES)) for _ in SHAPES]
        self._drawn, self._taken = counters.get("drawn", 0), counters.get("films", 0)
        self._next = counters.get("next", 0)
        self._ahead = 0

    @property
    def reuse(self) -> float:
        """How often a film was drawn so far, on average."""
        return self._drawn / max(1, self._taken)

    @property
    def counters(self) -> Mapping[str, int]:
        """Clips drawn, films taken, and the number of the first film that was not taken."""
        return {"drawn": self._drawn, "films": self._taken, "next": self._next}

    def fill(self, on_film: Callable[[int], None]) -> None:
        """Waits for the first films.

        Args:
            on_film: hears how many are there, a few times a second.
        """
        have = 0
        while have < START or not all(self._pools):
            have += self._take(4, patience=0.2)
            on_film(have)
        # What a run is given ahead does not count as owed.
        self._ahead = self._taken - int(self._drawn / REUSE)

    def draw(self, step: int, share: float) -> Batch:
        """The batch of a step, of one size; see `Source`."""
        owed = int(self._drawn / REUSE) + self._ahead - self._taken
        if owed > 0:
            self._take(owed, MOMENT)
        rng = np.random.default_rng((self._seed, step))
        shape = int(rng.integers(len(SHAPES)))
        pool = self._pools[shape]
        chosen = rng.choice(len(pool), self._clips, replace=len(pool) < self._clips)
        self._drawn += self._clips
        return assemble([pool[index] for index in chosen], canvas(shape, share), self._classes, rng)

    def _take(self, limit: int, patience: float) -> int:
        shots = self._films.take(limit, patience)
        for shot in shots:
            self._pools[shot.number % len(SHAPES)].append(shot)
            self._next = max(self._next, shot.number + 1)
        self._taken += len(shots)
        return len(shots)


def canvas(shape: int, share: float) -> tuple[int, int]:
    """(height, width) of the clips for films of a shape, when `share` of the time is over."""
    scale = next((scale for end, scale in GROWTH if share < end), 1.0)
    height, width = (max(8, round(side * scale / 8) * 8) for side in CANVASES[shape])
    return height, width


def assemble(shots: Sequence[Shot], size: tuple[int, int], classes: int, rng: np.random.Generator) -> Batch:
    """A batch with a random part and variant of every film."""
    clips = []
    for shot in shots:
        start, at = int(rng.integers(len(shot.pictures) - CLIP + 1)), int(rng.integers(EARLIEST, LATEST + 1))
        pictures = vary(shot.pictures[start : start + CLIP], size, rng)
        clips.append(_labelled(pictures, shot, start, at, classes))
    return join(clips)


def held_out(shot: Shot, classes: int) -> Batch:
    """A film as one clip, as it is, split in the middle."""
    start = (len(shot.pictures) - CLIP) // 2
    pictures = fit(shot.pictures[start : start + CLIP], canvas(shot.number % len(SHAPES), 1.0))
    return _labelled(pictures, shot, start, CLIP // 2, classes)


def join(clips: Sequence[Batch]) -> Batch:
    """One batch of several with pictures of the same size."""
    return Batch(*(np.concatenate([getattr(clip, name) for clip in clips]) for name in Batch.__slots__))


def _labelled(pictures: U8, shot: Shot, start: int, at: int, classes: int) -> Batch:
    windows = split(CLIP, at)
    targets, weights = label(shot.actions[start : start + CLIP], windows, classes)
    return Batch(pictures[None], windows[None], targets[None], weights[None])
