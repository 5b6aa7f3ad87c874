"""Exponential moving average in time, cell by cell."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator

from camreel.stages.smooth.gaussian import shared_rows
from camreel.structures import FrameActivation


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
