"""Metrics of the stability of maps over time: change at each place, and change beyond the motion in the picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from camreel.imageops.grid import shrink_plane
from camreel.imageops.motion import OpticalFlow, agreement, flow_luma, flow_origins, warp
from camreel.structures import F32, U8, Ints, Picture

SALIENCY_BINS = 1000
"""Bins of the histogram of saliency."""
STRENGTH_QUANTILE = 0.99
"""Quantile of the saliency of all cells that changes are measured relative to."""


class FrameMotion:
    """The motion in the picture from the frame before to the latest frame, computed only when it is asked for.

    Example:
        >>> motion = FrameMotion()
        >>> for frame in frames:
        ...     motion.add(frame.picture)
        >>> origins, agreement = motion.between((45, 80))
    """

    def __init__(self) -> None:
        self._flow = OpticalFlow()
        self._lumas: list[U8] = []
        """Small lumas of the last two frames."""
        self._known: dict[tuple[int, ...], tuple[F32, F32]] = {}

    def add(self, picture: Picture) -> None:
        """Take the picture of the next frame."""
        self._lumas = [*self._lumas[-1:], flow_luma(picture)]
        self._known = {}

    def between(self, shape: tuple[int, int]) -> tuple[F32, F32]:
        """Return the motion between the last two frames.

        Args:
            shape: (h, w) of cells that tile the picture.

        Returns:
            Position on the frame before that each cell comes from, (x, y) in cells [h, w, 2]; and how well the two
            pictures agree there, in [0, 1] [h, w]: little at occlusions, where the flow is wrong, and at a scene cut.
        """
        if shape not in self._known:
            before, now = self._lumas
            origins = flow_origins(self._flow(now, before), shape)
            small = [shrink_plane(luma, shape[1], shape[0]).astype(np.float32) for luma in (before, now)]
            self._known[shape] = origins, agreement(warp(small[0], origins), small[1])
        return self._known[shape]


@dataclass(slots=True)
class FlickerMeter:
    """Flicker and warping error of the maps of a video, kept as sums and one map per class.

    Flicker is the mean |difference| of consecutive maps of the same class, over the 99th percentile of all of them,
    times 1000. The warping error (Lai et al., ECCV 2018) is the same after the earlier map is warped along the motion
    in the picture, weighted by the agreement of the pictures.
    """

    previous: dict[int, tuple[int, F32]] = field(default_factory=dict)
    """Class id -> number and map [h, w] of the latest frame with a map of the class."""
    counts: Ints = field(default_factory=lambda: np.zeros(SALIENCY_BINS + 1, np.int64))
    """Number of cells by saliency in thousandths."""
    differences: list[float] = field(default_factory=list)
    """Mean |difference| of each pair of maps."""
    warped: list[tuple[float, float]] = field(default_factory=list)
    """Sums over cells of |difference| to the warped map times weight, and of weights, of each pair of maps."""

    def add(self, frame: int, class_id: int, saliency: F32, motion: FrameMotion | None = None) -> None:
        """Add the map of a class on a frame; it is compared with that of the frame directly before.

        Args:
            frame: number of the frame.
            class_id: class of the map.
            saliency: map [h, w] in [0, 1].
            motion: motion from the frame before to this one; None: the warping error is not measured.
        """
        before, last = self.previous.get(class_id, (-2, saliency))
        if before == frame - 1:
            self.differences.append(float(np.abs(saliency - last).mean()))
            if motion is not None:
                height, width = saliency.shape
                origins, weight = motion.between((height, width))
                change = np.abs(saliency - warp(last, origins)) * weight
                self.warped.append((float(change.sum()), float(weight.sum())))
        self.previous[class_id] = frame, saliency
        self.counts += np.bincount(np.rint(saliency * SALIENCY_BINS).astype(int).ravel(), minlength=SALIENCY_BINS + 1)

    @property
    def flicker(self) -> float:
        """The flicker; NaN if no two consecutive frames have a map of the same class, or none has evidence."""
        return self._relative(float(np.mean(self.differences))) if self.differences else float("nan")

    @property
    def warping(self) -> float:
        """The warping error; NaN likewise, or if the pictures never agree."""
        change, weight = (sum(column) for column in zip(*self.warped, strict=True)) if self.warped else (0.0, 0.0)
        return self._relative(change / weight) if weight > 0 else float("nan")

    def _relative(self, difference: float) -> float:
        bins = np.searchsorted(np.cumsum(self.counts), STRENGTH_QUANTILE * int(self.counts.sum()))
        strength = int(bins) / SALIENCY_BINS
        return 1000 * difference / strength if strength > 0 else float("nan")
