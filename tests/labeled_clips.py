"""Labeled clips for tests of training: small videos in which a bright block moves along or up and down."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest

from camreel.synthetic import Film
from camreel.synthetic.write import write_film
from camreel.train.dataset import LabeledClip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips of each of two classes."""
    root = tmp_path_factory.mktemp("clips")
    for label in ("along", "up"):
        (root / label).mkdir()
        for i in range(6):
            pictures = np.full((30, 64, 96, 3), 60 + 5 * i, np.uint8)
            for t, picture in enumerate(pictures):
                at = int(20 + 15 * np.sin(2 * np.pi * t / 15))
                x, y = (at + 10, 24) if label == "along" else (40, at)
                cv2.rectangle(picture, (x, y), (x + 12, y + 12), (230, 220, 210), -1)
            write_film(root / label / f"{label}{i}.mp4", cast(Film, SimpleNamespace(pictures=pictures)), 30.0, 23)
    return root


def labeled_clip(i: int) -> LabeledClip:
    """A clip of class a or b, in a group of its own."""
    return LabeledClip(Path(f"{i}.mp4"), "ab"[i % 2], str(i))
