"""How one source of maps (a network, a baseline) does on the class-frames of one video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from camreel.annotations import NO_ACTION, Truth
from camreel.evaluate.eval_video import Marks
from camreel.imageops.grid import tiling
from camreel.metrics.pixels import PixelPrecision
from camreel.metrics.pointing_game import Bool, best_iou, cover, distance, energy, painted, verdict
from camreel.metrics.stability import Flicker, Passage
from camreel.stages.localize import BoxRule, find_boxes
from camreel.structures import F32


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
    marks: Marks | None = None


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
    hit: F32
    """Whether the peak is where the marks say; NaN where it counts neither way, or nothing is marked."""
    bystander: F32
    """Whether the peak is on a bystander instead, likewise."""
    pxap: float
    flicker: float
    warping: float


def targets(truth: Truth, frame: int, marks: Marks | None = None) -> list[Target]:
    """The classes that are performed on a frame by somebody who is seen; where there are no masks, boxes are taken for them.

    Args:
        truth: of the video.
        frame: its number.
        marks: what else is marked on it.
    """
    actions = truth.actions[frame]
    present = [int(c) for c in np.unique(actions) if c != NO_ACTION]
    found = []
    for class_id in present:
        who = np.flatnonzero(actions == class_id)
        boxes = truth.boxes[frame, who]
        boxes = boxes[~np.isnan(boxes).any(axis=1)]
        size = truth.height, truth.width
        seen = painted(boxes, size) if truth.masks is None else np.isin(truth.masks[frame], who + 1)
        if seen.any():
            found.append(Target(frame, class_id, seen, boxes, len(present) > 1, marks))
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
    pixels: PixelPrecision = field(default_factory=PixelPrecision)

    def add(self, target: Target, spot: Spot, passage: Passage | None = None) -> None:
        """Compares a spot with who it should be on.

        Args:
            target: a class on a frame.
            spot: what is said of it.
            passage: from the frame before; None: how the map changes is not compared with it.
        """
        height, width = target.mask.shape
        area = float(target.mask.mean())
        inside, ious = 0.0, [0.0] * len(self.thresholds)
        if spot.saliency is None:
            # Nowhere is more evidence than elsewhere.
            self.pixels.add(np.zeros((1, 1), np.float32), np.full((1, 1), area, np.float32))
        else:
            covered = cover(target.mask, spot.saliency.shape)
            inside = energy(spot.saliency, covered)
            cells = spot.saliency if spot.extent is None else spot.extent
            ious = [best_iou(self._boxes(cells, (width, height), t), target.boxes) for t in self.thresholds]
            self.flicker.add(target.frame, target.class_id, spot.saliency, passage)
            self.pixels.add(spot.saliency, covered)
        hit, bystander = _judged(target, spot)
        self.rows.append(
            (target.frame, target.duel, distance(target.mask, spot.peak), inside, area, hit, bystander, *ious)
        )

    def _boxes(self, cells: F32, picture: tuple[int, int], threshold: float) -> F32:
        found = find_boxes(
            cells, tiling((cells.shape[0], cells.shape[1]), picture), picture, BoxRule(threshold, self.min_area), 1.0
        )
        return np.array([box.xyxy for box in found], np.float32).reshape(-1, 4)

    def places(self) -> Places:
        """What was taken."""
        table = np.array(self.rows, np.float64).reshape(-1, 7 + len(self.thresholds))
        numbers = table.astype(np.float32)
        return Places(
            table[:, 0].astype(np.int64),
            numbers[:, 2],
            numbers[:, 3],
            numbers[:, 4],
            numbers[:, 7:],
            table[:, 1] > 0,
            numbers[:, 5],
            numbers[:, 6],
            self.pixels.value,
            self.flicker.value,
            self.flicker.warping,
        )


def _judged(target: Target, spot: Spot) -> tuple[float, float]:
    """Whether the peak hits, and whether it is on a bystander; NaN where nothing is marked."""
    marks, (height, width) = target.marks, target.mask.shape
    if marks is None:
        return np.nan, np.nan
    return verdict(
        spot.peak, *(painted(boxes, (height, width)) for boxes in (marks.aim, marks.ignored, marks.bystanders))
    )
