"""Localizations of one video against its truth: maps and peaks on class-frames, and the boxes that the program
reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from camreel.annotations import NO_ACTION, Truth, action_runs
from camreel.evaluate.datasets.eval_video import PeopleBoxes
from camreel.imageops.grid import tiling
from camreel.metrics import Bools
from camreel.metrics.detection import BoxTable
from camreel.metrics.localization import (
    PixelPrecision,
    best_iou,
    cell_coverage,
    energy_inside,
    judge_peak,
    paint_boxes,
    peak_distance,
)
from camreel.metrics.stability import FlickerMeter, FrameMotion
from camreel.stages.localize import BoxRule, find_boxes
from camreel.structures import F32, Action, Ints


@dataclass(frozen=True, slots=True)
class Target:
    """A class-frame: a class that visible actors perform on a frame, and their location."""

    frame: int
    class_id: int
    """Class of the truth."""
    mask: Bools
    """Pixels of the actors [H, W]."""
    boxes: F32
    """Boxes of the actors [N, 4] (xyxy)."""
    two_actors: bool
    """Different actors perform different classes on this frame."""
    people: PeopleBoxes | None = None
    """Boxes of all people, for the data sets that have them."""


@dataclass(frozen=True, slots=True)
class PredictedLocation:
    """The location that a network or baseline predicts for a class on a frame."""

    saliency: F32 | None
    """Map [h, w] in [0, 1] on cells that tile the picture; None: there is only a peak, or no evidence."""
    peak: tuple[float, float] | None
    """(x, y) in pixels; None: there is no evidence."""
    extent: F32 | None = None
    """Map [h, w] that boxes are cut from, on cells that tile the picture; None: the saliency."""


@dataclass(frozen=True, slots=True)
class LocalizationScores:
    """Scores of one network or baseline on the N class-frames of one video, at K box thresholds."""

    frames: Ints
    """Frame numbers [N]."""
    distance: F32
    """Distance in pixels from the peak to the nearest actor [N]; infinite if it is far."""
    energy: F32
    """Share of the map's mass on the actors [N]."""
    area: F32
    """Share of the picture that the actors cover [N]: the energy of a uniform map."""
    ious: F32
    """Best overlap of any box at every threshold [N, K]."""
    two_actors: Bools
    """Class-frames where different actors perform different classes [N]."""
    hit: F32
    """Whether the peak is on an actor, by the boxes of people [N]; NaN: it does not count, or there are no such
    boxes."""
    bystander: F32
    """Whether the peak is on a bystander instead [N]; NaN likewise."""
    pxap: float
    flicker: float
    warping: float


def class_targets(truth: Truth, frame: int, people: PeopleBoxes | None = None) -> list[Target]:
    """Return the classes that visible actors perform on a frame; without masks, boxes stand for them.

    Args:
        truth: truth of the video.
        frame: number of the frame.
        people: boxes of the people on it.
    """
    actions = truth.actions[frame]
    present = [int(c) for c in np.unique(actions) if c != NO_ACTION]
    targets = []
    for class_id in present:
        actors = np.flatnonzero(actions == class_id)
        boxes = truth.boxes[frame, actors]
        boxes = boxes[~np.isnan(boxes).any(axis=1)]
        size = truth.height, truth.width
        mask = paint_boxes(boxes, size) if truth.masks is None else np.isin(truth.masks[frame], actors + 1)
        if mask.any():
            targets.append(Target(frame, class_id, mask, boxes, len(present) > 1, people))
    return targets


@dataclass(slots=True)
class LocalizationScorer:
    """Compares the predicted locations of one network or baseline with the targets, and keeps numbers instead of
    maps."""

    thresholds: Sequence[float]
    """Saliencies at which boxes are cut [K]."""
    min_area: float
    """Minimum area of a box as a share of the picture."""
    rows: list[tuple[float, ...]] = field(default_factory=list)
    flicker: FlickerMeter = field(default_factory=FlickerMeter)
    pixels: PixelPrecision = field(default_factory=PixelPrecision)

    def add(self, target: Target, predicted: PredictedLocation, motion: FrameMotion | None = None) -> None:
        """Compare a predicted location with its target.

        Args:
            target: a class-frame.
            predicted: the location predicted for its class.
            motion: motion from the frame before; None: the warping error is not measured.
        """
        height, width = target.mask.shape
        area = float(target.mask.mean())
        energy, ious = 0.0, [0.0] * len(self.thresholds)
        if predicted.saliency is None:
            # No evidence is a uniform map: one cell that the actors cover in part.
            self.pixels.add(np.zeros((1, 1), np.float32), np.full((1, 1), area, np.float32))
        else:
            saliency = predicted.saliency
            coverage = cell_coverage(target.mask, saliency.shape)
            energy = energy_inside(saliency, coverage)
            cells = saliency if predicted.extent is None else predicted.extent
            ious = [best_iou(self._boxes(cells, (width, height), t), target.boxes) for t in self.thresholds]
            self.flicker.add(target.frame, target.class_id, saliency, motion)
            self.pixels.add(saliency, coverage)
        hit, bystander = _judge(target, predicted)
        distance = peak_distance(target.mask, predicted.peak)
        self.rows.append((target.frame, target.two_actors, distance, energy, area, hit, bystander, *ious))

    def _boxes(self, cells: F32, picture: tuple[int, int], threshold: float) -> F32:
        """Return the boxes [N, 4] as the program cuts them."""
        grid = tiling((cells.shape[0], cells.shape[1]), picture)
        boxes = find_boxes(cells, grid, picture, BoxRule(threshold, self.min_area), 1.0)
        return np.array([box.xyxy for box in boxes], np.float32).reshape(-1, 4)

    def scores(self) -> LocalizationScores:
        """Return the scores of all class-frames so far."""
        table = np.array(self.rows, np.float64).reshape(-1, 7 + len(self.thresholds))
        numbers = table.astype(np.float32)
        return LocalizationScores(
            frames=table[:, 0].astype(np.int64),
            distance=numbers[:, 2],
            energy=numbers[:, 3],
            area=numbers[:, 4],
            ious=numbers[:, 7:],
            two_actors=table[:, 1] > 0,
            hit=numbers[:, 5],
            bystander=numbers[:, 6],
            pxap=self.pixels.value,
            flicker=self.flicker.flicker,
            warping=self.flicker.warping,
        )


def _judge(target: Target, predicted: PredictedLocation) -> tuple[float, float]:
    """Return whether the peak hits an actor, and whether it is on a bystander; NaN without boxes of people."""
    people, (height, width) = target.people, target.mask.shape
    if people is None:
        return np.nan, np.nan
    masks = (paint_boxes(boxes, (height, width)) for boxes in (people.actors, people.ignored, people.bystanders))
    return judge_peak(predicted.peak, *masks)


_Row = tuple[str, int, int, float, tuple[float, ...]]
"""Label, frame, tube, score and xyxy of a box."""


@dataclass(frozen=True, slots=True)
class Detections:
    """The boxes of one video, predicted and true."""

    predicted: BoxTable
    true: BoxTable


@dataclass(slots=True)
class DetectionCollector:
    """Collects the boxes that the program reports, by its own rules for scores and interrupted tubes."""

    min_score: float
    """Minimum score of an action whose boxes count."""
    max_gap: float
    """Longest interruption of a tube in seconds; after a longer one, the same track starts a new tube."""
    rows: list[_Row] = field(default_factory=list)
    last_seen: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Track -> time of its latest box, and number of its tube."""
    tubes: int = 0

    def add(self, frame: int, time: float, label: str, action: Action) -> None:
        """Add the boxes of an action.

        Args:
            frame: number of the frame.
            time: time of the frame in seconds.
            label: the truth's name of the class.
            action: the action, whose boxes have track ids.
        """
        if action.score < self.min_score:
            return
        for box in action.boxes:
            assert box.track is not None
            last, tube = self.last_seen.get(box.track, (-np.inf, 0))
            if time - last > self.max_gap:
                tube, self.tubes = self.tubes, self.tubes + 1
            self.last_seen[box.track] = time, tube
            self.rows.append((label, frame, tube, box.score, box.xyxy))

    def detections(self, truth: Truth) -> Detections:
        """Return the boxes so far, with those of the truth."""
        return Detections(_to_table(self.rows), true_boxes(truth))


def true_boxes(truth: Truth) -> BoxTable:
    """Return the boxes of visible actors; each uninterrupted run of a class of an actor is one tube."""
    rows: list[_Row] = []
    tube = 0
    for actor in range(truth.actions.shape[1]):
        for class_id, start, end in action_runs(truth.actions[:, actor]):
            visible = [t for t in range(start, end) if not np.isnan(truth.boxes[t, actor]).any()]
            rows += [(truth.classes[class_id], t, tube, 1.0, tuple(truth.boxes[t, actor].tolist())) for t in visible]
            tube += 1
    return _to_table(rows)


def _to_table(rows: Sequence[_Row]) -> BoxTable:
    labels, frames, tubes, scores, boxes = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return BoxTable(
        np.array(labels, np.str_),
        np.array(frames, np.int64),
        np.array(tubes, np.int64),
        np.array(scores, np.float32),
        np.array(boxes, np.float32).reshape(-1, 4),
    )
