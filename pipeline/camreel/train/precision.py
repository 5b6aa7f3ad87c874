"""In which number format a step is faster, measured."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

GAIN = 0.95
"""Share of the exact step's time that a step in bfloat16 may take to be worth it."""


def is_half_faster(step: Callable[[bool], object], device: str) -> bool:
    """Whether bfloat16 is worth it.

    Args:
        step: takes one, in bfloat16 or not, of which nothing remains.
        device: on which it does.
    """
    able = (
        torch.cuda.is_bf16_supported(including_emulation=False) if device.startswith("cuda") else _cpu_has_half(device)
    )
    return able and _seconds(step, True, device) < GAIN * _seconds(step, False, device)


def _seconds(step: Callable[[bool], object], half: bool, device: str) -> float:
    """Seconds of a step; the faster of two after one to warm up.

    On a CPU its seconds count, not those of the clock: other programs must not decide.
    """
    clock = time.process_time if device == "cpu" else time.perf_counter
    seconds = []
    for _ in range(3):
        begin = clock()
        step(half)
        seconds.append(clock() - begin)
    return min(seconds[1:])


def _cpu_has_half(device: str) -> bool:
    return device == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
