"""ClipActivation* -> FrameActivation*: overlap-add the raw maps on one time line and read them off at every source frame.

Each time slice of a clip is a knot on the network's clock. Knots of several clips at the same tick are averaged with weights
that sum to one and fall towards a clip's ends, where the network sees padding. A frame between two knots gets their linear mix:
maps stay raw and signed, so the order of stitching, smoothing and rectifying is right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.structures import F32, ClipActivation, Frame, FrameActivation, Grid


@dataclass(frozen=True, slots=True)
class Knot:
    """What is known at one tick: a weight, logits [C], and the signed maps [S, h, w] of some classes."""

    weight: float
    logits: F32
    classes: NDArray[np.int64]
    maps: F32


def stitch(activations: Iterable[ClipActivation]) -> Iterator[FrameActivation]:
    """Merges overlapping clips into one activation per source frame.

    A class that only some of the overlapping clips map is averaged over those, so its map is continuous from the first clip
    that maps it to the last.

    Args:
        activations: activations of clips in order, as `recognize` gives them.

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
    """Knots by tick: open ones still collect clips, settled ones are averaged and read."""

    def __init__(self) -> None:
        self._open: dict[float, list[Knot]] = {}
        self._settled: deque[tuple[float, Knot]] = deque()

    def add(self, activation: ClipActivation) -> None:
        for j, position in _slices(activation):
            weight = min(position + 1, len(activation.clip.sampled) - position)
            knot = Knot(weight, activation.slice_logits[j], activation.classes, activation.maps[:, j])
            self._open.setdefault(activation.clip.start + position, []).append(knot)

    def settle(self, before: float) -> float:
        """Averages the knots at ticks < `before`; returns the last settled tick."""
        for tick in sorted(tick for tick in self._open if tick < before):
            self._settled.append((tick, average(self._open.pop(tick))))
        return self._settled[-1][0] if self._settled else -np.inf

    def read(self, frame: Frame, grid: Grid) -> FrameActivation:
        """The activation of a frame at or after the last one read; before the first and after the last knot it is held."""
        knots = self._settled
        while len(knots) > 1 and knots[1][0] <= frame.tick:
            knots.popleft()
        (tick, knot) = knots[0]
        if len(knots) > 1 and frame.tick > tick:
            following, later = knots[1]
            knot = mix(knot, later, (frame.tick - tick) / (following - tick))
        return FrameActivation(frame, knot.logits, knot.classes, knot.maps, grid)


def _slices(activation: ClipActivation) -> Iterator[tuple[int, float]]:
    """(slice, sample it is centred on) of the valid slices; the nearest one where none is."""
    first, end = activation.clip.valid
    positions = [activation.start + activation.jump * j for j in range(activation.maps.shape[1])]
    valid = [(j, p) for j, p in enumerate(positions) if first <= p <= end - 1]
    yield from valid or [min(enumerate(positions), key=lambda jp: abs(jp[1] - (first + end - 1) / 2))]


def average(knots: Sequence[Knot]) -> Knot:
    """The weighted mean; each class over the knots that map it."""
    if len(knots) == 1:
        return knots[0]
    weights = np.array([knot.weight for knot in knots], np.float32)
    logits = np.tensordot(weights / weights.sum(), np.stack([knot.logits for knot in knots]), 1)
    classes = _union(knots)
    maps = np.zeros((len(classes), *knots[0].maps.shape[1:]), np.float32)
    total = np.zeros((len(classes), 1, 1), np.float32)
    for knot in knots:
        rows = np.searchsorted(classes, knot.classes)
        maps[rows] += knot.weight * knot.maps
        total[rows] += knot.weight
    return Knot(float(weights.sum()), logits.astype(np.float32), classes, np.asarray(maps / total, np.float32))


def mix(a: Knot, b: Knot, t: float) -> Knot:
    """Linear mix (1 - t) a + t b; a class that only one of them maps is held."""
    logits = (1 - t) * a.logits + t * b.logits
    if np.array_equal(a.classes, b.classes):
        return Knot(1.0, logits, a.classes, (1 - t) * a.maps + t * b.maps)
    classes = _union((a, b))
    maps = np.empty((len(classes), *a.maps.shape[1:]), np.float32)
    in_a, in_b = np.isin(classes, a.classes), np.isin(classes, b.classes)
    maps[in_a] = a.maps
    maps[in_b & ~in_a] = b.maps[~np.isin(b.classes, a.classes)]
    both = in_a & in_b
    maps[both] = (1 - t) * maps[both] + t * b.maps[np.isin(b.classes, a.classes)]
    return Knot(1.0, logits, classes, maps)


def _union(knots: Sequence[Knot]) -> NDArray[np.int64]:
    return np.unique(np.concatenate([knot.classes for knot in knots]))
