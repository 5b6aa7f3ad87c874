"""DAVIS 2016 (Perazzi et al., CVPR 2016): real footage with hand-drawn masks of one object, whose map is asked for by its class.

A folder has `classes.json`, and `NAME.mp4` with `NAME.masks.npz` for every clip in its `dev`. Every other clip, by name, is for
choosing thresholds; the rest is the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from camreel.annotations import NO_ACTION, Truth
from camreel.errors import InputError
from camreel.evaluate.datasets.files import AGAIN, header, named, read_record
from camreel.evaluate.eval_video import Case
from camreel.models.weights import published
from camreel.structures import F32

SPLIT = "davis"
LIST = "classes.json"


class _Clip(BaseModel):
    target: int
    """The ImageNet class whose map is asked for."""


class _List(BaseModel):
    dev: dict[str, _Clip]


def test(folder: Path | None, videos: int, seed: int) -> list[Case]:
    """The clips that nothing is chosen on.

    Raises:
        ConfigError: no folder is named.
        InputError: it is not there, or is no such folder.
    """
    return _cases(folder)[1::2]


def validation(folder: Path | None, videos: int) -> list[Case]:
    """The clips that thresholds are chosen on; raises as `test` does."""
    return _cases(folder)[::2]


def _cases(folder: Path | None) -> list[Case]:
    place = named(folder, SPLIT, LIST)
    names = _names()
    found = []
    for name, clip in sorted(read_record(place / LIST, _List).dev.items()):
        video, masks = place / f"{name}.mp4", place / f"{name}.masks.npz"
        info = header(video, place / LIST)
        if not masks.is_file():
            raise InputError(f"{place / LIST} is not complete", f"there is no {masks}", AGAIN)
        load = partial(_load, video, masks, names[clip.target], float(info.average_rate or 24))
        found.append(Case(name, SPLIT, None, info.duration or 0.0, load, timed=False))
    return found


def _names() -> Sequence[str]:
    """Of the ImageNet classes, as torchvision's networks have them."""
    names: Sequence[str] = published("mobilenet_v2").meta["categories"]
    return names


def _load(video: Path, path: Path, label: str, rate: float, scratch: Path) -> tuple[Path, Truth]:
    masks = _masks(path)
    seen = masks.any(axis=(1, 2))
    actions = np.where(seen, 0, NO_ACTION).astype(np.int16)[:, None]
    times = np.arange(len(masks)) / rate
    height, width = masks.shape[1:]
    return video, Truth((label,), width, height, times, actions, _boxes(masks)[:, None], masks)


def _masks(path: Path) -> NDArray[np.uint8]:
    """[T, H, W] of 0 and 1."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            frames, height, width = (int(side) for side in archive["shape"])
            bits = archive["bits"]
            if bits.shape[:2] != (frames, height):
                raise ValueError(f"bits of the shape {bits.shape}")
            return np.unpackbits(bits, axis=-1, count=width)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} has no masks", str(error), AGAIN) from error


def _boxes(masks: NDArray[np.uint8]) -> F32:
    """Around each mask [T, 4]; NaN where it is empty."""
    boxes = np.full((len(masks), 4), np.nan, np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
