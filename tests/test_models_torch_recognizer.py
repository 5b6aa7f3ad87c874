"""The contract of recognizers, for one network of every architecture in the registry."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from camreel.errors import ModelError
from camreel.interfaces import Recognizer
from camreel.models.registry import architecture
from camreel.models.torch_recognizer import TorchRecognizer, pooling_weights
from camreel.models.weights import empty, fill
from tests.networks import CALLABLE, FAMILIES, LINEAR, clip, features, network, new_network

S3D_FULL = (1, 3, 18, 224, 256)


def _state(name: str) -> dict[str, Tensor]:
    return network(name).net.state_dict()


@pytest.mark.parametrize("name", FAMILIES)
def test_the_split_network_has_the_logits_of_the_whole_one(name: str) -> None:
    net, x = network(name), clip(name)
    if name == "s3d":
        x = torch.randn(S3D_FULL, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found = net.head(net.features(x) if name == "s3d" else features(name))
        whole = net.net(x.squeeze(2) if net.clip_len == 1 else x)
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_recognizer_describes_itself(name: str) -> None:
    net, made = network(name), features(name)
    assert net.name == name and net.weights == "random" and net.sha256 is None
    bundled = net.architecture.bundle is not None
    assert len(net.classes) == net.head(made).shape[1] == (15 if bundled else 1000 if net.clip_len == 1 else 400)
    assert made.maps.dim() == 5 and (made.maps.shape[2] == 1) == (net.clip_len == 1 or net.name.startswith("r"))
    assert (net.frame_rate is None) == (net.clip_len == 1)
    assert net.size >= 112 and min(net.std) > 0 and net.multilabel == bundled and net.threshold is None
    assert (net.linear is None) == (name in CALLABLE)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_is_frozen_and_in_eval_mode(name: str) -> None:
    assert not any(module.training for module in network(name).net.modules())
    assert not any(parameter.requires_grad for parameter in network(name).net.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_random_weights_give_logits_of_a_sane_scale(name: str) -> None:
    logits = network(name).head(features(name))
    assert bool(logits.isfinite().all())
    assert 0.5 < float(logits.std()) < 8


@pytest.mark.parametrize("name", LINEAR)
def test_the_linear_head_gives_the_logits_of_the_head(name: str) -> None:
    net, maps = network(name), features(name).maps
    head = net.linear
    assert head is not None
    grid = (maps.shape[2], maps.shape[3], maps.shape[4])
    m = 1.0 if head.pooling_weight is None else head.pooling_weight(grid)
    logits = torch.einsum("bkthw,ck->bc", maps.double() * m, head.weight.double()) / maps[0, 0].numel() + head.bias
    torch.testing.assert_close(net.head(features(name)), logits.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["mc3_18", "swin3d_t", "resnet18", "convnext_tiny"])
def test_the_backbone_runs_in_bfloat16_and_returning_to_float32_loses_nothing(name: str) -> None:
    net, exact = new_network(name), features(name)
    net.to("cpu", torch.bfloat16)
    with torch.inference_mode():
        rounded = net.features(clip(name).bfloat16())
        logits = net.head(rounded)
    net.to("cpu")
    assert rounded.maps.dtype is torch.bfloat16 and logits.dtype is torch.float32
    assert float((logits - net.head(exact)).norm() / net.head(exact).norm()) < 0.05
    with torch.no_grad():
        # Up to the folding of batch norms.
        atol = 1e-5 * float(exact.maps.abs().max())
        torch.testing.assert_close(net.features(clip(name)).maps, exact.maps, rtol=1e-4, atol=atol)


def test_the_head_ignores_a_callers_autocast() -> None:
    net = network("resnet18")
    exact = net.head(features("resnet18"))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net.head(features("resnet18")), exact)


def test_clip_lengths_and_frame_rates_are_the_documented_ones() -> None:
    expected = {
        "r3d_18": (16, 15.0),
        "s3d": (128, 15.0),
        "swin3d_b": (32, 15.0),
        "mvit_v2_s": (16, 7.5),
        "vgg16": (1, None),
    }
    assert {name: (architecture(name).clip_len, architecture(name).frame_rate) for name in expected} == expected


def test_googlenet_is_normalized_as_its_weights_were_trained() -> None:
    net = network("googlenet")
    rgb = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    net.net.transform_input = True
    try:
        published = net.net((rgb - mean) / std)
    finally:
        net.net.transform_input = False
    mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (net.mean, net.std))
    ours = net.head(net.features((rgb[:, :, None] - mean) / std))
    torch.testing.assert_close(ours, published, rtol=1e-4, atol=1e-4)


def test_a_network_of_fixed_size_refuses_other_sizes() -> None:
    net = network("mvit_v2_s")
    assert net.fixed_size
    with pytest.raises(ModelError, match="16 samples of 224 x 224 pixels only\nthis one has 16 samples of 256 x 224"):
        net.features(torch.zeros(1, 3, 16, 224, 256))


@pytest.mark.parametrize("grid", [(2, 7, 7), (4, 7, 9), (6, 7, 8), (16, 8, 12), (1, 3, 5)])
def test_pooling_weights_are_the_adjoint_of_the_pooling(grid: tuple[int, int, int]) -> None:
    ones = torch.ones(1, 1, *grid, requires_grad=True)
    kernel = [min(k, n) for k, n in zip((2, 7, 7), grid, strict=True)]
    torch.nn.functional.avg_pool3d(ones, kernel, 1).mean().backward()
    assert ones.grad is not None
    m = pooling_weights((2, 7, 7), grid)
    torch.testing.assert_close(m, ones.grad[0, 0] * ones.numel())
    assert float(m.mean()) == pytest.approx(1)


def test_networks_of_the_registry_build_and_have_their_classifier() -> None:
    for name in (
        "resnet152",
        "wide_resnet50_2",
        "vgg19_bn",
        "densenet201",
        "efficientnet_v2_s",
        "swin_v2_t",
        "mvit_v1_b",
        "mnasnet1_3",
    ):
        net = empty(name, architecture(name), 7)
        assert net.get_submodule(architecture(name).classifier).weight.shape[0] == 7, name


@pytest.mark.parametrize("name", FAMILIES)
def test_tensors_fill_a_fresh_network_of_every_family(name: str) -> None:
    before = torch.random.get_rng_state()
    row = architecture(name)
    fresh = empty(name, row, len(network(name).classes))
    assert torch.equal(torch.random.get_rng_state(), before)
    fill(fresh, row, _state(name), "here")
    net = TorchRecognizer(fresh, row, network(name).metadata, "here", None)
    assert not any(tensor.is_meta for tensor in (*fresh.parameters(), *fresh.buffers()))
    assert all(torch.equal(value, _state(name)[key]) for key, value in fresh.state_dict().items())
    assert torch.equal(net.head(features(name)), network(name).head(features(name)))


def test_a_split_network_is_a_recognizer() -> None:
    net: Recognizer = network("resnet18")
    assert isinstance(net, TorchRecognizer)
