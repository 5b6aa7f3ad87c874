"""FrameActivation* -> FrameActivation*: smooth logits and signed maps in time.

A smoother is one file and one line in `SMOOTHERS`. Flicker is mostly not motion, and maps of neighbouring frames are several
looks at the same thing: averaging them along the motion in the picture makes them both calmer and more accurate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from pipeline.smooth.ema import Ema
from pipeline.smooth.flow import Flow
from pipeline.smooth.gaussian import Gaussian
from pipeline.smooth.none import Unsmoothed
from pipeline.structures import FrameActivation


class Smoother(Protocol):
    """Keeps every frame, in order; never mixes a class into a frame that does not map it."""

    lag: float
    """Seconds that it looks ahead, and so holds frames back."""

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
        """Yields every activation, smoothed, once what it needs of the future is known."""
        ...


SMOOTHERS: dict[str, Callable[[float, bool], Smoother]] = {
    "none": lambda seconds, causal: Unsmoothed(),
    "gaussian": lambda seconds, causal: Gaussian(seconds),
    "ema": lambda seconds, causal: Ema(seconds),
    "flow": Flow,
}
"""Name -> (time constant in seconds, look back only) -> smoother."""
