"""`camreel train`: a network learns, and a checkpoint comes out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from camreel.cli.batch import StopRequest, exit_code, stop_signals
from camreel.cli.flags import Debug, Quiet, Verbose, time_length
from camreel.cli.progress import BarState, clock_time, open_reporter, open_task_reporter
from camreel.cli.terminal import Terminal
from camreel.cli.train_clips import teach
from camreel.config.schema import choices
from camreel.errors import ConfigError, nearest

if TYPE_CHECKING:
    from camreel.evaluate import Calibration
    from camreel.flow import Progress as FlowProgress
    from camreel.train import Outcome, Progress
    from camreel.train.clips.fine_tuner import Freeze

INPUTS = ("both", "rgb", "difference")
POOLINGS = ("both", "mean", "top")
FREEZES = ("all", "half", "none")
FIGURES_ONLY = ("inputs", "pooling")
DIR_ONLY = ("model", "weights", "freeze", "patience")
TIMES = {True: "90m", False: "30m"}
"""With --figures, and with DIR."""
LOG_EVERY = 30.0
"""Seconds between lines of a log."""
PATIENCE = 30.0
"""Seconds that a signal waits for the end of a step at most."""


def train(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="a folder of clips for each class, or a CSV file", show_default=False),
    ] = None,
    figures: Annotated[bool, typer.Option("--figures", help="learn the fifteen actions of the drawn people")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="the checkpoint, FILE.safetensors", show_default=False),
    ] = None,
    length: Annotated[
        str | None,
        typer.Option(
            "--time",
            metavar="TIME",
            help="at most: 20m, 1h30m, 5400s; with --resume in all  [default: 30m; --figures 90m]",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from FILE.state.safetensors")] = False,
    freeze: Annotated[
        str, typer.Option(metavar="NAME", help="DIR: what of the backbone stays as it is: " + ", ".join(FREEZES))
    ] = "half",
    patience: Annotated[
        int, typer.Option(min=1, metavar="EPOCHS", help="DIR: end after so many without a better macro-F1")
    ] = 8,
    model: Annotated[str, typer.Option(metavar="NAME", help="DIR: the backbone")] = "figures",
    weights: Annotated[str, typer.Option(metavar="FILE", help="DIR: of the backbone")] = "default",
    seed: Annotated[
        int, typer.Option(min=0, metavar="NUMBER", help="of the split; of the first weights and the films")
    ] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, mps")] = "auto",
    inputs: Annotated[
        str, typer.Option(metavar="NAME", help="--figures: what the network sees: " + ", ".join(INPUTS))
    ] = "both",
    pooling: Annotated[
        str, typer.Option(metavar="NAME", help="--figures: how a map becomes a logit: " + ", ".join(POOLINGS))
    ] = "both",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace what exists")] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a network of one's own, from labels of whole clips alone.

    DIR has a folder of clips for every class (in `train` and `val`, if you
    divide them yourself), or is a CSV file with the columns path and label, and
    start, end and group where they are known. The backbone gets a new head,
    then its later half learns with it. Whole groups of clips are held out, and
    the best epoch is kept and measured on them; FILE.html shows how it went.

    FILE.state.safetensors beside the checkpoint holds all that is needed to go
    on later: it is written every minute, at the end and on Ctrl-C.
    """
    terminal: Terminal = context.obj
    if figures == (folder is not None):
        what = "DIR and --figures exclude each other" if figures else "there is nothing to learn from"
        raise ConfigError(what, todo="name a folder of labelled clips, or add --figures")
    if output is None:
        raise ConfigError("there is no place for the checkpoint", todo="add -o FILE.safetensors")
    _refuse(context, FIGURES_ONLY if folder else DIR_ONLY, "--figures" if folder else "DIR")
    _check({"inputs": inputs, "pooling": pooling, "device": device, "freeze": freeze})
    seconds = time_length(length or TIMES[figures], "--time")
    if folder is not None:
        from camreel.train.clips import Plan

        plan = Plan(model, weights, cast("Freeze", freeze), seconds, patience, seed, device)
        teach(folder, output, terminal, plan, overwrite=overwrite, resume=resume)
        return
    options = {"seed": seed, "device": device, "inputs": inputs, "pooling": pooling}
    _train(output, terminal, seconds=seconds, resume=resume, overwrite=overwrite, **options)


def _check(given: dict[str, str]) -> None:
    """Values of flags that only have a few."""
    allowed = {"inputs": INPUTS, "pooling": POOLINGS, "device": choices("model.device"), "freeze": FREEZES}
    for name, value in given.items():
        if value not in allowed[name]:
            why = f"it is one of {', '.join(allowed[name])}"
            raise ConfigError(f"--{name} {value} is not possible", why, nearest(value, allowed[name]))


def _refuse(context: typer.Context, names: tuple[str, ...], only: str) -> None:
    """Flags of the other way to train: nobody should wait for what they do not do."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise ConfigError(f"--{name} is for `camreel train {only}` only", todo="leave it out")


def _train(output: Path, terminal: Terminal, **options: Any) -> None:
    try:
        with stop_signals() as stop:
            outcome = _run(output, terminal, stop, options)
            calibration = _calibrate(outcome, terminal, stop)
    except KeyboardInterrupt as error:
        terminal.note(f"stopped; go on with: camreel train --figures -o {output} --resume")
        raise typer.Exit(exit_code(error)) from None
    for line in closing_lines(outcome, calibration):
        terminal.note(line)


def _run(output: Path, terminal: Terminal, stop: StopRequest, options: dict[str, Any]) -> Outcome:
    from camreel.train import train_figures

    reporter = open_task_reporter(terminal.quiet, sys.stderr, view, describe, LOG_EVERY)

    def notify(progress: Progress) -> None:
        reporter.update(progress)
        stop.check()

    try:
        with stop.between_frames(PATIENCE):
            return train_figures(output, notify=notify, say=terminal.note, **options)
    finally:
        reporter.close()


def _calibrate(outcome: Outcome, terminal: Terminal, stop: StopRequest) -> Calibration:
    """Makes 0.5 the score to say yes at, and finds the saliency that boxes begin at, on films held out."""
    from camreel.evaluate import calibrate

    terminal.note("calibrating scores and boxes on videos held out")
    reporter = open_reporter("none" if terminal.quiet else "auto", sys.stderr)

    def notify(progress: FlowProgress) -> None:
        reporter.update(progress)
        stop.check()

    try:
        return calibrate(outcome.checkpoint, on_progress=notify)
    finally:
        reporter.close()


def view(progress: Progress) -> BarState:
    """The progress for a bar."""
    return BarState(progress.doing, min(1.0, progress.elapsed / progress.budget), describe(progress))


def describe(progress: Progress) -> str:
    """The progress in words: "00:42 of 90:00, step 31, loss 0.412, 8.2 clips/s, each 1.4 times, rate 1.9e-03, map 0.31"."""
    parts = [f"{clock_time(progress.elapsed)} of {clock_time(progress.budget)}"]
    if progress.doing != "training":
        return f"{progress.doing}: {parts[0]}"
    parts.append(f"step {progress.step}")
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.3f}")
    parts.append(f"{progress.clips_per_second:.1f} clips/s, each {progress.reuse:.1f} times, rate {progress.rate:.1e}")
    parts += [f"{name} {progress.scores[key]:.3f}" for name, key in NAMES.items() if key in progress.scores]
    return ", ".join(parts)


NAMES = {"mAP": "map", "top-1": "top1", "held-out loss": "loss"}
"""Figures of the exam as people read them."""
MEASURED = {"frame F1": "frame_f1", "false signals": "false_signal", "pointing": "pointing", "boxes": "max_box_acc_v2"}
"""Figures of the calibration likewise."""


def closing_lines(outcome: Outcome, calibration: Calibration) -> list[str]:
    """What came of a run."""
    measured = ", ".join(
        f"{name} {calibration.metrics[key]:.3f}" for name, key in MEASURED.items() if key in calibration.metrics
    )
    figures = ", ".join(f"{name} {outcome.scores[key]:.3f}" for name, key in NAMES.items())
    return [
        f"{outcome.steps} steps in {clock_time(outcome.elapsed)}: {figures} on films held out",
        f"calibrated (boxes from saliency {calibration.threshold:.2f}): {measured} on the validation videos",
        f"-> {outcome.checkpoint}; to go on: --resume with a longer --time",
    ]
