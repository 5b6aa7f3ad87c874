"""Every CAM method against autograd, against its published formula and against other implementations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from camreel.cams import CAM_METHODS
from camreel.cams.maps import activation_maps, load_method
from camreel.errors import ConfigError, ModelError
from camreel.interfaces import Features, LinearHead, Recognizer
from camreel.models.torch_recognizer import pooling_weights
from tests.networks import CALLABLE, FAMILIES, LINEAR, clip, features, network

CLASSES = torch.tensor([3, 11, 14])
PUBLISHED_WITH_1_OVER_N = {"gradcam", "hirescam", "xgradcam", "layercam"}
GRADIENT = [method for method in CAM_METHODS if method != "cam"]
DIVIDING = {"gradcam++", "xgradcam"}
"""Methods that divide by sums of features, which pass through zero if features are signed: there roundings differ."""
GRIDS = [(2, 7, 7), (4, 7, 9), (6, 7, 8), (16, 8, 12)]


def _published(method: str, a: Tensor, g: Tensor) -> Tensor:
    """Return the formula of the paper before its last ReLU [N], for A and g [K, N] of an item and class, in float64."""
    a, g = a.double(), g.double()
    if method == "gradcam":
        return g.mean(1) @ a
    if method == "hirescam":
        return (g * a).sum(0)
    if method == "xgradcam":
        return ((g * a).sum(1) / a.sum(1)).nan_to_num(0) @ a  # a dead channel has weight 0
    if method == "layercam":
        return (g.clamp(min=0) * a).sum(0)
    assert method == "gradcam++"
    alpha = g**2 / (2 * g**2 + a.sum(1, keepdim=True) * g**3)
    return (torch.where(g == 0, 0.0, alpha) * g.clamp(min=0)).sum(1) @ a


@cache
def _autograd(name: str) -> Tensor:
    """Return d logit / d A [S, B, K, N] by plain autograd through the full head, one class after the other."""
    made = features(name)
    maps = made.maps.clone().requires_grad_(True)
    logits = network(name).head(Features(maps, made.context))
    gradients = [torch.autograd.grad(logits[:, c].sum(), maps, retain_graph=True)[0] for c in CLASSES.tolist()]
    return torch.stack(gradients).flatten(3)


@dataclass
class _Head:
    """A recognizer of which only the head is needed."""

    function: Callable[[Features], Tensor]
    linear: LinearHead | None = None

    def head(self, features: Features) -> Tensor:
        return self.function(features)


def _without_linear(net: Recognizer) -> Any:
    """Return the head of a network as if it were not linear, so that it is differentiated."""
    return _Head(net.head)


def _maps(method: str, head: Any, features: Features, classes: Tensor) -> Tensor:
    return activation_maps(load_method(method), head, features, classes)


@cache
def _ours(name: str, method: str, *, closed: bool = True) -> Tensor:
    """Return the maps [B, S, T', h, w] of a network, in closed form if its head is linear, unless `closed` is False."""
    net = network(name)
    return _maps(method, net if closed else _without_linear(net), features(name), CLASSES)


def _error(found: Tensor, true: Tensor) -> float:
    return float((found - true).norm() / true.norm())


@pytest.mark.parametrize("name", FAMILIES)
def test_maps_are_the_published_formula_on_the_autograd_gradient(name: str) -> None:
    made = features(name)
    a, g = made.maps.flatten(2), _autograd(name)
    n = a.shape[2]
    for method in GRADIENT:
        if float(a.min()) < 0 and method in DIVIDING:
            continue
        maps = _ours(name, method).flatten(2)
        true = torch.stack(
            [torch.stack([_published(method, a[b], g[s, b]) for s in range(len(CLASSES))]) for b in range(len(a))]
        )
        factor = n if method in PUBLISHED_WITH_1_OVER_N else 1
        assert _error(maps.double() / factor, true) <= 1e-5, method


@pytest.mark.parametrize("name", LINEAR)
def test_closed_form_and_head_gradient_agree(name: str) -> None:
    for method in GRADIENT:
        if float(features(name).maps.min()) < 0 and method in DIVIDING:
            continue
        assert _error(_ours(name, method), _ours(name, method, closed=False)) <= 1e-5, method


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("method", [name for name in CAM_METHODS if load_method(name).complete])
def test_complete_maps_add_up_to_the_logit(name: str, method: str) -> None:
    net = network(name)
    assert net.linear is not None
    total = _ours(name, method).mean(dim=(2, 3, 4)) + net.linear.bias[CLASSES]
    torch.testing.assert_close(total, net.head(features(name))[:, CLASSES], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CALLABLE)
def test_a_network_without_a_linear_head_has_every_method_but_cam(name: str) -> None:
    with pytest.raises(ModelError, match="use gradcam, hirescam") as caught:
        _ours(name, "cam")
    assert caught.value.exit_code == 6
    for method in GRADIENT:
        maps = _ours(name, method)
        assert bool(maps.isfinite().all()) and float(maps.abs().max()) > 0, method


@contextmanager
def _kept(module: nn.Module) -> Iterator[list[Tensor]]:
    """Keep the output of a module with its gradient; hooks are for tests only."""
    outputs: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor | tuple[Tensor, object]) -> None:
        tensor = output if isinstance(output, Tensor) else output[0]
        tensor.retain_grad()
        outputs.append(tensor)

    handle = module.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


@pytest.mark.parametrize(
    ("name", "layer"), [("vgg11", "features"), ("mvit_v2_s", "blocks.15.norm1"), ("convnext_tiny", "features")]
)
def test_the_gradient_of_the_head_equals_that_of_the_whole_network(name: str, layer: str) -> None:
    net, x = network(name), clip(name).requires_grad_(True)
    with _kept(net.net.get_submodule(layer)) as outputs:
        net.net(x.squeeze(2) if net.clip_len == 1 else x)[:, 11].sum().backward()
    whole = outputs[0].grad
    assert whole is not None
    if name == "mvit_v2_s":  # tokens, the class token first
        whole = whole[:, 1:].transpose(1, 2)
    weights = whole.flatten(2).sum(2)
    maps = features(name).maps
    true = torch.einsum("bk,bkthw->bthw", weights, maps)
    assert _error(_ours(name, "gradcam")[:, 1], true) <= 1e-5


def test_mvit_is_split_where_no_method_gives_zero() -> None:
    """A block later the patches' gradient is 0; before the norm it is orthogonal to the patches, and HiResCAM is 0."""
    made = features("mvit_v2_s")
    assert made.context is not None and made.maps.shape[1:] == (768, 8, 7, 7)
    gradient = _autograd("mvit_v2_s")
    products = gradient * made.maps.flatten(2)
    assert float(products.sum(2).norm()) > 1e-3 * float(products.norm())
    for method in ("gradcam", "hirescam", "layercam"):
        assert float(_ours("mvit_v2_s", method).std()) > 1e-3, method


def _pooled(weight: Tensor, bias: Tensor, *, closed: bool = True) -> _Head:
    """Return the head of S3D: a stride-1 average pooling, the classifier and the mean."""

    def head(features: Features) -> Tensor:
        return torch.nn.functional.avg_pool3d(features.maps, (2, 7, 7), 1).mean((2, 3, 4)) @ weight.T + bias

    return _Head(head, LinearHead(weight, bias, lambda grid: pooling_weights((2, 7, 7), grid)) if closed else None)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("method", GRADIENT)
def test_pooling_that_is_not_uniform_is_taken_into_account(method: str, grid: tuple[int, int, int]) -> None:
    maps, weight, bias = _random(grid)
    ids = torch.tensor([0, 4])
    closed = _maps(method, _pooled(weight, bias), Features(maps), ids)
    assert _error(closed, _maps(method, _pooled(weight, bias, closed=False), Features(maps), ids)) <= 1e-5


@pytest.mark.parametrize("grid", GRIDS)
def test_cam_adds_up_on_every_grid_of_s3d(grid: tuple[int, int, int]) -> None:
    maps, weight, bias = _random(grid)
    head = _pooled(weight, bias)
    found = _maps("cam", head, Features(maps), torch.arange(6))
    torch.testing.assert_close(found.mean((2, 3, 4)) + bias, head.head(Features(maps)), rtol=1e-5, atol=1e-5)
    uniform = _maps("gradcam", head, Features(maps), torch.arange(6))
    uneven = grid != (2, 7, 7)
    assert torch.allclose(found, uniform, rtol=1e-3) != uneven


def _random(grid: tuple[int, int, int], items: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(9)
    maps = torch.randn(items, 32, *grid, generator=generator).relu()
    return maps, torch.randn(6, 32, generator=generator), torch.randn(6, generator=generator)


def _linear(maps: Tensor, method: str, *, closed: bool = True) -> Tensor:
    """Return the maps of classes 1 and 2 of a fixed linear head."""
    weight, bias = _random((2, 7, 7))[1:]
    head = _Head(
        lambda features: features.maps.mean((2, 3, 4)) @ weight.T + bias, LinearHead(weight, bias) if closed else None
    )
    return _maps(method, head, Features(maps), torch.tensor([1, 2]))


@pytest.mark.parametrize("method", CAM_METHODS)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 4e-3), (torch.float16, 5e-4)])
def test_reduced_precision_costs_no_more_than_the_rounding_of_the_features(
    method: str, dtype: torch.dtype, bound: float
) -> None:
    maps = _random((16, 7, 7))[0]
    found = _linear(maps.to(dtype), method)
    assert found.dtype is torch.float32
    assert torch.equal(found, _linear(maps.to(dtype).float(), method))
    assert _error(found, _linear(maps, method)) < bound


@pytest.mark.parametrize("method", GRADIENT)
def test_a_callers_autocast_changes_nothing(method: str) -> None:
    maps = _random((2, 7, 7))[0]
    with torch.autocast("cpu", torch.bfloat16):
        inside = _linear(maps, method), _linear(maps, method, closed=False)
    assert torch.equal(inside[0], _linear(maps, method))
    assert torch.equal(inside[1], _linear(maps, method, closed=False))


@pytest.mark.parametrize("method", CAM_METHODS)
def test_memory_layout_changes_nothing(method: str) -> None:
    maps = _random((4, 7, 9))[0]
    last = maps.contiguous(memory_format=torch.channels_last_3d)
    strided = maps.repeat_interleave(2, dim=4)[..., ::2]
    for other in (last, strided):
        torch.testing.assert_close(_linear(other, method), _linear(maps, method), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", CAM_METHODS)
def test_dead_channels_and_dead_features_give_finite_maps(method: str) -> None:
    maps = _random((2, 7, 7))[0]
    maps[:, ::3] = 0
    assert bool(_linear(maps, method).isfinite().all())
    assert float(_linear(torch.zeros_like(maps), method).abs().max()) == 0
    if method != "cam":
        assert bool(_linear(maps, method, closed=False).isfinite().all())
        assert float(_linear(torch.zeros_like(maps), method, closed=False).abs().max()) == 0


def test_gradcam_plus_plus_does_not_fade_with_the_size_of_the_grid() -> None:
    """An absolute epsilon would drown g^2 = (w / N)^2; the same features repeated in time must give the same map."""
    small = _random((2, 7, 7))[0]
    large = small.repeat(1, 1, 16, 2, 2)
    for closed in (True, False):
        found = _linear(large, "gradcam++", closed=closed)[:, :, :2, :7, :7]
        torch.testing.assert_close(found, _linear(small, "gradcam++", closed=closed))


def test_maps_are_signed_and_items_of_a_batch_are_independent() -> None:
    maps = _random((2, 7, 7))[0]
    for method in CAM_METHODS:
        both = _linear(maps, method)
        torch.testing.assert_close(both[1:], _linear(maps[1:], method))
    assert float(_linear(maps, "cam").min()) < 0 < float(_linear(maps, "cam").max())


def test_an_unknown_method_is_explained() -> None:
    with pytest.raises(ConfigError, match="no CAM method 'grad-cam'\ndid you mean 'gradcam'") as caught:
        _linear(_random((2, 7, 7))[0], "grad-cam")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["resnet18", "s3d", "vgg11", "convnext_tiny", "mobilenet_v3_small"])
def test_maps_in_inference_mode_equal_those_outside_and_leave_no_gradients(name: str) -> None:
    net = network(name)
    with torch.inference_mode():
        made = net.features(clip(name))
    assert made.maps.is_inference()
    for method in CAM_METHODS if net.linear is not None else GRADIENT:
        outside = _ours(name, method)
        with torch.inference_mode():
            inside = _maps(method, net, made, CLASSES)
            assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
        assert not inside.requires_grad and not outside.requires_grad and outside.grad_fn is None
        torch.testing.assert_close(inside.clone(), outside)
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in net.net.parameters())


def test_maps_of_mvit_in_inference_mode_equal_those_outside() -> None:
    net, made = network("mvit_v2_s"), features("mvit_v2_s")
    with torch.inference_mode():
        frozen = Features(made.maps.clone(), made.context.clone() if made.context is not None else None)
        assert frozen.maps.is_inference()
        inside = _maps("gradcam", net, frozen, CLASSES.clone())
    torch.testing.assert_close(inside.clone(), _ours("mvit_v2_s", "gradcam"))


def test_a_network_in_training_keeps_its_gradients() -> None:
    layer = nn.Linear(32, 6)
    maps = _random((2, 7, 7))[0].requires_grad_(True)
    layer(maps.mean((2, 3, 4))).sum().backward()
    assert layer.weight.grad is not None and maps.grad is not None
    before = layer.weight.grad.clone(), maps.grad.clone()
    for method in CAM_METHODS:
        linear = _Head(lambda features: features.maps, LinearHead(layer.weight, layer.bias))
        assert not _maps(method, linear, Features(maps), torch.tensor([0])).requires_grad
    for method in GRADIENT:
        _maps(method, _Head(lambda a: layer(a.maps.mean((2, 3, 4)))), Features(maps), torch.tensor([0]))
    assert torch.equal(layer.weight.grad, before[0]) and torch.equal(maps.grad, before[1])
    assert maps.requires_grad


def test_threads_do_not_disturb_each_other() -> None:
    name = "mobilenet_v3_small"
    net = network(name)
    clips = [torch.randn(1, 3, 1, 64, 64, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]

    def maps(x: Tensor) -> Tensor:
        with torch.inference_mode():
            made = net.features(x)
            return _maps("gradcam", _without_linear(net), made, CLASSES)

    alone = [maps(x) for x in clips]
    found: dict[int, list[Tensor]] = {}

    def work(i: int) -> None:
        found[i] = [maps(clips[i]) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        for one in found[i]:
            torch.testing.assert_close(one.clone(), alone[i].clone(), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["GradCAM", "HiResCAM", "XGradCAM", "LayerCAM"])
def test_maps_equal_those_of_pytorch_grad_cam(method: str) -> None:
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net, x = network("resnet18").net, clip("resnet18").squeeze(2)
    net.requires_grad_(True)  # it needs trainable parameters
    try:
        with getattr(pytorch_grad_cam, method)(model=net, target_layers=[net.get_submodule("layer4")]) as theirs:
            theirs(x, [ClassifierOutputTarget(11)] * 2)
            a, g = theirs.activations_and_grads.activations[0], theirs.activations_and_grads.gradients[0]
            cells = theirs.get_cam_image(x, net.layer4, [ClassifierOutputTarget(11)] * 2, a.numpy(), g.numpy(), False)
    finally:
        net.requires_grad_(False).zero_grad(set_to_none=True)
    ours = _ours("resnet18", method.lower())[:, 1, 0]
    n = ours[0].numel()
    expected = ours.relu() if method == "LayerCAM" else ours
    assert _error(torch.as_tensor(cells) * n, expected) <= 1e-4


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("theirs", "method"), [("CAM", "cam"), ("GradCAM", "gradcam"), ("XGradCAM", "xgradcam"), ("LayerCAM", "layercam")]
)
@pytest.mark.parametrize("name", ["r3d_18", "mc3_18", "resnet18"])
def test_maps_equal_those_of_torchcam(name: str, theirs: str, method: str) -> None:
    import torchcam.methods

    net = network(name).net
    x = clip(name).squeeze(2) if name == "resnet18" else clip(name)
    net.requires_grad_(True)
    options = {"fc_layer": "fc"} if theirs == "CAM" else {}
    try:
        with getattr(torchcam.methods, theirs)(net, target_layer="layer4", **options) as extractor:
            cells = extractor([11] * len(x), net(x), normalized=False)[0].detach()
    finally:
        net.requires_grad_(False).zero_grad(set_to_none=True)
    ours = _ours(name, method)[:, 1]
    n = 1 if theirs == "CAM" else ours[0].numel()
    expected = ours.relu() if theirs != "CAM" else ours
    assert _error(cells.reshape(ours.shape) * n, expected) <= 1e-4
