"""Metrics of classifiers against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from camreel.metrics.classification_report import (
    ClassificationReport,
    fit_temperature,
    macro_f1,
    mean_average_precision,
    top1_accuracy,
)
from camreel.train.dataset import LabeledClip


def rows(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_macro_f1_by_hand():
    truth, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 0])
    # class 0: 2 hits of 3 true and 4 predicted; class 1: 1 of 2 and 2; class 2: none.
    assert macro_f1(predicted, truth) == pytest.approx((4 / 7 + 2 / 4 + 0) / 3)


def test_the_temperature_reverts_a_stretch_of_the_logits():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 2
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=row) for row in chances])
    assert fit_temperature((logits * 3).astype(np.float32), truth) == pytest.approx(3, rel=0.15)


def report() -> ClassificationReport:
    examples = tuple(LabeledClip(Path(str(i)), "ab"[i % 2], f"g{i // 4}") for i in range(16))
    scores = np.array([[0.9, 0.1] if i % 2 == 0 or i < 2 else [0.2, 0.8] for i in range(16)], np.float32)
    return ClassificationReport(("a", "b"), examples, scores)


def test_the_confusion_matrix_counts_and_the_interval_is_over_groups():
    found = report()
    assert found.confusion.tolist() == [[8, 0], [1, 7]]
    low, high = found.interval(0)
    assert low < found.macro_f1 <= high == 1 and found.interval(0) == (low, high)


def test_a_report_by_hand():
    found = report()
    assert found.per_class == [
        pytest.approx((8 / 9, 1, 16 / 17, 8)),
        pytest.approx((1, 7 / 8, 14 / 15, 8)),
    ]
    assert found.reliability() == [pytest.approx((0.8, 1, 7)), pytest.approx((0.9, 8 / 9, 9))]
    assert found.calibration_error == pytest.approx((0.2 * 7 + (0.9 - 8 / 9) * 9) / 16)
    assert found.most_confused(3) == [1]
    assert found.loss == pytest.approx(-(8 * np.log(0.9) + np.log(0.1) + 7 * np.log(0.8)) / 16)


def test_average_precision_is_the_mean_over_classes_that_occur():
    logits = rows([3, 0, 0], [2, 1, 0], [1, 2, 0], [0, 3, 0])
    targets = rows([1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0])
    everything = np.ones((4, 3), np.float32)
    # Class 0: hits at ranks 1 and 3; class 1 at rank 4.
    assert mean_average_precision(logits, targets, everything) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 4) / 2)
    everything[3, 1] = 0
    assert mean_average_precision(logits, targets, everything) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3) / 2)


def test_top1_accuracy_is_over_examples_with_one_class_and_no_doubt():
    logits = rows([3, 0], [0, 1], [1, 0], [0, 1])
    targets = rows([1, 0], [1, 0], [1, 1], [0, 1])
    weights = rows([1, 1], [1, 1], [1, 1], [0, 1])
    assert top1_accuracy(logits, targets, weights) == 0.5
    assert top1_accuracy(logits, np.zeros_like(targets), weights) == 0.0
