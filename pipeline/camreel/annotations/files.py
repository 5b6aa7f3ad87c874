"""Ground truth on disk, beside its video: the JSON document, and the masks with one bit per actor and pixel."""

from __future__ import annotations

import dataclasses
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from pydantic import ValidationError

from camreel.annotations.truth import SCHEMA, Truth, TruthRecord, to_json
from camreel.errors import InputError
from camreel.runtime.files import atomic_write
from camreel.structures import U8

TRUTH_SUFFIX = ".truth.json"
"""Ending of the file with actions and boxes, in place of the video's own."""
MASKS_SUFFIX = ".masks.npz"
"""Ending of the file with masks, in place of the video's own."""

_TODO = "make the video and its truth anew with `camreel figures`"
_DAMAGE_ERRORS = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""Exceptions that reading a damaged NumPy archive raises."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The video that a truth belongs to, and how the video was made."""

    video: str
    """File name; the video lies in the same folder."""
    seed: int
    """Seed of the random numbers that it was drawn with."""
    split: str
    """Kind of scene that it was drawn from."""


def truth_path(video: Path) -> Path:
    """Return the path of the truth of a video, whether it exists or not."""
    return video.with_name(video.stem + TRUTH_SUFFIX)


def truth_files(video: Path) -> tuple[Path, Path]:
    """Return the paths of the truth of a video and of its masks, whether they exist or not."""
    return truth_path(video), video.with_name(video.stem + MASKS_SUFFIX)


def find_truth(video: Path) -> Path:
    """Return the path of the truth beside a video.

    Raises:
        InputError: there is none.
    """
    if not (path := truth_path(video)).is_file():
        why = f"there is no {path.name} beside it"
        raise InputError(f"{video} has no truth", why, "`camreel figures` makes videos with truth")
    return path


def write_truth(path: Path, truth: Truth, origin: Origin) -> None:
    """Write a truth, and its masks beside it if they are known. Each file appears when it is complete, the masks first.

    Args:
        path: NAME.truth.json; the masks go to NAME.masks.npz.
        truth: the arrays; boxes are rounded to 0.1 pixels, times to a microsecond.
        origin: the video that they belong to.

    Raises:
        OutputError: a file cannot be written.

    Example:
        >>> write_truth(truth_path(video), truth, Origin(video.name, seed=7, split="pair"))
    """
    masks = None if truth.masks is None else path.with_name(path.name.removesuffix(TRUTH_SUFFIX) + MASKS_SUFFIX)
    text = to_json(truth, **dataclasses.asdict(origin), masks=masks.name if masks else None)
    if masks is not None and truth.masks is not None:
        with atomic_write(masks) as partial:
            save_masks(partial, truth.masks, truth.actions.shape[1])
    with atomic_write(path) as partial:
        partial.write_bytes(text)


def read_truth(path: Path, *, masks: bool = True) -> Truth:
    """Read a truth.

    Args:
        path: the JSON file.
        masks: read the masks as well, if there are any.

    Raises:
        InputError: a file is missing, damaged or of another version.

    Example:
        >>> truth = read_truth(find_truth(Path("clip.mp4")), masks=False)
        >>> truth.actions.shape, truth.boxes.shape
        ((300, 2), (300, 2, 4))
    """
    record = _read_record(path)
    try:
        truth = record.to_truth()
    except ValueError as error:
        raise InputError(f"{path} is no valid truth", str(error), _TODO) from error
    if not masks or record.masks is None:
        return truth
    beside = path.with_name(record.masks)
    try:
        shape = len(record.actors), record.frames, record.height, record.width
        return dataclasses.replace(truth, masks=load_masks(beside, shape))
    except OSError as error:
        raise InputError(f"cannot read the masks {beside}", error.strerror or str(error), _TODO) from error
    except ValueError as error:
        raise InputError(f"the masks {beside} cannot be used", str(error), _TODO) from error


def read_origin(path: Path) -> Origin:
    """Read which video a truth belongs to.

    Raises:
        InputError: the file is missing, damaged or of another version.
    """
    record = _read_record(path)
    return Origin(record.video, record.seed, record.split)


def _read_record(path: Path) -> TruthRecord:
    try:
        data = orjson.loads(path.read_bytes())
        if isinstance(data, dict) and data.get("schema") != SCHEMA:
            raise InputError(f"{path} has the schema {data.get('schema')!r}", f"this version reads {SCHEMA}", _TODO)
        return TruthRecord.model_validate(data)
    except OSError as error:
        raise InputError(f"cannot read {path}", error.strerror or str(error), _TODO) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        why = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{path} is no valid truth", f"{field}: {why}" if field else why, _TODO) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged", f"it is no JSON: {error}", _TODO) from error


def save_masks(path: Path, masks: U8, actors: int) -> None:
    """Write masks as a compressed NumPy archive of bits [P, T, H, ceil(W/8)].

    Args:
        path: the file.
        masks: instance masks [T, H, W]: 0 background, p + 1 visible part of actor p.
        actors: number of actors P.
    """
    bits = np.empty((actors, *masks.shape[:2], (masks.shape[2] + 7) // 8), np.uint8)
    for number in range(actors):
        bits[number] = np.packbits(masks == number + 1, axis=2)
    with path.open("wb") as file:
        np.savez_compressed(file, actors=bits)


def load_masks(path: Path, shape: tuple[int, int, int, int]) -> U8:
    """Read masks.

    Args:
        path: the file.
        shape: number of actors and frames, height and width that the masks must have.

    Returns:
        Instance masks [T, H, W], as `save_masks` took them.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is damaged, or the masks have another shape.
    """
    actors, frames, height, width = shape
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            bits = arrays["actors"]
    except _DAMAGE_ERRORS as error:
        raise ValueError(f"it is no NumPy archive of masks: {error}") from error
    if bits.dtype != np.uint8 or bits.shape != (actors, frames, height, (width + 7) // 8):
        found, expected = (
            f"{bits.dtype} of shape {bits.shape}",
            f"{actors} actors in {frames} frames of {width}x{height}",
        )
        raise ValueError(f"it holds {found}, not {expected}")
    masks = np.zeros((frames, height, width), np.uint8)
    for number in range(actors):
        masks[np.unpackbits(bits[number], axis=2, count=width).view(bool)] = number + 1
    return masks
