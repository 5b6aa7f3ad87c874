"""What data sets of real footage share: files that may be missing, damaged, or of other videos."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from camreel.errors import ConfigError, InputError
from camreel.sources import open_source
from camreel.structures import F32, VideoInfo

AGAIN = "copy the data set again"

Record = TypeVar("Record", bound=BaseModel)


def named(folder: Path | None, data: str, content: str) -> Path:
    """The folder that the user named for a data set.

    Args:
        folder: None: the user named none.
        data: name of the data set.
        content: what lies in such a folder.

    Raises:
        ConfigError: none is named.
        InputError: it is not there.
    """
    todo = f"name the folder with {content} in it"
    if folder is None:
        raise ConfigError(f"--data {data} needs a folder", "its videos cannot be made", todo)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", todo=todo)
    return folder


def read_record(path: Path, kind: type[Record]) -> Record:
    """A JSON file.

    Raises:
        InputError: it cannot be read, or is none of its kind.
    """
    try:
        return kind.model_validate(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise InputError(f"cannot read {path}", error.strerror or str(error), AGAIN) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path} has not the expected form", f"{where}: {first['msg'].removeprefix('Value error, ')}", AGAIN
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged", f"it is no JSON: {error}", AGAIN) from error


def header(video: Path, of: Path) -> VideoInfo:
    """What a video says of itself.

    Args:
        video: a file.
        of: the file with its truth.

    Raises:
        InputError: it is not there, or is no video.
    """
    if not video.is_file():
        raise InputError(f"{of} is not complete", f"there is no {video}", AGAIN)
    with open_source(str(video), audio=False) as source:
        return source.info


def frame_times(video: Path) -> NDArray[np.float64]:
    """When each frame of a video is shown, in seconds [T]."""
    with open_source(str(video), audio=False) as source:
        return np.array([frame.time for frame in source])


def clipped(boxes: F32, width: int, height: int) -> F32:
    """Boxes [N, 4] (xyxy) inside of a picture; NaN where nothing is left of one."""
    inside = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    inside[(inside[:, 2:] <= inside[:, :2]).any(axis=1)] = np.nan
    return np.asarray(inside, np.float32)
