"""Detection in space and time, as it is measured on UCF101-24: average precision of boxes and of tubes.

Gkioxari and Malik, "Finding action tubes" (CVPR 2015); Kalogeiton et al., "Action tubelet detector" (ICCV 2017). Precision is
interpolated here, as Pascal VOC, AVA and ActivityNet do it; the code of the second paper takes trapezoids of what is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camreel.metrics.matching import matched_precision
from camreel.metrics.pointing_game import overlaps
from camreel.structures import F32

Tube = tuple[NDArray[np.int64], F32]
"""Frames, ascending [n], and the box on each [n, 4]."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of one video, found or true; N in all."""

    labels: NDArray[np.str_]
    """Names of the classes [N]."""
    frames: NDArray[np.int64]
    """[N], ascending within a tube."""
    tubes: NDArray[np.int64]
    """Number of the tube that each belongs to [N]; a tube has one class, and one box on a frame."""
    scores: F32
    """[N]"""
    xyxy: F32
    """[N, 4]"""

    def of(self, label: str) -> Boxes:
        """Those of one class."""
        mine = self.labels == label
        return Boxes(self.labels[mine], self.frames[mine], self.tubes[mine], self.scores[mine], self.xyxy[mine])


Videos = Sequence[Boxes]


def frame_map(found: Videos, true: Videos, least: float) -> float:
    """Mean over the classes that occur of the average precision of boxes, over all frames of all videos.

    Args:
        found: the boxes of every video.
        true: likewise.
        least: intersection over union from which a box is right.
    """
    return _mean_precision(found, true, _singles, lambda a, b: float(overlaps(a, b)), least)


def video_map(found: Videos, true: Videos, least: float) -> float:
    """The same of tubes, whose score is the mean of their boxes' and whose overlap is `tube_overlap`."""
    return _mean_precision(found, true, _tubes, tube_overlap, least)


def tube_overlap(a: Tube, b: Tube) -> float:
    """Overlap in time, of the frames, times the mean overlap of the boxes over the frames that both have."""
    shared, at, bt = np.intersect1d(a[0], b[0], assume_unique=True, return_indices=True)
    union = len(a[0]) + len(b[0]) - len(shared)
    return float(overlaps(a[1][at], b[1][bt]).sum() / union) if union else 0.0


_Split = Callable[[int, Boxes], Iterator[tuple[float, Any, Any]]]
"""(number of a video, boxes of one class) -> score, place and thing of each."""


def _singles(video: int, boxes: Boxes) -> Iterator[tuple[float, tuple[int, int], F32]]:
    for frame, score, box in zip(boxes.frames.tolist(), boxes.scores.tolist(), boxes.xyxy, strict=True):
        yield score, (video, frame), box


def _tubes(video: int, boxes: Boxes) -> Iterator[tuple[float, int, Tube]]:
    for tube in np.unique(boxes.tubes):
        mine = boxes.tubes == tube
        yield float(boxes.scores[mine].mean()), video, (boxes.frames[mine], boxes.xyxy[mine])


def _mean_precision(
    found: Videos, true: Videos, split: _Split, overlap: Callable[[Any, Any], float], least: float
) -> float:
    values = []
    for label in sorted({str(name) for boxes in true for name in np.unique(boxes.labels)}):
        there: defaultdict[Any, list[Any]] = defaultdict(list)
        for video, boxes in enumerate(true):
            for _, place, thing in split(video, boxes.of(label)):
                there[place].append(thing)
        mine = [item for video, boxes in enumerate(found) for item in split(video, boxes.of(label))]
        values.append(matched_precision(mine, there, overlap, least))
    return float(np.mean(values)) if values else float("nan")
