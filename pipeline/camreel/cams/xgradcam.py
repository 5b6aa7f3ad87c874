"""XGrad-CAM (Fu et al. 2020, arXiv:2008.02312): sum_k a_k A_k(p), a_k = sum_p g_k A_k / sum_p A_k; ours: N times that.

Where the sum of a channel vanishes relative to its absolute sum, its weight is 0, because the formula divides by the
sum. Meant for features that are not negative; with others the head's gradient gives weights without bound.
"""

from __future__ import annotations

import torch
from torch import Tensor

from camreel.cams.products import weighted_sum

complete = True
EPS = 1e-6
"""Smallest |sum A| relative to sum |A|."""


def closed_form(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
    """Return the sum over k of w A sum(m A) / sum(A), [B, S, T', h, w]; arguments as in
    `camreel.interfaces.CamMethod`."""
    if pooling_weight is None:
        return weighted_sum(weight, maps)
    covered = torch.einsum("bkthw,thw->bk", maps, pooling_weight)
    return weighted_sum(weight * _over_sum(covered[:, None], maps), maps)


def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """Return N times the published map; arguments as in `camreel.interfaces.CamMethod`."""
    covered = torch.einsum("sbkthw,bkthw->bsk", gradient, maps)
    return weighted_sum(_over_sum(covered, maps) * maps[0, 0].numel(), maps)


def _over_sum(covered: Tensor, maps: Tensor) -> Tensor:
    """Return covered [B, S or 1, K] over sum_p A_k."""
    total = maps.sum(dim=(2, 3, 4))[:, None]
    size = torch.linalg.vector_norm(maps, ord=1, dim=(2, 3, 4))[:, None]
    return torch.where(total.abs() > EPS * size, covered / total, 0.0)
