"""The loss of films: from the feature maps of a clip to the logits of its windows, and their binary cross-entropy.

B clips, T frames, W windows of a clip, C classes.
"""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

Pooling = Literal["both", "mean", "top"]
"""Cells that make the logit of a frame: all, as the network is used (mean); the highest alone, see `TOP_SHARE` (top),
which silences the rest; or one loss of each (both)."""
TOP_SHARE = 0.1
"""Share of the cells that pooling "top" uses."""
POSITIVE_WEIGHT = 3.0
"""Weight of a window in which a class happens: most windows lack most classes."""
MEAN, STD = 0.45, 0.225
"""Normalization of RGB in [0, 1]."""


class FullyConvolutional(Protocol):
    """A network with feature maps and a linear classifier of each cell."""

    classifier: nn.Linear

    def features(self, x: Tensor) -> Tensor:
        """Map normalized RGB [B, 3, T, H, W] to feature maps [B, K, T, h, w]."""
        ...


def normalize(pictures: Tensor) -> Tensor:
    """Normalize RGB [B, T, H, W, 3] in uint8 to [B, 3, T, H, W]; the channels of a pixel stay neighbors in memory."""
    return pictures.permute(0, 4, 1, 2, 3).float().sub_(255 * MEAN).div_(255 * STD)


def window_logits(net: FullyConvolutional, x: Tensor, windows: Tensor, pooling: Pooling, half: bool) -> list[Tensor]:
    """Return the logits [B, W, C] of windows, for each pooling.

    With "top", the highest cells of a class count as they do in the mean over all cells, and the others count as
    nothing.

    Args:
        net: the network.
        x: normalized clips [B, 3, T, H, W].
        windows: share of each frame in the window's mean [B, W, T].
        pooling: cells that count.
        half: compute the maps in bfloat16.
    """
    with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
        maps = net.features(x)
    weight, bias = net.classifier.weight, net.classifier.bias
    with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
        cells = functional.linear(maps.flatten(3).permute(0, 2, 3, 1), weight).float()
    found = []
    if pooling != "top":
        found.append(windows @ (cells.mean(2) + bias))
    if pooling != "mean":
        count = max(1, round(TOP_SHARE * cells.shape[2]))
        found.append(windows @ (cells.topk(count, dim=2).values.sum(2) / cells.shape[2] + bias))
    return found


def balanced_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the binary cross-entropy: the mean over the windows that count for each class, then over the classes.

    Args:
        logits: [B, W, C].
        targets: [B, W, C], 0 or 1.
        weights: [B, W, C], 0 or 1.
    """
    positive = logits.new_tensor(POSITIVE_WEIGHT)
    each = functional.binary_cross_entropy_with_logits(logits, targets, weights, reduction="none", pos_weight=positive)
    return (each.sum((0, 1)) / weights.sum((0, 1)).clamp(min=1)).mean()
