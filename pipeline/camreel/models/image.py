"""Image classifiers of torchvision, trained on ImageNet: every frame is a clip of one sample, T' = 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from camreel.interfaces import Features, Geometry
from camreel.models.architecture import Architecture


def _cells(start: float) -> Geometry:
    return Geometry((0.0, start, start), (1.0, 32.0, 32.0))


def _chain(*names: str) -> Callable[[Any, Tensor], Features]:
    """Return a backbone that runs the named modules of the network one after the other."""

    def features(net: Any, x: Tensor) -> Features:
        pictures = x.squeeze(2)
        for name in names:
            pictures = getattr(net, name)(pictures)
        return Features(pictures.unsqueeze(2))

    return features


def _densenet(net: Any, x: Tensor) -> Features:
    return Features(functional.relu(net.features(x.squeeze(2))).unsqueeze(2))


def _swin(net: Any, x: Tensor) -> Features:
    return Features(net.permute(net.norm(net.features(x.squeeze(2)))).unsqueeze(2))


def _pool_flatten_classify(net: Any, features: Features) -> Tensor:
    logits: Tensor = net.classifier(torch.flatten(net.avgpool(features.maps.squeeze(2)), 1))
    return logits


def _pool_classify(net: Any, features: Features) -> Tensor:
    logits: Tensor = net.classifier(net.avgpool(features.maps.squeeze(2)))
    return logits


_INCEPTION = (
    *("conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3"),
    *("inception4a", "inception4b", "inception4c", "inception4d", "inception4e", "maxpool4"),
    *("inception5a", "inception5b"),
)
_INCEPTION_V3 = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c"),
)
# torchvision feeds its GoogLeNet and Inception weights ImageNet-normalized pictures and converts them inside
# (`transform_input`) to what the original network was trained on, which is this normalization.
_HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

RESNET = Architecture(
    about="residual network",
    geometry=_cells(0.0),
    features=_chain("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"),
    classifier="fc",
)
GOOGLENET = Architecture(
    about="GoogLeNet (inception v1)",
    geometry=_cells(22.0),
    features=_chain(*_INCEPTION),
    classifier="fc",
    mean_std=_HALVES,
    skipped=("aux1.", "aux2."),
    options={"aux_logits": False, "init_weights": True},
)
INCEPTION_V3 = Architecture(
    about="Inception v3, for pictures of 299 pixels",
    geometry=_cells(37.0),
    features=_chain(*_INCEPTION_V3),
    classifier="fc",
    mean_std=_HALVES,
    skipped=("AuxLogits.",),
    options={"aux_logits": False, "init_weights": True},
)
MOBILENET_V2 = Architecture(
    about="MobileNet v2, light", geometry=_cells(0.0), features=_chain("features"), classifier="classifier.1"
)
MOBILENET_V3 = Architecture(
    about="MobileNet v3, light",
    geometry=_cells(0.0),
    features=_chain("features"),
    classifier="classifier.3",
    head=_pool_flatten_classify,
)
EFFICIENTNET = Architecture(
    about="EfficientNet", geometry=_cells(0.0), features=_chain("features"), classifier="classifier.1"
)
MNASNET = Architecture(
    about="MNASNet, light", geometry=_cells(0.0), features=_chain("layers"), classifier="classifier.1"
)
REGNET = Architecture(about="RegNet", geometry=_cells(0.0), features=_chain("stem", "trunk_output"), classifier="fc")
SHUFFLENET = Architecture(
    about="ShuffleNet v2, light",
    geometry=_cells(0.0),
    features=_chain("conv1", "maxpool", "stage2", "stage3", "stage4", "conv5"),
    classifier="fc",
)
DENSENET = Architecture(about="DenseNet", geometry=_cells(14.0), features=_densenet, classifier="classifier")
SWIN = Architecture(about="Swin transformer", geometry=_cells(15.5), features=_swin, classifier="head")
VGG = Architecture(
    about="VGG, three fully connected layers on top",
    geometry=_cells(15.5),
    features=_chain("features"),
    classifier="classifier.6",
    head=_pool_flatten_classify,
)
ALEXNET = Architecture(
    about="AlexNet",
    geometry=_cells(31.0),
    features=_chain("features"),
    classifier="classifier.6",
    head=_pool_flatten_classify,
)
CONVNEXT = Architecture(
    about="ConvNeXt",
    geometry=_cells(15.5),
    features=_chain("features"),
    classifier="classifier.2",
    head=_pool_classify,
)
