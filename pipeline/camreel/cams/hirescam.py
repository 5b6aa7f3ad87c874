"""HiResCAM (Draelos and Carin 2020, arXiv:2011.08891): sum_k g_k(p) A_k(p); ours is N times that."""

from __future__ import annotations

from torch import Tensor

from camreel.cams.products import apply_pooling_weight, gradient_product, weighted_sum

complete = True


def closed_form(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
    """Return w A m [B, S, T', h, w]; arguments as in `camreel.interfaces.CamMethod`."""
    return apply_pooling_weight(weighted_sum(weight, maps), pooling_weight)


def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """Return N times the published map; arguments as in `camreel.interfaces.CamMethod`."""
    return gradient_product(gradient, maps) * maps[0, 0].numel()
