"""`camreel.wrap`: any torch classifier becomes a recognizer with exact maps, or is refused with a reason."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import camreel
from camreel.cams.maps import load_method
from camreel.errors import ModelError
from camreel.interfaces import Features
from camreel.testing import check_recognizer


class FunctionalPooling(nn.Module):
    """Convolutions with functional pooling, functional average pooling, and a linear layer: no pooling module
    anywhere."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.second = nn.Conv2d(6, 8, 3, padding=1)
        self.out = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.first(x)), 2)
        x = functional.avg_pool2d(functional.relu(self.second(x)), 2)
        return self.out(x.mean((2, 3)))


class Attention(nn.Module):
    """A head that is no pooling and linear layer: positions weigh each other."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU())
        self.out = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.body(x).flatten(2)
        return self.out((maps * maps.mean(1, keepdim=True).softmax(2)).sum(2))


class VideoNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv3d(3, 5, 3, stride=(1, 2, 2), padding=1), nn.ReLU(), nn.MaxPool3d((1, 2, 2)))
        self.out = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x).mean((2, 3, 4)))


def test_a_network_with_functional_pooling_has_maps_in_closed_form_and_a_measured_geometry():
    net = FunctionalPooling()
    recognizer = camreel.wrap(net, ("a", "b", "c"))
    check_recognizer(recognizer)
    assert recognizer.linear is not None
    # Stride 2, 2 and 2: cells are 8 pixels apart. A window of 2 on every second cell lies half a cell to the right.
    assert recognizer.geometry.jump[1:] == (8.0, 8.0)
    assert recognizer.geometry.start[1:] == (3.0, 3.0)


def test_the_closed_form_of_a_wrapped_network_is_its_autograd_grad_cam():
    net = FunctionalPooling()
    recognizer = camreel.wrap(net, ("a", "b", "c"))
    clip = torch.randn((2, 3, 1, 64, 96), generator=torch.Generator().manual_seed(1))
    maps = recognizer.features(clip).maps.detach().requires_grad_()
    logits = recognizer.head(Features(maps))
    torch.testing.assert_close(logits, net(clip.squeeze(2)))
    gradient = torch.stack([torch.autograd.grad(logits[:, c].sum(), maps, retain_graph=True)[0] for c in range(3)])
    head = recognizer.linear
    assert head is not None
    method = load_method("gradcam")
    closed = method.closed_form(maps.detach(), head.weight, None)
    torch.testing.assert_close(closed, method.from_gradient(maps.detach(), gradient), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(closed.mean((2, 3, 4)) + head.bias, logits.detach(), rtol=1e-4, atol=1e-5)


def test_a_network_with_another_head_is_differentiated_behind_the_layer():
    net = Attention()
    recognizer = camreel.wrap(net, ("a", "b"), layer="body")
    assert recognizer.linear is None
    clip = torch.randn((1, 3, 1, 32, 48), generator=torch.Generator().manual_seed(1))
    features = recognizer.features(clip)
    maps = features.maps.detach().requires_grad_()
    logits = recognizer.head(Features(maps, features.context))
    torch.testing.assert_close(logits, net(clip.squeeze(2)))
    (gradient,) = torch.autograd.grad(logits[0, 0], maps)

    plain = net.body(clip.squeeze(2)).detach().requires_grad_()
    flat = plain.flatten(2)
    expected = net.out((flat * flat.mean(1, keepdim=True).softmax(2)).sum(2))[0, 0]
    torch.testing.assert_close(gradient.squeeze(2), torch.autograd.grad(expected, plain)[0])


def test_a_video_network_is_wrapped_with_its_clip_length():
    recognizer = camreel.wrap(VideoNetwork(), tuple("abcd"), clip_len=8, frame_rate=15.0)
    check_recognizer(recognizer)
    assert recognizer.clip_len == 8
    assert recognizer.linear is not None


class FixedSize(nn.Module):
    """A large flatten layer: one input size only, a head that is not pooling, a receptive field larger than the
    input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        blocks = [
            nn.Sequential(nn.Conv2d(3 if i == 0 else 6, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)) for i in range(4)
        ]
        self.features = nn.Sequential(*blocks)
        self.out = nn.Linear(6 * 2 * 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.features(x).flatten(1))


def test_a_network_for_squares_of_one_size_is_wrapped_with_fixed_size():
    recognizer = camreel.wrap(FixedSize(), ("a", "b"), layer="features", size=32, fixed_size=True)
    check_recognizer(recognizer)
    assert recognizer.linear is None
    assert recognizer.geometry.jump[1:] == (16.0, 16.0)
    assert recognizer.geometry.start[1:] == (7.5, 7.5)


def test_the_original_module_keeps_working_after_it_is_wrapped():
    net = FunctionalPooling()
    clip = torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(2))
    before = net(clip).detach()
    recognizer = camreel.wrap(net, ("a", "b", "c"))
    recognizer.to("cpu", torch.bfloat16)
    torch.testing.assert_close(net(clip), before)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    assert recognizer.features(clip.unsqueeze(2).bfloat16()).maps.abs().max() > 0


@pytest.mark.parametrize(
    ("make", "options", "reason"),
    [
        (lambda: FunctionalPooling(4), {}, "4 logits for 3 class names"),
        (Attention, {"classes": ("a", "b")}, "does not end in average pooling and a linear layer"),
        (Attention, {"classes": ("a", "b"), "layer": "bdy"}, "has no layer 'bdy'"),
        (Attention, {"classes": ("a", "b"), "layer": "out"}, "gives no feature maps"),
        (lambda: nn.Conv2d(3, 3, 3), {}, "not logits"),
        (VideoNetwork, {}, "does not run on noise"),
        (lambda: nn.Linear(7, 3), {}, "does not run on noise"),
    ],
)
def test_what_cannot_be_wrapped_is_a_model_error_with_a_reason(make, options, reason):
    classes = options.pop("classes", ("a", "b", "c"))
    with pytest.raises(ModelError) as caught:
        camreel.wrap(make(), classes, **options)
    assert reason in f"{caught.value.what}: {caught.value.why}"
    assert caught.value.todo or "names fit" in reason


def test_a_wrapped_network_goes_through_the_whole_program(tmp_path):
    from tests.test_flow import make_clip

    clip = tmp_path / "clip.mp4"
    make_clip(clip, 12, (96, 64))
    recognizer = camreel.wrap(FunctionalPooling(), ("a", "b", "c"))
    summary = camreel.process(clip, recognizer=recognizer, records=tmp_path / "out.jsonl")
    assert summary.frames.written == 12
    assert summary.completeness_error < 1e-3


def test_a_layer_before_the_last_one_is_mapped_by_the_gradient_of_the_rest():
    net = FunctionalPooling()
    recognizer = camreel.wrap(net, ("a", "b", "c"), layer="first")
    assert recognizer.linear is None
    clip = torch.randn((1, 3, 1, 64, 96), generator=torch.Generator().manual_seed(1))
    features = recognizer.features(clip)
    assert features.maps.shape == (1, 6, 1, 32, 48)
    torch.testing.assert_close(recognizer.head(features), net(clip.squeeze(2)))


def test_the_callers_module_gets_no_hooks():
    net = FunctionalPooling()
    camreel.wrap(net, ("a", "b", "c"))
    camreel.wrap(net, ("a", "b", "c"), layer="first")
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
