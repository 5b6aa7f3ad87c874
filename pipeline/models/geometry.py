"""Measures where the cells of a feature map lie in the input, with no knowledge of the network's layers.

The measurement is a gradient: in a copy of the network made linear with positive weights (equal weights in every convolution,
norms and activations taken out, maxima replaced by averages), the gradient of a cell with respect to the input is the shape of
its receptive field, and its centroid is the cell's centre. Axis by axis on a long, thin clip: so linearised, the axes separate.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from pipeline.errors import ModelError
from pipeline.models.contract import Features, Geometry

THIN = ((1, 32), (4, 32), (16, 32), (16, 64))
"""Samples and pixels of the axes that are not measured: the first that the network takes."""
LONG = 1024
LONG_CLIP = 128
NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)
POOLS: dict[type[nn.Module], Callable[..., Tensor]] = {nn.MaxPool2d: functional.avg_pool2d, nn.MaxPool3d: functional.avg_pool3d}


class Backbone(Protocol):
    """What the measurement needs of a recognizer."""

    clip_len: int

    def features(self, clips: Tensor) -> Features:
        """Runs the backbone on clips [B, 3, T, H, W]."""
        ...


class _Gate(nn.Module):
    """A global pooling that gives ones, without a gradient: gates (squeeze-excitation) scale everything, from nowhere."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool
        self.used = False

    def forward(self, x: Tensor) -> Tensor:
        self.used = True
        return torch.ones_like(self.pool(x).detach())


class _Mean(nn.Module):
    """The average in place of a maximum; padded by hand, because torch averages only where the window fits the bare input."""

    def __init__(self, pool: Any, mean: Callable[..., Tensor]) -> None:
        super().__init__()
        self.pool, self.mean = pool, mean

    def forward(self, x: Tensor) -> Tensor:
        axes = x.dim() - 2
        padding = self.pool.padding if isinstance(self.pool.padding, tuple) else (self.pool.padding,) * axes
        padded = functional.pad(x, [side for axis in reversed(padding) for side in (axis, axis)])
        return self.mean(padded, self.pool.kernel_size, self.pool.stride, ceil_mode=self.pool.ceil_mode)


def probe(recognizer: Backbone) -> Geometry:
    """Measures start and jump per axis, and the margin where the time axis is kept and the temporal field is short.

    Convolutional networks only; the positions that a transformer's tokens stand for follow from its patches.

    Args:
        recognizer: left as it is (a copy is measured); its modules must be attributes of it, or it must be one.

    Raises:
        ModelError: it has no modules or its features do not follow the contract.
    """
    twin: Any = copy.deepcopy(recognizer)
    gates = [gate for module in _modules(twin) for gate in _linearise(module)]
    image = recognizer.clip_len == 1
    try:
        samples, side = _smallest(twin.features, image)
        y = _axis(twin.features, (samples, LONG, side), 1)
        x = _axis(twin.features, (samples, side, LONG), 2)
        t = (0.0, 1.0, 0) if image else _axis(twin.features, (LONG_CLIP, side, side), 0)
    except (RuntimeError, IndexError, TypeError, AttributeError, ValueError) as error:
        why = f"measuring it failed: {error}".split("\n")[0]
        raise ModelError("the network states no geometry", why, "give the recognizer a `geometry`") from error
    keeps_time = t[1] == 1.0 and t[0] == 0.0 and not any(gate.used for gate in gates)
    margin = t[2] if keeps_time and 2 * t[2] < recognizer.clip_len else 0
    return Geometry((t[0], y[0], x[0]), (t[1], y[1], x[1]), margin)


def _modules(recognizer: Any) -> list[nn.Module]:
    if isinstance(recognizer, nn.Module):
        return [recognizer]
    values = {id(value): value for value in getattr(recognizer, "__dict__", {}).values()}
    found = [value for value in values.values() if isinstance(value, nn.Module)]
    if not found:
        raise ModelError(
            "the network states no geometry", "and has no modules to measure it on", "give the recognizer a `geometry`"
        )
    return found


def _linearise(root: nn.Module) -> Iterator[_Gate]:
    """Makes a network linear with unit gain, in place; yields its global poolings."""
    root.eval().requires_grad_(False)
    for module in list(root.modules()):
        if isinstance(module, _ConvNd | nn.Linear):
            nn.init.constant_(module.weight, 1.0 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        for name, child in list(module.named_children()):
            linear = _linear_twin(child)
            if linear is not None:
                setattr(module, name, linear)
            if isinstance(linear, _Gate):
                yield linear


def _linear_twin(module: nn.Module) -> nn.Module | None:
    for pool, mean in POOLS.items():
        if isinstance(module, pool):
            return _Mean(module, mean)
    if isinstance(module, nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d):
        return _Gate(module)
    if isinstance(module, NORMS) or type(module).__module__ == nn.ReLU.__module__:
        return nn.Identity()
    return None


def _smallest(features: Callable[[Tensor], Features], image: bool) -> tuple[int, int]:
    for samples, side in THIN:
        size = (1 if image else samples, side)
        try:
            features(torch.ones(1, 3, size[0], side, side))
        except RuntimeError:
            continue
        return size
    raise RuntimeError(f"it takes no clip of {THIN[-1][0]} samples of {THIN[-1][1]} pixels")


def _axis(features: Callable[[Tensor], Features], shape: tuple[int, int, int], axis: int) -> tuple[float, float, int]:
    """Start, jump and reach (cells' half width in input positions; all of it where it touches an end) along one axis."""
    clip = torch.ones((1, 3, *shape), requires_grad=True)
    with torch.enable_grad():
        maps = features(clip).maps.float()
    cells = maps.movedim(axis + 2, 0).flatten(1).sum(1)
    j = len(cells) // 2
    centres, reach = [], 0
    for cell in (cells[j - 1], cells[j]):
        (gradient,) = torch.autograd.grad(cell, clip, retain_graph=True)
        profile = gradient.double().movedim(axis + 2, 0).flatten(1).sum(1)
        positions = torch.arange(len(profile), dtype=torch.float64)
        centres.append(float((profile * positions).sum() / profile.sum()))
        touched = positions[profile != 0]
        reach = max(reach, round(float((touched - centres[-1]).abs().max())))
    jump = _snap(centres[1] - centres[0], 1)
    return _snap(centres[1] - jump * j, 2), jump, reach


def _snap(value: float, parts: int) -> float:
    """The nearest 1/parts where the measurement is close to it: strides are whole and centres halves."""
    near = round(value * parts) / parts
    return near if abs(value - near) < 0.1 else value
