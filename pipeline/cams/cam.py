"""CAM (Zhou et al. 2016, arXiv:1512.04150): sum_k w_k A_k(p), times the coverage where the pooling is not uniform.

Its mean plus the bias is the logit exactly. It needs pooling and a linear layer; ours and the published map are the same.
"""

from __future__ import annotations

from torch import Tensor

from pipeline.cams.contract import cover, weigh
from pipeline.errors import ModelError

complete = True


def closed_form(maps: Tensor, weight: Tensor, coverage: Tensor | None) -> Tensor:
    """w A m [B, S, T', h, w]; arguments as in `contract.Method`."""
    return cover(weigh(weight, maps), coverage)


def from_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """CAM is defined by the weights of a linear head.

    Raises:
        ModelError: always.
    """
    raise ModelError(
        "the method cam does not work with this network",
        "its head is not pooling and a linear layer",
        "use gradcam, hirescam, gradcam++, xgradcam or layercam",
    )
