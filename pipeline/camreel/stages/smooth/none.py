"""No smoothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from camreel.structures import FrameActivation


class Unsmoothed:
    """Pass activations on unchanged."""

    lag = 0.0

    def __init__(self, seconds: float, causal: bool = False) -> None:
        """Take the arguments of every smoother; there is nothing to set."""

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
        """Yield every activation."""
        yield from activations
