"""How restless a map is from frame to frame, where it is, and beyond what moves in the picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from camreel.imageops.optical_flow import OpticalFlow, agreement, flow_luma, flow_origins, warp
from camreel.imageops.resize import shrink_plane
from camreel.structures import F32, U8, Picture

BINS = 1000
PERCENTILE = 0.99


class Passage:
    """How the picture moved from the frame before to the latest one. Takes frame after frame; works only when it is asked."""

    def __init__(self) -> None:
        self._flow = OpticalFlow()
        self._lumas: list[U8] = []
        """Of the last two frames."""
        self._known: dict[tuple[int, ...], tuple[F32, F32]] = {}

    def see(self, picture: Picture) -> None:
        """Takes the next frame's picture."""
        self._lumas = [*self._lumas[-1:], flow_luma(picture)]
        self._known = {}

    def __call__(self, shape: tuple[int, int]) -> tuple[F32, F32]:
        """The way between the last two frames.

        Args:
            shape: (h, w) of cells that tile the picture.

        Returns:
            Where on the frame before each cell comes from, (x, y) in cells [h, w, 2], and how far the two pictures agree there, in
            [0, 1] [h, w]: little where something was hidden or the flow is wrong, and at a scene cut.
        """
        if shape not in self._known:
            before, now = self._lumas
            source = flow_origins(self._flow(now, before), shape)
            small = [shrink_plane(luma, shape[1], shape[0]).astype(np.float32) for luma in (before, now)]
            self._known[shape] = source, agreement(warp(small[0], source), small[1])
        return self._known[shape]


@dataclass(slots=True)
class Flicker:
    """Mean |difference| of consecutive maps of the same class, over the 99th percentile of all of them, times 1000.

    And the same after the map before is carried along the motion in the picture (warping error, Lai et al., ECCV 2018), weighed by
    how sure that motion is. Grows by `add` and keeps one map per class: never those of a whole video.
    """

    previous: dict[int, tuple[int, F32]] = field(default_factory=dict)
    """Class -> frame and map [h, w] that came last."""
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS + 1, np.int64))
    """Cells by saliency in thousandths."""
    differences: list[float] = field(default_factory=list)
    carried: list[tuple[float, float]] = field(default_factory=list)
    """Sums over cells of |difference| to the carried map times weight, and of weights."""

    def add(self, frame: int, class_id: int, saliency: F32, passage: Passage | None = None) -> None:
        """Takes the map [h, w] in [0, 1] of a class on a frame; only the frame before it is compared with it.

        Args:
            frame: its number.
            class_id: of the map.
            saliency: the map.
            passage: from the frame before to this one; None: nothing is carried.
        """
        before, last = self.previous.get(class_id, (-2, saliency))
        if before == frame - 1:
            self.differences.append(float(np.abs(saliency - last).mean()))
            if passage is not None:
                height, width = saliency.shape
                source, sure = passage((height, width))
                self.carried.append((float((np.abs(saliency - warp(last, source)) * sure).sum()), float(sure.sum())))
        self.previous[class_id] = frame, saliency
        self.counts += np.bincount(np.rint(saliency * BINS).astype(int).ravel(), minlength=BINS + 1)

    @property
    def value(self) -> float:
        """The flicker; NaN where no two consecutive frames have a map of the same class, or none has evidence."""
        return self._relative(float(np.mean(self.differences))) if self.differences else float("nan")

    @property
    def warping(self) -> float:
        """The warping error; NaN likewise, or where the picture never agrees with itself."""
        change, weight = (sum(column) for column in zip(*self.carried, strict=True)) if self.carried else (0.0, 0.0)
        return self._relative(change / weight) if weight > 0 else float("nan")

    def _relative(self, difference: float) -> float:
        high = int(np.searchsorted(np.cumsum(self.counts), PERCENTILE * int(self.counts.sum()))) / BINS
        return 1000 * difference / high if high > 0 else float("nan")
