"""Measurement of the position of feature map cells in the input, from what a network computes, not from its modules.

The network runs inside a mode that replaces each operation with a linear one of unit gain: convolutions and linear
layers get equal positive weights, norms and activations become the identity, maxima become averages. The gradient of a
cell with respect to the input is then the shape of its receptive field, and its centroid is the cell's center. Each
axis is measured on a long, thin clip: with these replacements the axes separate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from camreel.errors import ModelError
from camreel.interfaces import Features, Geometry

Axes = tuple[int, int, int]

THIN = ((1, 32), (4, 32), (16, 32), (16, 64), (16, 96), (16, 128), (32, 192), (32, 320))
"""Samples and pixels of the axes that are not measured: the first pair that the network accepts is used."""
LONG = (1024, 4096)
"""Pixels of the axis that is measured: the first length that shows a whole receptive field."""
LONG_CLIP = 128
"""Samples of the time axis when it is measured."""
IDENTITIES = frozenset(
    (
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus"),
        *("sigmoid", "hardsigmoid", "hardswish", "hardtanh", "tanh", "clamp"),
        *("dropout", "feature_dropout", "stochastic_depth"),
        *("batch_norm", "instance_norm", "layer_norm", "group_norm", "rms_norm", "local_response_norm", "normalize"),
    )
)
"""Names of functions and methods that pass their first argument on."""
AVERAGES = {
    "max_pool1d": functional.avg_pool1d,
    "max_pool2d": functional.avg_pool2d,
    "max_pool3d": functional.avg_pool3d,
}
CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d", "linear"})
ATTENTION = frozenset({"softmax", "scaled_dot_product_attention", "multi_head_attention_forward"})
"""Names of functions whose receptive field is the whole picture."""
GLOBAL_POOLS = frozenset({"adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"})


def measure_geometry(features: Callable[[Tensor], Features], clip_len: int, fixed_size: int | None = None) -> Geometry:
    """Measure start and jump per axis, and the margin of networks that keep the time axis.

    Cells of transformers, whose receptive field is the whole picture, lie in the middle of equal patches.

    Args:
        features: backbone, clips [B, 3, T, H, W] -> features.
        clip_len: samples per clip in training; 1: an image network.
        fixed_size: side in pixels of the only input that the network accepts; None: it accepts any.

    Raises:
        ModelError: the network cannot be measured.

    Example:
        >>> network = load("resnet18", "random")
        >>> measure_geometry(network.features, clip_len=1)
        Geometry(start=(0.0, 0.0, 0.0), jump=(1.0, 32.0, 32.0), margin=0)
    """
    try:
        try:
            # Backbones often accept more than the whole network does, and a long axis shows whole receptive fields.
            return _measure(features, clip_len, *_smallest(features, clip_len == 1), LONG, (LONG_CLIP,))
        except RuntimeError:
            if fixed_size is None:
                raise
            return _measure(features, clip_len, clip_len, fixed_size, (fixed_size,), (clip_len,))
    except (RuntimeError, IndexError, TypeError, AttributeError, ValueError) as error:
        why = f"measuring it failed: {error}".split("\n")[0]
        raise ModelError("the network states no geometry", why, "give the recognizer a `geometry`") from error


def _measure(
    features: Callable[[Tensor], Features],
    clip_len: int,
    samples: int,
    side: int,
    lengths: tuple[int, ...],
    clip_lengths: tuple[int, ...],
) -> Geometry:
    """Measure the axes one by one on clips of `samples` x `side` x `side`, the measured axis of which is long."""
    image = clip_len == 1
    mode = _LinearMode()
    y = _longest_axis(lambda long: _axis(features, mode, (samples, long, side), 1), lengths)
    x = _longest_axis(lambda long: _axis(features, mode, (samples, side, long), 2), lengths)
    t = _Axis(0.0, 1.0, 0)
    if not image:
        t = _longest_axis(lambda long: _axis(features, mode, (long, side, side), 0), clip_lengths)
    keeps_time = t.jump == 1.0 and t.start == 0.0 and not mode.pooled and not mode.attends
    margin = t.reach if keeps_time and 2 * t.reach < clip_len else 0
    return Geometry((t.start, y.start, x.start), (t.jump, y.jump, x.jump), margin)


class _Axis(NamedTuple):
    start: float
    jump: float
    reach: int
    """Half the width of the receptive field in input positions."""
    whole: bool = True
    """The receptive field ended inside the clip; otherwise equal patches are assumed."""


def _longest_axis(measure: Callable[[int], _Axis], lengths: tuple[int, ...]) -> _Axis:
    found = measure(lengths[0])
    for length in lengths[1:]:
        if found.whole:
            break
        found = measure(length)
    return found


class _LinearMode(TorchFunctionMode):
    """Replace nonlinear operations of everything that runs inside."""

    def __init__(self) -> None:
        super().__init__()
        self.pooled = False
        """A global pooling ran before the last feature map: every output depends on every input."""
        self.attends = False
        """Attention ran before the last feature map."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").removesuffix("_")
        if name in ATTENTION:
            self.attends = True
        if name in IDENTITIES and args:
            return args[0]
        if name in AVERAGES:
            return _average(AVERAGES[name], *args, **kwargs)
        if name in CONVOLUTIONS:
            return _with_equal_weights(func, args, kwargs)
        if name in GLOBAL_POOLS or (name == "mean" and _is_global(*args, **kwargs)):
            # Gates (squeeze-excitation) scale everything and come from nowhere in particular: ones, without a gradient.
            self.pooled = True
            return torch.ones_like(func(*args, **kwargs).detach())
        return func(*args, **kwargs)


def _is_global(x: Any, dim: Any = None, *args: Any, **kwargs: Any) -> bool:
    """Return whether a mean goes over all axes of a feature map but batch and channels."""
    if not isinstance(x, Tensor) or x.dim() < 4 or dim is None:
        return False
    axes = {axis % x.dim() for axis in ((dim,) if isinstance(dim, int) else dim)}
    return axes >= set(range(2, x.dim())) or axes >= set(range(1, x.dim() - 1))


def _with_equal_weights(func: Any, args: Any, kwargs: Any) -> Any:
    names = ("input", "weight", "bias")
    given = dict(zip(names, args, strict=False)) | {name: kwargs[name] for name in names if name in kwargs}
    rest = {name: value for name, value in kwargs.items() if name not in names}
    weight = given["weight"]
    equal = torch.full_like(weight, 1.0 / weight[0].numel(), requires_grad=False).detach()
    return func(given["input"], equal, None, *args[3:], **rest)


def _average(
    mean: Callable[..., Tensor],
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """Return the average in place of a maximum, padded by hand: torch averages only windows that fit the bare input."""
    axes = x.dim() - 2
    sides = padding if isinstance(padding, tuple | list) else (padding,) * axes
    padded = functional.pad(x, [side for axis in reversed(sides) for side in (axis, axis)])
    return mean(padded, kernel_size, stride, ceil_mode=ceil_mode)


def _smallest(features: Callable[[Tensor], Features], image: bool) -> tuple[int, int]:
    for samples, side in THIN:
        size = (1 if image else samples, side)
        try:
            features(torch.ones(1, 3, size[0], side, side))
        except (RuntimeError, ValueError):
            continue
        return size
    raise RuntimeError(f"it accepts no clip of {THIN[-1][0]} samples of {THIN[-1][1]} pixels")


def _axis(features: Callable[[Tensor], Features], mode: _LinearMode, shape: Axes, axis: int) -> _Axis:
    """Measure one axis of clips of a shape [T, H, W]."""
    clip = torch.ones((1, 3, *shape), requires_grad=True)
    with torch.inference_mode(False), torch.enable_grad(), mode:
        maps = features(clip).maps.float()
    cells = maps.movedim(axis + 2, 0).flatten(1).sum(1)
    patch = shape[axis] / len(cells)
    patches = _Axis((patch - 1) / 2, patch, shape[axis], whole=mode.attends)
    if mode.attends or len(cells) < 2:
        return patches
    j = len(cells) // 2
    centers, reach = [], 0
    for cell in (cells[j - 1], cells[j]):
        (gradient,) = torch.autograd.grad(cell, clip, retain_graph=True)
        profile = gradient.double().movedim(axis + 2, 0).flatten(1).sum(1)
        touched = profile.nonzero().flatten()
        if int(touched[0]) == 0 or int(touched[-1]) == len(profile) - 1:  # cut off: its centroid says nothing
            return patches
        positions = torch.arange(len(profile), dtype=torch.float64)
        centers.append(float((profile * positions).sum() / profile.sum()))
        reach = max(reach, round(float((touched - centers[-1]).abs().max())))
    jump = _snap(centers[1] - centers[0], 1)
    return _Axis(_snap(centers[1] - jump * j, 2), jump, reach)


def _snap(value: float, parts: int) -> float:
    """Return the nearest 1/parts if the measurement is close to it: strides are whole numbers and centers halves."""
    near = round(value * parts) / parts
    return near if abs(value - near) < 0.1 else value
