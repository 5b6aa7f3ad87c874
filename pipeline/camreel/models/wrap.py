"""Any torch classifier as a `Recognizer`: `camreel.wrap`."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from camreel.errors import ModelError
from camreel.interfaces import Features, Geometry, LinearHead, Triple
from camreel.models.geometry import measure_geometry

IMAGENET: tuple[Triple, Triple] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLOSED_FORM_ERROR = 1e-4
"""Largest relative error of mean(w A) + b against the logits at which the head counts as pooling and a linear layer."""
LINEAR = (nn.Linear, nn.Conv2d, nn.Conv3d)
TRIAL_SIDES = (64, 96, 160, 224, 299)
"""Sides in pixels of the clips that a network is analyzed with: the first that it accepts."""


class _Stop(Exception):
    """End a forward pass early: its feature maps are known."""

    def __init__(self, maps: Tensor | None) -> None:
        super().__init__()
        self.maps = maps


class _LastMaps(TorchFunctionMode):
    """Remember the last feature maps with K channels that any function returned, in modules or outside of them."""

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        self._dimensions, self._channels = dimensions, channels
        self.maps: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.dim() == self._dimensions and out.shape[1] == self._channels:
            self.maps = out if self.maps is None or out.shape[2:].numel() > 1 else self.maps
        return out


_REPLACEMENT: ContextVar[Tensor | None] = ContextVar("replacement", default=None)
_CAPTURE: ContextVar[bool] = ContextVar("capture", default=False)


def _at_layer(module: nn.Module, args: Any, output: Any) -> Any:
    """Forward hook of the split layer: stop there, continue with other maps, or do nothing, as the caller asked."""
    if _CAPTURE.get():
        raise _Stop(output)
    replacement = _REPLACEMENT.get()
    return output if replacement is None else replacement


def _before_classifier(module: nn.Module, args: Any) -> None:
    """Forward hook of the classifier, for networks whose last maps no submodule returns: stop there."""
    if _CAPTURE.get():
        raise _Stop(None)


def wrap(
    module: nn.Module,
    classes: Sequence[str],
    layer: str | None = None,
    *,
    mean: Triple = IMAGENET[0],
    std: Triple = IMAGENET[1],
    clip_len: int | None = None,
    frame_rate: float | None = None,
    size: int = 224,
    fixed_size: bool = False,
    multilabel: bool = False,
    name: str | None = None,
) -> WrappedRecognizer:
    """Turn a torch classifier into a recognizer whose maps camreel can draw.

    If the network ends in global average pooling and a linear layer, the maps are exact and free (closed form).
    Otherwise the part after `layer` is differentiated. Which of the two holds is found out by running the network, not
    by looking at its modules.

    Args:
        module: classifier from [B, 3, H, W] (image networks) or [B, 3, T, H, W] (video networks) to logits [B, C].
        classes: class names [C].
        layer: path of the submodule whose output [B, K, h, w] or [B, K, T', h, w] is mapped, as in `named_modules`;
            None: the maps before the average pooling, if the head is pooling and a linear layer.
        mean: mean of RGB in [0, 1] in training.
        std: standard deviation of RGB in [0, 1] in training.
        clip_len: samples per clip in training; None: an image network.
        frame_rate: samples per second in training; None: every frame.
        size: short side of the pictures in training, in pixels.
        fixed_size: the network accepts only squares of `size`.
        multilabel: scores are sigmoids of the logits, not their softmax.
        name: name in records; None: the name of the module's class.

    Returns:
        A recognizer for `camreel.process(..., recognizer=...)`.

    Raises:
        ModelError: the layer does not exist or gives no feature maps, or the names do not fit the logits.

    Example:
        >>> net = torchvision.models.resnet18(num_classes=2)
        >>> recognizer = camreel.wrap(net, classes=("cat", "dog"))
        >>> camreel.process("clip.mp4", recognizer=recognizer, video="out.mp4")
    """
    module = module.eval().requires_grad_(False)
    shape = (clip_len, size) if fixed_size else (clip_len, None)
    clip, logits = _trial(module, *shape)
    if logits.shape[1:] != (len(classes),):
        given = " x ".join(map(str, logits.shape[1:]))
        raise ModelError(
            f"cannot wrap {type(module).__name__}",
            f"it gives {given} logits for {len(classes)} class names",
            "name every class",
        )
    layer, classifier = _find_split(module, clip, logits, layer)
    recognizer = WrappedRecognizer(
        module=module,
        layer=layer,
        classifier=classifier,
        classes=tuple(classes),
        clip_len=clip_len or 1,
        frame_rate=frame_rate,
        size=size,
        fixed_size=fixed_size,
        mean=mean,
        std=std,
        multilabel=multilabel,
        name=name or type(module).__name__,
    )
    recognizer.geometry = measure_geometry(recognizer.features, recognizer.clip_len, size if fixed_size else None)
    return recognizer


@dataclass(eq=False)
class WrappedRecognizer:
    """A torch classifier that is split at one of its layers; made by `wrap`."""

    module: nn.Module
    layer: str | None
    """Path of the submodule whose output is mapped; None: no submodule returns the maps before the average pooling."""
    classifier: str | None
    """Path of the linear layer after global average pooling; None: the head is differentiated."""
    classes: tuple[str, ...]
    clip_len: int
    frame_rate: float | None
    size: int
    fixed_size: bool
    mean: Triple
    std: Triple
    multilabel: bool
    name: str
    weights: str = "given"
    sha256: str | None = None
    threshold: float | None = None
    streams: bool = False
    geometry: Geometry = field(init=False)
    _running: nn.Module = field(init=False, repr=False)
    """Copy of the module in the number format of the features, without what the caller may do to the original."""

    def __post_init__(self) -> None:
        self.module = copy.deepcopy(self.module)
        self._running = self.module
        if self.layer is not None:
            self.module.get_submodule(self.layer).register_forward_hook(_at_layer)
        elif self.classifier is not None:
            self.module.get_submodule(self.classifier).register_forward_pre_hook(_before_classifier)

    def features(self, clips: Tensor, keep: tuple[int, int] | None = None) -> Features:
        """Run the network up to its layer; see `Recognizer.features`."""
        given = clips.squeeze(2) if self.clip_len == 1 else clips
        token = _CAPTURE.set(True)
        try:
            with nullcontext() if self._channels is None else _LastMaps(given.dim(), self._channels) as last:
                self._running(given)
            raise ModelError(f"{self.name} ran past its layer {self.layer}", "its forward pass depends on the input")
        except _Stop as stop:
            found = stop.maps if last is None else last.maps
        finally:
            _CAPTURE.reset(token)
        assert found is not None
        maps = found.unsqueeze(2) if found.dim() == 4 else found
        if keep is not None:
            maps = maps[:, :, keep[0] : keep[1]]
        # The rest of an unknown network may need more than the maps: it is run again with the clip.
        return Features(maps, None if self.classifier else clips)

    def head(self, features: Features) -> Tensor:
        """Return the logits [B, C] in float32."""
        head = self.linear
        with torch.autocast(features.maps.device.type, enabled=False):
            if head is not None:
                return features.maps.mean((2, 3, 4), dtype=torch.float32) @ head.weight.T + head.bias
            assert features.context is not None
            clips = features.context.float()
            maps = features.maps.float()
            with _replaced(maps.squeeze(2) if self.clip_len == 1 else maps):
                logits: Tensor = self.module(clips.squeeze(2) if self.clip_len == 1 else clips)
            return logits.float()

    @property
    def _channels(self) -> int | None:
        """Channels of the maps if they are found by watching functions; None: a submodule returns them."""
        if self.layer is not None or self.classifier is None:
            return None
        weight: Tensor = self.module.get_submodule(self.classifier).weight  # type: ignore[assignment]
        return weight.shape[1]

    @property
    def linear(self) -> LinearHead | None:
        """The head as weights if it is global average pooling and a linear layer, else None."""
        if self.classifier is None:
            return None
        found: Any = self.module.get_submodule(self.classifier)
        weight = found.weight.detach().flatten(1).float()
        bias = weight.new_zeros(len(weight)) if found.bias is None else found.bias.detach().float()
        return LinearHead(weight, bias)

    def to(self, device: str, dtype: torch.dtype = torch.float32) -> None:
        """Move the network to a device; the backbone computes in `dtype`, the head in float32."""
        with torch.inference_mode(False):
            self.module.to(device)
            self._running = self.module if dtype == torch.float32 else copy.deepcopy(self.module).to(dtype)

    def new_stream(self) -> Any:
        """Refuse: a wrapped network sees clips."""
        raise ModelError(f"{self.name} cannot continue a stream", "it sees whole clips")

    def forward_step(self, samples: Tensor, state: Any, ends: tuple[bool, bool]) -> Features:
        """Refuse: a wrapped network sees clips."""
        raise ModelError(f"{self.name} cannot continue a stream", "it sees whole clips")


@contextmanager
def _replaced(maps: Tensor) -> Iterator[None]:
    token = _REPLACEMENT.set(maps)
    try:
        yield
    finally:
        _REPLACEMENT.reset(token)


def _trial(module: nn.Module, clip_len: int | None, side: int | None) -> tuple[Tensor, Tensor]:
    """Run the network on a small seeded clip; return the clip and the logits."""
    last: Exception | None = None
    for edge in (side,) if side else TRIAL_SIDES:
        shape = (2, 3, edge, edge) if clip_len is None else (2, 3, clip_len, edge, edge)
        clip = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        try:
            with torch.no_grad():
                logits = module(clip)
        except Exception as error:  # foreign code, and too small an input, can raise anything
            last = error
            continue
        if not isinstance(logits, Tensor) or logits.dim() != 2:
            kind = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise ModelError(
                f"cannot wrap {type(module).__name__}",
                f"it returns {kind}, not logits [B, C]",
                "wrap a module that returns the logits alone",
            )
        return clip, logits
    why = f"{type(last).__name__}: {last}".split("\n")[0]
    todo = (
        "give clip_len for video networks [B, 3, T, H, W], and size and fixed_size=True for networks of one input size"
    )
    raise ModelError(f"cannot wrap {type(module).__name__}", f"it does not run on noise: {why}", todo)


def _find_split(module: nn.Module, clip: Tensor, logits: Tensor, layer: str | None) -> tuple[str | None, str | None]:
    """Return the layer to map and, if the head is pooling and a linear layer, the path of the latter."""
    names = dict(module.named_modules())
    if layer is not None and layer not in names:
        known = ", ".join(list(names)[-5:])
        raise ModelError(
            f"{type(module).__name__} has no layer {layer!r}", f"its last ones are {known}", "see named_modules()"
        )
    outputs = _outputs(module, clip)
    maps = {name: output for name, output in outputs.items() if name and output.dim() == clip.dim()}
    if layer is not None and layer not in maps:
        why = "its output is not [B, K, h, w] or [B, K, T', h, w]"
        raise ModelError(f"the layer {layer!r} gives no feature maps", why, "choose another")
    linear = [n for n, m in reversed(names.items()) if isinstance(m, LINEAR) and len(m.weight) == logits.shape[1]]
    candidates = [layer] if layer is not None else [name for name in reversed(maps) if maps[name].shape[2:].numel() > 1]
    for name, classifier in itertools.product(candidates, linear):
        if _adds_up(maps[name], names[classifier], logits):
            return name, classifier
    if layer is not None:
        return layer, None
    for classifier in linear:
        with torch.no_grad(), _LastMaps(clip.dim(), names[classifier].weight.shape[1]) as last:
            module(clip)
        if last.maps is not None and _adds_up(last.maps, names[classifier], logits):
            return None, classifier
    raise ModelError(
        f"{type(module).__name__} does not end in average pooling and a linear layer",
        "so the layer whose maps are wanted is not known",
        f"name it: wrap(..., layer={next(iter(candidates), 'features')!r})",
    )


def _outputs(module: nn.Module, clip: Tensor) -> dict[str, Tensor]:
    """Return the output of every submodule that gives a tensor, in the order in which they ran."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                outputs.pop(name, None)
                outputs[name] = output

        return hook

    handles = [child.register_forward_hook(keep(name)) for name, child in module.named_modules()]
    try:
        with torch.no_grad():
            module(clip)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def _adds_up(maps: Tensor, classifier: Any, logits: Tensor) -> bool:
    """Return whether the logits are the classifier's weights times the mean of the maps, plus its bias."""
    weight = classifier.weight.flatten(1)
    if weight.shape[1] != maps.shape[1]:
        return False
    total = maps.flatten(2).mean(2) @ weight.T
    total = total if classifier.bias is None else total + classifier.bias
    return bool(((total - logits).abs() / logits.abs().clamp(min=1)).max() <= CLOSED_FORM_ERROR)
