"""What anybody could say without a network: every map must beat these.

They are class-blind, and get the true class for free.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from camreel.evaluate.localization_scores import Spot
from camreel.imageops.camera_motion import ResidualMotion
from camreel.imageops.grid import fit_cells
from camreel.imageops.resize import shrink_plane
from camreel.stages.resample import MAP_SIDE
from camreel.structures import F32, Frame, Picture

SPREAD = 0.25
"""Standard deviation of the centre Gaussian as a share of each side."""
NOISE_CELLS = 14
"""Cells of the random map along the short side, as a network's."""
BLUR = 1.5
"""Standard deviation in cells (of 1/107 of the long side) by which pictures are blurred before they are compared."""

Look = Callable[[Frame], Spot]
"""Takes the frames of one video in order."""


def centre_point(seed: int) -> Look:
    """Always the centre of the picture."""
    return lambda frame: Spot(None, ((frame.picture.width - 1) / 2, (frame.picture.height - 1) / 2))


def centre_gaussian(seed: int) -> Look:
    """A hill in the centre of the picture."""

    def look(frame: Frame) -> Spot:
        rows, columns = (((np.arange(n) + 0.5) / n - 0.5) / SPREAD for n in _cells(frame.picture))
        hill = np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / 2)
        return _spot(np.asarray(hill / hill.max(), np.float32), frame.picture)

    return look


def random_map(seed: int) -> Look:
    """Other noise on every frame, as coarse as a network's map."""
    rng = np.random.default_rng(seed)

    def look(frame: Frame) -> Spot:
        return _spot(noise(rng, *_cells(frame.picture)), frame.picture)

    return look


def noise(rng: np.random.Generator, height: int, width: int) -> F32:
    """Numbers in [0, 1] as coarse as a network's map [height, width]."""
    scale = NOISE_CELLS / min(height, width)
    coarse = rng.random((round(height * scale), round(width * scale)), np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def motion_peak(seed: int) -> Look:
    """Where blurred gray pictures differ from the ones before."""
    before: list[F32] = []

    def look(frame: Frame) -> Spot:
        height, width = _cells(frame.picture)
        small = cv2.resize(frame.picture.y, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        gray = np.asarray(cv2.GaussianBlur(small, (0, 0), BLUR), np.float32)
        moved = np.abs(gray - before[0]) if before else np.zeros_like(gray)
        before[:] = [gray]
        return _spot(moved / max(float(moved.max()), 1.0), frame.picture)

    return look


def own_motion(seed: int) -> Look:
    """Where pictures change beyond what the camera does: what the product draws boxes by, without the network."""
    motion = ResidualMotion()

    def look(frame: Frame) -> Spot:
        height, width = _cells(frame.picture)
        moved = motion(frame, shrink_plane(frame.picture.y, width, height).astype(np.float32))
        # None: a scene cut.
        return (
            Spot(None, None)
            if moved is None
            else _spot(moved / np.float32(max(float(moved.max()), 1.0)), frame.picture)
        )

    return look


BASELINES: dict[str, Callable[[int], Look]] = {
    "centre point": centre_point,
    "centre Gaussian": centre_gaussian,
    "random map": random_map,
    "motion peak": motion_peak,
    "motion less camera": own_motion,
}
"""name -> (seed) -> what looks at one video."""


def _cells(picture: Picture) -> tuple[int, int]:
    return fit_cells(picture.width, picture.height, MAP_SIDE)


def _spot(saliency: F32, picture: Picture) -> Spot:
    """A map with its peak at the centre of its strongest cell; without evidence there is none."""
    if saliency.max() <= 0:
        return Spot(None, None)
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    x, y = (
        (at + 0.5) * n / cells - 0.5
        for at, n, cells in zip((column, row), (picture.width, picture.height), saliency.shape[::-1], strict=True)
    )
    return Spot(saliency, (float(x), float(y)))
