"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): sum_k a_k A_k(p) with a_k = 1/N sum_p g_k(p); ours is N times that.

With a linear head a_k = w_k / N whatever the coverage, because its mean is 1: Grad-CAM is CAM.
"""

from __future__ import annotations

from torch import Tensor

from pipeline.cams.contract import weigh

complete = False


def closed_form(maps: Tensor, weight: Tensor, coverage: Tensor | None) -> Tensor:
    """w A [B, S, T', h, w]; arguments as in `contract.Method`."""
    return weigh(weight, maps)


def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """N times the published map; arguments as in `contract.Method`."""
    return weigh(gradient.sum(dim=(3, 4, 5)).transpose(0, 1), maps)
