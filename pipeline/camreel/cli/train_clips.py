"""`camreel train DIR`: train on labeled clips, write a checkpoint and a report, and print the metrics."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from camreel.cli.batch import StopRequest, exit_code, stop_signals
from camreel.cli.progress import BarState, open_task_reporter
from camreel.cli.terminal import Terminal
from camreel.errors import ConfigError
from camreel.runtime.files import atomic_write

if TYPE_CHECKING:
    from camreel.metrics.classification_report import ClassificationReport
    from camreel.reports.training_report import ConfusedClip, HeldOutResult, TrainingReport
    from camreel.train.tasks.clips import ClipTrainingOptions, TrainingResult
    from camreel.train.trainer import TrainingProgress
    from camreel.train.training_data import ReadProgress


LOG_INTERVAL_SECONDS = 10.0
"""Seconds between progress lines in a log."""
STEP_TIMEOUT_SECONDS = 30.0
"""Maximum seconds that a signal waits for the end of a step."""


MAX_CONFUSED_CLIPS = 12
INTERVAL_SEED = 0
"""Seed of the resampling for the interval of the macro-F1."""


def run_clip_training(
    folder: Path, output: Path, terminal: Terminal, options: ClipTrainingOptions, *, overwrite: bool, resume: bool
) -> None:
    """Train with progress, print a table of the held-out clips, and write a page beside the checkpoint.

    Args:
        folder: folders of clips or a CSV file.
        output: the checkpoint.
        terminal: where messages go.
        options: how to train.
        overwrite: replace existing files.
        resume: continue from the state beside the checkpoint.
    """
    page = output.with_suffix(".html")
    if page.exists() and not (overwrite or resume):
        raise ConfigError(f"{page} already exists", todo="--overwrite replaces it")
    run = _ClipTraining(terminal)
    try:
        with stop_signals() as stop:
            result = run.train(folder, output, options, stop, overwrite=overwrite, resume=resume)
            typer.echo("\n".join(metrics_table(result)))
            terminal.note(f"looking at the clips that are confused most, for {page}")
            _write_page(page, result, stop)
    except KeyboardInterrupt as error:
        terminal.note(f"stopped; {run.describe_files(output)}")
        raise typer.Exit(exit_code(error)) from None
    terminal.note(f"-> {output}, {page}; now: camreel process VIDEO --model {output}")


@dataclass(slots=True)
class _ClipTraining:
    """A training that knows its latest progress."""

    terminal: Terminal
    latest: ReadProgress | TrainingProgress | TrainingResult | None = None

    def train(
        self,
        folder: Path,
        output: Path,
        options: ClipTrainingOptions,
        stop: StopRequest,
        *,
        overwrite: bool,
        resume: bool,
    ) -> TrainingResult:
        from camreel.train.tasks.clips import train_clips

        reporter = open_task_reporter(self.terminal.quiet, sys.stderr, view, describe, LOG_INTERVAL_SECONDS)

        def on_progress(progress: ReadProgress | TrainingProgress) -> None:
            self.latest = progress
            reporter.update(progress)
            stop.check()

        try:
            with stop.between_frames(STEP_TIMEOUT_SECONDS):
                result = train_clips(
                    folder, output, options, overwrite=overwrite, resume=resume, on_progress=on_progress
                )
        finally:
            reporter.close()
        self.latest = result
        return result

    def describe_files(self, output: Path) -> str:
        """Return what the files hold after an interrupt."""
        from camreel.train.tasks.clips import TrainingResult
        from camreel.train.training_data import ReadProgress

        if self.latest is None or isinstance(self.latest, ReadProgress):
            return "nothing is written"
        if isinstance(self.latest, TrainingResult):
            return f"{output} is complete, its page is not written"
        return f"{output} holds the best network so far; --resume goes on"


def _write_page(page: Path, result: TrainingResult, stop: StopRequest) -> None:
    from importlib.metadata import version

    with atomic_write(page) as partial:
        html = make_page(result, ["camreel", *sys.argv[1:]], version("camreel"), stop.check)
        partial.write_text(html, encoding="utf-8")


def view(progress: ReadProgress | TrainingProgress) -> BarState:
    """Return the progress for a bar."""
    from camreel.train.training_data import ReadProgress

    if isinstance(progress, ReadProgress):
        return BarState("reading clips", progress.done / progress.total, f"{progress.done} of {progress.total}")
    return BarState("training", progress.share, _words(progress))


def describe(progress: ReadProgress | TrainingProgress) -> str:
    """Return the progress in words."""
    from camreel.train.training_data import ReadProgress

    if isinstance(progress, ReadProgress):
        return f"reading clips: {progress.done} of {progress.total}"
    return f"training: {_words(progress)}"


def _words(progress: TrainingProgress) -> str:
    from camreel.train.tasks.clips import MAX_EPOCHS

    loss = "" if progress.loss is None else f", loss {progress.loss:.3f}"
    best = progress.scores["macro_f1"]
    return f"epoch {progress.epochs:.1f} of at most {MAX_EPOCHS}{loss}, best macro-F1 {best:.3f}"


def metrics_table(result: TrainingResult) -> list[str]:
    """Return precision, recall and F1 of every class on the held-out clips, and macro-F1 with its interval."""
    report = result.held_out
    width = max(len("class"), *map(len, report.classes))
    lines = [f"{'class':<{width}}  precision  recall     f1  clips"]
    for name, (precision, recall, f1, count) in zip(report.classes, report.per_class, strict=True):
        lines.append(f"{name:<{width}}  {precision:9.3f}  {recall:6.3f}  {f1:5.3f}  {count:5d}")
    low, high = report.interval(0)
    groups, clips = len({example.group for example in report.examples}), len(report.examples)
    return [
        *lines,
        f"macro-F1 {report.macro_f1:.3f} on {clips} clips held out, on which the best epoch was chosen",
        f"95 % interval over their {groups} groups: {low:.3f} to {high:.3f}",
        f"the head alone, over folds of groups of the other clips: {result.fold_macro_f1:.3f}",
    ]


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
