"""Networks before weights are loaded: empty, or with random weights of a sane scale for benchmarks and tests."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from camreel.interfaces import Features
from camreel.models.architecture import Architecture
from camreel.models.torch_recognizer import TorchRecognizer

LOGIT_STD = 2.0
"""Standard deviation of the logits of a network with random weights."""
CALIBRATION_SIDE = 128
"""Side in pixels of the noise that batch norms are calibrated on."""


def empty(name: str, architecture: Architecture, classes: int) -> nn.Module:
    """Build a network to be filled with weights on the meta device if possible: initialization takes seconds."""
    try:
        with torch.device("meta"):
            net = architecture.build(name, classes, **architecture.options)
    except NotImplementedError:  # a builder that computes with tensors
        return build(name, architecture, classes, seed=0)
    unsaved = {key for key, _ in net.named_buffers()} - net.state_dict().keys()
    return build(name, architecture, classes, seed=0) if unsaved else net


def build(name: str, architecture: Architecture, classes: int, seed: int) -> nn.Module:
    """Build a network with seeded random weights; the global random state is left unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return architecture.build(name, classes, **architecture.options)


def calibrate(recognizer: TorchRecognizer, seed: int) -> None:
    """Set the batch norms to the statistics of a seeded clip, and the classifier to logits with std `LOGIT_STD`.

    The fresh batch norms of torchvision are the identity, which makes the logits of a residual network explode.
    """
    fixed = recognizer.fixed_size
    # Large enough that the statistics of the last cells mean something.
    side = recognizer.size if fixed else CALIBRATION_SIDE
    samples = recognizer.clip_len if fixed else min(recognizer.clip_len, 32)
    shape = (1 if fixed or samples > 1 else 4, 3, samples, side, side)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    norms = [module for module in recognizer.net.modules() if isinstance(module, _BatchNorm)]
    with torch.no_grad():
        features = _with_own_statistics(recognizer, norms, noise) if norms else recognizer.features(noise)
        logits = recognizer.head(features)
        layer: Any = recognizer.net.get_submodule(recognizer.architecture.classifier)
        scale = LOGIT_STD / logits.std()
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)


def _with_own_statistics(recognizer: TorchRecognizer, norms: list[_BatchNorm], noise: torch.Tensor) -> Features:
    """Run the backbone once in training mode, so that the batch norms keep the statistics of this clip."""
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    features = recognizer.features(noise)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.eval()
        norm.momentum = momentum
    return features
