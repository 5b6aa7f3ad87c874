"""`camreel figures`: synthetic videos with their ground truth beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from camreel.cli.batch import exit_code, stop_signals
from camreel.cli.flags import Debug, Quiet, Verbose
from camreel.cli.terminal import Terminal
from camreel.errors import ConfigError, nearest
from camreel.runtime.files import make_folder

MIXED, TRAIN = "mixed", "train"
"""Names of distributions beside the splits."""
DEFAULT_CRF, COMPRESSED_CRF = 23, 38
"""Constant rate factor of most videos, and of the split "compressed"."""
MIN_SIDE, MAX_SIDE = 48, 4096
"""Pixels of the shortest and the longest side."""
MAX_PICTURE_BYTES = 2_000_000_000
"""Memory that the pictures of one video may take: all of them are made before the first is encoded."""


@dataclass(frozen=True, slots=True)
class SyntheticVideo:
    """A video to make."""

    path: Path
    split: str
    seed: int


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """Size, length and quality of the videos."""

    size: tuple[int, int]
    """Width and height in pixels."""
    frames: int
    rate: float
    """Frames per second."""
    crf: int | None
    """Constant rate factor; None: the default of the split."""


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
            min=0,
            max=51,
            metavar="NUMBER",
            help=rf"quality, lower is better \[default: {DEFAULT_CRF}; compressed: {COMPRESSED_CRF}]",
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
    plan = plan_videos(folder, split, seed, videos)
    video_format = VideoFormat(parse_size(size), _count_frames(seconds, rate), rate, crf)
    _check_memory(video_format)
    _check_existing(plan, overwrite)
    make_folder(folder)
    try:
        with stop_signals() as stop:
            _make_videos(plan, video_format, context.obj, stop.check)
    except KeyboardInterrupt as error:
        context.obj.note(f"stopped; the videos in {folder} are complete")
        raise typer.Exit(exit_code(error)) from None


def plan_videos(folder: Path, split: str, seed: int, count: int) -> list[SyntheticVideo]:
    """Name the videos to make.

    Args:
        folder: where the videos go.
        split: one of the splits, "train", or "mixed" for all splits in turn.
        seed: seed of the first video; the next ones count up.
        count: number of videos.

    Raises:
        ConfigError: there is no such split.

    Example:
        >>> [video.path.name for video in plan_videos(Path("out"), "mixed", 3, 2)]
        ['single-0003.mp4', 'pair-0004.mp4']
    """
    from camreel.synthetic import SPLITS

    names = (MIXED, TRAIN, *SPLITS)
    if split not in names:
        raise ConfigError(f"unknown split '{split}'", f"there are {', '.join(names)}", nearest(split, names))
    cycle = SPLITS if split == MIXED else (split,)
    chosen = [(cycle[index % len(cycle)], seed + index) for index in range(count)]
    return [SyntheticVideo(folder / f"{name}-{number:04d}.mp4", name, number) for name, number in chosen]


def parse_size(text: str) -> tuple[int, int]:
    """Convert a size as people write it ("640x360") to width and height.

    Raises:
        ConfigError: the text is not a size, or players do not show H.264 of this size.
    """
    match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text.strip())
    if match is None:
        raise ConfigError(f"--size {text} is no size", todo="write width and height, as in 640x360")
    width, height = int(match[1]), int(match[2])
    if not MIN_SIDE <= min(width, height) <= max(width, height) <= MAX_SIDE:
        raise ConfigError(f"--size {text} is not possible", f"each side has {MIN_SIDE} to {MAX_SIDE} pixels")
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


def _check_memory(video_format: VideoFormat) -> None:
    width, height = video_format.size
    needed = 3 * width * height * video_format.frames
    if needed > MAX_PICTURE_BYTES:
        raise ConfigError(
            f"{video_format.frames} frames of {width}x{height} are too much",
            f"they need {needed / 1e9:.1f} GB of memory, and a video may have {MAX_PICTURE_BYTES / 1e9:.0f} GB",
            "make shorter videos with --seconds, or smaller ones with --size",
        )


def _check_existing(plan: Sequence[SyntheticVideo], overwrite: bool) -> None:
    from camreel.annotations import truth_files

    existing = [path for video in plan for path in (video.path, *truth_files(video.path)) if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more already exist" if len(existing) > 1 else " already exists"
        raise ConfigError(
            f"{existing[0]}{more}", todo="--overwrite replaces them; another --seed or folder makes new ones"
        )


def _make_videos(
    plan: Sequence[SyntheticVideo], video_format: VideoFormat, terminal: Terminal, check: Callable[[], None]
) -> None:
    """Make all videos; `check` is called after each one and may raise KeyboardInterrupt."""
    for number, video in enumerate(plan, 1):
        labels = _make_video(video, video_format)
        terminal.note(f"{number} of {len(plan)}: {video.path}: {', '.join(labels) or 'nothing'}")
        check()


def _make_video(video: SyntheticVideo, video_format: VideoFormat) -> list[str]:
    """Make a video and return the labels of its actions.

    The film is local to this function, so that its memory is free before the next one is made.
    """
    from camreel.synthetic import film
    from camreel.synthetic.write import write_film_with_truth

    size, frames, rate = video_format.size, video_format.frames, video_format.rate
    made = film(video.seed, split=video.split, size=size, frames=frames, rate=rate)
    crf = video_format.crf
    if crf is None:
        crf = COMPRESSED_CRF if video.split == "compressed" else DEFAULT_CRF
    write_film_with_truth(video.path, made, rate, crf, seed=video.seed, split=video.split)
    return sorted({made.truth.classes[action] for action in made.truth.actions.flat if action >= 0})
