"""Average precision of detections: segments in time, boxes on frames, tubes in space and time.

Segments are measured as ActivityNet does it, boxes and tubes as it is done on UCF101-24: Gkioxari and Malik, "Finding
action tubes" (CVPR 2015); Kalogeiton et al., "Action tubelet detector" (ICCV 2017). Precision is interpolated here,
as Pascal VOC, AVA and ActivityNet do it; the code of the second paper integrates the raw precision by trapezoids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from camreel.metrics import F64, Bools
from camreel.metrics.localization import box_iou
from camreel.structures import F32, Ints, Segment

Place = TypeVar("Place", bound=Hashable)
Item = TypeVar("Item")
Span = tuple[float, float]
"""Start and end in seconds."""
TubeBoxes = tuple[Ints, F32]
"""Frames of a tube, ascending [n], and the box on each [n, 4] (xyxy)."""

SEGMENT_IOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Overlaps over which the temporal mAP is averaged."""


def matched_average_precision(
    predicted: Sequence[tuple[float, Place, Item]],
    true: Mapping[Place, Sequence[Item]],
    overlap: Callable[[Item, Item], float],
    min_overlap: float,
) -> float:
    """Return the interpolated average precision of the detections of one class.

    Detections are taken in descending order of their score. Each is matched with the free true item of its place that
    it overlaps most, and is correct if they overlap by at least `min_overlap`; that true item is then no longer free.

    Args:
        predicted: score, place (a video, or a frame of one) and detected item.
        true: true items by place, at least one in all.
        overlap: overlap of two items, in [0, 1].
        min_overlap: overlap from which a detection is correct.
    """
    ranked = sorted(predicted, key=lambda detection: -detection[0])
    matched: set[tuple[Place, int]] = set()
    correct = np.zeros(len(ranked), bool)
    for rank, (_, place, item) in enumerate(ranked):
        free = [(overlap(item, t), i) for i, t in enumerate(true.get(place, ())) if (place, i) not in matched]
        best, index = max(free, default=(0.0, -1))
        if index >= 0 and best >= min_overlap:
            matched.add((place, index))
            correct[rank] = True
    return _interpolated_precision(correct, sum(map(len, true.values())))


def _interpolated_precision(correct: Bools, total: int) -> float:
    """Return the area under precision over recall, with the precision raised to the best at any higher recall."""
    if not len(correct):
        return 0.0
    hits = np.cumsum(correct)
    precision = np.maximum.accumulate((hits / np.arange(1, len(correct) + 1))[::-1])[::-1]
    return float((precision * correct).sum() / total)


def find_spans(times: F64, true: Bools) -> list[Span]:
    """Return (start, end) in seconds of every run of active frames.

    A frame lasts until the next one; the last frame lasts as long as the one before it.

    Args:
        times: times of the frames in seconds [T].
        true: active frames [T].

    Example:
        >>> find_spans(np.array([0.0, 0.5, 1.0]), np.array([True, True, False]))
        [(0.0, 1.0)]
    """
    last = times[-1] - times[-2] if len(times) > 1 else 0.0
    edges = np.append(times, times[-1] + last)
    steps = np.diff(np.concatenate([[0], true.astype(np.int8), [0]]))
    return [
        (float(edges[a]), float(edges[b]))
        for a, b in zip(np.flatnonzero(steps > 0), np.flatnonzero(steps < 0), strict=True)
    ]


def span_iou(a: Span, b: Span) -> float:
    """Return the intersection over union of two spans."""
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    # Added up in ActivityNet's order: another order rounds otherwise, and overlaps that are just enough would not be.
    union = (a[1] - a[0]) + (b[1] - b[0]) - shared
    return shared / union if union > 0 else 0.0


def temporal_map(predicted: Sequence[Sequence[Segment]], true: Sequence[Sequence[Sequence[Span]]]) -> float:
    """Return the mean average precision of segments over the classes that occur and the overlaps .3 to .7.

    Args:
        predicted: segments of every video.
        true: true spans of every video and class.
    """
    classes = sorted({c for video in true for c, spans in enumerate(video) if spans})
    values = [
        segment_average_precision(predicted, [video[c] for video in true], c, min_overlap)
        for c in classes
        for min_overlap in SEGMENT_IOUS
    ]
    return float(np.mean(values)) if values else float("nan")


def segment_average_precision(
    predicted: Sequence[Sequence[Segment]], true: Sequence[Sequence[Span]], class_id: int, min_overlap: float
) -> float:
    """Return the interpolated average precision of the segments of one class, see `matched_average_precision`.

    Args:
        predicted: segments of every video, of any class.
        true: true spans of this class in every video, at least one in all.
        class_id: the class.
        min_overlap: overlap from which a segment is correct.
    """
    of_class = [
        (segment.score, video, (segment.start, segment.end))
        for video, segments in enumerate(predicted)
        for segment in segments
        if segment.class_id == class_id
    ]
    return matched_average_precision(of_class, dict(enumerate(true)), span_iou, min_overlap)


@dataclass(frozen=True, slots=True)
class BoxTable:
    """N boxes of one video, predicted or true, as columns."""

    labels: NDArray[np.str_]
    """Class names [N]."""
    frames: Ints
    """Frame numbers [N], ascending within a tube."""
    tubes: Ints
    """Number of the tube of each box [N]; a tube has one class, and one box per frame."""
    scores: F32
    """[N]"""
    xyxy: F32
    """[N, 4] in pixels."""

    def of_class(self, label: str) -> BoxTable:
        """Return the boxes of one class."""
        rows = self.labels == label
        return BoxTable(self.labels[rows], self.frames[rows], self.tubes[rows], self.scores[rows], self.xyxy[rows])


def frame_map(predicted: Sequence[BoxTable], true: Sequence[BoxTable], min_overlap: float) -> float:
    """Return the average precision of boxes over all frames of all videos, averaged over the classes that occur.

    Args:
        predicted: predicted boxes of every video.
        true: true boxes of every video.
        min_overlap: intersection over union from which a box is correct.
    """
    return _mean_precision(predicted, true, _split_boxes, lambda a, b: float(box_iou(a, b)), min_overlap)


def video_map(predicted: Sequence[BoxTable], true: Sequence[BoxTable], min_overlap: float) -> float:
    """Return the average precision of tubes, averaged over the classes that occur.

    The score of a tube is the mean score of its boxes.

    Args:
        predicted: predicted boxes of every video.
        true: true boxes of every video.
        min_overlap: `tube_iou` from which a tube is correct.
    """
    return _mean_precision(predicted, true, _split_tubes, tube_iou, min_overlap)


def tube_iou(a: TubeBoxes, b: TubeBoxes) -> float:
    """Return the overlap in time, in frames, times the mean overlap of the boxes on the shared frames."""
    shared, at, bt = np.intersect1d(a[0], b[0], assume_unique=True, return_indices=True)
    union = len(a[0]) + len(b[0]) - len(shared)
    return float(box_iou(a[1][at], b[1][bt]).sum() / union) if union else 0.0


_Split = Callable[[int, BoxTable], Iterator[tuple[float, Any, Any]]]
"""(number of a video, boxes of one class) -> score, place and item of each detection."""


def _split_boxes(video: int, boxes: BoxTable) -> Iterator[tuple[float, tuple[int, int], F32]]:
    for frame, score, box in zip(boxes.frames.tolist(), boxes.scores.tolist(), boxes.xyxy, strict=True):
        yield score, (video, frame), box


def _split_tubes(video: int, boxes: BoxTable) -> Iterator[tuple[float, int, TubeBoxes]]:
    for tube in np.unique(boxes.tubes):
        rows = boxes.tubes == tube
        yield float(boxes.scores[rows].mean()), video, (boxes.frames[rows], boxes.xyxy[rows])


def _mean_precision(
    predicted: Sequence[BoxTable],
    true: Sequence[BoxTable],
    split: _Split,
    overlap: Callable[[Any, Any], float],
    min_overlap: float,
) -> float:
    values = []
    for label in sorted({str(name) for boxes in true for name in np.unique(boxes.labels)}):
        items: defaultdict[Any, list[Any]] = defaultdict(list)
        for video, boxes in enumerate(true):
            for _, place, item in split(video, boxes.of_class(label)):
                items[place].append(item)
        detections = [found for video, boxes in enumerate(predicted) for found in split(video, boxes.of_class(label))]
        values.append(matched_average_precision(detections, items, overlap, min_overlap))
    return float(np.mean(values)) if values else float("nan")
