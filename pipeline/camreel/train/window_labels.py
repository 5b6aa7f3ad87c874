"""Labels of windows from what the actors do in each frame: the class alone, never where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from camreel.structures import F32

ACTIVE, UNCLEAR = 40, 10
"""Percent of a window's frames from which on a class counts as happening, and below which it counts as absent."""


def split(frames: int, at: int) -> F32:
    """Two windows, before and after frame `at`, as shares [2, frames] of each window's mean."""
    shares = np.zeros((2, frames), np.float32)
    shares[0, :at] = 1 / at
    shares[1, at:] = 1 / (frames - at)
    return shares


def label(actions: NDArray[np.int16], windows: F32, classes: int) -> tuple[F32, F32]:
    """Targets and weights of windows.

    A class happens where any actor does it. It is a target in a window if it happens in at least `ACTIVE` percent of its frames,
    and is left out of the loss if it happens in `UNCLEAR` percent or more, but less than that.

    Args:
        actions: class ids [T, P] of the actors, -1: none.
        windows: [W, T], positive where a frame belongs to the window.
        classes: how many there are.

    Returns:
        Targets and weights [W, C], 0 or 1.
    """
    happens = (actions[:, :, None] == np.arange(classes)).any(axis=1).astype(np.int64)
    inside = (windows > 0).astype(np.int64)
    percent, whole = 100 * (inside @ happens), inside.sum(axis=1, keepdims=True)
    targets = percent >= ACTIVE * whole
    unclear = (percent >= UNCLEAR * whole) & ~targets
    return targets.astype(np.float32), (~unclear).astype(np.float32)
