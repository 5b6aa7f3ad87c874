"""Steps: orthogonal ones for convolutions, Adam's for the rest, and none forgotten when a run goes on later."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from camreel.train.optimizer import MUON_RATE_FACTOR, MUON_WEIGHT_DECAY, MuonAdamW


def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
    net(torch.randn(2, 3, 6, 6))
    return net


def gradients(net: nn.Module, seed: int) -> None:
    net.zero_grad()
    generator = torch.Generator().manual_seed(seed)
    net(torch.randn(4, 3, 6, 6, generator=generator)).square().mean().backward()


def test_a_convolution_moves_as_far_in_every_direction():
    net, rate = network(), 1e-3
    before = net[0].weight.detach().clone()
    gradients(net, 1)
    MuonAdamW(net).step(rate)
    lengths = torch.linalg.svdvals((net[0].weight.detach() - before).flatten(1)) / (MUON_RATE_FACTOR * rate)
    # Newton and Schulz's iteration ends between .7 and 1.2; weight decay is in there too.
    assert lengths.min() > 0.5 and lengths.max() < 1.5


def test_everything_learns_and_nothing_without_a_gradient_moves():
    net = network()
    before = copy.deepcopy(net.state_dict())
    gradients(net, 1)
    net[1].weight.grad = None
    MuonAdamW(net).step(1e-3)
    moved = {name for name, value in net.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"0.weight", "1.bias", "4.weight", "4.bias"}


def test_convolutions_decay_and_nothing_else_does():
    net = network()
    before = copy.deepcopy(net.state_dict())
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    MuonAdamW(net).step(1e-2)
    for name, value in net.named_parameters():
        shrunk = 1 - MUON_RATE_FACTOR * 1e-2 * MUON_WEIGHT_DECAY if name == "0.weight" else 1.0
        torch.testing.assert_close(value.detach(), before[name] * shrunk)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_run_that_goes_on_later_takes_the_same_steps(steps):
    whole, first = network(), network()
    optimizer, half = MuonAdamW(whole), MuonAdamW(first)
    for seed in range(steps + 2):
        gradients(whole, seed)
        optimizer.step(1e-2)
    for seed in range(steps):
        gradients(first, seed)
        half.step(1e-2)
    kept = {name: tensor.clone() for name, tensor in half.tensors().items()}
    later = network()
    later.load_state_dict(first.state_dict())
    rest = MuonAdamW(later)
    rest.restore(kept)
    for seed in range(steps, steps + 2):
        gradients(later, seed)
        rest.step(1e-2)
    for name, value in whole.named_parameters():
        torch.testing.assert_close(dict(later.named_parameters())[name], value, rtol=0, atol=0)
