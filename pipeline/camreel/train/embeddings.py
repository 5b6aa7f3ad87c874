"""Embeddings of clips: the pooled feature maps of their windows, which a linear head turns into logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from camreel.interfaces import LinearHead, Recognizer
from camreel.structures import F32, U8
from camreel.train.dataset import LabeledClip

WINDOW_SAMPLES = 16
"""Samples of a window of networks that give every sample a map of its own."""
WINDOW_STEP = 4
"""Samples from one such window to the next."""

Backbone = Callable[[Tensor], Tensor]
"""Map normalized clips [B, 3, T, H, W] to the last feature maps [B, K, T', h, w]."""


@dataclass(frozen=True, slots=True)
class ClipEmbeddings:
    """The embeddings of a clip's windows."""

    clip: LabeledClip
    plain: F32
    """[N, K]."""
    mirrored: F32
    """The same of the clip mirrored left to right [N, K]."""


def normalize(pictures: U8, network: Recognizer, device: str) -> Tensor:
    """Convert RGB [B, T, H, W, 3] to the normalized input [B, 3, T, H, W] of a network."""
    mean, std = (torch.tensor(values, device=device)[:, None, None, None] for values in (network.mean, network.std))
    x = torch.from_numpy(pictures).to(device).permute(0, 4, 1, 2, 3).float().div_(255)
    return (x - mean) / std


def pool(maps: Tensor, linear: LinearHead) -> Tensor:
    """Return the means [B, K] of the cells of feature maps [B, K, T', h, w], weighted as in the network's head."""
    maps = maps.float()
    if linear.pooling_weight is not None:
        maps = maps * linear.pooling_weight((maps.shape[2], maps.shape[3], maps.shape[4])).to(maps)
    return maps.mean((2, 3, 4))


@torch.inference_mode()
def embed(pictures: U8, network: Recognizer, backbone: Backbone, device: str) -> F32:
    """Return the embeddings [N, K] of the windows of a clip.

    Args:
        pictures: RGB [T, H, W, 3].
        network: network with a linear head; its normalization, clip length and pooling are used.
        backbone: backbone to run, on the device.
        device: device of the backbone.

    Example:
        >>> embed(pictures, network, lambda x: network.features(x).maps, "cpu").shape
        (9, 256)
    """
    x = normalize(pictures[None], network, device)
    if network.geometry.margin:
        each = backbone(x)[0].float().mean((2, 3)).T
        found = torch.stack([window.mean(0) for window in _windows(each, WINDOW_SAMPLES, WINDOW_STEP)])
    else:
        linear, length = network.linear, network.clip_len
        assert linear is not None
        clips = _windows(_extend(x[0].transpose(0, 1), length), length, max(1, length // 2))
        found = torch.cat([pool(backbone(clip.transpose(0, 1)[None]), linear) for clip in clips])
    return np.asarray(found.cpu().numpy(), np.float32)


def _windows(items: Tensor, length: int, step: int) -> Iterator[Tensor]:
    """Yield the parts [length, ...] of items [T, ...]; one shorter part if there are fewer items."""
    starts = range(0, max(1, len(items) - length + 1), step)
    return (items[start : start + length] for start in starts)


def _extend(pictures: Tensor, length: int) -> Tensor:
    """Repeat the last of the pictures [T, ...] until there are `length`."""
    lack = length - len(pictures)
    return pictures if lack <= 0 else torch.cat([pictures, pictures[-1:].expand(lack, *pictures.shape[1:])])
