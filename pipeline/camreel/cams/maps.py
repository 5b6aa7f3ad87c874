"""Activation maps of several classes, by any method and with any head."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from camreel.cams import CAM_METHODS
from camreel.errors import ConfigError, nearest
from camreel.interfaces import CamMethod, Features, Recognizer
from camreel.runtime.registry import load_entry


def load_method(name: str) -> CamMethod:
    """Return a CAM method.

    Raises:
        ConfigError: there is no such method.
    """
    if name not in CAM_METHODS:
        raise ConfigError(f"no CAM method {name!r}", nearest(name, CAM_METHODS), f"choose {', '.join(CAM_METHODS)}")
    method: CamMethod = load_entry(CAM_METHODS[name])
    return method


def activation_maps(method: CamMethod, recognizer: Recognizer, features: Features, classes: Tensor) -> Tensor:
    """Compute the signed activation maps of several classes in logits; see `camreel.cams` for the notation.

    Args:
        method: CAM method.
        recognizer: the network that computed the features.
        features: A [B, K, T', h, w] in any floating-point format, and the head's other input.
        classes: class ids [S], for the whole batch.

    Returns:
        [B, S, T', h, w], float32, without a graph.

    Raises:
        ModelError: the method needs a linear head, and there is none.

    Example:
        >>> recognizer = load("r3d_18", "random")
        >>> features = recognizer.features(torch.randn(1, 3, 16, 112, 112))
        >>> activation_maps(load_method("cam"), recognizer, features, torch.tensor([3, 5])).shape
        torch.Size([1, 2, 2, 7, 7])
    """
    maps, head = features.maps, recognizer.linear
    classes = classes.to(maps.device)
    # Sums in float32, outside a caller's autocast; the features are a thousandth of what the backbone wrote.
    with torch.no_grad(), torch.autocast(maps.device.type, enabled=False):
        maps = maps.float()
        if head is not None:
            rows = head.weight.to(maps.device).float().index_select(0, classes)
            shape = (maps.shape[2], maps.shape[3], maps.shape[4])
            pooling_weight = head.pooling_weight(shape).to(maps) if head.pooling_weight else None
            return method.closed_form(maps, rows, pooling_weight)
        gradient = head_gradient(lambda a: recognizer.head(Features(a, features.context)), maps, classes)
        return method.from_gradient(maps.detach(), gradient)


def head_gradient(head: Callable[[Tensor], Tensor], maps: Tensor, classes: Tensor) -> Tensor:
    """Compute d logit_s / d A for several classes with one forward and one batched backward pass of the head.

    No graph over the backbone, no hooks, no `.grad`. Works in the caller's inference mode and with frozen parameters.

    Args:
        head: maps [B, K, T', h, w] -> logits [B, C], each item by itself.
        maps: A [B, K, T', h, w], float32.
        classes: class ids [S].

    Returns:
        [S, B, K, T', h, w].
    """
    with torch.inference_mode(False), torch.enable_grad():
        # A tensor that was created in inference mode cannot have a gradient: its copy can.
        leaf = (maps.clone() if maps.is_inference() else maps.detach()).requires_grad_(True)
        logits = head(leaf)
        wanted = torch.nn.functional.one_hot(classes.clone(), logits.shape[1]).to(logits)
        seeds = wanted[:, None].expand(-1, logits.shape[0], -1)
        (gradient,) = torch.autograd.grad(logits, leaf, seeds, is_grads_batched=True)
    return gradient
