"""`camreel train`: train a network, on labeled clips or on synthetic films, and write a checkpoint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from camreel.cli.batch import StopRequest, exit_code, stop_signals
from camreel.cli.flags import Debug, Quiet, Verbose, time_length
from camreel.cli.progress import BarState, clock_time, open_reporter, open_task_reporter
from camreel.cli.terminal import Terminal
from camreel.cli.train_clips import run_clip_training
from camreel.config.schema import choices
from camreel.errors import ConfigError, nearest

if TYPE_CHECKING:
    from camreel.evaluate.calibration import Calibration
    from camreel.flow import Progress
    from camreel.models.figures import Inputs
    from camreel.train.loss import Pooling
    from camreel.train.optimizer import Freeze
    from camreel.train.tasks.films import FilmTrainingOptions, FilmTrainingResult
    from camreel.train.trainer import TrainingProgress

INPUTS = ("both", "rgb", "difference")
POOLINGS = ("both", "mean", "top")
FREEZES = ("all", "half", "none")
FIGURES_FLAGS = ("inputs", "pooling")
"""Flags of `--figures` only."""
CLIPS_FLAGS = ("model", "weights", "freeze", "patience")
"""Flags of DIR only."""
DEFAULT_TIMES = {True: "90m", False: "30m"}
"""Time budget with --figures, and with DIR."""
LOG_INTERVAL_SECONDS = 30.0
"""Seconds between progress lines in a log."""
STEP_TIMEOUT_SECONDS = 30.0
"""Maximum seconds that a signal waits for the end of a step."""
VALIDATION_NAMES = {"mAP": "map", "top-1": "top1", "held-out loss": "loss"}
"""Metrics of the validation by the names that people read."""
CALIBRATION_NAMES = {
    "frame F1": "frame_f1",
    "false signals": "false_signal",
    "pointing": "pointing",
    "boxes": "max_box_acc_v2",
}
"""Metrics of the calibration by the names that people read."""


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
        raise ConfigError(what, todo="name a folder of labeled clips, or add --figures")
    if output is None:
        raise ConfigError("there is no place for the checkpoint", todo="add -o FILE.safetensors")
    _refuse(context, FIGURES_FLAGS if folder else CLIPS_FLAGS, "--figures" if folder else "DIR")
    _check({"inputs": inputs, "pooling": pooling, "device": device, "freeze": freeze})
    seconds = time_length(length or DEFAULT_TIMES[figures], "--time")
    if folder is not None:
        from camreel.train.tasks.clips import ClipTrainingOptions

        clips = ClipTrainingOptions(model, weights, cast("Freeze", freeze), seconds, patience, seed, device)
        run_clip_training(folder, output, terminal, clips, overwrite=overwrite, resume=resume)
        return
    from camreel.train.tasks.films import FilmTrainingOptions

    films = FilmTrainingOptions(seconds, seed, device, cast("Inputs", inputs), cast("Pooling", pooling))
    _run_film_training(output, terminal, films, overwrite=overwrite, resume=resume)


def _check(given: dict[str, str]) -> None:
    """Refuse unknown values of flags that are choices."""
    allowed = {"inputs": INPUTS, "pooling": POOLINGS, "device": choices("model.device"), "freeze": FREEZES}
    for name, value in given.items():
        if value not in allowed[name]:
            why = f"it is one of {', '.join(allowed[name])}"
            raise ConfigError(f"--{name} {value} is not possible", why, nearest(value, allowed[name]))


def _refuse(context: typer.Context, names: tuple[str, ...], only: str) -> None:
    """Refuse flags that have no effect in this kind of training."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise ConfigError(f"--{name} is for `camreel train {only}` only", todo="leave it out")


def _run_film_training(
    output: Path, terminal: Terminal, options: FilmTrainingOptions, *, overwrite: bool, resume: bool
) -> None:
    try:
        with stop_signals() as stop:
            result = _train_figures(output, terminal, options, stop, overwrite=overwrite, resume=resume)
            calibration = _calibrate(result, terminal, stop)
    except KeyboardInterrupt as error:
        terminal.note(f"stopped; go on with: camreel train --figures -o {output} --resume")
        raise typer.Exit(exit_code(error)) from None
    for line in closing_lines(result, calibration):
        terminal.note(line)


def _train_figures(
    output: Path, terminal: Terminal, options: FilmTrainingOptions, stop: StopRequest, *, overwrite: bool, resume: bool
) -> FilmTrainingResult:
    from camreel.train.tasks.films import train_figures

    reporter = open_task_reporter(terminal.quiet, sys.stderr, view, describe, LOG_INTERVAL_SECONDS)

    def on_progress(progress: TrainingProgress) -> None:
        reporter.update(progress)
        stop.check()

    try:
        with stop.between_frames(STEP_TIMEOUT_SECONDS):
            return train_figures(output, options, overwrite=overwrite, resume=resume, on_progress=on_progress)
    finally:
        reporter.close()


def _calibrate(result: FilmTrainingResult, terminal: Terminal, stop: StopRequest) -> Calibration:
    """Calibrate the scores, so that 0.5 is the best threshold, and the threshold of boxes, on held-out videos."""
    from camreel.evaluate.calibration import calibrate

    terminal.note("calibrating scores and boxes on videos held out")
    reporter = open_reporter("none" if terminal.quiet else "auto", sys.stderr)

    def on_progress(progress: Progress) -> None:
        reporter.update(progress)
        stop.check()

    try:
        return calibrate(result.checkpoint, on_progress=on_progress)
    finally:
        reporter.close()


def view(progress: TrainingProgress) -> BarState:
    """Return the progress for a bar."""
    return BarState(progress.activity, min(1.0, progress.elapsed / progress.budget), describe(progress))


def describe(progress: TrainingProgress) -> str:
    """Return the progress in words.

    Example: "00:42 of 90:00, step 31, loss 0.412, 8.2 clips/s, each 1.4 times, rate 1.9e-03, mAP 0.310".
    """
    parts = [f"{clock_time(progress.elapsed)} of {clock_time(progress.budget)}"]
    if progress.activity != "training":
        return f"{progress.activity}: {parts[0]}"
    parts.append(f"step {progress.step}")
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.3f}")
    speed = f"{progress.clips_per_second:.1f} clips/s"
    parts += [speed, f"each {progress.epochs:.1f} times", f"rate {progress.rate:.1e}"]
    scores = progress.scores
    parts += [f"{name} {scores[key]:.3f}" for name, key in VALIDATION_NAMES.items() if key in scores]
    return ", ".join(parts)


def closing_lines(result: FilmTrainingResult, calibration: Calibration) -> list[str]:
    """Return the lines about a finished training."""
    metrics = calibration.metrics
    measured = ", ".join(f"{name} {metrics[key]:.3f}" for name, key in CALIBRATION_NAMES.items() if key in metrics)
    validation = ", ".join(f"{name} {result.scores[key]:.3f}" for name, key in VALIDATION_NAMES.items())
    return [
        f"{result.steps} steps in {clock_time(result.elapsed)}: {validation} on films held out",
        f"calibrated (boxes from saliency {calibration.threshold:.2f}): {measured} on the validation videos",
        f"-> {result.checkpoint}; to go on: --resume with a longer --time",
    ]
