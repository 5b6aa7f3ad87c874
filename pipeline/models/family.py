"""The row of the table of networks: how one family is built, where it is split, and where its cells lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pipeline.models.checkpoint import Metadata
from pipeline.models.contract import Features, Geometry, Triple
from pipeline.models.memory import Ends, Memory

BUNDLED = "bundled"
"""Name of weights that come with camreel."""


def torchvision_network(name: str, classes: int, **options: Any) -> nn.Module:
    """Builds a torchvision network without weights; torchvision is imported here, because it is slow to import."""
    import torchvision

    net: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes, **options)
    return net


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checkpoint that comes with camreel, where torchvision publishes no weights."""

    path: Path
    blank: Metadata
    """Of a network without the checkpoint; its classes have no names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Networks that share one anatomy."""

    about: str
    """What it is, in a few words."""
    geometry: Geometry
    features: Callable[[Any, Tensor], Features]
    """(network, clips [B, 3, T, H, W]) -> what the backbone made of them."""
    classifier: str
    """Path of the last linear layer (or 1x1 convolution) inside the network; its rows are the classes."""
    head: Callable[[Any, Features], Tensor] | None = None
    """(network, features) -> logits; None: average pooling and the classifier, which makes the maps free."""
    trimmed: Callable[[Any, Tensor, tuple[int, int]], Features] | None = None
    """(network, clips, samples to keep) -> features of those alone, for less than all; for networks with a margin."""
    advance: Callable[[Any, Tensor, Memory, Ends], Features] | None = None
    """(network, the samples that follow, memory, which ends of the video these are) -> features of the samples that are known now,
    see `Recognizer.advance`; for networks with a margin."""
    window: tuple[int, int, int] | None = None
    """Window of a stride-1 average pooling that comes before the global mean."""
    clip_len: int = 1
    frame_rate: float | None = None
    fixed_size: bool = False
    mean_std: tuple[Triple, Triple] | None = None
    """Normalisation of the published weights, where it is not what torchvision's transforms say."""
    skipped: tuple[str, ...] = ()
    """Prefixes of published tensors that serve training only."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the builder."""
    build: Callable[..., nn.Module] = torchvision_network
    """(name, number of classes, **options) -> network with fresh weights."""
    bundle: Bundle | None = None
    """Its weights, where they are not torchvision's."""
