"""The learning rate, periodic work, and early stopping."""

from __future__ import annotations

import pytest

from camreel.train.schedule import EarlyStopping, PeriodicTimer, TrainingHistory, learning_rate


def test_the_learning_rate_rises_and_falls_to_zero():
    assert learning_rate(0.0, 1.0) == pytest.approx(0.1)
    assert learning_rate(0.05, 1.0) == 1.0
    assert learning_rate(0.525, 1.0) == pytest.approx(0.5)
    assert learning_rate(1.0, 1.0) == learning_rate(1.1, 1.0) == 0.0


def test_work_that_takes_long_is_repeated_less_often():
    timer = PeriodicTimer(10, 0, max_share=0.1)
    assert not timer.is_due(9.9)
    assert timer.is_due(10)
    timer.restart(10, 10.5)
    assert timer.is_due(20.5)
    timer.restart(20, 25)
    assert not timer.is_due(74.9)
    assert timer.is_due(75)


def history(*entries: tuple[float, float, float]) -> TrainingHistory:
    """A history of (epoch, macro-F1, held-out loss)."""
    names = ("epoch", "macro_f1", "held_out_loss")
    dictionaries = [dict(zip(names, entry, strict=True)) for entry in entries]
    return TrainingHistory(lambda entry: (entry["macro_f1"], -entry["held_out_loss"]), dictionaries)


def test_among_equal_epochs_the_one_with_the_lower_loss_is_the_best():
    assert history((0, 0.8, 0.5), (1, 0.8, 0.3), (2, 0.8, 0.4)).best == 1


def test_training_ends_when_patience_is_exhausted_or_all_epochs_are_done():
    stopping = EarlyStopping(steps_per_epoch=5, max_epochs=6, patience=3)
    assert not history().is_over(stopping)
    assert not history((0, 0.5, 1), (1, 0.8, 1), (2, 0.7, 1), (3, 0.7, 1)).is_over(stopping)
    assert history((0, 0.5, 1), (1, 0.8, 1), (2, 0.7, 1), (3, 0.7, 1), (4, 0.7, 1)).is_over(stopping)
    assert history((5, 0.5, 1), (6, 0.8, 1)).is_over(stopping)
