"""`camreel.wrap`: any torch classifier becomes a recognizer, with exact maps if it ends in a linear layer."""

from __future__ import annotations

import camreel
import pytest
import torch
from camreel.cams.maps import activation_maps, load_method
from camreel.errors import ModelError
from camreel.interfaces import Geometry
from torch import Tensor, nn
from torch.nn import functional

CLASSES = ("cat", "dog", "cow")


class ByFunction(nn.Module):
    """A classifier whose pooling and head are functions, not modules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last, self.fc = nn.Conv2d(3, 8, 2, 2), nn.Conv2d(8, 8, 3, 1, 1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(functional.max_pool2d(self.conv(x).relu(), 2))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def seeded(make: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return make()


def test_a_head_by_function_is_recognized_as_linear_and_its_maps_add_up():
    net = seeded(ByFunction)
    wrapped = camreel.wrap(net, CLASSES, size=64)
    assert wrapped.layer == "last" and wrapped.linear is not None
    assert wrapped.geometry == Geometry((0.0, 1.5, 1.5), (1.0, 4.0, 4.0))
    x = torch.randn(2, 3, 1, 48, 64)
    with torch.no_grad():
        made = wrapped.features(x)
        torch.testing.assert_close(wrapped.head(made), net(x.squeeze(2)))
        maps = activation_maps(load_method("cam"), wrapped, made, torch.arange(3))
    torch.testing.assert_close(maps.mean((2, 3, 4)) + wrapped.linear.bias, wrapped.head(made), rtol=1e-5, atol=1e-5)


def test_another_layer_may_be_mapped_by_the_gradient_of_the_rest():
    net = seeded(ByFunction)
    wrapped = camreel.wrap(net, CLASSES, layer="conv", size=64)
    assert wrapped.linear is None
    x = torch.randn(1, 3, 1, 48, 64)
    with torch.no_grad():
        made = wrapped.features(x)
        torch.testing.assert_close(wrapped.head(made), net(x.squeeze(2)))
    maps = activation_maps(load_method("gradcam"), wrapped, made, torch.tensor([1]))
    assert maps.shape == (1, 1, 1, 24, 32) and bool(maps.isfinite().all())


def test_the_callers_module_is_not_changed():
    net = seeded(ByFunction)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    camreel.wrap(net, CLASSES, size=64)
    assert not any(module._forward_hooks for module in net.modules())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("classes", "layer", "message"),
    [
        (("cat", "dog"), None, "it gives 3 logits for 2 class names"),
        (CLASSES, "convs", "has no layer 'convs'"),
        (CLASSES, "fc", "gives no feature maps"),
    ],
)
def test_arguments_that_do_not_fit_are_explained(classes, layer, message):
    with pytest.raises(ModelError) as caught:
        camreel.wrap(seeded(ByFunction), classes, layer=layer)
    assert message in str(caught.value) and caught.value.todo
