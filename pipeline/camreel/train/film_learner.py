"""A network that learns, its average over time, and all that must be kept to go on later."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from camreel.train.loss import Network, Pooling, balanced_loss, normalise, window_logits
from camreel.train.optimizer import Optimiser

if TYPE_CHECKING:
    from camreel.train.interfaces import Batch

KEEP = 0.998
"""What the average keeps of itself at each step, once it is warm."""
LONGEST = 2.0
"""Longest gradient."""


class Learner:
    """Takes one step for each batch.

    Args:
        net: learns in place; has `features` and `classifier`.
        pooling: how the cells of a frame become one number.
        half: compute the maps in bfloat16.
    """

    def __init__(self, net: nn.Module, pooling: Pooling = "both", half: bool = False) -> None:
        self.net = net.train()
        self.average = copy.deepcopy(net).eval().requires_grad_(False)
        self.pooling = pooling
        self.half = half
        self.step = 0
        self.elapsed = 0.0
        """Seconds of training so far."""
        self._optimiser = Optimiser(net)
        self._device = next(net.parameters()).device

    def learn(self, batch: Batch, rate: float) -> float:
        """Takes a step.

        Args:
            batch: what to learn from.
            rate: learning rate.

        Returns:
            The loss; NaN where it or its gradient is not finite, and nothing was learned.
        """
        loss = self._loss(self.net, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        length = nn.utils.clip_grad_norm_(self.net.parameters(), LONGEST)
        good = math.isfinite(loss.item()) and math.isfinite(length.item())
        if good:
            self._optimiser.step(rate)
            self._follow()
        else:
            # A forward pass that overflowed has spoilt the statistics of the norms.
            for buffer, healthy in zip(self.net.buffers(), self.average.buffers(), strict=True):
                buffer.copy_(healthy)
        self.net.zero_grad()
        self.step += 1
        return loss.item() if good else math.nan

    @torch.inference_mode()
    def examine(self, batch: Batch) -> tuple[Tensor, float]:
        """What the averaged network makes of a batch: logits [B, W, C] on the CPU, and the loss."""
        logits = self._logits(self.average, batch)[0]
        return logits.cpu(), balanced_loss(logits, *self._labels(batch)).item()

    def tensors(self) -> dict[str, Tensor]:
        """All that `restore` needs, by name."""
        found = {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()}
        found |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        return found | self._optimiser.tensors()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave.

        Raises:
            KeyError: a tensor of the network is missing.
            RuntimeError: a tensor has another shape.
        """
        for part, net in (("net", self.net), ("average", self.average)):
            net.load_state_dict({name: tensors[f"{part}.{name}"] for name in net.state_dict()})
        self._optimiser.restore(tensors)

    def _loss(self, net: nn.Module, batch: Batch) -> Tensor:
        """Mean over the poolings."""
        labels = self._labels(batch)
        return torch.stack([balanced_loss(logits, *labels) for logits in self._logits(net, batch)]).mean()

    def _logits(self, net: nn.Module, batch: Batch) -> list[Tensor]:
        x = normalise(torch.from_numpy(batch.pictures).to(self._device))
        windows = torch.from_numpy(batch.windows).to(self._device)
        return window_logits(cast(Network, net), x, windows, self.pooling, self.half)

    def _labels(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(batch.targets).to(self._device), torch.from_numpy(batch.weights).to(self._device)

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average, norms' statistics included, towards the network; faster at the start."""
        keep = min(KEEP, (1 + self.step) / (10 + self.step))
        averages, values = (list(net.state_dict().values()) for net in (self.average, self.net))
        floating = [index for index, value in enumerate(values) if value.is_floating_point()]
        torch._foreach_lerp_([averages[index] for index in floating], [values[index] for index in floating], 1 - keep)
