"""Baselines that locate actions without a network. They do not know the classes, and are given the true one.

A baseline is one function here and one line in `BASELINES`.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from camreel.evaluate.localization_scores import PredictedLocation
from camreel.imageops.grid import fit_cells, shrink_plane
from camreel.imageops.motion import ResidualMotion
from camreel.stages.resample import MAP_SIDE
from camreel.structures import F32, Frame, Picture

SPREAD = 0.25
"""Standard deviation of the centered Gaussian as a share of each side."""
NOISE_CELLS = 14
"""Cells of the random map along the short side, as in a network's map."""
BLUR_CELLS = 1.5
"""Standard deviation, in cells, of the blur of pictures before they are compared."""

LocationBaseline = Callable[[Frame], PredictedLocation]
"""Predict a location on each frame of one video, in order."""


def center_point(seed: int) -> LocationBaseline:
    """Return the baseline that always points at the center of the picture."""
    return lambda frame: PredictedLocation(None, ((frame.picture.width - 1) / 2, (frame.picture.height - 1) / 2))


def center_gaussian(seed: int) -> LocationBaseline:
    """Return the baseline with a Gaussian in the center of the picture."""

    def locate(frame: Frame) -> PredictedLocation:
        rows, columns = (((np.arange(n) + 0.5) / n - 0.5) / SPREAD for n in _cells(frame.picture))
        hill = np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / 2)
        return _to_location(np.asarray(hill / hill.max(), np.float32), frame.picture)

    return locate


def random_map(seed: int) -> LocationBaseline:
    """Return the baseline with new noise on every frame, as coarse as a network's map."""
    rng = np.random.default_rng(seed)
    return lambda frame: _to_location(smooth_noise(rng, *_cells(frame.picture)), frame.picture)


def smooth_noise(rng: np.random.Generator, height: int, width: int) -> F32:
    """Return noise in [0, 1] as coarse as a network's map [height, width]."""
    scale = NOISE_CELLS / min(height, width)
    coarse = rng.random((round(height * scale), round(width * scale)), np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def motion_peak(seed: int) -> LocationBaseline:
    """Return the baseline that finds the difference of blurred gray pictures to the frame before."""
    before: list[F32] = []

    def locate(frame: Frame) -> PredictedLocation:
        height, width = _cells(frame.picture)
        small = cv2.resize(frame.picture.y, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        gray = np.asarray(cv2.GaussianBlur(small, (0, 0), BLUR_CELLS), np.float32)
        change = np.abs(gray - before[0]) if before else np.zeros_like(gray)
        before[:] = [gray]
        return _to_location(change / max(float(change.max()), 1.0), frame.picture)

    return locate


def residual_motion(seed: int) -> LocationBaseline:
    """Return the baseline that finds change beyond the camera's motion, which the program's boxes are cut from, too."""
    motion = ResidualMotion()

    def locate(frame: Frame) -> PredictedLocation:
        height, width = _cells(frame.picture)
        change = motion(frame, shrink_plane(frame.picture.y, width, height).astype(np.float32))
        if change is None:  # a scene cut
            return PredictedLocation(None, None)
        return _to_location(change / np.float32(max(float(change.max()), 1.0)), frame.picture)

    return locate


CHANCE = "random map"
"""The baseline that stands for chance."""

BASELINES: dict[str, Callable[[int], LocationBaseline]] = {
    "centre point": center_point,
    "centre Gaussian": center_gaussian,
    CHANCE: random_map,
    "motion peak": motion_peak,
    "motion less camera": residual_motion,
}
"""Name in reports -> function from a seed to the baseline of one video."""


def _cells(picture: Picture) -> tuple[int, int]:
    return fit_cells(picture.width, picture.height, MAP_SIDE)


def _to_location(saliency: F32, picture: Picture) -> PredictedLocation:
    """Return a map with its peak at the center of its strongest cell; nothing if there is no evidence."""
    if saliency.max() <= 0:
        return PredictedLocation(None, None)
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    x, y = (
        (at + 0.5) * n / cells - 0.5
        for at, n, cells in zip((column, row), (picture.width, picture.height), saliency.shape[::-1], strict=True)
    )
    return PredictedLocation(saliency, (float(x), float(y)))
