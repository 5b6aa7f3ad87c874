"""DAVIS 2016 (Perazzi et al., CVPR 2016): real footage with hand-drawn masks of one object, whose class is given.

A folder has `classes.json`, and `NAME.mp4` with `NAME.masks.npz` for every clip in its `dev`. Every other clip, in
the order of their names, is for choosing thresholds; the rest is the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from camreel.annotations import NO_ACTION, Truth
from camreel.errors import InputError
from camreel.evaluate.datasets import DataOptions
from camreel.evaluate.datasets.eval_video import COPY_AGAIN, EvalVideo, read_info, read_record, require_folder
from camreel.models.weights import published
from camreel.structures import F32, U8

SPLIT = "davis"
LIST_NAME = "classes.json"


class _Clip(BaseModel):
    target: int
    """ImageNet class of the object."""


class _List(BaseModel):
    dev: dict[str, _Clip]


def test(options: DataOptions) -> list[EvalVideo]:
    """Return the clips to measure on.

    Raises:
        ConfigError: no folder was given.
        InputError: it does not exist, or files are missing or damaged.
    """
    return _clips(options.folder)[1::2]


def validation(options: DataOptions) -> list[EvalVideo]:
    """Return the clips to choose thresholds on; raises as `test` does."""
    return _clips(options.folder)[::2]


def _clips(folder: Path | None) -> list[EvalVideo]:
    folder = require_folder(folder, SPLIT, LIST_NAME)
    path, names = folder / LIST_NAME, _class_names()
    clips = []
    for name, clip in sorted(read_record(path, _List).dev.items()):
        video, masks = folder / f"{name}.mp4", folder / f"{name}.masks.npz"
        info = read_info(video, path)
        if not masks.is_file():
            raise InputError(f"{path} is not complete", f"there is no {masks}", COPY_AGAIN)
        load = partial(_load, video, masks, names[clip.target], float(info.average_rate or 24))
        clips.append(EvalVideo(name, SPLIT, None, info.duration or 0.0, load, timed=False))
    return clips


def _class_names() -> Sequence[str]:
    """Return the names of the ImageNet classes as in torchvision's networks."""
    names: Sequence[str] = published("mobilenet_v2").meta["categories"]
    return names


def _load(video: Path, masks_path: Path, label: str, frame_rate: float, scratch: Path) -> tuple[Path, Truth]:
    masks = _read_masks(masks_path)
    visible = masks.any(axis=(1, 2))
    actions = np.where(visible, 0, NO_ACTION).astype(np.int16)[:, None]
    times = np.arange(len(masks)) / frame_rate
    height, width = masks.shape[1:]
    return video, Truth((label,), width, height, times, actions, _boxes_around(masks)[:, None], masks)


def _read_masks(path: Path) -> U8:
    """Return masks [T, H, W] of 0 and 1."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            frames, height, width = (int(side) for side in archive["shape"])
            bits = archive["bits"]
            if bits.shape[:2] != (frames, height):
                raise ValueError(f"bits of the shape {bits.shape}")
            return np.unpackbits(bits, axis=-1, count=width)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} has no masks", str(error), COPY_AGAIN) from error


def _boxes_around(masks: U8) -> F32:
    """Return the box around each mask [T, 4]; NaN where it is empty."""
    boxes = np.full((len(masks), 4), np.nan, np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
