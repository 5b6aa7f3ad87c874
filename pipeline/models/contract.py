"""What a network must offer so that its maps can be drawn where they belong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pipeline.models.memory import Ends, Memory

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the cells of the last feature map lie in the network's input, per axis (t, y, x).

    Cell j is centred on input position start + jump * j, in samples and pixels with centres on integers.
    """

    start: Triple
    jump: Triple
    margin: int = 0
    """Samples at each end of a clip that temporal zero padding reaches, where the network keeps the time axis and its temporal
    receptive field is short: with them discarded, clips tile to the maps of the whole video. 0: every clip stands for itself."""


@dataclass(frozen=True, slots=True)
class Features:
    """What the backbone made of a batch of clips."""

    maps: Tensor
    """A [B, K, T', h, w], in the number format of the backbone."""
    context: Tensor | None = None
    """What the head needs besides the maps (the class token of a transformer), [B, ...]."""


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Global average pooling and a linear layer: logit_c = mean_p sum_k w_ck m(p) A_k(p) + b_c."""

    weight: Tensor
    """[C, K], float32."""
    bias: Tensor
    """[C], float32."""
    coverage: Callable[[tuple[int, int, int]], Tensor] | None = None
    """m for a grid (T', h, w), a tensor of that shape with mean 1, where the pooling is not uniform; None: m = 1."""


class Recognizer(Protocol):
    """A network split where its maps are read. Stateless between calls; safe in threads."""

    name: str
    weights: str
    """Where the weights come from, for people: "KINETICS400_V1", a file name, "random"."""
    sha256: str | None
    classes: tuple[str, ...]
    multilabel: bool
    """Scores are sigmoids of the logits, not their softmax."""
    clip_len: int
    """Samples per clip that the network was trained on; 1: an image network."""
    frame_rate: float | None
    """Samples per second that it was trained on; None: every frame."""
    size: int
    """Short side of the picture that it was trained on, in pixels."""
    fixed_size: bool
    """The network takes only clip_len pictures of size x size: the frame is fitted inside and the rest is padded."""
    mean: Triple
    std: Triple
    """Normalisation of RGB in [0, 1]."""
    threshold: float | None
    """Share of the most extent from which boxes are cut, calibrated with the checkpoint; None: not calibrated."""
    geometry: Geometry

    def features(self, clips: Tensor, keep: tuple[int, int] | None = None) -> Features:
        """Runs the backbone.

        Args:
            clips: normalised RGB [B, 3, T, H, W] on the recognizer's device, in its number format.
            keep: for networks with a margin: the half-open range of samples that are wanted, at least a margin away from each end
                of the clip that is not an end of the video. The maps hold only these.
        """
        ...

    streams: bool
    """Whether it has `begin` and `advance`: cameras are then answered sample by sample, else a clip at a time."""

    def begin(self) -> Memory:
        """The memory of a video of which nothing was seen."""
        ...

    def advance(self, samples: Tensor, memory: Memory, ends: Ends) -> Features:
        """Goes on with videos of which it has seen the samples before.

        The maps of a video in steps are those of the whole, `margin` samples late at most.

        Args:
            samples: normalised RGB [B, 3, n, H, W] that follow; where the videos begin at least margin + 1, at their end n may
                be 0.
            memory: of the same B videos, changed in place; empty where they begin.
            ends: whether the videos begin with these samples, and end with them.

        Returns:
            The maps of the samples that are known now and were not before, in order.
        """
        ...

    def head(self, features: Features) -> Tensor:
        """Logits [B, C] of the backbone's output in float32, differentiable with respect to `features.maps`."""
        ...

    @property
    def linear(self) -> LinearHead | None:
        """The head as weights, where it is global average pooling and a linear layer."""
        ...

    def to(self, device: str, dtype: torch.dtype = torch.float32) -> None:
        """Moves the network to a device and lets the backbone compute in a number format, in which it then takes its clips.

        Weights are rounded from the originals every time, so going back to float32 loses nothing.
        """
        ...
