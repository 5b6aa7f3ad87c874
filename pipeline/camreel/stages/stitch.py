"""ClipActivation* -> FrameActivation*: merge overlapping clips on one time line, and interpolate at every source frame.

Each time slice of a clip is a point on the network's clock. Points of several clips at the same tick are averaged with
weights that sum to one and fall towards the ends of a clip, where the network sees padding. A frame between two points
gets their linear interpolation. Maps stay signed logits, so that smoothing and rectification come after stitching.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from camreel.structures import F32, ClipActivation, Frame, FrameActivation, Grid, Ints


@dataclass(frozen=True, slots=True)
class TimePoint:
    """Logits [C] and signed maps [S, h, w] of some classes at one tick, with a weight."""

    weight: float
    logits: F32
    classes: Ints
    maps: F32


def stitch(activations: Iterable[ClipActivation]) -> Iterator[FrameActivation]:
    """Merge overlapping clips into one activation per source frame.

    A class that only some of the overlapping clips map is averaged over those, so its map is continuous from the first
    clip that maps it to the last.

    Args:
        activations: activations of clips in order, as `recognize` yields them.

    Yields:
        One activation for every source frame, in order, as soon as no later clip can change it.
    """
    line = _TimeLine()
    pending: deque[Frame] = deque()
    last_index = -1
    grid = None
    for activation in activations:
        grid = activation.grid
        pending.extend(frame for frame in activation.clip.frames if frame.index > last_index)
        last_index = activation.clip.frames[-1].index
        line.add(activation)
        known_until = line.settle(activation.clip.start + activation.clip.settled)
        while pending and pending[0].tick <= known_until:
            yield line.read(pending.popleft(), grid)
    line.settle(np.inf)
    while pending and grid is not None:
        yield line.read(pending.popleft(), grid)


class _TimeLine:
    """Points by tick: open ones still collect clips, settled ones are averaged and read."""

    def __init__(self) -> None:
        self._open: dict[float, list[TimePoint]] = {}
        self._settled: deque[tuple[float, TimePoint]] = deque()

    def add(self, activation: ClipActivation) -> None:
        for j, position in _valid_slices(activation):
            weight = min(position + 1, len(activation.clip.sampled) - position)
            point = TimePoint(weight, activation.slice_logits[j], activation.classes, activation.maps[:, j])
            self._open.setdefault(activation.clip.start + position, []).append(point)

    def settle(self, before: float) -> float:
        """Average the points at ticks < `before`; return the last settled tick."""
        for tick in sorted(tick for tick in self._open if tick < before):
            self._settled.append((tick, average(self._open.pop(tick))))
        return self._settled[-1][0] if self._settled else -np.inf

    def read(self, frame: Frame, grid: Grid) -> FrameActivation:
        """Return the activation of a frame at or after the last one read; the first and last points are held."""
        points = self._settled
        while len(points) > 1 and points[1][0] <= frame.tick:
            points.popleft()
        (tick, point) = points[0]
        if len(points) > 1 and frame.tick > tick:
            next_tick, following = points[1]
            point = interpolate(point, following, (frame.tick - tick) / (next_tick - tick))
        return FrameActivation(frame, point.logits, point.classes, point.maps, grid)


def _valid_slices(activation: ClipActivation) -> Iterator[tuple[int, float]]:
    """Yield (slice, sample at its center) of the valid slices, or of the nearest slice if none is valid."""
    first, end = activation.clip.valid
    positions = [activation.start + activation.jump * j for j in range(activation.maps.shape[1])]
    valid = [(j, p) for j, p in enumerate(positions) if first <= p <= end - 1]
    yield from valid or [min(enumerate(positions), key=lambda jp: abs(jp[1] - (first + end - 1) / 2))]


def average(points: Sequence[TimePoint]) -> TimePoint:
    """Return the weighted mean; each class is averaged over the points that map it."""
    if len(points) == 1:
        return points[0]
    weights = np.array([point.weight for point in points], np.float32)
    logits = np.tensordot(weights / weights.sum(), np.stack([point.logits for point in points]), 1)
    classes = _union(points)
    maps = np.zeros((len(classes), *points[0].maps.shape[1:]), np.float32)
    total = np.zeros((len(classes), 1, 1), np.float32)
    for point in points:
        rows = np.searchsorted(classes, point.classes)
        maps[rows] += point.weight * point.maps
        total[rows] += point.weight
    return TimePoint(float(weights.sum()), logits.astype(np.float32), classes, np.asarray(maps / total, np.float32))


def interpolate(a: TimePoint, b: TimePoint, t: float) -> TimePoint:
    """Return (1 - t) a + t b; a class that only one of the two maps is held."""
    logits = (1 - t) * a.logits + t * b.logits
    if np.array_equal(a.classes, b.classes):
        return TimePoint(1.0, logits, a.classes, (1 - t) * a.maps + t * b.maps)
    classes = _union((a, b))
    maps = np.empty((len(classes), *a.maps.shape[1:]), np.float32)
    in_a, in_b = np.isin(classes, a.classes), np.isin(classes, b.classes)
    maps[in_a] = a.maps
    maps[in_b & ~in_a] = b.maps[~np.isin(b.classes, a.classes)]
    both = in_a & in_b
    maps[both] = (1 - t) * maps[both] + t * b.maps[np.isin(b.classes, a.classes)]
    return TimePoint(1.0, logits, classes, maps)


def _union(points: Sequence[TimePoint]) -> Ints:
    return np.unique(np.concatenate([point.classes for point in points]))
