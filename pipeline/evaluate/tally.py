"""How one source of maps (a network, a baseline) does on the class-frames of one video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.metrics.places import Bool, best_iou, cover, distance, energy
from pipeline.evaluate.metrics.steady import Flicker
from pipeline.locate import find_boxes, tiling
from pipeline.structures import F32
from pipeline.truth import NONE, Truth


@dataclass(frozen=True, slots=True)
class Target:
    """A class on a frame, and where those who do it are seen."""

    frame: int
    class_id: int
    """Of the truth."""
    mask: Bool
    """[H, W]"""
    boxes: F32
    """[N, 4] xyxy."""
    duel: bool
    """Two actors do two different things on this frame."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A map and its peak."""

    saliency: F32 | None
    """[h, w] in [0, 1] on cells that tile the picture; None: there is only a peak, or no evidence."""
    peak: tuple[float, float] | None
    """(x, y) in pixels."""
    extent: F32 | None = None
    """What boxes are cut from, likewise; None: the saliency."""


@dataclass(frozen=True, slots=True)
class Places:
    """The class-frames [N] of one video."""

    frames: NDArray[np.int64]
    distance: F32
    """Pixels from the peak to whom it should point at; infinite where it misses by far."""
    energy: F32
    area: F32
    """Share of the picture that the mask covers: the energy of a map that is the same everywhere."""
    ious: F32
    """Best overlap of any box at every threshold [N, K]."""
    duel: Bool
    flicker: float


def targets(truth: Truth, frame: int) -> list[Target]:
    """The classes that are performed on a frame by somebody who is seen."""
    assert truth.masks is not None
    actions, mask = truth.actions[frame], truth.masks[frame]
    present = [int(c) for c in np.unique(actions) if c != NONE]
    found = []
    for class_id in present:
        who = np.flatnonzero(actions == class_id)
        seen = np.isin(mask, who + 1)
        if seen.any():
            boxes = truth.boxes[frame, who]
            boxes = boxes[~np.isnan(boxes).any(axis=1)]
            found.append(Target(frame, class_id, seen, boxes, len(present) > 1))
    return found


@dataclass(slots=True)
class Tally:
    """Takes the spots of one source of maps and keeps the figures, never the maps."""

    thresholds: Sequence[float]
    """Saliencies at which boxes are cut."""
    min_area: float
    """Least area of a box as a share of the picture."""
    rows: list[tuple[float, ...]] = field(default_factory=list)
    flicker: Flicker = field(default_factory=Flicker)

    def add(self, target: Target, spot: Spot) -> None:
        """Compares a spot with who it should be on."""
        height, width = target.mask.shape
        area = float(target.mask.mean())
        inside, ious = 0.0, [0.0] * len(self.thresholds)
        if spot.saliency is not None:
            inside = energy(spot.saliency, cover(target.mask, spot.saliency.shape))
            cells = spot.saliency if spot.extent is None else spot.extent
            ious = [best_iou(self._boxes(cells, (width, height), t), target.boxes) for t in self.thresholds]
            self.flicker.add(target.frame, target.class_id, spot.saliency)
        self.rows.append((target.frame, target.duel, distance(target.mask, spot.peak), inside, area, *ious))

    def _boxes(self, cells: F32, picture: tuple[int, int], threshold: float) -> F32:
        found = find_boxes(cells, tiling(cells, picture), picture, threshold, self.min_area, 1.0)
        return np.array([box.xyxy for box in found], np.float32).reshape(-1, 4)

    def places(self) -> Places:
        """What was taken."""
        table = np.array(self.rows, np.float64).reshape(-1, 5 + len(self.thresholds))
        numbers = table.astype(np.float32)
        return Places(
            table[:, 0].astype(np.int64),
            numbers[:, 2],
            numbers[:, 3],
            numbers[:, 4],
            numbers[:, 5:],
            table[:, 1] > 0,
            self.flicker.value,
        )
