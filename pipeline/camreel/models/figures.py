"""The network `figures`: small enough to be bundled, trained on drawn people, and a starting point for training.

A (2+1)D residual network with a temporal stride of 1: every sample gets a map of its own, with one cell per 8 pixels.
Its input is the pictures and their differences to the picture before.

Everything lies in memory as [B, T, H, W, channels]. The spatial convolutions (time folded into the batch) and the
temporal ones (over T x H*W) are 2D convolutions on two views of the same memory, so no layer copies its input into
another layout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from camreel.interfaces import Ends, Features, Geometry
from camreel.models.architecture import Architecture, BundledCheckpoint, LayerState
from camreel.models.checkpoint import Metadata

Inputs = Literal["both", "rgb", "difference"]

USED_INPUTS: dict[Inputs, tuple[bool, bool]] = {"both": (True, True), "rgb": (True, False), "difference": (False, True)}
"""Whether the pictures and their differences are used."""
STEM = (32, 48)
STAGES: tuple[tuple[int, int, tuple[int, ...]], ...] = ((48, 1, (1,)), (96, 2, (1, 2)), (128, 1, (1, 2, 2)))
"""Channels, spatial stride, and the temporal dilation of each block.

Multiples of 16, which convolutions are fastest with. Measured in training: 24, 40 | 40, 80, 144 is as much work, takes
3 % longer and has fewer channels where arms and legs are still apart.
"""
FEATURES = 256
CLASSIFIER_GAIN, PICTURE_GAIN = 8.0, 0.1
"""Factors on the weights of a fresh network. A person covers a small share of the cells, so a mean over all cells needs
large weights; and pictures are mostly background, which drowns the differences unless it starts faint. Without the
latter nothing is learned in the first 200 steps."""
MARGIN = 1 + sum(dilation for _, _, dilations in STAGES for dilation in dilations)
"""Samples before and after its own that a map depends on; the difference reaches one further than the convolutions."""


def convolution(
    inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Build a convolution that keeps the size, with its batch norm: the pair that is folded for inference."""
    padding = (dilation * (kernel[0] // 2), kernel[1] // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, (dilation, 1), bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """A spatial and a temporal convolution with a residual connection."""

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.spatial = convolution(inputs, outputs, (3, 3), stride)
        self.temporal = convolution(outputs, outputs, (3, 1), dilation=dilation)
        same = (inputs, 1) == (outputs, stride)
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, (1, 1), stride)

    def forward(self, x: Tensor, clips: int, ends: Ends) -> Tensor:
        """Map pictures of several clips [B*T, C, H, W] to [B*T', C', H', W'], without the samples not yet known."""
        y = functional.relu(self.spatial(x), inplace=True)
        z = self._over_time(y.reshape(clips, -1, *y.shape[1:]).transpose(1, 2).flatten(3), ends)
        z = z.transpose(1, 2).reshape(-1, *y.shape[1:])
        return functional.relu(z + self.shortcut(trim(x, clips, self.dilation, ends)), inplace=True)

    def forward_step(self, x: Tensor, name: str, state: LayerState, starts: bool) -> Tensor:
        """Map the next pictures [B, n, C, H, W] to those that became known [B, n', C', H', W'].

        Where the video starts, `dilation` pictures at each end are given up.
        """
        y = functional.relu(_per_picture(self.spatial, x), inplace=True)
        y = state.extend(f"{name}.spatial", y, 1, keep=2 * self.dilation)
        z = self._over_time(y.transpose(1, 2).flatten(3), (False, False))
        z = z.reshape(*z.shape[:3], *y.shape[3:]).transpose(1, 2)
        shortcut = _per_picture(self.shortcut, x)[:, self.dilation if starts else 0 :]
        return functional.relu(z + state.delay(f"{name}.shortcut", shortcut, 1, z.shape[1]), inplace=True)

    def _over_time(self, x: Tensor, ends: Ends) -> Tensor:
        """Map [B, C, T, H*W] to [B, C, T', H*W], zero padded at the ends of the video and nowhere else."""
        if all(ends):
            whole: Tensor = self.temporal(x)
            return whole
        conv: Any = self.temporal[0]
        padded = functional.pad(x, (0, 0, *(self.dilation * end for end in ends)))
        valid: Tensor = self.temporal[1](functional.conv2d(padded, conv.weight, conv.bias, dilation=conv.dilation))
        return valid


def _per_picture(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a layer to every picture of [B, n, ...]."""
    y: Tensor = layer(x.flatten(0, 1))
    return y.reshape(*x.shape[:2], *y.shape[1:])


def trim(x: Tensor, clips: int, samples: int, ends: Ends) -> Tensor:
    """Drop the first and last samples of each clip from pictures [B*T, ...], except at the ends of the video."""
    if all(ends):
        return x
    apart = x.reshape(clips, -1, *x.shape[1:])
    return apart[:, 0 if ends[0] else samples : None if ends[1] else -samples].flatten(0, 1)


class FiguresNet(nn.Module):
    """The network.

    Args:
        classes: rows of the classifier.
        inputs: inputs used in training: the pictures, their differences, or both. The weights of unused inputs start at
            zero and stay there, so a trained network is like any other.
    """

    def __init__(self, classes: int, inputs: Inputs = "both") -> None:
        super().__init__()
        self.inputs = inputs
        self.stem = nn.ModuleList((convolution(6, STEM[0], (3, 3), 2), convolution(*STEM, (3, 3), 2)))
        first: Any = self.stem[0]
        for half, used in zip(first[0].weight.detach().chunk(2, dim=1), USED_INPUTS[inputs], strict=True):
            half.mul_(used)
        self.blocks = nn.ModuleList()
        width = STEM[-1]
        for outputs, stride, dilations in STAGES:
            for number, dilation in enumerate(dilations):
                self.blocks.append(Block(width, outputs, 1 if number else stride, dilation))
                width = outputs
        self.last = convolution(width, FEATURES, (1, 1))
        self.classifier = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor, ends: Ends = (True, True)) -> Tensor:
        """Run the backbone.

        Args:
            x: normalized RGB [B, 3, T, H, W].
            ends: which ends of the clips are ends of the video; at the others `MARGIN` samples are given up.

        Returns:
            A [B, K, T', h, w].
        """
        clips = len(x)
        pictures = self._inputs(x).transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        # The first difference of a clip is known at the start of the video only.
        pictures = trim(pictures, clips, 1, ends)
        for layer in self.stem:
            pictures = functional.relu(layer(pictures), inplace=True)
        for block in self.blocks:
            pictures = block(pictures, clips, ends)
        maps = functional.relu(self.last(pictures), inplace=True)
        return maps.reshape(clips, -1, *maps.shape[1:]).transpose(1, 2)

    def forward_step(self, x: Tensor, state: LayerState, starts: bool) -> Tensor:
        """Run the backbone on the next normalized RGB [B, 3, n, H, W] of videos; return A [B, K, n', h, w]."""
        line = state.extend("picture", x, 2, keep=1)
        pictures = self._join(line[:, :, 1:], line[:, :, 1:] - line[:, :, :-1]).transpose(1, 2)
        pictures = pictures.contiguous()
        for layer in self.stem:
            pictures = functional.relu(_per_picture(layer, pictures), inplace=True)
        for number, block in enumerate(self.blocks):
            pictures = cast(Block, block).forward_step(pictures, f"block {number}", state, starts)
        return functional.relu(_per_picture(self.last, pictures), inplace=True).transpose(1, 2)

    def _inputs(self, x: Tensor) -> Tensor:
        """Return pictures and differences [B, 6, T, H, W]."""
        return self._join(x, functional.pad(x[:, :, 1:] - x[:, :, :-1], (0, 0, 0, 0, 1, 0)))

    def _join(self, pictures: Tensor, differences: Tensor) -> Tensor:
        halves = zip((pictures, differences), USED_INPUTS[self.inputs], strict=True)
        return torch.cat([half if used else torch.zeros_like(half) for half, used in halves], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalized RGB [B, 3, T, H, W] of whole videos to logits [B, classes]."""
        logits: Tensor = self.classifier(
            self.features(reflect_ends(x, (True, True)), (False, False)).mean(dim=(2, 3, 4))
        )
        return logits


def reflect_ends(x: Tensor, ends: Ends) -> Tensor:
    """Extend a clip [B, 3, T, H, W] by `MARGIN` samples at the ends of the video, as if time turned back there.

    Zeros there look like actions that nobody does, and a held picture looks like everybody standing still. Measured on
    16 clips of 2 s with a network for fights, with the first and last frame among three: the peak is on the fight in 96
    % of the frames, with held pictures in 64 %.
    """
    before, after = (_reflection(part) for part in (x, x.flip(2)))
    return torch.cat([before.flip(2)] * ends[0] + [x] + [after] * ends[1], dim=2)


def _reflection(x: Tensor) -> Tensor:
    """Return the `MARGIN` samples after the first one of a clip, back and forth where it is shorter."""
    last = max(1, x.shape[2] - 1)
    at = torch.arange(1, MARGIN + 1, device=x.device) % (2 * last)
    return x[:, :, torch.where(at > last, 2 * last - at, at).clamp(max=x.shape[2] - 1)]


def _forward_step(net: Any, x: Tensor, state: LayerState, ends: Ends) -> Features:
    """Run the next samples; the state also keeps the samples that time turns back to at the end of the video."""
    tail = state.extend("tail", x, 2, keep=MARGIN + 1)
    if ends[0]:
        x = reflect_ends(x, (True, False))
    if ends[1]:
        # The convolutions reach one sample less far ahead than the differences reach back.
        x = torch.cat([x, _reflection(tail.flip(2))[:, :, : MARGIN - 1]], dim=2)
    return Features(net.forward_step(x, state, ends[0]))


def fresh(classes: int, seed: int, inputs: Inputs = "both", bias: float = 0.0) -> FiguresNet:
    """Build an untrained network; the global random state is left unchanged.

    Args:
        classes: rows of the classifier.
        seed: seed of the weights.
        inputs: inputs used in training.
        bias: initial logit of every class.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = FiguresNet(classes, inputs)
    nn.init.constant_(net.classifier.bias, bias)
    first: Any = net.stem[0]
    with torch.no_grad():
        net.classifier.weight.mul_(CLASSIFIER_GAIN)
        first[0].weight[:, :3].mul_(PICTURE_GAIN)
    return net


def _build(name: str, classes: int) -> nn.Module:
    return FiguresNet(classes)


def _features(net: Any, x: Tensor) -> Features:
    return _valid_features(net, x, (0, x.shape[2]))


def _valid_features(net: Any, x: Tensor, keep: tuple[int, int]) -> Features:
    return Features(net.features(reflect_ends(x, (keep[0] == 0, keep[1] == x.shape[2])), (False, False)))


BUNDLE = BundledCheckpoint(
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

FIGURES = Architecture(
    about="small, bundled: a demonstrator for drawn people, and a start for `train`",
    geometry=Geometry((0.0, 0.0, 0.0), (1.0, 8.0, 8.0), margin=MARGIN),
    features=_features,
    valid_features=_valid_features,
    forward_step=_forward_step,
    classifier="classifier",
    clip_len=32,
    frame_rate=12.0,
    build=_build,
    bundle=BUNDLE,
)
