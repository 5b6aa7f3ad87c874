"""FrameActivation* -> Localization*: rectify, scale, threshold; boxes and peaks.

The scale is absolute: logits over a slowly running high percentile of the evidence. It is never taken from one frame, which would
blow up noise into signal and make the heat flicker.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.structures import F32, Action, Box, FrameActivation, Grid, Localization

PERCENTILE = 99.9
"""Of a map's cells: its strongest few, so that a small actor is not lost."""
LARGE = 10_000
"""Cells."""
RISE, FALL = 0.5, 30.0
"""Seconds in which the scale follows stronger and weaker evidence."""
RANGE = 4.0
"""A class's scale is its own, as classes differ in how large their evidence is, but not smaller than that of the best action by
more than this: weak evidence stays faint."""
HELD = 0.3
"""Share of a class's strongest evidence on a frame that a box must hold: other things move, too."""
NEAR = 0.13
"""Half the window in which what is there belongs to a class's evidence, as a share of the longer side."""
FULL = 0.5
"""Share of the most evidence in a window from which on all that is there belongs to the class."""
POINTED = 2
"""Power of the extent by which evidence is weighed for its peak: evidence reaches beyond whom it is of. Measured: on DAVIS (8
clips) the peak is on the object on 85 % of the frames, without it on 71 %; on validation videos of the action world 94 and 92 %."""
LEAST_SCALE = 1.0
"""Logits: evidence weaker than this is never shown as full."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which classes are reported, and when evidence is a box."""

    classes: tuple[int, ...] = ()
    """Only these; empty: all."""
    top_k: int = 3
    min_score: float = 0.1
    threshold: float = 0.5
    """Extent, or without one saliency, at which a box begins."""
    min_area: float = 0.001
    """Least area of a box as a share of the picture."""
    picked: Callable[[], int | None] = lambda: None
    """A class that somebody wants to see now, whatever its score."""


def select(activations: Iterable[FrameActivation], multilabel: bool, rules: Rules) -> Iterator[FrameActivation]:
    """Drops the maps of classes that will not be reported on their frame, before anyone works on them.

    Args:
        activations: with maps of any classes.
        multilabel: scores are sigmoids of the logits, not their softmax.
        rules: what is reported.
    """
    for activation in activations:
        shown = _shown(as_scores(activation.logits, multilabel), rules)
        rows = np.isin(activation.classes, shown)
        yield dataclasses.replace(activation, classes=activation.classes[rows], maps=activation.maps[rows])


def locate(activations: Iterable[FrameActivation], labels: Sequence[str], multilabel: bool, rules: Rules) -> Iterator[Localization]:
    """Turns logits into scores and signed maps into saliency, boxes and peaks.

    Args:
        activations: with maps on a grid over the picture.
        labels: class names [C].
        multilabel: scores are sigmoids of the logits, not their softmax.
        rules: what is reported.
    """
    overall = _RunningScale()
    scales: defaultdict[int, _RunningScale] = defaultdict(_RunningScale)
    for activation in activations:
        scores = as_scores(activation.logits, multilabel)
        shown = _shown(scores, rules)
        rows = {int(c): row for row, c in enumerate(activation.classes)}
        strengths = {c: _strength(activation.maps[rows[c]]) for c in shown if c in rows}
        time = activation.frame.time
        least = overall.follow(next(iter(strengths.values()), None), time) / RANGE
        actions = []
        for class_id in shown:
            row = rows.get(class_id)
            cam = None if row is None else activation.maps[row]
            unit = max(scales[class_id].follow(strengths.get(class_id), time), least)
            actions.append(_action(activation, class_id, labels[class_id], float(scores[class_id]), cam, unit, rules))
        yield Localization(activation.frame, tuple(actions))


def _shown(scores: F32, rules: Rules) -> list[int]:
    """Ids of the classes to report, best first."""
    candidates = np.array(rules.classes or range(len(scores)), np.int64)
    best = candidates[np.argsort(-scores[candidates], kind="stable")[: rules.top_k]]
    shown = [int(c) for c in best if scores[c] >= rules.min_score]
    picked = rules.picked()
    return shown if picked is None or picked in shown else [*shown, picked]


def as_scores(logits: F32, multilabel: bool) -> F32:
    """Logits [C] as scores in [0, 1]: each one's sigmoid, or their softmax."""
    wide = logits.astype(np.float64)
    if multilabel:
        return np.asarray(1 / (1 + np.exp(-np.clip(wide, -500, 500))), np.float32)
    exponential = np.exp(wide - wide.max())
    return np.asarray(exponential / exponential.sum(), np.float32)


def _strength(cam: F32) -> float:
    """A high percentile of a map [h, w]; of a large one every other cell in both directions tells enough."""
    every = 2 if cam.size > LARGE else 1
    cells = cam[::every, ::every].ravel()
    rank = int((len(cells) - 1) * PERCENTILE / 100)
    return max(0.0, float(np.partition(cells, rank)[rank]))


class _RunningScale:
    """A high percentile of evidence, followed fast upwards and slowly downwards."""

    def __init__(self) -> None:
        self._value: float | None = None
        self._time = 0.0

    def follow(self, seen: float | None, time: float) -> float:
        """The scale in logits at `time`, having seen how strong this frame's map is (None: there is none)."""
        elapsed, self._time = max(0.0, time - self._time), time
        if seen is not None:
            if self._value is None:
                self._value = seen
            constant = RISE if seen > self._value else FALL
            self._value += (1 - math.exp(-elapsed / constant)) * (seen - self._value)
        return max(LEAST_SCALE, self._value or 0.0)


def _action(
    activation: FrameActivation, class_id: int, label: str, score: float, cam: F32 | None, unit: float, rules: Rules
) -> Action:
    picture, grid = activation.frame.picture, activation.grid
    peak: tuple[float, float] | None = None
    boxes: tuple[Box, ...] = ()
    extent: F32 | None = None
    saliency = None if cam is None else np.clip(cam / unit, 0, 1)
    if cam is not None and saliency is not None and saliency.max(initial=0) > 0:
        size = picture.width, picture.height
        if activation.extent is None:
            peak = _peak(cam, grid, *size)
            boxes = find_boxes(saliency, grid, size, rules.threshold, rules.min_area, score)
        else:
            extent = _of_class(activation.extent, saliency)
            there = cv2.resize(extent, cam.shape[::-1], interpolation=cv2.INTER_LINEAR)
            peak = _peak(cam * there**POINTED, grid, *size)
            found = find_boxes(extent, tiling(extent, size), size, rules.threshold, rules.min_area, score)
            boxes = tuple(box for box in found if _holds(box, cam, grid))
    return Action(class_id, label, score, float(activation.logits[class_id]), saliency, unit, grid, peak, boxes, extent)


def _holds(box: Box, cam: F32, grid: Grid) -> bool:
    """Whether there is much of a class's evidence in a box."""
    left, top, right, bottom = box.xyxy
    rows, columns = (grid.start[axis] + grid.jump[axis] * np.arange(cam.shape[axis]) for axis in (0, 1))
    inside = cam[np.ix_((rows >= top) & (rows < bottom), (columns >= left) & (columns < right))]
    return bool(inside.max(initial=0) >= HELD * cam.max())


def _of_class(extent: F32, saliency: F32) -> F32:
    """What of the extent belongs to a class: that near its evidence."""
    height, width = extent.shape
    near = cv2.resize(saliency, (width, height), interpolation=cv2.INTER_AREA)
    side = 2 * max(1, round(NEAR * max(height, width))) + 1
    for _ in range(2):  # about a Gaussian
        near = cv2.blur(near, (side, side), borderType=cv2.BORDER_CONSTANT)
    product = extent * np.clip(near / max(FULL * float(near.max()), 1e-9), 0, 1)
    return np.asarray(product / max(float(product.max()), 1e-9), np.float32)


def tiling(cells: F32, picture: tuple[int, int]) -> Grid:
    """The grid of cells [h, w] that tile a picture of (width, height)."""
    jump = picture[1] / cells.shape[0], picture[0] / cells.shape[1]
    return Grid(((jump[0] - 1) / 2, (jump[1] - 1) / 2), jump)


def _peak(cam: F32, grid: Grid, width: int, height: int) -> tuple[float, float]:
    """(x, y) of the strongest cell, also where the saliency is full in many; the middle one of equals."""
    full = cam == cam.max()
    # Finding the one cell is much faster than finding several.
    rows, columns = np.nonzero(full) if np.count_nonzero(full) > 1 else np.unravel_index([int(full.argmax())], cam.shape)
    middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    y, x = (grid.start[i] + grid.jump[i] * int(at[middle]) for i, at in enumerate((rows, columns)))
    return min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)


def find_boxes(
    saliency: F32, grid: Grid, picture: tuple[int, int], threshold: float, min_area: float, score: float
) -> tuple[Box, ...]:
    """Boxes around all connected components (8 neighbours) of cells at or above the threshold, strongest first.

    Args:
        saliency: [h, w] in [0, 1], or an extent.
        grid: where its cells lie.
        picture: (width, height) in pixels.
        threshold: saliency at which a box begins.
        min_area: least area as a share of the picture.
        score: of the action; a box's score is this times the largest saliency inside.
    """
    width, height = picture
    count, labelled, stats, _ = cv2.connectedComponentsWithStats((saliency >= threshold).astype(np.uint8), connectivity=8)
    boxes = []
    for component in range(1, count):
        x, y, w, h = (int(value) for value in stats[component, :4])
        left, right = (grid.start[1] + grid.jump[1] * (edge - 0.5) + 0.5 for edge in (x, x + w))
        top, bottom = (grid.start[0] + grid.jump[0] * (edge - 0.5) + 0.5 for edge in (y, y + h))
        left, right = max(left, 0.0), min(right, float(width))
        top, bottom = max(top, 0.0), min(bottom, float(height))
        if right <= left or bottom <= top or (right - left) * (bottom - top) < min_area * width * height:
            continue
        inside = labelled[y : y + h, x : x + w] == component
        strongest = float(saliency[y : y + h, x : x + w].max(where=inside, initial=0))
        boxes.append(Box((left, top, right, bottom), strongest * score))
    return tuple(sorted(boxes, key=lambda box: -box.score))
