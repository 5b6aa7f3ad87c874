"""How well a map tells the pixels of who acts from all others, at every threshold at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from camreel.structures import F32

BINS = 1000


@dataclass(slots=True)
class PixelPrecision:
    """PxAP (Choe et al., "Evaluating weakly supervised object localization methods right", CVPR 2020).

    The area under precision over recall of the pixels at or above a saliency, over all thresholds and all frames of a video. Grows
    by `add` and keeps a histogram, never maps: saliency counts in thousandths. Every frame weighs the same.
    """

    shares: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, BINS + 1)))
    """Share of a picture by saliency, summed over frames: inside of the masks, and outside [2, BINS + 1]."""

    def add(self, saliency: F32, covered: F32) -> None:
        """Takes the map of a frame.

        Args:
            saliency: in [0, 1], on cells that tile the picture [h, w].
            covered: the share of every cell that the mask covers [h, w].
        """
        bins = np.rint(saliency * BINS).astype(int).ravel()
        for row, weight in zip(self.shares, (covered, 1 - covered), strict=True):
            row += np.bincount(bins, weight.ravel(), BINS + 1) / bins.size

    @property
    def value(self) -> float:
        """The sum over thresholds, from high to low, of precision times the recall gained there; NaN where there are no masks."""
        inside, outside = np.cumsum(self.shares[:, ::-1], axis=1)
        if inside[-1] <= 0:
            return float("nan")
        precision = inside / np.maximum(inside + outside, 1e-12)
        return float((precision * np.diff(inside, prepend=0)).sum() / inside[-1])
