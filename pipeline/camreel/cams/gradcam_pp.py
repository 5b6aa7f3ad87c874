"""Grad-CAM++ (Chattopadhay et al. 2018, arXiv:1710.11063, eq. 19): sum_k a_k A_k(p) with a_k = sum_p alpha_k(p)
ReLU(g_k(p)) and alpha = g^2 / (2 g^2 + (sum_q A_k(q)) g^3) = 1 / (2 + (sum_q A_k(q)) g).

Ours is the published map: a_k sums over the cells, so there is no 1/N to leave out. The second form of alpha is free of
units, so that it needs no absolute epsilon, which in video would drown g^2. Meant for features that are not negative.
"""

from __future__ import annotations

import torch
from torch import Tensor

from camreel.cams.products import weighted_sum

complete = False
EPS = 1e-6


def closed_form(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
    """Return ReLU(w) A mean_p(m / (2 + mean(A) w m)) [B, S, T', h, w]; arguments as in
    `camreel.interfaces.CamMethod`."""
    evidence = maps.mean(dim=(2, 3, 4))[:, None] * weight
    if pooling_weight is None:
        return weighted_sum(weight.relu() * _alpha(evidence), maps)
    # m takes a handful of values: the mean over cells is one over them.
    values, counts = torch.unique(pooling_weight, return_counts=True)
    shares = values * counts / pooling_weight.numel()
    return weighted_sum(weight.relu() * (_alpha(evidence[..., None] * values) @ shares), maps)


def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """Return the published map; arguments as in `camreel.interfaces.CamMethod`."""
    total = maps.sum(dim=(2, 3, 4), keepdim=True)
    weight = (_alpha(total * gradient) * gradient.relu()).sum(dim=(3, 4, 5))
    return weighted_sum(weight.transpose(0, 1), maps)


def _alpha(evidence: Tensor) -> Tensor:
    """Return 1 / (2 + evidence), and 1 where the denominator vanishes, which signed features can cause."""
    denominator = 2 + evidence
    return torch.where(denominator.abs() > EPS, denominator, 1.0).reciprocal()
