"""Exponential moving average by time: causal, in place."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator

from pipeline.smooth.gaussian import shared_rows
from pipeline.structures import FrameActivation


class Ema:
    """state += (1 - exp(-dt / tau)) (frame - state), with dt in seconds; a class that was not mapped before starts at its
    first map.

    Args:
        tau: time constant in seconds.
    """

    lag = 0.0

    def __init__(self, tau: float) -> None:
        self._tau = tau

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
        """Yields each frame at once."""
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
