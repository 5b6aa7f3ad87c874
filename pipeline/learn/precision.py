"""In which number format a step is faster, measured."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch
from torch import nn

from pipeline.learn.contract import Batch
from pipeline.learn.learner import Learner
from pipeline.learn.loss import Pooling

GAIN = 0.95
"""Share of the exact step's time that a step in bfloat16 may take to be worth it."""


def time_step(net: nn.Module, pooling: Pooling, half: bool) -> float:
    """Seconds of a step with a small batch, of a copy of the network; the faster of two after one to warm up.

    On a CPU its seconds count, not those of the clock: other programs must not decide.
    """
    clock = time.process_time if next(net.parameters()).device.type == "cpu" else time.perf_counter
    learner = Learner(copy.deepcopy(net), pooling, half)
    classes = len(learner.net.get_parameter("classifier.weight"))
    labels = np.zeros((2, 1, classes), np.float32)
    batch = Batch(np.zeros((2, 32, 96, 96, 3), np.uint8), np.full((2, 1, 32), 1 / 32, np.float32), labels, labels + 1)
    seconds = []
    for _ in range(3):
        begin = clock()
        learner.learn(batch, 0.0)
        seconds.append(clock() - begin)
    return min(seconds[1:])


def is_half_faster(net: nn.Module, pooling: Pooling) -> bool:
    """Whether bfloat16 is worth it on the network's device."""
    device = next(net.parameters()).device.type
    able = torch.cuda.is_bf16_supported(including_emulation=False) if device == "cuda" else _cpu_has_half(device)
    return able and time_step(net, pooling, half=True) < GAIN * time_step(net, pooling, half=False)


def _cpu_has_half(device: str) -> bool:
    return device == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
