"""`camreel figures`: videos of the action world, with the truth beside them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from camreel.cli.batch import StopRequest, exit_code, stop_signals
from camreel.cli.flags import Debug, Quiet, Verbose
from camreel.cli.terminal import Terminal
from camreel.errors import ConfigError, OutputError, nearest

MIXED, TRAIN = "mixed", "train"
CRF, COARSE = 23, 38
"""Quality, and that of the split "compressed"."""
SIDES = (48, 4096)
"""Pixels of the shortest and the longest side."""
MEMORY = 2_000_000_000
"""Bytes of pictures that one film may have: it is made as a whole."""


class Plan(NamedTuple):
    """One video to make."""

    path: Path
    split: str
    seed: int


def figures(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="where the videos go; made if need be", show_default=False)
    ],
    videos: Annotated[int, typer.Option(min=1, metavar="COUNT", help="how many")] = 20,
    seconds: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="length of each")] = 8.0,
    size: Annotated[str, typer.Option(metavar="WxH", help="width and height in pixels, both even")] = "640x360",
    rate: Annotated[float, typer.Option(min=1, max=240, metavar="FPS", help="frames per second")] = 30.0,
    split: Annotated[str, typer.Option(metavar="NAME", help="what is shown, or mixed: each in turn")] = MIXED,
    seed: Annotated[
        int, typer.Option(min=0, metavar="NUMBER", help="of the first video; the next ones count on from it")
    ] = 1,
    crf: Annotated[
        int | None,
        typer.Option(
            min=0, max=51, metavar="NUMBER", help=rf"quality, lower is better \[default: {CRF}; compressed: {COARSE}]"
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace videos that exist")] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make videos of drawn people who do things, and write down who does what, when and where.

    pair-0003.mp4 has its truth in pair-0003.truth.json and its masks in
    pair-0003.masks.npz. The name says the split and the seed, which make the
    same video again.
    """
    plans = plan_videos(folder, split, seed, videos)
    shape, frames = parse_size(size), _count_frames(seconds, rate)
    _check_memory(shape, frames)
    _check_existing(plans, overwrite)
    _make_folder(folder)
    try:
        with stop_signals() as stop:
            _make(plans, shape, frames, rate, crf, context.obj, stop)
    except KeyboardInterrupt as error:
        context.obj.note(f"stopped; the videos in {folder} are complete")
        raise typer.Exit(exit_code(error)) from None


def plan_videos(folder: Path, split: str, seed: int, count: int) -> list[Plan]:
    """Names the videos.

    Args:
        folder: where they go.
        split: one of the splits, "train", or "mixed" for all splits in turn.
        seed: of the first video.
        count: how many.

    Raises:
        ConfigError: there is no such split.
    """
    from camreel.synthetic import SPLITS

    names = (MIXED, TRAIN, *SPLITS)
    if split not in names:
        raise ConfigError(f"unknown split '{split}'", f"there are {', '.join(names)}", nearest(split, names))
    turns = SPLITS if split == MIXED else (split,)
    chosen = [(turns[index % len(turns)], seed + index) for index in range(count)]
    return [Plan(folder / f"{name}-{number:04d}.mp4", name, number) for name, number in chosen]


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of "640x360".

    Raises:
        ConfigError: it is no size, or none that H.264 players show.
    """
    match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text.strip())
    if match is None:
        raise ConfigError(f"--size {text} is no size", todo="write width and height, as in 640x360")
    width, height = int(match[1]), int(match[2])
    if not SIDES[0] <= min(width, height) <= max(width, height) <= SIDES[1]:
        raise ConfigError(f"--size {text} is not possible", f"each side has {SIDES[0]} to {SIDES[1]} pixels")
    if width % 2 or height % 2:
        even = f"{width + width % 2}x{height + height % 2}"
        raise ConfigError(f"--size {text} is odd", "players show H.264 of even sizes only", f"write {even}")
    return width, height


def _count_frames(seconds: float, rate: float) -> int:
    if not math.isfinite(seconds * rate):
        raise ConfigError(
            f"{seconds} seconds at {rate} frames per second are no length", todo="write numbers, as in --seconds 8"
        )
    return max(1, round(seconds * rate))


def _check_memory(size: tuple[int, int], frames: int) -> None:
    need = 3 * size[0] * size[1] * frames
    if need > MEMORY:
        raise ConfigError(
            f"{frames} frames of {size[0]}x{size[1]} are too much",
            f"they need {need / 1e9:.1f} GB of memory, and a video may have {MEMORY / 1e9:.0f} GB",
            "make shorter videos with --seconds, or smaller ones with --size",
        )


def _check_existing(plans: Sequence[Plan], overwrite: bool) -> None:
    from camreel.annotations import truth_files

    existing = [path for plan in plans for path in (plan.path, *truth_files(plan.path)) if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more already exist" if len(existing) > 1 else " already exists"
        raise ConfigError(
            f"{existing[0]}{more}", todo="--overwrite replaces them; another --seed or folder makes new ones"
        )


def _make_folder(folder: Path) -> None:
    todo = "choose another folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}", error.strerror or str(error), todo) from None
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write to the folder {folder}", "permission denied", todo)


def _make(
    plans: Sequence[Plan],
    size: tuple[int, int],
    frames: int,
    rate: float,
    crf: int | None,
    terminal: Terminal,
    stop: StopRequest,
) -> None:
    for number, plan in enumerate(plans, 1):
        labels = _make_one(plan, size, frames, rate, crf)
        terminal.note(f"{number} of {len(plans)}: {plan.path}: {', '.join(labels) or 'nothing'}")
        stop.check()


def _make_one(plan: Plan, size: tuple[int, int], frames: int, rate: float, crf: int | None) -> list[str]:
    """Makes a video and says what is done in it. A function of its own, so that a film is gone before the next one is made."""
    from camreel.synthetic import film
    from camreel.synthetic.write import write_pair

    made = film(plan.seed, split=plan.split, size=size, frames=frames, rate=rate)
    quality = crf if crf is not None else COARSE if plan.split == "compressed" else CRF
    write_pair(plan.path, made, rate, quality, seed=plan.seed, split=plan.split)
    return sorted({made.truth.classes[action] for action in made.truth.actions.flat if action >= 0})
