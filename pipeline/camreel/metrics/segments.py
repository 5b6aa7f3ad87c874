"""Temporal detection as ActivityNet measures it: average precision of segments at several overlaps in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from camreel.metrics.matching import matched_precision
from camreel.structures import Segment

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]
Span = tuple[float, float]

OVERLAPS = (0.3, 0.4, 0.5, 0.6, 0.7)


def spans(times: F64, true: Bool) -> list[Span]:
    """(start, end) in seconds of every run of frames; a frame lasts until the next, the last one as long as the one before.

    Args:
        times: of the frames in seconds [T].
        true: [T]
    """
    last = times[-1] - times[-2] if len(times) > 1 else 0.0
    edges = np.append(times, times[-1] + last)
    steps = np.diff(np.concatenate([[0], true.astype(np.int8), [0]]))
    return [
        (float(edges[a]), float(edges[b]))
        for a, b in zip(np.flatnonzero(steps > 0), np.flatnonzero(steps < 0), strict=True)
    ]


def overlap(a: Span, b: Span) -> float:
    """Intersection over union of two spans."""
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    # Added up as ActivityNet does: another order rounds otherwise, and overlaps that are just enough would not be.
    union = (a[1] - a[0]) + (b[1] - b[0]) - shared
    return shared / union if union > 0 else 0.0


def temporal_map(found: Sequence[Sequence[Segment]], true: Sequence[Sequence[Sequence[Span]]]) -> float:
    """Mean average precision over the classes that occur and the overlaps .3 to .7.

    Args:
        found: the segments of every video.
        true: for every video and class the true spans.
    """
    classes = sorted({c for video in true for c, mine in enumerate(video) if mine})
    values = [detection_precision(found, [video[c] for video in true], c, least) for c in classes for least in OVERLAPS]
    return float(np.mean(values)) if values else float("nan")


def detection_precision(
    found: Sequence[Sequence[Segment]], true: Sequence[Sequence[Span]], class_id: int, least: float
) -> float:
    """Interpolated average precision of one class, see `matched_precision`.

    Args:
        found: the segments of every video, of any class.
        true: the true spans of this class in every video, at least one in all.
        class_id: the class.
        least: overlap.
    """
    mine = [
        (s.score, video, (s.start, s.end))
        for video, segments in enumerate(found)
        for s in segments
        if s.class_id == class_id
    ]
    return matched_precision(mine, dict(enumerate(true)), overlap, least)
