"""`camreel train DIR`: labelled clips in, a checkpoint out, and how good it is."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.batch import Stop, exit_code, stop_signals
from pipeline.cli.progress import View, open_own_reporter
from pipeline.cli.terminal import Talk

if TYPE_CHECKING:
    from pipeline.learn.clips import Taught

LOG_EVERY = 10.0
"""Seconds between lines of a log."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How many clips are read."""

    done: int
    total: int


def teach(folder: Path, output: Path, talk: Talk, **options: Any) -> None:
    """Trains, says how it goes, and prints a table of the clips held out."""
    try:
        with stop_signals() as stop:
            taught = _run(folder, output, talk, stop, options)
    except KeyboardInterrupt as error:
        talk.note("stopped; nothing is written")
        raise typer.Exit(exit_code(error)) from None
    typer.echo("\n".join(table(taught)))
    talk.note(f"-> {taught.checkpoint}; now: camreel process VIDEO --model {taught.checkpoint}")


def _run(folder: Path, output: Path, talk: Talk, stop: Stop, options: dict[str, Any]) -> Taught:
    from pipeline.learn.clips import train_clips

    reporter = open_own_reporter(talk.quiet, sys.stderr, view, describe, LOG_EVERY)

    def notify(done: int, total: int) -> None:
        reporter.update(Reading(done, total))
        stop.check()

    try:
        return train_clips(folder, output, notify=notify, say=talk.note, **options)
    finally:
        reporter.close()


def view(reading: Reading) -> View:
    """The progress for a bar."""
    return View("reading clips", reading.done / reading.total, f"{reading.done} of {reading.total}")


def describe(reading: Reading) -> str:
    """The progress in words."""
    return f"reading clips: {reading.done} of {reading.total}"


def table(taught: Taught) -> list[str]:
    """Precision, recall and F1 of every class on the clips held out, and macro-F1 with its interval."""
    verdict = taught.verdict
    confusion = verdict.confusion
    width = max(len("class"), *map(len, verdict.classes))
    lines = [f"{'class':<{width}}  precision  recall     f1  clips"]
    for c, name in enumerate(verdict.classes):
        hits, said, there = int(confusion[c, c]), int(confusion[:, c].sum()), int(confusion[c].sum())
        precision, recall, f1 = hits / max(1, said), hits / max(1, there), 2 * hits / max(1, said + there)
        lines.append(f"{name:<{width}}  {precision:9.3f}  {recall:6.3f}  {f1:5.3f}  {there:5d}")
    low, high = verdict.interval(0)
    groups = len({example.group for example in verdict.examples})
    lines.append(f"macro-F1 {verdict.macro_f1:.3f} on {len(verdict.examples)} clips held out")
    lines.append(f"95 % interval over their {groups} groups: {low:.3f} to {high:.3f}; folds of the others: {taught.folds:.3f}")
    return lines
