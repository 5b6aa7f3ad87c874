"""Truths on disk, beside their videos."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson
from pydantic import ValidationError

from camreel.annotations.masks import load, save
from camreel.annotations.record import SCHEMA, TruthRecord, dump
from camreel.annotations.truth import Truth
from camreel.errors import InputError, OutputError

TRUTH_TAIL = ".truth.json"
MASKS_TAIL = ".masks.npz"
REMAKE = "make the video and its truth anew with `camreel figures`"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a truth belongs to, and how it came about."""

    video: str
    """File name; the video lies in the same folder."""
    seed: int
    split: str


def truth_path(video: Path) -> Path:
    """Where the truth of a video lies, if it has one."""
    return video.with_name(video.stem + TRUTH_TAIL)


def truth_files(video: Path) -> tuple[Path, Path]:
    """Where the truth of a video and its masks lie, if it has them."""
    return truth_path(video), video.with_name(video.stem + MASKS_TAIL)


def find_truth(video: Path) -> Path:
    """The truth beside a video.

    Raises:
        InputError: there is none.
    """
    if not (path := truth_path(video)).is_file():
        raise InputError(
            f"{video} has no truth", f"there is no {path.name} beside it", "`camreel figures` makes videos with truth"
        )
    return path


def write_truth(path: Path, truth: Truth, origin: Origin) -> None:
    """Writes a truth, and its masks beside it if they are known. Each file appears when it is complete, the masks first.

    Args:
        path: NAME.truth.json; the masks go to NAME.masks.npz.
        truth: what is written; boxes are rounded to 0.1 pixels, times to a microsecond.
        origin: what it belongs to.

    Raises:
        OutputError: a file cannot be written.
    """
    masks = None if truth.masks is None else path.with_name(path.name.removesuffix(TRUTH_TAIL) + MASKS_TAIL)
    text = dump(truth, **dataclasses.asdict(origin), masks=masks.name if masks else None)
    if masks is not None and (labels := truth.masks) is not None:
        _write(masks, lambda file: save(file, labels, truth.actions.shape[1]))
    _write(path, lambda file: file.write(text))


def _write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        try:
            with partial.open("wb") as file:
                fill(file)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}", error.strerror or str(error), "choose another folder, or free some space"
        ) from error


def read_truth(path: Path, *, masks: bool = True) -> Truth:
    """Reads a truth.

    Args:
        path: of the JSON file.
        masks: whether to read the masks as well, where there are some.

    Raises:
        InputError: a file is missing, damaged or of another version.
    """
    record = _read(path)
    try:
        truth = record.truth()
    except ValueError as error:
        raise InputError(f"{path} is no valid truth", str(error), REMAKE) from error
    if not masks or record.masks is None:
        return truth
    beside = path.with_name(record.masks)
    try:
        shape = len(record.actors), record.frames, record.height, record.width
        return dataclasses.replace(truth, masks=load(beside, shape))
    except OSError as error:
        raise InputError(f"cannot read the masks {beside}", error.strerror or str(error), REMAKE) from error
    except ValueError as error:
        raise InputError(f"the masks {beside} cannot be used", str(error), REMAKE) from error


def read_origin(path: Path) -> Origin:
    """Reads what a truth belongs to.

    Raises:
        InputError: the file is missing, damaged or of another version.
    """
    record = _read(path)
    return Origin(record.video, record.seed, record.split)


def _read(path: Path) -> TruthRecord:
    try:
        data = orjson.loads(path.read_bytes())
        if isinstance(data, dict) and data.get("schema") != SCHEMA:
            raise InputError(f"{path} has the schema {data.get('schema')!r}", f"this version reads {SCHEMA}", REMAKE)
        return TruthRecord.model_validate(data)
    except OSError as error:
        raise InputError(f"cannot read {path}", error.strerror or str(error), REMAKE) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        why = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{path} is no valid truth", f"{where}: {why}" if where else why, REMAKE) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged", f"it is no JSON: {error}", REMAKE) from error
