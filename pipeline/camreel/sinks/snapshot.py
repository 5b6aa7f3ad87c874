"""Snapshots: single pictures as PNG files."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import cv2

from camreel.imageops.color import to_bgr
from camreel.runtime.files import atomic_write
from camreel.structures import Picture


def snapshot(picture: Picture, folder: Path) -> Path:
    """Write a picture as `camreel-20260131-235959.png`, named after the local time. Existing files are never replaced.

    Args:
        picture: the picture.
        folder: folder of the file; created if it is missing.

    Returns:
        The path of the file.

    Raises:
        OutputError: the file cannot be written.
    """
    data = cv2.imencode(".png", to_bgr(picture))[1].tobytes()
    path = _free_path(folder, time.strftime("camreel-%Y%m%d-%H%M%S"))
    with atomic_write(path) as partial:
        partial.write_bytes(data)
    return path


def _free_path(folder: Path, stem: str) -> Path:
    for count in itertools.count(1):
        path = folder / (f"{stem}.png" if count == 1 else f"{stem}-{count}.png")
        if not os.path.lexists(path):
            break
    return path
