"""LayerCAM (Jiang et al. 2021): sum_k ReLU(g_k(p)) A_k(p); ours is N times that.

Meant for features that are not negative (after a ReLU); with others the sign of a cell has no meaning of its own.
"""

from __future__ import annotations

from torch import Tensor

from camreel.cams.products import apply_pooling_weight, gradient_product, weighted_sum

complete = False


def closed_form(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
    """Return ReLU(w) A m [B, S, T', h, w] (m is not negative); arguments as in `camreel.interfaces.CamMethod`."""
    return apply_pooling_weight(weighted_sum(weight.relu(), maps), pooling_weight)


def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """Return N times the published map; arguments as in `camreel.interfaces.CamMethod`."""
    return gradient_product(gradient.relu(), maps) * maps[0, 0].numel()
