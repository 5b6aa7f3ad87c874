"""Choice of the number format of training, by measuring a step in each."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

from camreel.recognize.backend import has_bfloat16
from camreel.train.task import B, Task

MAX_TIME_SHARE = 0.95
"""Maximum time of a step in bfloat16, as a share of the time in float32, at which bfloat16 is worth it."""


def choose_precision(task: Task[B], batch: B, device: str) -> str:
    """Set the number format in which the task computes feature maps, and return its name.

    Args:
        task: the task; its network is left as it is.
        batch: a small batch to measure with.
        device: device of the network.
    """
    net = copy.deepcopy(task.net)

    def step(half: bool) -> None:
        task.half = half
        loss = task.loss(net, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        loss.item()  # waits for the device

    task.half = is_bfloat16_faster(step, device)
    return "bfloat16" if task.half else "float32"


def is_bfloat16_faster(step: Callable[[bool], object], device: str) -> bool:
    """Return whether the device computes in bfloat16 and a step in it is faster by a margin.

    Args:
        step: run a step, in bfloat16 or not, without an effect on the training.
        device: device on which the step runs.
    """
    return has_bfloat16(device) and _seconds(step, True, device) < MAX_TIME_SHARE * _seconds(step, False, device)


def _seconds(step: Callable[[bool], object], half: bool, device: str) -> float:
    """Return the seconds of a step: the faster of two after a warm-up.

    On a CPU its own seconds count, not those of the wall clock: other programs must not decide.
    """
    clock = time.process_time if device == "cpu" else time.perf_counter
    seconds = []
    for _ in range(3):
        begin = clock()
        step(half)
        seconds.append(clock() - begin)
    return min(seconds[1:])
