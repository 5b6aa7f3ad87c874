"""Networks before weights are loaded: empty, or with random weights of a sane scale for benchmarks and tests."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.models.contract import Features
from pipeline.models.family import Family
from pipeline.models.split import SplitNetwork

LOGIT_STD = 2.0
SIDE = 128


def empty(name: str, family: Family, classes: int) -> nn.Module:
    """A network to be filled with weights, where possible on the meta device: initialising what is replaced takes seconds."""
    try:
        with torch.device("meta"):
            net = family.build(name, classes, **family.options)
    except NotImplementedError:  # a builder that computes with tensors
        return build(name, family, classes, seed=0)
    unsaved = {key for key, _ in net.named_buffers()} - net.state_dict().keys()
    return build(name, family, classes, seed=0) if unsaved else net


def build(name: str, family: Family, classes: int, seed: int) -> nn.Module:
    """A network with seeded random weights; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return family.build(name, classes, **family.options)


def calibrate(recognizer: SplitNetwork, seed: int) -> None:
    """Sets the batch norms to the statistics of a seeded clip and the classifier so that the logits have std `LOGIT_STD`.

    torchvision's fresh batch norms are the identity, which makes the logits of a residual network explode.
    """
    fixed = recognizer.fixed_size
    # Large enough that the statistics of the last cells mean something.
    side, samples = (recognizer.size, recognizer.clip_len) if fixed else (SIDE, min(recognizer.clip_len, 32))
    shape = (1 if fixed or samples > 1 else 4, 3, samples, side, side)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    norms = [module for module in recognizer.net.modules() if isinstance(module, _BatchNorm)]
    with torch.no_grad():
        features = _measured(recognizer, norms, noise) if norms else recognizer.features(noise)
        logits = recognizer.head(features)
        layer: Any = recognizer.net.get_submodule(recognizer.family.classifier)
        scale = LOGIT_STD / logits.std()
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)


def _measured(recognizer: SplitNetwork, norms: list[_BatchNorm], noise: torch.Tensor) -> Features:
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    features = recognizer.features(noise)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.eval()
        norm.momentum = momentum
    return features
