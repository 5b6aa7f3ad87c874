"""Signed activation maps from feature maps and a head: in closed form where the head is linear, else from the head's gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.cams import cam, gradcam, gradcam_pp, hirescam, layercam, xgradcam
from pipeline.cams.contract import Method
from pipeline.cams.gradient import head_gradient
from pipeline.errors import ConfigError, nearest

__all__ = ["METHODS", "Method", "activation_maps"]

METHODS: dict[str, Method] = {
    "cam": cam,
    "gradcam": gradcam,
    "hirescam": hirescam,
    "gradcam++": gradcam_pp,
    "xgradcam": xgradcam,
    "layercam": layercam,
}


def activation_maps(
    method: str,
    maps: Tensor,
    classes: Tensor,
    *,
    weight: Tensor | None,
    coverage: Tensor | None,
    head: Callable[[Tensor], Tensor],
) -> Tensor:
    """Activation maps of several classes, in logits and signed (see `contract` for the unit and the notation).

    Args:
        method: a key of `METHODS`.
        maps: A [B, K, T', h, w], of any floating type.
        classes: ids [S], for the whole batch.
        weight: [C, K] where the head is average pooling and a linear layer; None: the head is differentiated.
        coverage: m [T', h, w] of a pooling that is not uniform; None: 1.
        head: maps -> logits [B, C]; run only where `weight` is None.

    Returns:
        [B, S, T', h, w], float32, without a graph.

    Raises:
        ConfigError: no such method.
        ModelError: the method needs a linear head and there is none.
    """
    if method not in METHODS:
        raise ConfigError(f"no CAM method {method!r}", nearest(method, METHODS), f"choose {', '.join(METHODS)}")
    chosen = METHODS[method]
    classes = classes.to(maps.device)
    # Sums in float32, outside a caller's autocast; the features are a thousandth of what the backbone wrote.
    with torch.no_grad(), torch.autocast(maps.device.type, enabled=False):
        maps = maps.float()
        if weight is not None:
            rows = weight.to(maps.device).float().index_select(0, classes)
            return chosen.closed_form(maps, rows, None if coverage is None else coverage.to(maps))
        return chosen.from_gradient(maps.detach(), head_gradient(head, maps, classes))
