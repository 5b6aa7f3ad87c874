"""The smallest network of every architecture in the registry, built once, for the suites of models and cams."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from camreel.interfaces import Features
from camreel.models.loading import load
from camreel.models.registry import ARCHITECTURES, architecture
from camreel.models.torch_recognizer import TorchRecognizer


def _smallest_of_each_family() -> list[str]:
    """Return one name per architecture; a new line of the registry is picked up without a change here."""
    from torchvision.models import get_model_weights

    members: dict[str, list[str]] = {}
    for name, entry in ARCHITECTURES.items():
        members.setdefault(entry, []).append(name)

    def parameters(name: str) -> int:
        return 0 if architecture(name).bundle else int(get_model_weights(name).DEFAULT.meta["num_params"])

    return [min(names, key=parameters) for names in members.values()]


FAMILIES = _smallest_of_each_family()
LINEAR = [name for name in FAMILIES if architecture(name).head is None]
"""Networks that end in average pooling and a linear layer."""
CALLABLE = [name for name in FAMILIES if architecture(name).head is not None]
"""Networks with another head, which is differentiated."""


def new_network(name: str) -> TorchRecognizer:
    """Return a new network with seeded random weights, for tests that change it."""
    # Never in a caller's inference mode: the weights are shared and must stay usable under autograd.
    with torch.inference_mode(False):
        recognizer = load(name, "random", seed=1)
    assert isinstance(recognizer, TorchRecognizer)
    return recognizer


@cache
def network(name: str) -> TorchRecognizer:
    """Return the shared network with seeded random weights; tests must not change it."""
    return new_network(name)


def clip(name: str) -> Tensor:
    """Return a seeded clip [1 or 2, 3, T, H, W], small and not square where the network accepts that."""
    net = network(name)
    shape = (1, 3, 1 if net.clip_len == 1 else 8, 64, 96)
    if net.fixed_size:
        shape = (1, 3, net.clip_len, net.size, net.size)
    elif net.architecture.pooling_window is not None:
        shape = (1, 3, 24, 96, 288)
    elif name == "inception_v3":  # its stride-2 layers need 75 pixels
        shape = (2, 3, 1, 96, 128)
    elif net.clip_len == 1:
        shape = (2, *shape[1:])
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


@cache
def features(name: str) -> Features:
    """Return the features of `clip`."""
    with torch.inference_mode(False), torch.no_grad():
        return network(name).features(clip(name))
