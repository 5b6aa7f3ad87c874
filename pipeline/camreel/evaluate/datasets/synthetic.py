"""The action world: rendered when needed, as real H.264 files, or read from a folder that `camreel figures` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from camreel.annotations import TRUTH_SUFFIX, Truth, read_origin, read_truth
from camreel.errors import ConfigError, InputError
from camreel.evaluate.eval_video import Case
from camreel.synthetic import SPLITS, film
from camreel.synthetic.write import write_film

SIZE = (640, 360)
RATE = 30.0
SECONDS = 6.0
CRF = 23
HEAVY_CRF = 38
"""Of the split "compressed"."""
MAKE = "`camreel figures` makes videos with truth"
VALIDATION_SEEDS = range(5001, 6001)
"""Nothing with such a seed is tested on: thresholds, also those in the bundled checkpoint, are chosen on them."""
VALIDATION_SPLITS = ("single", "pair", "crowd", "sequence")
"""Thresholds are chosen on what the world looks like in training: other looks, cameras and codecs must come as a surprise."""


def test(folder: Path | None, videos: int, seed: int) -> list[Case]:
    """The videos of a folder, or `videos` films of every split with seeds from `seed` on.

    Raises:
        InputError: the folder is not there, or has no truths.
        ConfigError: a video has a seed of the validation.
    """
    cases = _rendered(SPLITS, range(seed, seed + videos)) if folder is None else _read(folder)
    for case in cases:
        if case.seed in VALIDATION_SEEDS:
            first, last = VALIDATION_SEEDS[0], VALIDATION_SEEDS[-1]
            why = f"thresholds are chosen on seeds {first} to {last}, which must not be tested on"
            raise ConfigError(f"the seed {case.seed} cannot be evaluated", why, f"use seeds above {last}")
    return cases


def validation(folder: Path | None, videos: int) -> list[Case]:
    """Whatever is tested, `videos` films of every split that looks as in training."""
    return _rendered(VALIDATION_SPLITS, VALIDATION_SEEDS[:videos])


def _rendered(splits: Sequence[str], seeds: range) -> list[Case]:
    return [
        Case(f"{split}-{seed}", split, seed, SECONDS, partial(_render, split, seed))
        for split in splits
        for seed in seeds
    ]


def _render(split: str, seed: int, folder: Path) -> tuple[Path, Truth]:
    made = film(seed, split=split, size=SIZE, frames=round(SECONDS * RATE), rate=RATE)
    video = folder / f"{split}-{seed}.mp4"
    write_film(video, made, RATE, HEAVY_CRF if split == "compressed" else CRF)
    return video, made.truth


def _read(folder: Path) -> list[Case]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", todo="name a folder that `camreel figures` wrote")
    truths = sorted(folder.glob(f"*{TRUTH_SUFFIX}"))
    if not truths:
        raise InputError(f"{folder} has no truths", f"no file in it ends in {TRUTH_SUFFIX}", MAKE)
    return [_case(path) for path in truths]


def _case(path: Path) -> Case:
    origin, times = read_origin(path), read_truth(path, masks=False).times
    video = path.with_name(origin.video)
    if not video.is_file():
        raise InputError(f"{path} has no video", f"there is no {video.name} beside it", MAKE)
    seconds = float(times[-1]) if len(times) else 0.0
    return Case(
        path.name.removesuffix(TRUTH_SUFFIX), origin.split, origin.seed, seconds, lambda _: (video, read_truth(path))
    )
