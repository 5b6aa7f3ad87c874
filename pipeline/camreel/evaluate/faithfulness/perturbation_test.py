"""A video's excerpts, shown to the network again without parts of them."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np

from camreel.evaluate.baselines import noise
from camreel.evaluate.faithfulness.excerpts import Excerpt, Excerpts
from camreel.evaluate.faithfulness.perturbations import STEPS, Order, area, blurred, fading, ranked, stilled, stops
from camreel.interfaces import Recognizer
from camreel.recognize.stage import recognize
from camreel.run_plan import RunPlan
from camreel.stages.localize import to_scores
from camreel.structures import F32, U8, ClassSelection, Clip, Localization

FIRST = 2
"""Excerpts of every split that are tried in any case."""
SHARE = 0.25
"""Of the samples that all networks see of the videos: so many more may be seen of excerpts without parts."""

Row = tuple[float, float, float]
Ask = Callable[[Iterable[U8]], list[float]]


@dataclass(frozen=True, slots=True)
class Removals:
    """Areas under the scores of a video's excerpts [N] each, in [0, 1]."""

    deletion: F32
    insertion: F32
    temporal_deletion: F32
    """NaN for networks that see one picture at a time."""


@dataclass(slots=True)
class Budget:
    """Keeps what is spent on excerpts small beside the videos themselves: one costs a video network as much as a minute or two.

    The first ones of every split are tried in any case.
    """

    seen: int = 0
    """Samples that networks saw of the videos."""
    spent: int = 0
    """Samples of excerpts."""
    tried: Counter[str] = field(default_factory=Counter)
    """Excerpts by split."""

    def pays(self, split: str, samples: int) -> bool:
        """Takes so many samples for an excerpt of a video of this split, if there are as many."""
        if self.tried[split] >= FIRST and self.spent + samples > SHARE * self.seen:
            return False
        self.tried[split] += 1
        self.spent += samples
        return True


class Trial:
    """Takes the localizations of one video, then removes parts of its excerpts.

    Args:
        recognizer: the network.
        settings: how it saw the video.
        classes: its ids of the classes that are performed.
        seed: of chance.
    """

    def __init__(self, recognizer: Recognizer, settings: RunPlan, classes: Sequence[int], seed: int) -> None:
        self._recognizer, self._settings = recognizer, settings
        self._excerpts = Excerpts(classes, recognizer.clip_len)
        self._rng = np.random.default_rng(seed)

    def take(self, localization: Localization) -> None:
        """Takes the next frame's."""
        self._excerpts.take(localization)

    def finish(self, budget: Budget, split: str) -> tuple[Removals, Removals]:
        """What becomes of the scores, after the last frame; of as many excerpts as the budget pays for.

        Returns:
            In the order of the maps, and in one of chance.
        """
        length = self._recognizer.clip_len
        cost = length * (3 * STEPS - 1 + 2 * (len(stops(length)) - 1))
        rows = [self._try(excerpt) for excerpt in self._excerpts.finish() if budget.pays(split, cost)]
        mine, chance = np.array(rows, np.float32).reshape(-1, 2, 3).transpose(1, 2, 0)
        return Removals(*mine), Removals(*chance)

    def _try(self, excerpt: Excerpt) -> tuple[Row, Row]:
        pictures = np.stack([frame.inputs[0] for frame in excerpt.frames])
        gone, evidence = blurred(pictures), np.stack([self._on_input(cells) for cells in excerpt.maps])
        by_chance, moments_by_chance = self._chance(evidence.shape)
        order, moments = ranked(evidence, by_chance), ranked(evidence.mean(axis=(1, 2)), moments_by_chance)
        ask = partial(self._scores, excerpt)
        whole, none = ask([pictures, gone])
        deletion = area([whole, *ask(fading(pictures, gone, order)), none])
        insertion = area([none, *ask(fading(gone, pictures, order)), whole])
        # An order of chance brings back as it takes away: one pass stands for both.
        either = area([whole, *ask(fading(pictures, gone, by_chance)), none])
        still, still_by_chance = (self._still(ask, pictures, whole, each) for each in (moments, moments_by_chance))
        return (deletion, insertion, still), (either, either, still_by_chance)

    def _still(self, ask: Ask, pictures: U8, whole: float, order: Order) -> float:
        removed = stops(len(pictures))
        return area([whole, *ask(stilled(pictures, order))], removed) if len(removed) > 1 else math.nan

    def _chance(self, shape: tuple[int, int, int]) -> tuple[Order, Order]:
        """Orders of the cells and of the samples of a clip (T, h, w).

        Cells go as smoothly as a map's, and at all samples at once: noise that flickers is motion, and brings the score of
        `figures` down as fast as its own maps do.
        """
        values = np.broadcast_to(noise(self._rng, *shape[1:]), shape)
        return np.argsort(values, axis=None, kind="stable"), self._rng.permutation(shape[0])

    def _scores(self, excerpt: Excerpt, clips: Iterable[U8]) -> list[float]:
        """The score of the excerpt's class for other pictures [T, h, w, 3] in its place."""
        selection = ClassSelection((excerpt.class_id,))
        plan = dataclasses.replace(self._settings.network, selection=selection, complete=False)
        answers = recognize((_with(excerpt, pictures) for pictures in clips), plan)
        return [float(to_scores(answer.logits, self._recognizer.multilabel)[excerpt.class_id]) for answer in answers]

    def _on_input(self, cells: F32) -> F32:
        """Evidence on cells that tile the picture, for the pixels of the network's input [H, W]; none on its padding."""
        size = self._settings.sampling.sizes[0]
        pixels = np.zeros(size.shape, np.float32)
        inside = pixels[size.pad_y : size.pad_y + size.height, size.pad_x : size.pad_x + size.width]
        inside[:] = cv2.resize(cells, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
        return pixels


def _with(excerpt: Excerpt, pictures: U8) -> Clip:
    frames = tuple(
        dataclasses.replace(frame, inputs=(shown,)) for frame, shown in zip(excerpt.frames, pictures, strict=True)
    )
    # Whole: both its ends are ends, also for networks that know what lies beyond the ends of other clips.
    return Clip(frames, tuple(range(len(frames))), 0, (0, len(frames)), len(frames))
