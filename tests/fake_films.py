"""Films for tests of training: quick to make, and with faults. Light, because the processes that render import it."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import numpy as np


def plain(seed: int, *, split: str, size: tuple[int, int], frames: int, rate: float, masks: bool) -> Any:
    """One actor; the class is told by the picture's brightness and changes in the middle of the film."""
    assert split in ("easy", "train") and (frames, rate) == (40, 12.0)
    assert masks is False, "the training must not ask for masks"
    width, height = size
    classes = np.array([seed % 15, -1], np.int16).repeat(frames // 2)[:, None]
    value = 16 * (classes + 1).astype(np.uint8)
    pictures = np.broadcast_to(value[:, :, None, None], (frames, height, width, 3)).copy()
    return SimpleNamespace(pictures=pictures, truth=SimpleNamespace(actions=classes))


def failing(seed: int, **asked: Any) -> Any:
    """Fails at the fourth film."""
    if seed % 8 >= 3:
        raise ValueError("no paint left")
    return plain(seed, **asked)


def dying(seed: int, **asked: Any) -> Any:
    """Takes its process with it at the fourth film."""
    if seed % 8 >= 3:
        os._exit(9)
    return plain(seed, **asked)
