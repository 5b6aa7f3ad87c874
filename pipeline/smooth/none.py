"""No smoothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.structures import FrameActivation


class Unsmoothed:
    """Passes activations through."""

    lag = 0.0

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
        """Yields what comes."""
        yield from activations
