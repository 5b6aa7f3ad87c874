"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): sum_k a_k A_k(p), a_k = 1/N sum_p g_k(p); ours is N times that.

With a linear head a_k = w_k / N whatever the pooling weight, because its mean is 1: Grad-CAM equals CAM.
"""

from __future__ import annotations

from torch import Tensor

from camreel.cams.products import weighted_sum

complete = False


def closed_form(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
    """Return w A [B, S, T', h, w]; arguments as in `camreel.interfaces.CamMethod`."""
    return weighted_sum(weight, maps)


def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """Return N times the published map; arguments as in `camreel.interfaces.CamMethod`."""
    return weighted_sum(gradient.sum(dim=(3, 4, 5)).transpose(0, 1), maps)
