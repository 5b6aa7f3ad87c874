"""CAM (Zhou et al. 2016, arXiv:1512.04150): sum_k w_k A_k(p), times the pooling weight if there is one.

The mean of the map plus the bias is the logit exactly. It needs pooling and a linear layer; ours and the published map
are equal.
"""

from __future__ import annotations

from torch import Tensor

from camreel.cams.products import apply_pooling_weight, weighted_sum
from camreel.errors import ModelError

complete = True


def closed_form(maps: Tensor, weight: Tensor, pooling_weight: Tensor | None) -> Tensor:
    """Return w A m [B, S, T', h, w]; arguments as in `camreel.interfaces.CamMethod`."""
    return apply_pooling_weight(weighted_sum(weight, maps), pooling_weight)


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
