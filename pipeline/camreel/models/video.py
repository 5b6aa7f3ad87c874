"""Video networks of torchvision, trained on Kinetics-400.

Clip lengths and frame rates are those that torchvision documents for its weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from camreel.interfaces import Ends, Features, Geometry
from camreel.models.architecture import Architecture, LayerState


def _resnet(net: Any, x: Tensor) -> Features:
    return Features(net.layer4(net.layer3(net.layer2(net.layer1(net.stem(x))))))


def _mc3_valid_features(net: Any, x: Tensor, keep: tuple[int, int]) -> Features:
    """Run `_resnet` without samples that only feed others: each temporal convolution gives up one at each end.

    An end of the clip that is kept is an end of the video, and is zero padded as the network always does.
    """
    ends = (int(keep[0] == 0), int(keep[1] == x.shape[2]))

    def convolve(layers: Any, x: Tensor) -> Tensor:
        conv, *rest = layers
        padded = functional.pad(x, (0, 0, 0, 0, *ends)) if any(ends) else x
        x = functional.conv3d(padded, conv.weight, conv.bias, conv.stride, (0, *conv.padding[1:]))
        for layer in rest:
            x = layer(x)
        return x

    def inside(x: Tensor, samples: int) -> Tensor:
        return x[:, :, 0 if ends[0] else samples : None if ends[1] else -samples]

    x = convolve(net.stem, x)
    for block in net.layer1:
        x = block.relu(convolve(block.conv2, convolve(block.conv1, x)) + inside(x, 2))
    return Features(net.layer4(net.layer3(net.layer2(x))))


def _mc3_forward_step(net: Any, x: Tensor, state: LayerState, ends: Ends) -> Features:
    """Run the next samples; each temporal convolution and each shortcut keeps two samples of its input."""

    def convolve(name: str, layers: Any, x: Tensor) -> Tensor:
        conv, *rest = layers
        x = state.extend(name, functional.pad(x, (0, 0, 0, 0, int(ends[0]), int(ends[1]))), 2, keep=2)
        x = functional.conv3d(x, conv.weight, conv.bias, conv.stride, (0, *conv.padding[1:]))
        for layer in rest:
            x = layer(x)
        return x

    x = convolve("stem", net.stem, x)
    for number, block in enumerate(net.layer1):
        y = convolve(f"{number}.conv2", block.conv2, convolve(f"{number}.conv1", block.conv1, x))
        x = block.relu(y + state.delay(f"{number}.shortcut", x, 2, y.shape[2]))
    return Features(net.layer4(net.layer3(net.layer2(x))))


def _s3d(net: Any, x: Tensor) -> Features:
    return Features(net.features(x))


def _swin(net: Any, x: Tensor) -> Features:
    # After the norm, where pooling and the linear layer follow: before it, the head would not be linear.
    return Features(net.norm(net.features(net.pos_drop(net.patch_embed(x)))).permute(0, 4, 1, 2, 3))


def _mvit(net: Any, x: Tensor) -> Features:
    """Run up to the first norm of the last block, where the class token reads the patches for the last time.

    After that block no gradient reaches the patches. Before the norm, which forgets their length, a patch's gradient is
    orthogonal to the patch, and HiResCAM would be zero.
    """
    tokens = net.pos_encoding(net.conv_proj(x).flatten(2).transpose(1, 2))
    grid = (net.pos_encoding.temporal_size, *net.pos_encoding.spatial_size)
    for block in net.blocks[:-1]:
        tokens, grid = block(tokens, grid)
    normed = net.blocks[-1].norm1(tokens)
    maps = normed[:, 1:].transpose(1, 2).unflatten(2, grid)
    return Features(maps, torch.cat((tokens[:, :1], normed[:, :1]), dim=1))


def _mvit_head(net: Any, features: Features) -> Tensor:
    """Run the rest of the last block for the class token alone, and the classifier."""
    assert features.context is not None
    token, normed = features.context[:, :1], features.context[:, 1:]
    last = net.blocks[-1]
    tokens = torch.cat((normed, features.maps.flatten(2).transpose(1, 2)), dim=1)
    attended, _ = last.attn(tokens, tuple(features.maps.shape[2:]))
    token = token + attended[:, :1]
    token = token + last.mlp(last.norm2(token))
    logits: Tensor = net.head(net.norm(token)[:, 0])
    return logits


_LONG = Geometry((0.0, 0.0, 0.0), (8.0, 16.0, 16.0))

R3D = Architecture(
    about="3D ResNet-18", geometry=_LONG, features=_resnet, classifier="fc", clip_len=16, frame_rate=15.0
)
R2PLUS1D = Architecture(
    about="(2+1)D ResNet-18, convolutions factored in space and time",
    geometry=_LONG,
    features=_resnet,
    classifier="fc",
    clip_len=16,
    frame_rate=15.0,
)
MC3 = Architecture(
    about="ResNet-18, 3D at the bottom and 2D above: a map for every sample",
    # Five temporal convolutions of 3 samples and no temporal stride: the padding reaches 5 samples.
    geometry=Geometry((0.0, 0.0, 0.0), (1.0, 16.0, 16.0), margin=5),
    features=_resnet,
    valid_features=_mc3_valid_features,
    forward_step=_mc3_forward_step,
    classifier="fc",
    clip_len=16,
    frame_rate=15.0,
)
S3D = Architecture(
    about="separable 3D Inception, light",
    geometry=Geometry((2.0, 8.0, 8.0), (8.0, 32.0, 32.0)),
    features=_s3d,
    classifier="classifier.1",
    pooling_window=(2, 7, 7),
    clip_len=128,
    frame_rate=15.0,
)
SWIN3D = Architecture(
    about="video Swin transformer",
    geometry=Geometry((0.5, 15.5, 15.5), (2.0, 32.0, 32.0)),
    features=_swin,
    classifier="head",
    clip_len=32,
    frame_rate=15.0,
)
MVIT = Architecture(
    about="multiscale vision transformer, 224 x 224 only",
    geometry=Geometry((0.0, 0.0, 0.0), (2.0, 32.0, 32.0)),
    features=_mvit,
    classifier="head.1",
    head=_mvit_head,
    clip_len=16,
    frame_rate=7.5,
    fixed_size=True,
)
