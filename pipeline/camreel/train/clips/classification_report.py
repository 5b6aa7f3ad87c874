"""How good a trained network is on the clips held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camreel.structures import F32
from camreel.train.clips.dataset import Example
from camreel.train.clips.linear_probe import macro_f1

RESAMPLES = 2000
"""Of the held-out groups, for the interval."""
BINS = 10
"""Of the confidence, for its error."""


@dataclass(frozen=True, slots=True)
class ClassificationReport:
    """What the trained network makes of the clips held out."""

    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    scores: F32
    """[N, C] after softmax."""
    temperature: float = 1.0
    """By which the logits were divided."""

    @property
    def truth(self) -> NDArray[np.int64]:
        """Class ids [N]."""
        return np.array([self.classes.index(example.label) for example in self.examples])

    @property
    def said(self) -> NDArray[np.int64]:
        """Class ids [N]."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)

    @property
    def macro_f1(self) -> float:
        """F1 of each class, averaged."""
        return macro_f1(self.said, self.truth, len(self.classes))

    @property
    def loss(self) -> float:
        """Mean negative logarithm of the score of the true class."""
        chosen = self.scores[np.arange(len(self.examples)), self.truth].astype(np.float64)
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    @property
    def confusion(self) -> NDArray[np.int64]:
        """How often a class (row) was taken for another (column) [C, C]."""
        found = np.zeros((len(self.classes), len(self.classes)), np.int64)
        np.add.at(found, (self.truth, self.said), 1)
        return found

    @property
    def per_class(self) -> list[tuple[float, float, float, int]]:
        """Precision, recall, F1 and number of clips of each class."""
        confusion = self.confusion
        hits, said, there = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
        return [
            (int(h) / max(1, int(s)), int(h) / max(1, int(t)), 2 * int(h) / max(1, int(s + t)), int(t))
            for h, s, t in zip(hits, said, there, strict=True)
        ]

    def reliability(self) -> list[tuple[float, float, int]]:
        """Mean confidence, accuracy and number of clips in each tenth of the confidence; only where there are some."""
        confidence, right = self.scores.max(axis=1), self.said == self.truth
        tenth = np.minimum((confidence * BINS).astype(int), BINS - 1)
        inside = [tenth == b for b in range(BINS)]
        return [(float(confidence[i].mean()), float(right[i].mean()), int(i.sum())) for i in inside if i.any()]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error over ten bins (Guo et al. 2017)."""
        return sum(abs(sure - right) * count for sure, right, count in self.reliability()) / len(self.examples)

    def most_confused(self, count: int) -> list[int]:
        """Positions of the clips that were most surely taken for something else, surest first."""
        lost = self.scores.max(axis=1) - self.scores[np.arange(len(self.examples)), self.truth]
        wrong = [int(i) for i in np.argsort(-lost, kind="stable") if self.said[i] != self.truth[i]]
        return wrong[:count]

    def interval(self, seed: int) -> tuple[float, float]:
        """Of the macro-F1, 95 %: whole groups are drawn again and again, as clips of one group are not independent."""
        groups = [
            [i for i, e in enumerate(self.examples) if e.group == name]
            for name in sorted({e.group for e in self.examples})
        ]
        rng, truth, said = np.random.default_rng(seed), self.truth, self.said
        drawn = (
            np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))]) for _ in range(RESAMPLES)
        )
        low, high = np.quantile(
            [macro_f1(said[rows], truth[rows], len(self.classes)) for rows in drawn], (0.025, 0.975)
        )
        return float(low), float(high)
