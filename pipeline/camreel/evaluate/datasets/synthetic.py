"""Synthetic people: rendered when needed, as real H.264 files, or read from a folder that `camreel figures` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from camreel.annotations import TRUTH_SUFFIX, Truth, read_origin, read_truth
from camreel.errors import ConfigError, InputError
from camreel.evaluate.datasets import DataOptions
from camreel.evaluate.datasets.eval_video import EvalVideo
from camreel.synthetic import SPLITS, film
from camreel.synthetic.write import write_film

SIZE = (640, 360)
FRAME_RATE = 30.0
SECONDS = 6.0
CRF = 23
HIGH_CRF = 38
"""CRF of the split "compressed"."""
ADVICE = "`camreel figures` makes videos with truth"
VALIDATION_SEEDS = range(5001, 6001)
"""Seeds that are never tested on: thresholds, also those of the bundled checkpoint, are chosen on them."""
VALIDATION_SPLITS = ("single", "pair", "crowd", "sequence")
"""Splits that look like the training videos: other looks, cameras and codecs must come as a surprise."""


def test(options: DataOptions) -> list[EvalVideo]:
    """Return the videos of a folder, or synthetic videos of every split.

    Raises:
        InputError: the folder does not exist, or has no truths.
        ConfigError: a video has a seed of the validation.
    """
    seeds = range(options.seed, options.seed + options.videos)
    videos = _synthetic(SPLITS, seeds) if options.folder is None else _read_folder(options.folder)
    for video in videos:
        if video.seed in VALIDATION_SEEDS:
            first, last = VALIDATION_SEEDS[0], VALIDATION_SEEDS[-1]
            why = f"thresholds are chosen on seeds {first} to {last}, which must not be tested on"
            raise ConfigError(f"the seed {video.seed} cannot be evaluated", why, f"use seeds above {last}")
    return videos


def validation(options: DataOptions) -> list[EvalVideo]:
    """Return synthetic videos of every split that looks like the training videos, whatever is tested."""
    return _synthetic(VALIDATION_SPLITS, VALIDATION_SEEDS[: options.videos])


def _synthetic(splits: Sequence[str], seeds: range) -> list[EvalVideo]:
    return [
        EvalVideo(f"{split}-{seed}", split, seed, SECONDS, partial(_render, split, seed))
        for split in splits
        for seed in seeds
    ]


def _render(split: str, seed: int, folder: Path) -> tuple[Path, Truth]:
    made = film(seed, split=split, size=SIZE, frames=round(SECONDS * FRAME_RATE), rate=FRAME_RATE)
    path = folder / f"{split}-{seed}.mp4"
    write_film(path, made, FRAME_RATE, HIGH_CRF if split == "compressed" else CRF)
    return path, made.truth


def _read_folder(folder: Path) -> list[EvalVideo]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", todo="name a folder that `camreel figures` wrote")
    truths = sorted(folder.glob(f"*{TRUTH_SUFFIX}"))
    if not truths:
        raise InputError(f"{folder} has no truths", f"no file in it ends in {TRUTH_SUFFIX}", ADVICE)
    return [_read_video(path) for path in truths]


def _read_video(path: Path) -> EvalVideo:
    origin, times = read_origin(path), read_truth(path, masks=False).times
    video = path.with_name(origin.video)
    if not video.is_file():
        raise InputError(f"{path} has no video", f"there is no {video.name} beside it", ADVICE)
    name, seconds = path.name.removesuffix(TRUTH_SUFFIX), float(times[-1]) if len(times) else 0.0
    return EvalVideo(name, origin.split, origin.seed, seconds, lambda _: (video, read_truth(path)))
