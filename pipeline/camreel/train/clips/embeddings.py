"""A clip as the vectors that the backbone makes of its windows: means over all cells, which is what a linear head adds up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from camreel.interfaces import LinearHead, Recognizer
from camreel.structures import F32, U8
from camreel.train.clips.dataset import Example

WINDOW = 16
"""Samples of a window of networks that give every sample a map of its own."""
STEP = 4
"""Samples between such windows."""

Backbone = Callable[[Tensor], Tensor]
"""Normalised clips [B, 3, T, H, W] to the last feature maps [B, K, T', h, w]."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """The windows of an example."""

    example: Example
    plain: F32
    """[N, K]"""
    mirrored: F32
    """The same of the clip mirrored left to right [N, K]."""


def normalised(pictures: U8, network: Recognizer, device: str) -> Tensor:
    """RGB [B, T, H, W, 3] as the network takes it [B, 3, T, H, W]."""
    mean, std = (torch.tensor(values, device=device)[:, None, None, None] for values in (network.mean, network.std))
    x = torch.from_numpy(pictures).to(device).permute(0, 4, 1, 2, 3).float().div_(255)
    return (x - mean) / std


def pooled(maps: Tensor, linear: LinearHead) -> Tensor:
    """Means [B, K] of the cells of feature maps [B, K, T', h, w], as the network's head takes them."""
    maps = maps.float()
    if linear.pooling_weight is not None:
        maps = maps * linear.pooling_weight((maps.shape[2], maps.shape[3], maps.shape[4])).to(maps)
    return maps.mean((2, 3, 4))


@torch.inference_mode()
def vectors(pictures: U8, network: Recognizer, backbone: Backbone, device: str) -> F32:
    """Vectors [N, K] of the windows of a clip.

    Args:
        pictures: RGB [T, H, W, 3].
        network: with a linear head; how it wants its pictures.
        backbone: of the network, on the device.
        device: where it is.
    """
    x = normalised(pictures[None], network, device)
    if network.geometry.margin:
        each = backbone(x)[0].float().mean((2, 3)).T
        found = torch.stack([part.mean(0) for part in _windows(each, WINDOW, STEP)])
    else:
        linear, length = network.linear, network.clip_len
        assert linear is not None
        clips = _windows(_lengthened(x[0].transpose(0, 1), length), length, max(1, length // 2))
        found = torch.cat([pooled(backbone(clip.transpose(0, 1)[None]), linear) for clip in clips])
    return np.asarray(found.cpu().numpy(), np.float32)


def _windows(items: Tensor, length: int, step: int) -> Iterator[Tensor]:
    """Parts [length, ...] of items [T, ...]; one shorter part where there are fewer."""
    starts = range(0, max(1, len(items) - length + 1), step)
    return (items[start : start + length] for start in starts)


def _lengthened(pictures: Tensor, length: int) -> Tensor:
    """Pictures [T, ...] with the last one held until there are enough."""
    lack = length - len(pictures)
    return pictures if lack <= 0 else torch.cat([pictures, pictures[-1:].expand(lack, *pictures.shape[1:])])
