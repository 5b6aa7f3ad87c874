"""A clip as the vectors that the backbone makes of its windows: means over all cells, which is what a linear head adds up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import CamreelError, InputError
from pipeline.learn.clips.catalog import Example
from pipeline.models import Recognizer
from pipeline.sample import input_size, sample
from pipeline.sources import open_source
from pipeline.structures import F32, U8

WINDOW = 16
"""Samples of a window of networks that give every sample a map of its own."""
STEP = 4
"""Samples between such windows."""
LONGEST = 512
"""Samples that are read of an example."""
LEAST = 4
"""Samples of which a window is made at least."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """The windows of an example."""

    example: Example
    plain: F32
    """[N, K]"""
    mirrored: F32
    """The same of the clip mirrored left to right [N, K]."""


class Skipped(CamreelError):
    """An example that cannot be used; the reason is for people."""


def vectors(example: Example, network: Recognizer, device: str) -> Vectors:
    """Shows a clip to the backbone as it would see it in use, and once more mirrored.

    Args:
        example: to read.
        network: with a linear head, on the device.
        device: where it is.

    Raises:
        Skipped: it cannot be read, or is too short.
    """
    try:
        pictures = _pictures(example, network)
    except InputError as error:
        raise Skipped(error.what, error.why) from None
    if len(pictures) < min(LEAST, network.clip_len):
        raise Skipped(f"{example.path} is too short", f"it has {len(pictures)} of at least {LEAST} samples")
    sides = [_of(network, side, device) for side in (pictures, np.ascontiguousarray(pictures[:, :, ::-1]))]
    return Vectors(example, *sides)


def _pictures(example: Example, network: Recognizer) -> U8:
    """RGB [T, H, W, 3] at the network's clock and size."""
    taken: list[U8] = []
    with open_source(str(example.path), start=example.start, end=example.end, audio=False) as source:
        info = source.info
        gray = tuple(round(value * 255) for value in network.mean)
        size = input_size(
            round(info.width * info.pixel_aspect),
            info.height,
            network.size,
            fixed=network.fixed_size,
            smooth=network.clip_len == 1,
            fill=(gray[0], gray[1], gray[2]),
        )
        interval = 1 / float(info.average_rate) if info.average_rate else None
        for frame in sample(source, network.frame_rate, interval, (size,)):
            taken += list(frame.inputs) * frame.samples
            if len(taken) >= LONGEST:
                break
    return np.stack(taken[:LONGEST]) if taken else np.zeros((0, 1, 1, 3), np.uint8)


@torch.inference_mode()
def _of(network: Recognizer, pictures: U8, device: str) -> F32:
    """Vectors [N, K] of the windows of a clip."""
    x = torch.from_numpy(pictures).to(device).permute(3, 0, 1, 2).float().div_(255)
    mean, std = (torch.tensor(values, device=device)[:, None, None, None] for values in (network.mean, network.std))
    x = ((x - mean) / std)[None]
    if network.geometry.margin:
        each = network.features(x, (0, x.shape[2])).maps[0].float().mean((2, 3)).T
        found = torch.stack([part.mean(0) for part in _windows(each, WINDOW, STEP)])
    else:
        length = network.clip_len
        clips = [part.transpose(0, 1) for part in _windows(_lengthened(x[0].transpose(0, 1), length), length, max(1, length // 2))]
        found = torch.cat([_pooled(network, clip[None]) for clip in clips])
    return np.asarray(found.cpu().numpy(), np.float32)


def _pooled(network: Recognizer, clip: Tensor) -> Tensor:
    """Mean of a clip's cells as the network's head takes it [1, K]."""
    maps = network.features(clip).maps.float()
    linear = network.linear
    assert linear is not None
    if linear.coverage is not None:
        maps = maps * linear.coverage((maps.shape[2], maps.shape[3], maps.shape[4])).to(maps)
    return maps.mean((2, 3, 4))


def _windows(items: Tensor, length: int, step: int) -> Iterator[Tensor]:
    """Parts [length, ...] of items [T, ...]; one shorter part where there are fewer."""
    starts = range(0, max(1, len(items) - length + 1), step)
    return (items[start : start + length] for start in starts)


def _lengthened(pictures: Tensor, length: int) -> Tensor:
    """Pictures [T, ...] with the last one held until there are enough."""
    lack = length - len(pictures)
    return pictures if lack <= 0 else torch.cat([pictures, pictures[-1:].expand(lack, *pictures.shape[1:])])
