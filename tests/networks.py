"""One small network of every family of the table, built once, for the suites of models and cams."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from camreel.interfaces import Features
from camreel.models.architecture import Architecture
from camreel.models.loading import load
from camreel.models.registry import ARCHITECTURES
from camreel.models.torch_recognizer import TorchRecognizer


def _smallest_of_each_family() -> list[str]:
    """A new family in the table is picked up by itself."""
    from torchvision.models import get_model_weights

    members: dict[int, list[str]] = {}
    for name, family in ARCHITECTURES.items():
        members.setdefault(id(family), []).append(name)

    def parameters(name: str) -> int:
        return 0 if ARCHITECTURES[name].bundle else int(get_model_weights(name).DEFAULT.meta["num_params"])

    return [min(names, key=parameters) for names in members.values()]


FAMILIES = _smallest_of_each_family()
LINEAR = [name for name in FAMILIES if ARCHITECTURES[name].head is None]
CALLABLE = [name for name in FAMILIES if ARCHITECTURES[name].head is not None]


@cache
def network(name: str) -> TorchRecognizer:
    recognizer = load(name, "random", seed=1)
    assert isinstance(recognizer, TorchRecognizer)
    return recognizer


def family(name: str) -> Architecture:
    return ARCHITECTURES[name]


def clip(name: str) -> Tensor:
    """A seeded clip, small and not square where the network takes it, [1 or 2, 3, T, H, W]."""
    net = network(name)
    shape = (1, 3, 1 if net.clip_len == 1 else 8, 64, 96)
    if net.fixed_size:
        shape = (1, 3, net.clip_len, net.size, net.size)
    elif net.family.window is not None:
        shape = (1, 3, 24, 96, 288)
    elif net.clip_len == 1:
        shape = (2, *shape[1:])
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


@cache
def features(name: str) -> Features:
    with torch.no_grad():
        return network(name).features(clip(name))
