"""Our own network, small enough to come along: it knows the actions of drawn people, and is a start for learning others.

A (2+1)D residual network with a temporal stride of 1: every sample gets a map of its own, with a cell for every 8 pixels. It sees
the pictures and how each differs from the one before.

Everything lies in memory as [B, T, H, W, channels]. So the spatial convolutions (time folded into the batch) and the temporal ones
(over T x H*W) are 2D convolutions on two views of the same memory, and no layer copies its input into another layout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.checkpoint import Metadata
from pipeline.models.contract import Features, Geometry
from pipeline.models.family import Bundle, Family
from pipeline.models.memory import Ends, Memory

Inputs = Literal["both", "rgb", "difference"]

SEEN: dict[Inputs, tuple[bool, bool]] = {"both": (True, True), "rgb": (True, False), "difference": (False, True)}
"""Whether the pictures and their differences are seen."""
STEM = (32, 48)
STAGES: tuple[tuple[int, int, tuple[int, ...]], ...] = ((48, 1, (1,)), (96, 2, (1, 2)), (128, 1, (1, 2, 2)))
"""Channels, spatial stride, and the temporal dilation of each block.

Multiples of 16, which convolutions are fastest with. Measured in training: 24, 40 | 40, 80, 144 is as much work, takes 3 % longer
and has fewer channels where arms and legs are still apart.
"""
FEATURES = 256
GAIN, FAINT = 8.0, 0.1
"""Factors on a fresh network's weights. A person is a small share of the cells, so a mean over all of them needs large weights; and
pictures are mostly background, which drowns the differences unless it starts faint. Without the latter nothing is learned in the
first 200 steps."""
MARGIN = 1 + sum(dilation for _, _, dilations in STAGES for dilation in dilations)
"""Samples that a map depends on before its own (the difference reaches one further than the convolutions) and after it."""


def convolution(inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, with its norm: the pair that is folded where the network only runs."""
    padding = (dilation * (kernel[0] // 2), kernel[1] // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, (dilation, 1), bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """A convolution in space and one in time, added to what comes in."""

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.spatial = convolution(inputs, outputs, (3, 3), stride)
        self.temporal = convolution(outputs, outputs, (3, 1), dilation=dilation)
        self.shortcut = nn.Identity() if (inputs, 1) == (outputs, stride) else convolution(inputs, outputs, (1, 1), stride)

    def forward(self, x: Tensor, clips: int, ends: Ends) -> Tensor:
        """Pictures of so many clips, [B*T, C, H, W], to [B*T', C', H', W'], without the samples that an end cannot know."""
        y = functional.relu(self.spatial(x), inplace=True)
        z = self._over_time(y.reshape(clips, -1, *y.shape[1:]).transpose(1, 2).flatten(3), ends)
        z = z.transpose(1, 2).reshape(-1, *y.shape[1:])
        return functional.relu(z + self.shortcut(trim(x, clips, self.dilation, ends)), inplace=True)

    def advance(self, x: Tensor, name: str, memory: Memory, begins: bool) -> Tensor:
        """Pictures that follow, [B, n, C, H, W], to those that are known now, [B, n', C', H', W']; at the beginning `dilation` at
        each end are given up."""
        y = functional.relu(_each(self.spatial, x), inplace=True)
        y = memory.follow(f"{name}.spatial", y, 1, keep=2 * self.dilation)
        z = self._over_time(y.transpose(1, 2).flatten(3), (False, False))
        z = z.reshape(*z.shape[:3], *y.shape[3:]).transpose(1, 2)
        shortcut = _each(self.shortcut, x)[:, self.dilation if begins else 0 :]
        return functional.relu(z + memory.delay(f"{name}.shortcut", shortcut, 1, z.shape[1]), inplace=True)

    def _over_time(self, x: Tensor, ends: Ends) -> Tensor:
        """[B, C, T, H*W] to [B, C, T', H*W]: zero padded at the ends of the video, and nowhere else."""
        if all(ends):
            whole: Tensor = self.temporal(x)
            return whole
        conv: Any = self.temporal[0]
        padded = functional.pad(x, (0, 0, *(self.dilation * end for end in ends)))
        valid: Tensor = self.temporal[1](functional.conv2d(padded, conv.weight, conv.bias, dilation=conv.dilation))
        return valid


def _each(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer on every picture of [B, n, ...]."""
    y: Tensor = layer(x.flatten(0, 1))
    return y.reshape(*x.shape[:2], *y.shape[1:])


def trim(x: Tensor, clips: int, samples: int, ends: Ends) -> Tensor:
    """Pictures [B*T, ...] of so many clips without the first and last samples, except at the ends of the video."""
    if all(ends):
        return x
    apart = x.reshape(clips, -1, *x.shape[1:])
    return apart[:, 0 if ends[0] else samples : None if ends[1] else -samples].flatten(0, 1)


class FiguresNet(nn.Module):
    """The network.

    Args:
        classes: rows of the classifier.
        inputs: what it sees of the video in training: the pictures, how they differ from the ones before, or both. The weights
            of what it does not see start at zero and stay there, so afterwards it is a network like any other.
    """

    def __init__(self, classes: int, inputs: Inputs = "both") -> None:
        super().__init__()
        self.inputs = inputs
        self.stem = nn.ModuleList((convolution(6, STEM[0], (3, 3), 2), convolution(*STEM, (3, 3), 2)))
        first: Any = self.stem[0]
        for half, seen in zip(first[0].weight.detach().chunk(2, dim=1), SEEN[inputs], strict=True):
            half.mul_(seen)
        self.blocks = nn.ModuleList()
        width = STEM[-1]
        for outputs, stride, dilations in STAGES:
            for number, dilation in enumerate(dilations):
                self.blocks.append(Block(width, outputs, 1 if number else stride, dilation))
                width = outputs
        self.last = convolution(width, FEATURES, (1, 1))
        self.classifier = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor, ends: Ends = (True, True)) -> Tensor:
        """Runs the backbone.

        Args:
            x: normalised RGB [B, 3, T, H, W].
            ends: which ends of the clips are ends of the video; at the others `MARGIN` samples are given up.

        Returns:
            A [B, K, T', h, w].
        """
        clips = len(x)
        pictures = self._seen(x).transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        # The first difference of a clip is known at the start of the video only.
        pictures = trim(pictures, clips, 1, ends)
        for layer in self.stem:
            pictures = functional.relu(layer(pictures), inplace=True)
        for block in self.blocks:
            pictures = block(pictures, clips, ends)
        maps = functional.relu(self.last(pictures), inplace=True)
        return maps.reshape(clips, -1, *maps.shape[1:]).transpose(1, 2)

    def advance(self, x: Tensor, memory: Memory, begins: bool) -> Tensor:
        """As `features`, for normalised RGB [B, 3, n, H, W] that follows what the memory has seen; to A [B, K, n', h, w]."""
        line = memory.follow("picture", x, 2, keep=1)
        pictures = self._halves(line[:, :, 1:], line[:, :, 1:] - line[:, :, :-1]).transpose(1, 2)
        pictures = pictures.contiguous()
        for layer in self.stem:
            pictures = functional.relu(_each(layer, pictures), inplace=True)
        for number, block in enumerate(self.blocks):
            pictures = cast(Block, block).advance(pictures, f"block {number}", memory, begins)
        return functional.relu(_each(self.last, pictures), inplace=True).transpose(1, 2)

    def _seen(self, x: Tensor) -> Tensor:
        """Pictures and differences [B, 6, T, H, W]."""
        return self._halves(x, functional.pad(x[:, :, 1:] - x[:, :, :-1], (0, 0, 0, 0, 1, 0)))

    def _halves(self, pictures: Tensor, differences: Tensor) -> Tensor:
        halves = zip((pictures, differences), SEEN[self.inputs], strict=True)
        return torch.cat([half if seen else torch.zeros_like(half) for half, seen in halves], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised RGB [B, 3, T, H, W] of whole videos to logits [B, classes]."""
        logits: Tensor = self.classifier(self.features(unfolded(x, (True, True)), (False, False)).mean(dim=(2, 3, 4)))
        return logits


def unfolded(x: Tensor, ends: Ends) -> Tensor:
    """A clip [B, 3, T, H, W] that goes on for `MARGIN` samples as if time turned back at the ends of the video.

    Zeros there look like actions that nobody does, and a held picture looks like everybody standing still. Measured on 16 clips of
    2 s with a network for fights, with the first and last frame among three: the peak is on the fight in 96 % of the frames, with
    held pictures in 64 %.
    """
    before, after = (_beyond(part) for part in (x, x.flip(2)))
    return torch.cat([before.flip(2)] * ends[0] + [x] + [after] * ends[1], dim=2)


def _beyond(x: Tensor) -> Tensor:
    """`MARGIN` samples that follow the start of a clip, back and forth where it is shorter."""
    last = max(1, x.shape[2] - 1)
    at = torch.arange(1, MARGIN + 1, device=x.device) % (2 * last)
    return x[:, :, torch.where(at > last, 2 * last - at, at).clamp(max=x.shape[2] - 1)]


def _advance(net: Any, x: Tensor, memory: Memory, ends: Ends) -> Features:
    """As `_trimmed`: the memory also has what time turns back to at the end."""
    tail = memory.follow("tail", x, 2, keep=MARGIN + 1)
    if ends[0]:
        x = unfolded(x, (True, False))
    if ends[1]:
        # The convolutions reach one sample less far ahead than the differences behind.
        x = torch.cat([x, _beyond(tail.flip(2))[:, :, : MARGIN - 1]], dim=2)
    return Features(net.advance(x, memory, ends[0]))


def fresh(classes: int, seed: int, inputs: Inputs = "both", bias: float = 0.0) -> FiguresNet:
    """A network that has learned nothing; the global random state is left as it was.

    Args:
        classes: rows of the classifier.
        seed: of the weights.
        inputs: what it sees of the video.
        bias: the logit that every class starts from.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = FiguresNet(classes, inputs)
    nn.init.constant_(net.classifier.bias, bias)
    first: Any = net.stem[0]
    with torch.no_grad():
        net.classifier.weight.mul_(GAIN)
        first[0].weight[:, :3].mul_(FAINT)
    return net


def _build(name: str, classes: int) -> nn.Module:
    return FiguresNet(classes)


def _features(net: Any, x: Tensor) -> Features:
    return _trimmed(net, x, (0, x.shape[2]))


def _trimmed(net: Any, x: Tensor, keep: tuple[int, int]) -> Features:
    return Features(net.features(unfolded(x, (keep[0] == 0, keep[1] == x.shape[2])), (False, False)))


BUNDLE = Bundle(
    path=Path(__file__).with_suffix(".safetensors"),
    blank=Metadata(
        arch="figures",
        classes=tuple(f"class {number}" for number in range(15)),
        mean=(0.45, 0.45, 0.45),
        std=(0.225, 0.225, 0.225),
        resize=(112,),
        crop=(112, 112),
        clip_len=32,
        frame_rate=12.0,
        multilabel=True,
        licence="MIT",
    ),
)

FAMILY = Family(
    about="small, ours: a demonstrator for synthetic people, and a start for `train`",
    geometry=Geometry((0.0, 0.0, 0.0), (1.0, 8.0, 8.0), margin=MARGIN),
    features=_features,
    trimmed=_trimmed,
    advance=_advance,
    classifier="classifier",
    clip_len=32,
    frame_rate=12.0,
    build=_build,
    bundle=BUNDLE,
)

FIGURES: dict[str, Family] = {"figures": FAMILY}
