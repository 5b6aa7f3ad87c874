"""Networks that users bring: `package.module:factory`, checked before the first frame.

A mistake in a factory is a `ModelError` that names the factory and the rule it breaks, never a bug of camreel.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from camreel.errors import CamreelError, ModelError
from camreel.interfaces import Features, LinearHead, Recognizer
from camreel.models.geometry import measure_geometry
from camreel.models.wrap import wrap

T = TypeVar("T")

OPTIONAL = {"geometry", "streams", "sha256", "threshold", "fixed_size"}
"""Members that a factory's recognizer may leave out."""
METHODS = {"features", "head", "linear", "to"}
SHAPES = ((64, 96), (96, 144), (224, 336))
"""(height, width) of the clips that a network is checked with: the first that it accepts."""
COMPLETENESS = 1e-3
"""Largest relative difference between mean(map) + bias and the logit of a linear head."""


def call_factory(name: str) -> Recognizer:
    """Call package.module:factory and return the recognizer that it makes, checked.

    The factory returns a `Recognizer`, or a plain `nn.Module` with its class names as a pair (module, classes); the
    latter is wrapped by `camreel.wrap`. Its geometry is measured if it states none.

    Raises:
        ModelError: it fails, or makes something that does not follow the contract.
    """
    module, _, attribute = name.partition(":")
    try:
        made: Any = getattr(importlib.import_module(module), attribute)()
    except Exception as error:  # the user's own code can raise anything
        why = f"{type(error).__name__}: {error}".split("\n")[0]
        todo = "check the name; its folder must be on PYTHONPATH"
        raise ModelError(f"cannot make a network with {name}", why, todo) from error
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module):
        return _with_origin(name, lambda: wrap(made[0], made[1]))
    return checked(made, name)


def checked(recognizer: Any, origin: str) -> Recognizer:
    """Return a recognizer that a user made, after a check of its contract on a small clip.

    Args:
        recognizer: object to check; missing optional members are filled in.
        origin: name of the factory, for messages.

    Raises:
        ModelError: it does not follow the contract; names the rule.
    """
    wanted = {*Recognizer.__annotations__, *METHODS} - OPTIONAL
    missing = sorted(member for member in wanted if not hasattr(recognizer, member))
    if missing:
        what = f"the {type(recognizer).__name__} it returns lacks {', '.join(missing)}"
        raise _broken(origin, what, "see camreel.interfaces.Recognizer, or return (nn.Module, class names)")
    for member, value in (("streams", False), ("sha256", None), ("threshold", None), ("fixed_size", False)):
        if not hasattr(recognizer, member):
            setattr(recognizer, member, value)
    _check_names(recognizer, origin)
    if getattr(recognizer, "geometry", None) is None:
        side = recognizer.size if recognizer.fixed_size else None
        recognizer.geometry = _with_origin(
            origin, lambda: measure_geometry(recognizer.features, recognizer.clip_len, side)
        )
    _check_clip(recognizer, origin)
    guarded: Any = GuardedRecognizer(recognizer, origin)
    result: Recognizer = guarded
    return result


class GuardedRecognizer:
    """A user's recognizer whose exceptions while it runs become model errors that name its factory."""

    def __init__(self, recognizer: Any, origin: str) -> None:
        self._recognizer, self._origin = recognizer, origin

    def features(self, clips: Any, keep: tuple[int, int] | None = None) -> Features:
        """Run the backbone."""
        features: Features = _with_origin(self._origin, lambda: self._recognizer.features(clips, keep))
        return features

    def head(self, features: Features) -> Any:
        """Return the logits."""
        return _with_origin(self._origin, lambda: self._recognizer.head(features))

    @property
    def linear(self) -> LinearHead | None:
        """The head as weights, or None."""
        linear: LinearHead | None = _with_origin(self._origin, lambda: self._recognizer.linear)
        return linear

    def __getattr__(self, name: str) -> Any:
        """Return every other member unchanged."""
        return getattr(self._recognizer, name)


def _with_origin(origin: str, work: Callable[[], T]) -> T:
    """Run user code; convert exceptions that are not camreel's own, nor about memory, to model errors."""
    try:
        return work()
    except CamreelError as error:
        raise type(error)(f"{origin}: {error.what}", error.why, error.todo) from error
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        if "out of memory" in str(error).lower():
            raise
        why = f"{type(error).__name__}: {error}".split("\n")[0]
        raise ModelError(f"the network of {origin} failed", why, "run it with --debug for the traceback") from error


def _broken(origin: str, why: str, todo: str = "see camreel.interfaces.Recognizer for the contract") -> ModelError:
    return ModelError(f"{origin} makes no recognizer", why, todo)


def _check_names(recognizer: Any, origin: str) -> None:
    classes = recognizer.classes
    if not isinstance(classes, tuple) or not classes or not all(isinstance(name, str) for name in classes):
        raise _broken(origin, f"its classes are {type(classes).__name__}, not a tuple of text")
    if not isinstance(recognizer.clip_len, int) or recognizer.clip_len < 1:
        raise _broken(origin, f"its clip_len is {recognizer.clip_len!r}, not a number of samples from 1 on")
    for member in ("mean", "std"):
        value = getattr(recognizer, member)
        if len(tuple(value)) != 3 or (member == "std" and min(value) <= 0):
            raise _broken(origin, f"its {member} is {value!r}, not three numbers for RGB in [0, 1]")
    parameters = inspect.signature(recognizer.features).parameters
    if len(parameters) < 2:
        raise _broken(origin, "its `features` takes no `keep`", "write def features(self, clips, keep=None)")


@torch.no_grad()
def _check_clip(recognizer: Any, origin: str) -> None:
    """Run a small clip, wider than high, and check all shapes, and the sum of the maps of a linear head."""
    clip, features = _with_origin(origin, lambda: _run_small(recognizer))
    if not isinstance(features, Features):
        raise _broken(origin, f"its `features` returns {type(features).__name__}, not camreel.interfaces.Features")
    shape = tuple(features.maps.shape)
    if len(shape) != 5:
        raise _broken(origin, f"its feature maps have the shape {shape}, not [B, K, T', h, w]")
    image = recognizer.clip_len == 1
    if shape[0] != len(clip) or (image and shape[2] != 1) or (shape[3] > shape[4] and not recognizer.fixed_size):
        size = "x".join(map(str, clip.shape[2:]))
        raise _broken(
            origin, f"its feature maps have the shape {shape} for {len(clip)} clip of {size}: axes are [B, K, T', h, w]"
        )
    logits = _with_origin(origin, lambda: recognizer.head(features))
    if tuple(logits.shape) != (len(clip), len(recognizer.classes)):
        rows = logits.shape[-1] if logits.dim() else 1
        raise _broken(origin, f"it names {len(recognizer.classes)} classes, but its head gives {rows} logits")
    if recognizer.linear is not None:
        _check_linear(recognizer, features, logits, origin)


def _run_small(recognizer: Any) -> tuple[torch.Tensor, Any]:
    sides = [(recognizer.size, recognizer.size)] if recognizer.fixed_size else SHAPES
    last: Exception | None = None
    for height, width in sides:
        generator = torch.Generator().manual_seed(0)
        clip = torch.randn((1, 3, recognizer.clip_len, height, width), generator=generator)
        try:
            return clip, recognizer.features(clip, None)
        except RuntimeError as error:  # too small for the network, most often
            last = error
    assert last is not None
    raise last


def _check_linear(recognizer: Any, features: Features, logits: torch.Tensor, origin: str) -> None:
    head, maps = recognizer.linear, features.maps.float()
    classes, channels = len(recognizer.classes), maps.shape[1]
    if tuple(head.weight.shape) != (classes, channels) or tuple(head.bias.shape) != (classes,):
        found = f"{tuple(head.weight.shape)} and {tuple(head.bias.shape)}"
        raise _broken(origin, f"its linear head has the shapes {found}, not [{classes}, {channels}] and [{classes}]")
    if head.pooling_weight is not None:
        maps = maps * head.pooling_weight((maps.shape[2], maps.shape[3], maps.shape[4]))
    total = maps.mean((2, 3, 4)) @ head.weight.T + head.bias
    error = float(((total - logits).abs() / logits.abs().clamp(min=1)).max())
    if not error <= COMPLETENESS:
        todo = "return None as `linear` if the head is not average pooling and this linear layer"
        raise _broken(origin, f"its maps do not add up to its logits (relative error {error:.1e})", todo)
