"""XGrad-CAM (Fu et al. 2020, arXiv:2008.02312): sum_k a_k A_k(p) with a_k = sum_p g_k A_k / sum_p A_k; ours is N times that.

Where the sum of a channel vanishes against its absolute sum, its weight is 0: the formula divides by it. Meant for features that
are not negative; with others the head's gradient gives weights without bound.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.cams.contract import weigh

complete = True
EPS = 1e-6
"""Of sum A against sum |A|."""


def closed_form(maps: Tensor, weight: Tensor, coverage: Tensor | None) -> Tensor:
    """The sum over k of w A sum(m A) / sum(A), [B, S, T', h, w]; arguments as in `contract.Method`."""
    if coverage is None:
        return weigh(weight, maps)
    covered = torch.einsum("bkthw,thw->bk", maps, coverage)
    return weigh(weight * _over_sum(covered[:, None], maps), maps)


def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """N times the published map; arguments as in `contract.Method`."""
    covered = torch.einsum("sbkthw,bkthw->bsk", gradient, maps)
    return weigh(_over_sum(covered, maps) * maps[0, 0].numel(), maps)


def _over_sum(covered: Tensor, maps: Tensor) -> Tensor:
    """covered [B, S or 1, K] over sum_p A_k."""
    total = maps.sum(dim=(2, 3, 4))[:, None]
    size = torch.linalg.vector_norm(maps, ord=1, dim=(2, 3, 4))[:, None]
    return torch.where(total.abs() > EPS * size, covered / total, 0.0)
