"""Videos with ground truth, and the reading of their files, which may be missing, damaged, or of other videos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import orjson
from pydantic import BaseModel, ValidationError

from camreel.annotations import Truth
from camreel.errors import ConfigError, InputError
from camreel.metrics import F64
from camreel.sources import open_source
from camreel.structures import F32, VideoInfo

COPY_AGAIN = "copy the data set again"
"""Advice for damaged data sets."""

Record = TypeVar("Record", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class PeopleBoxes:
    """Boxes of the people on a frame, [N, 4] each (xyxy in pixels, half-open)."""

    actors: F32
    """People who perform the class, each with a box of their own; the peak of a map should be on one of them."""
    ignored: F32
    """People that count neither as actors nor as bystanders."""
    bystanders: F32
    """People who do not perform the class."""


@dataclass(frozen=True, slots=True)
class EvalVideo:
    """A video with ground truth, made or read only when its turn comes."""

    name: str
    split: str
    seed: int | None
    """Seed of a synthetic video; None: real footage."""
    seconds: float
    """Duration."""
    load: Callable[[Path], tuple[Path, Truth]]
    """(scratch folder) -> file of the video, and its truth."""
    timed: bool = True
    """The truth says when each class is performed; otherwise only where the given class is."""
    dense: bool = True
    """The truth has the boxes of the actors on every frame; otherwise only on some."""
    people: Mapping[int, PeopleBoxes] = field(default_factory=dict)
    """Frame number -> boxes of people, on frames that have them."""
    aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Class of the truth -> names under which networks may know it, best first."""


def require_folder(folder: Path | None, data: str, content: str) -> Path:
    """Return the folder that the user gave for a data set.

    Args:
        folder: the folder; None: none was given.
        data: name of the data set.
        content: content of such a folder, for the message.

    Raises:
        ConfigError: none was given.
        InputError: it does not exist.
    """
    todo = f"name the folder with {content} in it"
    if folder is None:
        raise ConfigError(f"--data {data} needs a folder", "its videos cannot be made", todo)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", todo=todo)
    return folder


def read_record(path: Path, kind: type[Record]) -> Record:
    """Read a JSON file.

    Raises:
        InputError: it cannot be read, or does not have the expected form.
    """
    try:
        return kind.model_validate(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise InputError(f"cannot read {path}", error.strerror or str(error), COPY_AGAIN) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        why = f"{key}: {first['msg'].removeprefix('Value error, ')}"
        raise InputError(f"{path} has not the expected form", why, COPY_AGAIN) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged", f"it is no JSON: {error}", COPY_AGAIN) from error


def read_info(video: Path, annotations: Path) -> VideoInfo:
    """Return the properties of a video.

    Args:
        video: file of the video.
        annotations: file with its truth, for the message.

    Raises:
        InputError: it does not exist, or is no video.
    """
    if not video.is_file():
        raise InputError(f"{annotations} is not complete", f"there is no {video}", COPY_AGAIN)
    with open_source(str(video), audio=False) as source:
        return source.info


def frame_times(video: Path) -> F64:
    """Return the time of each frame of a video in seconds [T]."""
    with open_source(str(video), audio=False) as source:
        return np.array([frame.time for frame in source])


def clip_boxes(boxes: F32, width: int, height: int) -> F32:
    """Return boxes [N, 4] (xyxy) clipped to a picture; NaN if nothing of a box is inside."""
    inside = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    inside[(inside[:, 2:] <= inside[:, :2]).any(axis=1)] = np.nan
    return np.asarray(inside, np.float32)
