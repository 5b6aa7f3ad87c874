"""Metrics of a classifier on held-out examples: F1, confusion matrix, average precision, calibration, temperature.

The standard metrics are those of scikit-learn, which is imported when one is computed; see `require_scikit_learn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from camreel.errors import ConfigError
from camreel.structures import F32, Ints

BOOTSTRAP_RESAMPLES = 2000
"""Number of resamples for the interval of the macro-F1."""
CONFIDENCE_BINS = 10
"""Number of bins of the confidence for the calibration error."""
TEMPERATURES = np.geomspace(0.25, 8, 61)
"""Temperatures that are tried."""


def require_scikit_learn() -> None:
    """Check that scikit-learn is installed, without importing it.

    Raises:
        ConfigError: it is not.
    """
    if find_spec("sklearn") is None:
        raise ConfigError("training needs scikit-learn", "it is not installed", 'pip install "camreel[train]"')


class Example(Protocol):
    """A labeled video or part of one."""

    @property
    def path(self) -> Path:
        """The video file."""
        ...

    @property
    def label(self) -> str:
        """Name of the class."""
        ...

    @property
    def group(self) -> str:
        """Recording, camera or person; examples of one group are not independent."""
        ...

    @property
    def start(self) -> float | None:
        """Start in seconds; None: the beginning."""
        ...

    @property
    def end(self) -> float | None:
        """End in seconds; None: the end."""
        ...


@dataclass(frozen=True, slots=True)
class ClassificationReport:
    """Predictions of a classifier on N examples of C classes, and their metrics.

    Example:
        >>> report = ClassificationReport(("run", "jump"), examples, scores)
        >>> report.macro_f1, report.interval(seed=0)
    """

    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    scores: F32
    """Scores after softmax [N, C]."""
    temperature: float = 1.0
    """Divisor of the logits before the softmax."""

    @property
    def truth(self) -> Ints:
        """True class ids [N]."""
        return np.array([self.classes.index(example.label) for example in self.examples])

    @property
    def predicted(self) -> Ints:
        """Predicted class ids [N]."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)

    @property
    def macro_f1(self) -> float:
        """F1 averaged over the classes that occur."""
        return macro_f1(self.predicted, self.truth)

    @property
    def loss(self) -> float:
        """Mean negative logarithm of the score of the true class."""
        chosen = self.scores[np.arange(len(self.examples)), self.truth].astype(np.float64)
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    @property
    def confusion(self) -> Ints:
        """Confusion matrix [C, C]: number of examples of a class (row) that were predicted as another (column)."""
        from sklearn.metrics import confusion_matrix

        counts = confusion_matrix(self.truth, self.predicted, labels=range(len(self.classes)))
        return np.asarray(counts, np.int64)

    @property
    def per_class(self) -> list[tuple[float, float, float, int]]:
        """Precision, recall, F1 and number of examples of each class."""
        from sklearn.metrics import precision_recall_fscore_support

        labels = range(len(self.classes))
        columns = precision_recall_fscore_support(self.truth, self.predicted, labels=labels, zero_division=0)
        rows = zip(*columns, strict=True)
        return [(float(precision), float(recall), float(f1), int(count)) for precision, recall, f1, count in rows]

    def reliability(self) -> list[tuple[float, float, int]]:
        """Return mean confidence, accuracy and number of examples of each bin of the confidence that is not empty."""
        confidence, right = self.scores.max(axis=1), self.predicted == self.truth
        bins = np.minimum((confidence * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
        inside = [bins == b for b in range(CONFIDENCE_BINS)]
        return [(float(confidence[i].mean()), float(right[i].mean()), int(i.sum())) for i in inside if i.any()]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error over ten bins (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
        bins = self.reliability()
        return sum(abs(confidence - accuracy) * count for confidence, accuracy, count in bins) / len(self.examples)

    def most_confused(self, count: int) -> list[int]:
        """Return the indices of the wrongly predicted examples, those with the most confident mistakes first.

        Args:
            count: maximum number of indices.
        """
        lost = self.scores.max(axis=1) - self.scores[np.arange(len(self.examples)), self.truth]
        wrong = [int(i) for i in np.argsort(-lost, kind="stable") if self.predicted[i] != self.truth[i]]
        return wrong[:count]

    def interval(self, seed: int) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of the macro-F1.

        Whole groups are resampled, because examples of one group are not independent.

        Args:
            seed: seed of the resamples.
        """
        names = sorted({example.group for example in self.examples})
        groups = np.array([names.index(example.group) for example in self.examples])
        confusions = np.zeros((len(names), len(self.classes), len(self.classes)), np.int64)
        np.add.at(confusions, (groups, self.truth, self.predicted), 1)
        drawn = np.random.default_rng(seed).integers(len(names), size=(BOOTSTRAP_RESAMPLES, len(names)))
        scores = [_macro_f1_of_confusion(confusions[rows].sum(axis=0)) for rows in drawn]
        low, high = np.quantile(scores, (0.025, 0.975))
        return float(low), float(high)


def _macro_f1_of_confusion(confusion: Ints) -> float:
    """Return `macro_f1` from a confusion matrix [C, C]: scikit-learn is too slow for thousands of resamples."""
    true = confusion.sum(axis=1)
    f1 = 2 * confusion.diagonal() / np.maximum(confusion.sum(axis=0) + true, 1)
    return float(f1[true > 0].mean())


def macro_f1(predicted: Ints, truth: Ints) -> float:
    """Return the F1 averaged over the classes that occur in the truth.

    Args:
        predicted: predicted class ids [N].
        truth: true class ids [N].

    Example:
        >>> macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1]))
        0.6666666666666666
    """
    from sklearn.metrics import f1_score

    return float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0))


def mean_average_precision(scores: F32, targets: F32, weights: F32) -> float:
    """Return the average precision, averaged over the classes that occur; 0 if none does.

    Args:
        scores: scores or logits [N, C].
        targets: 1 where the class is true, else 0 [N, C].
        weights: 0 where an example does not count for a class, else 1 [N, C].
    """
    from sklearn.metrics import average_precision_score

    columns = zip(scores.T, targets.T > 0, weights.T > 0, strict=True)
    found = [
        average_precision_score(true[counts], score[counts]) for score, true, counts in columns if true[counts].any()
    ]
    return float(np.mean(found)) if found else 0.0


def top1_accuracy(scores: F32, targets: F32, weights: F32) -> float:
    """Return the share of the examples with one true class and no doubt in which that class has the highest score.

    Args:
        scores: scores or logits [N, C].
        targets: 1 where the class is true, else 0 [N, C].
        weights: 0 where an example does not count for a class, else 1 [N, C].
    """
    clear = (targets.sum(axis=1) == 1) & (weights > 0).all(axis=1)
    return float((scores[clear].argmax(axis=1) == targets[clear].argmax(axis=1)).mean()) if clear.any() else 0.0


def fit_temperature(logits: F32, truth: Sequence[int] | Ints) -> float:
    """Return the divisor of the logits that makes the true classes most likely after softmax (Guo et al. 2017).

    Args:
        logits: [N, C].
        truth: true class ids [N].
    """
    wide = logits.astype(np.float64)

    def loss(value: float) -> float:
        scaled = wide / value
        scaled -= scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(truth)), truth]
        return float((np.log(np.exp(scaled).sum(axis=1)) - chosen).mean())

    return float(min(TEMPERATURES, key=loss))
