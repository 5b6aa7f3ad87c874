"""Averages in time, cell by cell: no smoothing, Gaussian, exponential moving average."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from camreel.structures import FrameActivation, Ints

REACH = 3.0
"""Width of the window to each side, in standard deviations."""


class GaussianSmoother:
    """Average over neighboring frames with weights exp(-dt^2 / 2 sigma^2), dt in seconds.

    Args:
        seconds: standard deviation sigma.
        causal: not supported; the window is symmetric.
    """

    def __init__(self, seconds: float, causal: bool = False) -> None:
        self.lag = REACH * seconds
        self._sigma = seconds

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
        """Yield every activation, smoothed, once the window after it is known."""
        past: deque[FrameActivation] = deque()
        ahead: deque[FrameActivation] = deque()
        for activation in activations:
            ahead.append(activation)
            while ahead[-1].frame.time - ahead[0].frame.time > self.lag:
                yield self._next(past, ahead)
        while ahead:
            yield self._next(past, ahead)

    def _next(self, past: deque[FrameActivation], ahead: deque[FrameActivation]) -> FrameActivation:
        center = ahead[0]
        while past and center.frame.time - past[0].frame.time > self.lag:
            past.popleft()
        window = [*past, *(a for a in ahead if a.frame.time - center.frame.time <= self.lag)]
        past.append(ahead.popleft())
        return self._mean(center, window)

    def _mean(self, center: FrameActivation, window: list[FrameActivation]) -> FrameActivation:
        weights = [math.exp(-0.5 * ((a.frame.time - center.frame.time) / self._sigma) ** 2) for a in window]
        logits = sum(w * a.logits for w, a in zip(weights, window, strict=True)) / sum(weights)
        maps = np.zeros_like(center.maps)
        total = np.zeros((len(center.classes), 1, 1), np.float32)
        for w, a in zip(weights, window, strict=True):
            mine, theirs = shared_rows(center.classes, a.classes)
            maps[mine] += w * a.maps[theirs]
            total[mine] += w
        maps = np.asarray(maps / np.maximum(total, 1e-12), np.float32)
        return dataclasses.replace(center, logits=np.asarray(logits, np.float32), maps=maps)


def shared_rows(a: Ints, b: Ints) -> tuple[Ints, Ints]:
    """Return the positions in the ascending arrays `a` and `b` of the values that are in both."""
    _, in_a, in_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    return in_a, in_b


class EmaSmoother:
    """state += (1 - exp(-dt / tau)) (frame - state), dt in seconds. A newly mapped class starts at its map.

    Args:
        seconds: time constant tau.
        causal: no difference; the average always looks back only.
    """

    lag = 0.0

    def __init__(self, seconds: float, causal: bool = False) -> None:
        self._tau = seconds

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
        """Yield every activation at once, smoothed."""
        state: FrameActivation | None = None
        for activation in activations:
            state = activation if state is None else self._step(state, activation)
            yield state

    def _step(self, state: FrameActivation, now: FrameActivation) -> FrameActivation:
        old = math.exp(-(now.frame.time - state.frame.time) / self._tau)
        maps = now.maps.copy()
        mine, theirs = shared_rows(now.classes, state.classes)
        maps[mine] += old * (state.maps[theirs] - maps[mine])
        return dataclasses.replace(now, logits=now.logits + old * (state.logits - now.logits), maps=maps)


class Unsmoothed:
    """Pass activations on unchanged."""

    lag = 0.0

    def __init__(self, seconds: float, causal: bool = False) -> None:
        """Take the arguments of every smoother; there is nothing to set."""

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
        """Yield every activation."""
        yield from activations
