"""The clip of a network's own length in which a class is surest, picked while the video runs."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from camreel.structures import F32, Action, Frame, Localization, Picture

UNSEEN = Picture(np.zeros((2, 2), np.uint8), np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8))
"""In place of the source's large pictures, which nobody asks for here."""
NOTHING = np.zeros((1, 1), np.float32)
"""The evidence where there is no map."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A clip of T samples, and what was said of one class."""

    class_id: int
    """Of the network."""
    frames: tuple[Frame, ...]
    """What the network saw at each of the T samples."""
    maps: tuple[F32, ...]
    """Evidence for the class, in logits and never negative, on cells that tile the picture; T of [h, w]."""


@dataclass(frozen=True, slots=True)
class _Sample:
    frame: Frame
    logits: Mapping[int, float]
    maps: Mapping[int, F32]


class Excerpts:
    """Takes the localizations of a video and keeps the last few, and one excerpt of each class.

    Args:
        classes: the network's ids of the classes.
        length: samples of an excerpt.
    """

    def __init__(self, classes: Sequence[int], length: int) -> None:
        self._classes, self._length = classes, length
        self._last: deque[_Sample] = deque(maxlen=length)
        self._count = 0
        self._best: dict[int, tuple[float, Excerpt]] = {}

    def take(self, localization: Localization) -> None:
        """Takes the next frame's."""
        frame = localization.frame
        if not frame.samples:
            return
        said = {action.class_id: action for action in localization.actions if action.class_id in self._classes}
        small = dataclasses.replace(frame, picture=UNSEEN, packets=(), inputs=frame.inputs[:1])
        sample = _Sample(small, {c: a.logit for c, a in said.items()}, {c: _evidence(a) for c, a in said.items()})
        middle = self._length // 2
        for _ in range(frame.samples):
            self._last.append(sample)
            self._count += 1
            if self._count == self._length:
                self._offer(range(middle + 1))
            elif self._count > self._length:
                self._offer([middle])

    def finish(self) -> list[Excerpt]:
        """The excerpts, after the last frame; none where the video is shorter than one.

        Each has the sample with the class's largest logit in its middle, or as near to it as the ends of the video allow.
        """
        if self._count >= self._length:
            self._offer(range(self._length // 2 + 1, self._length))
        return [excerpt for _, excerpt in self._best.values()]

    def _offer(self, positions: Iterable[int]) -> None:
        """Keeps what is there of every class whose best sample so far is at one of the positions."""
        for position in positions:
            logits = self._last[position].logits
            for class_id in [c for c in self._classes if c in logits]:
                if class_id not in self._best or logits[class_id] > self._best[class_id][0]:
                    self._best[class_id] = logits[class_id], self._excerpt(class_id)

    def _excerpt(self, class_id: int) -> Excerpt:
        frames, maps = zip(*((sample.frame, sample.maps.get(class_id, NOTHING)) for sample in self._last), strict=True)
        return Excerpt(class_id, frames, maps)


def _evidence(action: Action) -> F32:
    return NOTHING if action.saliency is None else action.saliency * np.float32(action.scale)
