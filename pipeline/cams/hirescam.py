"""HiResCAM (Draelos and Carin 2020, arXiv:2011.08891): sum_k g_k(p) A_k(p); ours is N times that."""

from __future__ import annotations

from torch import Tensor

from pipeline.cams.contract import cover, product, weigh

complete = True


def closed_form(maps: Tensor, weight: Tensor, coverage: Tensor | None) -> Tensor:
    """w A m [B, S, T', h, w]; arguments as in `contract.Method`."""
    return cover(weigh(weight, maps), coverage)


def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """N times the published map; arguments as in `contract.Method`."""
    return product(gradient, maps) * maps[0, 0].numel()
