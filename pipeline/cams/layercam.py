"""LayerCAM (Jiang et al. 2021): sum_k ReLU(g_k(p)) A_k(p); ours is N times that.

Meant for features that are not negative (after a ReLU); with others the sign of a cell has no meaning of its own.
"""

from __future__ import annotations

from torch import Tensor

from pipeline.cams.contract import cover, product, weigh

complete = False


def closed_form(maps: Tensor, weight: Tensor, coverage: Tensor | None) -> Tensor:
    """ReLU(w) A m [B, S, T', h, w] (m is not negative); arguments as in `contract.Method`."""
    return cover(weigh(weight.relu(), maps), coverage)


def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """N times the published map; arguments as in `contract.Method`."""
    return product(gradient.relu(), maps) * maps[0, 0].numel()
