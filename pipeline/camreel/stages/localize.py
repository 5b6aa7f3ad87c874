"""FrameActivation* -> Localization*: rectify and scale the maps, cut boxes, find peaks.

The scale is absolute: a slowly running high percentile of the evidence in logits. A scale taken from single frames
would turn noise into signal and make the heat flicker.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from camreel.imageops.grid import tiling
from camreel.structures import F32, Action, Box, ClassSelection, FrameActivation, Grid, Localization

PERCENTILE = 99.9
"""Percentile of a map's cells that measures its strength: high, so that a small actor is not lost."""
LARGE_MAP = 10_000
"""Number of cells above which every other cell is enough for the percentile."""
RISE_SECONDS, FALL_SECONDS = 0.5, 30.0
"""Time constants with which the scale follows stronger and weaker evidence."""
SCALE_RANGE = 4.0
"""Classes differ in the size of their evidence, so each has its own scale, but at least that of the best action divided
by this: weak evidence stays faint."""
MIN_SCALE = 1.0
"""Minimum scale in logits: weaker evidence is never shown as full."""
BOX_EVIDENCE = 0.3
"""Minimum evidence inside a box as a share of the class's maximum on the frame: other things move, too."""
NEAR_RADIUS = 0.13
"""Half the window in which foreground belongs to a class's evidence, as a share of the longer side."""
NEAR_FULL = 0.5
"""Share of the maximum evidence in a window from which all foreground belongs to the class."""
BOX_THRESHOLDS = {"extent": 0.7, "evidence": 0.4}
"""Default level at which boxes are cut, by box source. On DAVIS (17 clips) boxes reach .60 at .7 and .62 at .75, but
from larger pictures (accurate.yaml) .66 and .65."""
PEAK_POWER = 2
"""Power of the foreground by which evidence is weighted for the peak, because evidence reaches beyond the actor.
Measured: on DAVIS (8 clips) the peak is on the object in 85 % of the frames, without it in 71 %; in the action world
in 94 and 92 %."""


@dataclass(frozen=True, slots=True)
class BoxRule:
    """When evidence or foreground becomes a box."""

    threshold: float = 0.7
    """Foreground, or without one saliency, at which boxes are cut."""
    min_area: float = 0.001
    """Minimum area as a share of the picture."""


def select(
    activations: Iterable[FrameActivation], multilabel: bool, selection: ClassSelection
) -> Iterator[FrameActivation]:
    """Drop the maps of classes that will not be reported on their frame, before later stages work on them.

    Args:
        activations: activations with the maps of any classes.
        multilabel: scores are sigmoids of the logits, not their softmax.
        selection: classes to report.
    """
    for activation in activations:
        shown = reported_classes(to_scores(activation.logits, multilabel), selection)
        rows = np.isin(activation.classes, shown)
        yield dataclasses.replace(activation, classes=activation.classes[rows], maps=activation.maps[rows])


@dataclass(frozen=True, slots=True)
class Localizer:
    """The stage `localize`.

    Example:
        >>> localizer = Localizer(labels=("jump", "run"), multilabel=False, selection=ClassSelection(top_k=1))
        >>> localizations = list(localizer(activations))
    """

    labels: Sequence[str]
    """Class names [C]."""
    multilabel: bool
    """Scores are sigmoids of the logits, not their softmax."""
    selection: ClassSelection = field(default_factory=ClassSelection)
    rule: BoxRule = field(default_factory=BoxRule)

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[Localization]:
        """Turn logits into scores, and signed maps (on a grid over the picture) into saliency, boxes and peaks."""
        overall = _RunningScale()
        scales: defaultdict[int, _RunningScale] = defaultdict(_RunningScale)
        for activation in activations:
            scores = to_scores(activation.logits, self.multilabel)
            shown = reported_classes(scores, self.selection)
            rows = {int(c): row for row, c in enumerate(activation.classes)}
            strengths = {c: _strength(activation.maps[rows[c]]) for c in shown if c in rows}
            time = activation.frame.time
            least = overall.follow(next(iter(strengths.values()), None), time) / SCALE_RANGE
            actions = []
            for class_id in shown:
                cam = activation.maps[rows[class_id]] if class_id in rows else None
                scale = max(scales[class_id].follow(strengths.get(class_id), time), least)
                action = self._action(activation, class_id, float(scores[class_id]), scale)
                actions.append(action if cam is None else self._place(action, activation, cam))
            yield Localization(activation.frame, tuple(actions))

    def _action(self, activation: FrameActivation, class_id: int, score: float, scale: float) -> Action:
        """Return an action without a location."""
        logit = float(activation.logits[class_id])
        return Action(class_id, self.labels[class_id], score, logit, None, scale, activation.grid, None, ())

    def _place(self, action: Action, activation: FrameActivation, cam: F32) -> Action:
        """Add saliency, peak and boxes from the signed map [h, w] of the class."""
        saliency = np.clip(cam / action.scale, 0, 1)
        action = dataclasses.replace(action, saliency=saliency)
        if not saliency.max(initial=0) > 0:
            return action
        grid = activation.grid
        size = activation.frame.picture.width, activation.frame.picture.height
        if activation.foreground is None:
            boxes = find_boxes(saliency, grid, size, self.rule, action.score)
            return dataclasses.replace(action, peak=find_peak(cam, grid, size), boxes=boxes)
        mine = class_foreground(activation.foreground, saliency)
        weight = cv2.resize(mine, cam.shape[::-1], interpolation=cv2.INTER_LINEAR)
        peak = find_peak(cam * weight**PEAK_POWER, grid, size)
        boxes = find_boxes(mine, tiling((mine.shape[0], mine.shape[1]), size), size, self.rule, action.score)
        boxes = tuple(box for box in boxes if holds_evidence(box, cam, grid))
        return dataclasses.replace(action, peak=peak, boxes=boxes, foreground=mine)


def reported_classes(scores: F32, selection: ClassSelection) -> list[int]:
    """Return the ids of the classes to report, best first."""
    candidates = np.array(selection.class_ids or range(len(scores)), np.int64)
    best = candidates[np.argsort(-scores[candidates], kind="stable")[: selection.top_k]]
    shown = [int(c) for c in best if scores[c] >= selection.min_score]
    picked = selection.picked()
    return shown if picked is None or picked in shown else [*shown, picked]


def to_scores(logits: F32, multilabel: bool) -> F32:
    """Convert logits [C] to scores in [0, 1]: their sigmoids, or their softmax."""
    wide = logits.astype(np.float64)
    if multilabel:
        return np.asarray(1 / (1 + np.exp(-np.clip(wide, -500, 500))), np.float32)
    exponential = np.exp(wide - wide.max())
    return np.asarray(exponential / exponential.sum(), np.float32)


def _strength(cam: F32) -> float:
    """Return a high percentile of a map [h, w], at least 0."""
    every = 2 if cam.size > LARGE_MAP else 1
    cells = cam[::every, ::every].ravel()
    rank = int((len(cells) - 1) * PERCENTILE / 100)
    return max(0.0, float(np.partition(cells, rank)[rank]))


class _RunningScale:
    """The strength of the evidence over time, followed fast upwards and slowly downwards."""

    def __init__(self) -> None:
        self._value: float | None = None
        self._time = 0.0

    def follow(self, strength: float | None, time: float) -> float:
        """Return the scale in logits at `time`, given the strength of this frame's map (None: no map)."""
        elapsed, self._time = max(0.0, time - self._time), time
        if strength is not None:
            if self._value is None:
                self._value = strength
            constant = RISE_SECONDS if strength > self._value else FALL_SECONDS
            self._value += (1 - math.exp(-elapsed / constant)) * (strength - self._value)
        return max(MIN_SCALE, self._value or 0.0)


def holds_evidence(box: Box, cam: F32, grid: Grid) -> bool:
    """Return whether a box contains a good share of the evidence of its class."""
    left, top, right, bottom = box.xyxy
    rows, columns = (grid.start[axis] + grid.jump[axis] * np.arange(cam.shape[axis]) for axis in (0, 1))
    inside = cam[np.ix_((rows >= top) & (rows < bottom), (columns >= left) & (columns < right))]
    return bool(inside.max(initial=0) >= BOX_EVIDENCE * cam.max())


def class_foreground(foreground: F32, saliency: F32) -> F32:
    """Return the foreground near the evidence of a class, relative to its maximum."""
    height, width = foreground.shape
    near = cv2.resize(saliency, (width, height), interpolation=cv2.INTER_AREA)
    side = 2 * max(1, round(NEAR_RADIUS * max(height, width))) + 1
    for _ in range(2):  # two box blurs approximate a Gaussian
        near = cv2.blur(near, (side, side), borderType=cv2.BORDER_CONSTANT)
    product = foreground * np.clip(near / max(NEAR_FULL * float(near.max()), 1e-9), 0, 1)
    return np.asarray(product / max(float(product.max()), 1e-9), np.float32)


def find_peak(cam: F32, grid: Grid, picture: tuple[int, int]) -> tuple[float, float]:
    """Return (x, y) of the strongest cell; among several equal ones, of the cell nearest to their mean.

    Args:
        cam: signed map [h, w], not the saliency, which may be 1 in many cells.
        grid: position of its cells.
        picture: (width, height) in pixels.
    """
    width, height = picture
    full = cam == cam.max()
    # Finding the one cell is much faster than finding several.
    several = np.count_nonzero(full) > 1
    rows, columns = np.nonzero(full) if several else np.unravel_index([int(full.argmax())], cam.shape)
    middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    y, x = (grid.start[i] + grid.jump[i] * int(at[middle]) for i, at in enumerate((rows, columns)))
    return min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)


def find_boxes(saliency: F32, grid: Grid, picture: tuple[int, int], rule: BoxRule, score: float) -> tuple[Box, ...]:
    """Return the boxes around all connected components of cells at or above the threshold, strongest first.

    Args:
        saliency: saliency or foreground [h, w] in [0, 1].
        grid: position of its cells.
        picture: (width, height) in pixels.
        rule: threshold and minimum area.
        score: score of the action; a box's score is this times the largest saliency inside.
    """
    width, height = picture
    mask = (saliency >= rule.threshold).astype(np.uint8)
    count, labeled, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    boxes = []
    for component in range(1, count):
        x, y, w, h = (int(value) for value in stats[component, :4])
        left, right = (grid.start[1] + grid.jump[1] * (edge - 0.5) + 0.5 for edge in (x, x + w))
        top, bottom = (grid.start[0] + grid.jump[0] * (edge - 0.5) + 0.5 for edge in (y, y + h))
        left, right = max(left, 0.0), min(right, float(width))
        top, bottom = max(top, 0.0), min(bottom, float(height))
        if right <= left or bottom <= top or (right - left) * (bottom - top) < rule.min_area * width * height:
            continue
        inside = labeled[y : y + h, x : x + w] == component
        strongest = float(saliency[y : y + h, x : x + w].max(where=inside, initial=0))
        boxes.append(Box((left, top, right, bottom), strongest * score))
    return tuple(sorted(boxes, key=lambda box: -box.score))
