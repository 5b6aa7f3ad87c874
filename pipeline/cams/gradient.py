"""The gradient of the head alone: no graph over the backbone, no hooks, no `.grad`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def head_gradient(head: Callable[[Tensor], Tensor], maps: Tensor, classes: Tensor) -> Tensor:
    """d logit_s / d A for several classes with one forward and one batched backward pass of the head.

    Works in the caller's inference mode and with frozen parameters.

    Args:
        head: maps [B, K, T', h, w] -> logits [B, C], each item by itself.
        maps: A [B, K, T', h, w], float32.
        classes: ids [S].

    Returns:
        [S, B, K, T', h, w].
    """
    with torch.inference_mode(False), torch.enable_grad():
        # A tensor that was made in inference mode can have no gradient: its copy can.
        leaf = (maps.clone() if maps.is_inference() else maps.detach()).requires_grad_(True)
        logits = head(leaf)
        wanted = torch.nn.functional.one_hot(classes.clone(), logits.shape[1]).to(logits)
        seeds = wanted[:, None].expand(-1, logits.shape[0], -1)
        (gradient,) = torch.autograd.grad(logits, leaf, seeds, is_grads_batched=True)
    return gradient
