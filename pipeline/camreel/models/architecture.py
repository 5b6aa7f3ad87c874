"""Description of an architecture: how its networks are built, where they are split, and where their cells lie.

Networks that see a video sample by sample keep in a `LayerState` the few samples that each layer's next output needs.
The work for a sample is done once, however short the steps are, and the maps equal those of the whole video (continual
inference, Hedegaard and Iosifidis, "Continual 3D Convolutional Neural Networks", ECCV 2022, for networks without a
temporal stride).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from camreel.interfaces import Ends, Features, Geometry, Triple
from camreel.models.checkpoint import Metadata

BUNDLED = "bundled"
"""Name of the weights that are shipped with camreel."""


def torchvision_network(name: str, classes: int, **options: Any) -> nn.Module:
    """Build a torchvision network without weights; torchvision is imported here because the import is slow."""
    import torchvision

    net: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes, **options)
    return net


@dataclass(frozen=True, slots=True)
class BundledCheckpoint:
    """A checkpoint that is shipped with camreel, for networks without published torchvision weights."""

    path: Path
    blank: Metadata
    """Metadata of a network without the checkpoint; its classes have placeholder names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Networks that share one anatomy.

    Example:
        >>> RESNET = Architecture(
        ...     about="residual network",
        ...     geometry=Geometry((0.0, 0.0, 0.0), (1.0, 32.0, 32.0)),
        ...     features=lambda net, x: Features(backbone(net, x.squeeze(2)).unsqueeze(2)),
        ...     classifier="fc",
        ... )
    """

    about: str
    """Short description for `camreel models`."""
    geometry: Geometry
    features: Callable[[Any, Tensor], Features]
    """(network, clips [B, 3, T, H, W]) -> output of the backbone."""
    classifier: str
    """Path of the last linear layer (or 1x1 convolution) inside the network; its rows are the classes."""
    head: Callable[[Any, Features], Tensor] | None = None
    """(network, features) -> logits; None: average pooling and the classifier, which makes the maps free."""
    valid_features: Callable[[Any, Tensor, tuple[int, int]], Features] | None = None
    """(network, clips, samples to keep) -> features of those samples, at lower cost; for networks with a margin."""
    forward_step: Callable[[Any, Tensor, LayerState, Ends], Features] | None = None
    """(network, next samples, state, ends) -> features of the samples that became known, see `Recognizer.forward_step`;
    for networks with a margin."""
    pooling_window: tuple[int, int, int] | None = None
    """Window of a stride-1 average pooling before the global mean."""
    clip_len: int = 1
    frame_rate: float | None = None
    fixed_size: bool = False
    mean_std: tuple[Triple, Triple] | None = None
    """Normalization of the published weights, if it differs from torchvision's transforms."""
    skipped: tuple[str, ...] = ()
    """Prefixes of published tensors that serve training only."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the builder."""
    build: Callable[..., nn.Module] = torchvision_network
    """(name, number of classes, **options) -> network with fresh weights."""
    bundle: BundledCheckpoint | None = None
    """Weights that are shipped with camreel, if torchvision publishes none."""


class LayerState(dict[str, Tensor]):
    """Samples that the layers keep of one video, or of a batch of videos: layer name -> tensor [B, ...]."""

    def extend(self, name: str, new: Tensor, axis: int, keep: int) -> Tensor:
        """Return the kept and the new samples in a row along the time axis, and keep the last `keep` samples."""
        line = self._line(name, new, axis)
        keep = min(keep, line.shape[axis])
        # A copy: a view would keep the whole line alive.
        self[name] = line.narrow(axis, line.shape[axis] - keep, keep).clone()
        return line

    def delay(self, name: str, new: Tensor, axis: int, count: int) -> Tensor:
        """Return the first `count` of the kept and the new samples, and keep the others."""
        line = self._line(name, new, axis)
        self[name] = line.narrow(axis, count, line.shape[axis] - count).clone()
        return line.narrow(axis, 0, count)

    def _line(self, name: str, new: Tensor, axis: int) -> Tensor:
        return torch.cat([self[name], new], axis) if name in self else new

    @classmethod
    def join(cls, states: Sequence[LayerState]) -> LayerState:
        """Stack states of equal shapes along the batch axis."""
        if len(states) == 1:
            return cls(states[0])
        return cls({name: torch.cat([state[name] for state in states]) for name in states[0]})

    def split(self) -> list[LayerState]:
        """Return the states of the single videos of a batch."""
        count = len(next(iter(self.values())))
        return [LayerState({name: tensor[i : i + 1] for name, tensor in self.items()}) for i in range(count)]

    @property
    def shapes(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Key that must be equal for `join`."""
        return tuple((name, tuple(tensor.shape)) for name, tensor in self.items())
