"""The CAM methods. Arguments and results as in `camreel.interfaces.CamMethod`; notation in `camreel.cams`."""

from __future__ import annotations

import torch
from torch import Tensor

from camreel.errors import ModelError

EPS = 1e-6
"""Smallest denominator, relative to its terms."""


class Cam:
    """CAM (Zhou et al. 2016, arXiv:1512.04150): sum_k w_k A_k(p), times the pooling weight if there is one.

    The mean of the map plus the bias is the logit exactly. It needs pooling and a linear layer; ours and the published
    map are equal.
    """

    complete = True

    @staticmethod
    def closed_form(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
        """Return w A m."""
        return apply_pooling_weight(weighted_sum(weight, maps), pooling_weight)

    @staticmethod
    def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
        """Refuse: CAM is defined by the weights of a linear head.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            "the method cam does not work with this network",
            "its head is not pooling and a linear layer",
            "use gradcam, hirescam, gradcam++, xgradcam or layercam",
        )


class GradCam:
    """Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): sum_k a_k A_k(p), a_k = 1/N sum_p g_k(p); ours: N times.

    With a linear head a_k = w_k / N whatever the pooling weight, because its mean is 1: Grad-CAM equals CAM.
    """

    complete = False

    @staticmethod
    def closed_form(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
        """Return w A."""
        return weighted_sum(weight, maps)

    @staticmethod
    def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
        """Return N times the published map."""
        return weighted_sum(gradient.sum(dim=(3, 4, 5)).transpose(0, 1), maps)


class HiResCam:
    """HiResCAM (Draelos and Carin 2020, arXiv:2011.08891): sum_k g_k(p) A_k(p); ours: N times that."""

    complete = True

    @staticmethod
    def closed_form(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
        """Return w A m."""
        return apply_pooling_weight(weighted_sum(weight, maps), pooling_weight)

    @staticmethod
    def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
        """Return N times the published map."""
        return gradient_product(gradient, maps) * maps[0, 0].numel()


class GradCamPlusPlus:
    """Grad-CAM++ (Chattopadhay et al. 2018, arXiv:1710.11063, eq. 19): sum_k a_k A_k(p).

    a_k = sum_p alpha_k(p) ReLU(g_k(p)), with alpha = g^2 / (2 g^2 + (sum_q A_k(q)) g^3) = 1 / (2 + (sum_q A_k(q)) g).

    Ours is the published map: a_k sums over the cells, so there is no 1/N to leave out. The second form of alpha is
    free of units, so that it needs no absolute epsilon, which in video would drown g^2. Meant for features that are not
    negative.
    """

    complete = False

    @classmethod
    def closed_form(cls, maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
        """Return ReLU(w) A mean_p(m / (2 + mean(A) w m))."""
        evidence = maps.mean(dim=(2, 3, 4))[:, None] * weight
        if pooling_weight is None:
            return weighted_sum(weight.relu() * cls._alpha(evidence), maps)
        # m takes a handful of values: the mean over cells is one over them.
        values, counts = torch.unique(pooling_weight, return_counts=True)
        shares = values * counts / pooling_weight.numel()
        return weighted_sum(weight.relu() * (cls._alpha(evidence[..., None] * values) @ shares), maps)

    @classmethod
    def from_gradient(cls, maps: Tensor, gradient: Tensor) -> Tensor:
        """Return the published map."""
        total = maps.sum(dim=(2, 3, 4), keepdim=True)
        weight = (cls._alpha(total * gradient) * gradient.relu()).sum(dim=(3, 4, 5))
        return weighted_sum(weight.transpose(0, 1), maps)

    @staticmethod
    def _alpha(evidence: Tensor) -> Tensor:
        """Return 1 / (2 + evidence), and 1 where the denominator vanishes, which signed features can cause."""
        denominator = 2 + evidence
        return torch.where(denominator.abs() > EPS, denominator, 1.0).reciprocal()


class XGradCam:
    """XGrad-CAM (Fu et al. 2020, arXiv:2008.02312): sum_k a_k A_k(p), a_k = sum_p g_k A_k / sum_p A_k; ours: N times.

    Where the sum of a channel vanishes relative to its absolute sum, its weight is 0, because the formula divides by
    the sum. Meant for features that are not negative; with others the head's gradient gives weights without bound.
    """

    complete = True

    @classmethod
    def closed_form(cls, maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
        """Return the sum over k of w A sum(m A) / sum(A)."""
        if pooling_weight is None:
            return weighted_sum(weight, maps)
        covered = torch.einsum("bkthw,thw->bk", maps, pooling_weight)
        return weighted_sum(weight * cls._over_sum(covered[:, None], maps), maps)

    @classmethod
    def from_gradient(cls, maps: Tensor, gradient: Tensor) -> Tensor:
        """Return N times the published map."""
        covered = torch.einsum("sbkthw,bkthw->bsk", gradient, maps)
        return weighted_sum(cls._over_sum(covered, maps) * maps[0, 0].numel(), maps)

    @staticmethod
    def _over_sum(covered: Tensor, maps: Tensor) -> Tensor:
        """Return covered [B, S or 1, K] over sum_p A_k."""
        total = maps.sum(dim=(2, 3, 4))[:, None]
        size = torch.linalg.vector_norm(maps, ord=1, dim=(2, 3, 4))[:, None]
        return torch.where(total.abs() > EPS * size, covered / total, 0.0)


class LayerCam:
    """LayerCAM (Jiang et al. 2021, doi:10.1109/TIP.2021.3089943): sum_k ReLU(g_k(p)) A_k(p); ours: N times.

    Meant for features that are not negative (after a ReLU); with others the sign of a cell has no meaning of its own.
    """

    complete = False

    @staticmethod
    def closed_form(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
        """Return ReLU(w) A m; m is not negative."""
        return apply_pooling_weight(weighted_sum(weight.relu(), maps), pooling_weight)

    @staticmethod
    def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
        """Return N times the published map."""
        return gradient_product(gradient.relu(), maps) * maps[0, 0].numel()


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
