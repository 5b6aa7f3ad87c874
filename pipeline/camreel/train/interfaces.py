"""What the training loop is fed with, and what it tells. B clips, T frames, W windows of a clip, C classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from camreel.structures import F32, U8


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips with labels of their windows; nothing says where in the picture something happens."""

    pictures: U8
    """RGB [B, T, H, W, 3]."""
    windows: F32
    """[B, W, T]: the share of each frame in the window's mean; a row adds up to 1."""
    targets: F32
    """[B, W, C]: 1 where the class happens in the window, else 0."""
    weights: F32
    """[B, W, C]: 0 where nobody can say, and the loss must not look, else 1."""


class Source(Protocol):
    """Gives batches without end."""

    @property
    def reuse(self) -> float:
        """How often a clip was drawn so far, on average."""
        ...

    @property
    def counters(self) -> Mapping[str, int]:
        """What a later run must know to go on from here."""
        ...

    def draw(self, step: int, share: float) -> Batch:
        """The batch of a step.

        Args:
            step: counted from 0; the random choices depend on nothing else.
            share: how much of the time is over, in [0, 1].
        """
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training run is."""

    doing: str
    """"training", or what comes before it."""
    step: int
    elapsed: float
    """Seconds of training, those of earlier runs included."""
    budget: float
    """Seconds."""
    loss: float | None = None
    """Mean over the last steps; None: no step yet."""
    clips_per_second: float = 0.0
    rate: float = 0.0
    """Learning rate."""
    reuse: float = 0.0
    """How often a clip was drawn so far, on average."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """The latest figures on the films held out: map, top1, loss."""
