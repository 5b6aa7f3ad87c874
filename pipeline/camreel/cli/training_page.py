"""The page of `camreel train DIR`: the result of the training as report data, with the most confused clips drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from camreel.metrics.classification_report import ClassificationReport
    from camreel.reports.training_report import ConfusedClip, HeldOutResult, TrainingReport
    from camreel.train.tasks.clips import TrainingResult

MAX_CONFUSED_CLIPS = 12
INTERVAL_SEED = 0
"""Seed of the resampling for the interval of the macro-F1."""


def make_page(
    result: TrainingResult, command: Sequence[str], version: str, check: Callable[[], None] = lambda: None
) -> str:
    """Return the HTML page of a training; the trained network is run over the clips that it confused most.

    Args:
        result: result of the training.
        command: command line of the training.
        version: version of camreel.
        check: called after each frame; may raise KeyboardInterrupt.
    """
    from camreel.evaluate.examples import draw_confused_clips
    from camreel.reports.pages import training_page

    report = make_report(result)
    confused = draw_confused_clips(report.checkpoint, report.confused, lambda progress: check())
    return training_page(dataclasses.replace(report, confused=confused), command, version)


def make_report(result: TrainingResult) -> TrainingReport:
    """Return the result of a training as report data."""
    from camreel.reports.training_report import TrainingReport

    return TrainingReport(
        checkpoint=result.checkpoint,
        held_out=_held_out(result.held_out),
        trained_clips=len(result.trained_on),
        fold_macro_f1=result.fold_macro_f1,
        history=result.history,
        skipped=result.skipped,
        confused=_confused_clips(result.held_out),
    )


def _held_out(report: ClassificationReport) -> HeldOutResult:
    from camreel.reports.training_report import ClassResult, HeldOutResult

    return HeldOutResult(
        classes=tuple(ClassResult(name, *row) for name, row in zip(report.classes, report.per_class, strict=True)),
        confusion=report.confusion.tolist(),
        macro_f1=report.macro_f1,
        interval=report.interval(INTERVAL_SEED),
        groups=len({example.group for example in report.examples}),
        reliability=report.reliability(),
        calibration_error=report.calibration_error,
    )


def _confused_clips(report: ClassificationReport) -> tuple[ConfusedClip, ...]:
    from camreel.reports.training_report import ConfusedClip

    clips = []
    for i in report.most_confused(MAX_CONFUSED_CLIPS):
        example, predicted = report.examples[i], report.classes[int(report.predicted[i])]
        score = float(report.scores[i].max())
        clips.append(ConfusedClip(example.path, example.label, predicted, score, example.start, example.end))
    return tuple(clips)
