"""Every network by name. A new one is a line here, and an `Architecture`. Importable without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from camreel.runtime.registry import load_entry

if TYPE_CHECKING:
    from camreel.models.architecture import Architecture

_IMAGE, _VIDEO = "camreel.models.image", "camreel.models.video"
_RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_RESNEXTS = ("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2")
_REGNET_SIZES = ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")

ARCHITECTURES: dict[str, str] = {
    "figures": "camreel.models.figures:FIGURES",
    "mc3_18": f"{_VIDEO}:MC3",
    "r3d_18": f"{_VIDEO}:R3D",
    "r2plus1d_18": f"{_VIDEO}:R2PLUS1D",
    "s3d": f"{_VIDEO}:S3D",
    **dict.fromkeys(("swin3d_t", "swin3d_s", "swin3d_b"), f"{_VIDEO}:SWIN3D"),
    **dict.fromkeys(("mvit_v1_b", "mvit_v2_s"), f"{_VIDEO}:MVIT"),
    **dict.fromkeys((*_RESNETS, *_RESNEXTS), f"{_IMAGE}:RESNET"),
    "googlenet": f"{_IMAGE}:GOOGLENET",
    "inception_v3": f"{_IMAGE}:INCEPTION_V3",
    "mobilenet_v2": f"{_IMAGE}:MOBILENET_V2",
    **dict.fromkeys(("mobilenet_v3_small", "mobilenet_v3_large"), f"{_IMAGE}:MOBILENET_V3"),
    **dict.fromkeys(("densenet121", "densenet161", "densenet169", "densenet201"), f"{_IMAGE}:DENSENET"),
    **dict.fromkeys([f"vgg{n}{norm}" for norm in ("", "_bn") for n in (11, 13, 16, 19)], f"{_IMAGE}:VGG"),
    "alexnet": f"{_IMAGE}:ALEXNET",
    **dict.fromkeys([f"convnext_{size}" for size in ("tiny", "small", "base", "large")], f"{_IMAGE}:CONVNEXT"),
    **dict.fromkeys([f"efficientnet_b{i}" for i in range(8)], f"{_IMAGE}:EFFICIENTNET"),
    **dict.fromkeys([f"efficientnet_v2_{size}" for size in "sml"], f"{_IMAGE}:EFFICIENTNET"),
    **dict.fromkeys(("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"), f"{_IMAGE}:MNASNET"),
    **dict.fromkeys([f"regnet_x_{size}" for size in _REGNET_SIZES], f"{_IMAGE}:REGNET"),
    **dict.fromkeys([f"regnet_y_{size}" for size in (*_REGNET_SIZES, "128gf")], f"{_IMAGE}:REGNET"),
    **dict.fromkeys([f"shufflenet_v2_x{size}" for size in ("0_5", "1_0", "1_5", "2_0")], f"{_IMAGE}:SHUFFLENET"),
    **dict.fromkeys([f"swin{v}_{size}" for v in ("", "_v2") for size in "tsb"], f"{_IMAGE}:SWIN"),
}
"""Name -> import path of the `Architecture`."""


def architecture(name: str) -> Architecture:
    """Return the architecture of a network.

    Raises:
        KeyError: there is no network of this name.
    """
    found: Architecture = load_entry(ARCHITECTURES[name])
    return found
