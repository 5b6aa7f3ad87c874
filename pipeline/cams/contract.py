"""What a method offers, and the two operations that all of them share.

Notation: A_k(p) the last feature map at cell p, N cells, g_k(p) = d logit / d A_k(p). Under global average pooling and a linear
layer with weights w, g_k(p) = w_k m(p) / N, where the coverage m (mean 1) is 1 unless the pooling is not uniform.

Maps are in logits. Most published formulas hold a factor 1/N, which is left out here: the published map is ours / N.
Every map is signed: the last ReLU of a formula comes later in the flow, after smoothing in time.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Method(Protocol):
    """A module of this room."""

    complete: bool
    """With a linear head, the map's mean over all cells plus the bias is the logit."""

    def closed_form(self, maps: Tensor, weight: Tensor, coverage: Tensor | None) -> Tensor:
        """Maps without a backward pass.

        Args:
            maps: A [B, K, T', h, w], float32.
            weight: w [S, K].
            coverage: m [T', h, w]; None: 1.

        Returns:
            [B, S, T', h, w].
        """
        ...

    def from_gradient(self, maps: Tensor, gradient: Tensor) -> Tensor:
        """Maps from the gradient of the head.

        Args:
            maps: A [B, K, T', h, w], float32.
            gradient: g [S, B, K, T', h, w].

        Returns:
            [B, S, T', h, w].
        """
        ...


def weigh(weight: Tensor, maps: Tensor) -> Tensor:
    """The maps of all classes at once, sum_k weight_k A_k(p): one matrix product.

    Args:
        weight: [S, K], or [B, S, K].
        maps: [B, K, T', h, w].

    Returns:
        [B, S, T', h, w].
    """
    # Channels-last features are read as they lie; flattening them would copy.
    last = maps.movedim(1, -1)
    sums = (last.flatten(1, 3) @ weight.mT).mT if last.is_contiguous() else weight @ maps.flatten(2)
    return sums.reshape(*sums.shape[:2], *maps.shape[2:])


def cover(maps: Tensor, coverage: Tensor | None) -> Tensor:
    """Maps times m."""
    return maps if coverage is None else maps * coverage


def product(gradient: Tensor, maps: Tensor) -> Tensor:
    """sum_k g_k(p) A_k(p) for gradient [S, B, K, T', h, w] and maps [B, K, T', h, w], as [B, S, T', h, w]."""
    return torch.einsum("sbkthw,bkthw->bsthw", gradient, maps)
