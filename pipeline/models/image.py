"""Image classifiers of torchvision, trained on ImageNet: every frame is a clip of one sample, T' = 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.models.contract import Features, Geometry
from pipeline.models.family import Family


def _cells(start: float) -> Geometry:
    return Geometry((0.0, start, start), (1.0, 32.0, 32.0))


def _chain(*names: str) -> Callable[[Any, Tensor], Features]:
    """The backbone as the named modules of the network, one after the other."""

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
    *("inception4a", "inception4b", "inception4c", "inception4d", "inception4e", "maxpool4", "inception5a", "inception5b"),
)
# torchvision feeds its GoogLeNet weights ImageNet-normalised pictures and turns them back inside (`transform_input`) to what
# the original network was trained on, which is this normalisation.
_HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

RESNET = Family(
    about="residual network",
    geometry=_cells(0.0),
    features=_chain("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"),
    classifier="fc",
)
GOOGLENET = Family(
    about="GoogLeNet (inception v1)",
    geometry=_cells(22.0),
    features=_chain(*_INCEPTION),
    classifier="fc",
    mean_std=_HALVES,
    skipped=("aux1.", "aux2."),
    options={"aux_logits": False, "init_weights": True},
)
MOBILENET_V2 = Family(about="MobileNet v2, light", geometry=_cells(0.0), features=_chain("features"), classifier="classifier.1")
MOBILENET_V3 = Family(
    about="MobileNet v3, light",
    geometry=_cells(0.0),
    features=_chain("features"),
    classifier="classifier.3",
    head=_pool_flatten_classify,
)
EFFICIENTNET = Family(about="EfficientNet", geometry=_cells(0.0), features=_chain("features"), classifier="classifier.1")
MNASNET = Family(about="MNASNet, light", geometry=_cells(0.0), features=_chain("layers"), classifier="classifier.1")
REGNET = Family(about="RegNet", geometry=_cells(0.0), features=_chain("stem", "trunk_output"), classifier="fc")
SHUFFLENET = Family(
    about="ShuffleNet v2, light",
    geometry=_cells(0.0),
    features=_chain("conv1", "maxpool", "stage2", "stage3", "stage4", "conv5"),
    classifier="fc",
)
DENSENET = Family(about="DenseNet", geometry=_cells(14.0), features=_densenet, classifier="classifier")
SWIN = Family(about="Swin transformer", geometry=_cells(15.5), features=_swin, classifier="head")
VGG = Family(
    about="VGG, three fully connected layers on top",
    geometry=_cells(15.5),
    features=_chain("features"),
    classifier="classifier.6",
    head=_pool_flatten_classify,
)
ALEXNET = Family(
    about="AlexNet",
    geometry=_cells(31.0),
    features=_chain("features"),
    classifier="classifier.6",
    head=_pool_flatten_classify,
)
CONVNEXT = Family(
    about="ConvNeXt",
    geometry=_cells(15.5),
    features=_chain("features"),
    classifier="classifier.2",
    head=_pool_classify,
)

IMAGE: dict[str, Family] = {
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"), RESNET),
    **dict.fromkeys(("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"), RESNET),
    **dict.fromkeys(("wide_resnet50_2", "wide_resnet101_2"), RESNET),
    "googlenet": GOOGLENET,
    "mobilenet_v2": MOBILENET_V2,
    **dict.fromkeys(("mobilenet_v3_small", "mobilenet_v3_large"), MOBILENET_V3),
    **dict.fromkeys(("densenet121", "densenet161", "densenet169", "densenet201"), DENSENET),
    **dict.fromkeys(("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"), VGG),
    "alexnet": ALEXNET,
    **dict.fromkeys(("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"), CONVNEXT),
    **dict.fromkeys([f"efficientnet_b{i}" for i in range(8)], EFFICIENTNET),
    **dict.fromkeys(("efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l"), EFFICIENTNET),
    **dict.fromkeys(("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"), MNASNET),
    **dict.fromkeys([f"regnet_x_{f}" for f in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")], REGNET),
    **dict.fromkeys([f"regnet_y_{f}" for f in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf", "128gf")], REGNET),
    **dict.fromkeys(("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"), SHUFFLENET),
    **dict.fromkeys(("swin_t", "swin_s", "swin_b", "swin_v2_t", "swin_v2_s", "swin_v2_b"), SWIN),
}
