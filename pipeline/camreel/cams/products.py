"""The tensor products that the CAM methods share."""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_sum(weight: Tensor, maps: Tensor) -> Tensor:
    """Return sum_k weight_k A_k(p) for all classes at once, as one matrix product.

    Args:
        weight: [S, K], or [B, S, K].
        maps: A [B, K, T', h, w].

    Returns:
        [B, S, T', h, w].
    """
    # Channels-last features are read as they lie in memory; flattening them would copy.
    last = maps.movedim(1, -1)
    sums = (last.flatten(1, 3) @ weight.mT).mT if last.is_contiguous() else weight @ maps.flatten(2)
    return sums.reshape(*sums.shape[:2], *maps.shape[2:])


def apply_pooling_weight(maps: Tensor, pooling_weight: Tensor | None) -> Tensor:
    """Return maps * m."""
    return maps if pooling_weight is None else maps * pooling_weight


def gradient_product(gradient: Tensor, maps: Tensor) -> Tensor:
    """Return sum_k g_k(p) A_k(p) [B, S, T', h, w] for gradient [S, B, K, T', h, w] and maps [B, K, T', h, w]."""
    return torch.einsum("sbkthw,bkthw->bsthw", gradient, maps)
