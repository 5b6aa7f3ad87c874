"""How restless a map is from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.structures import F32

BINS = 1000
PERCENTILE = 0.99


@dataclass(slots=True)
class Flicker:
    """Mean |difference| of consecutive maps of the same class, over the 99th percentile of all of them, times 1000.

    Grows by `add` and keeps one map per class: never those of a whole video.
    """

    previous: dict[int, tuple[int, F32]] = field(default_factory=dict)
    """Class -> frame and map [h, w] that came last."""
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS + 1, np.int64))
    """Cells by saliency in thousandths."""
    differences: list[float] = field(default_factory=list)

    def add(self, frame: int, class_id: int, saliency: F32) -> None:
        """Takes the map [h, w] in [0, 1] of a class on a frame; only the frame before it is compared with it."""
        before, last = self.previous.get(class_id, (-2, saliency))
        if before == frame - 1:
            self.differences.append(float(np.abs(saliency - last).mean()))
        self.previous[class_id] = frame, saliency
        self.counts += np.bincount(np.rint(saliency * BINS).astype(int).ravel(), minlength=BINS + 1)

    @property
    def value(self) -> float:
        """The flicker; NaN where no two consecutive frames have a map of the same class, or none has evidence."""
        total = int(self.counts.sum())
        if not total or not self.differences:
            return float("nan")
        high = int(np.searchsorted(np.cumsum(self.counts), PERCENTILE * total)) / BINS
        return 1000 * float(np.mean(self.differences)) / high if high > 0 else float("nan")
