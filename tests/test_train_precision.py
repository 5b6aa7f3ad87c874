"""The choice of the number format of training."""

from __future__ import annotations

import copy

import pytest
import torch

from camreel.train import precision
from camreel.train.precision import choose_precision, is_bfloat16_faster
from tests.test_train_trainer import TinyTask


def test_measuring_leaves_the_network_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    task = TinyTask()
    before = copy.deepcopy(task.net.state_dict())
    assert choose_precision(task, task.draw(0, 0.0), "cpu") == ("bfloat16" if task.half else "float32")
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.net.state_dict().items())
    assert all(parameter.grad is None for parameter in task.net.parameters())


@pytest.mark.parametrize(("seconds", "faster"), [(0.5, True), (0.97, False), (2.0, False)])
def test_bfloat16_must_be_faster_by_a_margin(monkeypatch: pytest.MonkeyPatch, seconds: float, faster: bool):
    now = [0.0]

    def step(half: bool) -> None:
        now[0] += seconds if half else 1.0

    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(precision.time, "process_time", lambda: now[0])
    assert is_bfloat16_faster(step, "cpu") is faster
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    assert not is_bfloat16_faster(step, "cpu")
