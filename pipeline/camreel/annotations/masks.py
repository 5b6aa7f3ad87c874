"""The masks of a truth as one small file: a bit per actor and pixel."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from camreel.structures import U8

DAMAGE = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""What reading a damaged file may raise."""


def save(file: BinaryIO, masks: U8, actors: int) -> None:
    """Writes masks.

    Args:
        file: to write to.
        masks: [T, H, W]: 0 background, p + 1 where actor p is seen.
        actors: how many there are.
    """
    bits = np.empty((actors, *masks.shape[:2], (masks.shape[2] + 7) // 8), np.uint8)
    for number in range(actors):
        bits[number] = np.packbits(masks == number + 1, axis=2)
    np.savez_compressed(file, actors=bits)


def load(path: Path, shape: tuple[int, int, int, int]) -> U8:
    """Reads masks.

    Args:
        path: of the file.
        shape: actors, frames, height and width that it must have.

    Returns:
        [T, H, W] as `save` took them.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged or of another shape.
    """
    actors, frames, height, width = shape
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            bits = arrays["actors"]
    except DAMAGE as error:
        raise ValueError(f"it is no NumPy archive of masks: {error}") from error
    if bits.dtype != np.uint8 or bits.shape != (actors, frames, height, (width + 7) // 8):
        raise ValueError(
            f"it holds {bits.dtype} of shape {bits.shape}, not {actors} actors in {frames} frames of {width}x{height}"
        )
    masks = np.zeros((frames, height, width), np.uint8)
    for number in range(actors):
        masks[np.unpackbits(bits[number], axis=2, count=width).view(bool)] = number + 1
    return masks
