"""`camreel train DIR`: labelled clips in, a checkpoint and a report out, and how good it is."""

from __future__ import annotations

import math
import sys
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
    from camreel.train.clips import Plan, Reading, TrainingResult, Tuning

LOG_EVERY = 10.0
"""Seconds between lines of a log."""
PATIENCE = 30.0
"""Seconds that a signal waits for the end of a step at most."""


def teach(folder: Path, output: Path, terminal: Terminal, plan: Plan, *, overwrite: bool, resume: bool) -> None:
    """Trains, says how it goes, prints a table of the clips held out, and writes a page about it beside the checkpoint."""
    page = output.with_suffix(".html")
    if page.exists() and not (overwrite or resume):
        raise ConfigError(f"{page} already exists", todo="--overwrite replaces it")
    run = _Run(terminal)
    try:
        with stop_signals() as stop:
            taught = run.learn(folder, output, plan, stop, overwrite=overwrite, resume=resume)
            typer.echo("\n".join(table(taught)))
            terminal.note(f"looking at the clips that are confused most, for {page}")
            _write_page(page, taught, stop)
    except KeyboardInterrupt as error:
        terminal.note(f"stopped; {run.kept(output)}")
        raise typer.Exit(exit_code(error)) from None
    terminal.note(f"-> {output}, {page}; now: camreel process VIDEO --model {output}")


@dataclass(slots=True)
class _Run:
    """Trains, and knows how far it has come."""

    terminal: Terminal
    last: Reading | Tuning | TrainingResult | None = None

    def learn(self, folder: Path, output: Path, plan: Plan, stop: StopRequest, **options: bool) -> TrainingResult:
        from camreel.train.clips import train_clips

        reporter = open_task_reporter(self.terminal.quiet, sys.stderr, view, describe, LOG_EVERY)

        def notify(progress: Reading | Tuning) -> None:
            self.last = progress
            reporter.update(progress)
            stop.check()

        try:
            with stop.between_frames(PATIENCE):
                taught = train_clips(folder, output, plan, notify=notify, say=self.terminal.note, **options)
        finally:
            reporter.close()
        self.last = taught
        return taught

    def kept(self, output: Path) -> str:
        """What is in the files when it is interrupted."""
        from camreel.train.clips import Reading, TrainingResult

        if self.last is None or isinstance(self.last, Reading):
            return "nothing is written"
        if isinstance(self.last, TrainingResult):
            return f"{output} is complete, its page is not written"
        return f"{output} holds the best network so far; --resume goes on"


def _write_page(page: Path, taught: TrainingResult, stop: StopRequest) -> None:
    from importlib.metadata import version

    from camreel.cli.training_page import make_page

    with atomic_write(page) as partial:
        html = make_page(taught, ["camreel", *sys.argv[1:]], version("camreel"), stop.check)
        partial.write_text(html, encoding="utf-8")


def view(progress: Reading | Tuning) -> BarState:
    """The progress for a bar."""
    from camreel.train.clips import Reading

    if isinstance(progress, Reading):
        return BarState("reading clips", progress.done / progress.total, f"{progress.done} of {progress.total}")
    return BarState("training", progress.share, _words(progress))


def describe(progress: Reading | Tuning) -> str:
    """The progress in words."""
    from camreel.train.clips import Reading

    if isinstance(progress, Reading):
        return f"reading clips: {progress.done} of {progress.total}"
    return f"training: {_words(progress)}"


def _words(progress: Tuning) -> str:
    from camreel.train.clips import EPOCHS

    loss = "" if math.isnan(progress.loss) else f", loss {progress.loss:.3f}"
    return f"epoch {progress.epoch:.1f} of at most {EPOCHS}{loss}, best macro-F1 {progress.best:.3f}"


def table(taught: TrainingResult) -> list[str]:
    """Precision, recall and F1 of every class on the clips held out, and macro-F1 with its interval."""
    verdict = taught.verdict
    width = max(len("class"), *map(len, verdict.classes))
    lines = [f"{'class':<{width}}  precision  recall     f1  clips"]
    for name, (precision, recall, f1, there) in zip(verdict.classes, verdict.per_class, strict=True):
        lines.append(f"{name:<{width}}  {precision:9.3f}  {recall:6.3f}  {f1:5.3f}  {there:5d}")
    low, high = verdict.interval(0)
    groups = len({example.group for example in verdict.examples})
    lines.append(
        f"macro-F1 {verdict.macro_f1:.3f} on {len(verdict.examples)} clips held out, on which the best epoch was chosen"
    )
    lines.append(f"95 % interval over their {groups} groups: {low:.3f} to {high:.3f}")
    lines.append(f"the head alone, over folds of groups of the other clips: {taught.folds:.3f}")
    return lines
