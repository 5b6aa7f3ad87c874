"""Muon for the convolutions, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

DECAY = 0.02
"""Weight decay of the convolutions."""
SPEED = 10.0
"""Learning rate of Muon over that of AdamW."""
CLASSIFIER = 3.0
"""Learning rate of the classifier over that of the norms: it works on means over many cells, most of which are empty."""
MOMENTS = {"first": "exp_avg", "second": "exp_avg_sq", "count": "step"}


class Optimiser:
    """Takes steps.

    Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) makes the update of a matrix orthogonal, so that rare
    directions are learned as fast as common ones. Measured after 95 steps on easy films: mean average precision .34, AdamW .20.

    Args:
        net: its parameters are changed in place.
    """

    def __init__(self, net: nn.Module) -> None:
        named = dict(net.named_parameters())
        self._convolutions = {name: parameter for name, parameter in named.items() if parameter.ndim > 2}
        # Muon takes matrices: one row per output channel, in the memory of the convolution.
        self._matrices = {name: nn.Parameter(p.detach().view(len(p), -1)) for name, p in self._convolutions.items()}
        self._others = {name: parameter for name, parameter in named.items() if parameter.ndim <= 2}
        heads = [parameter for parameter in self._others.values() if parameter.ndim == 2]
        rest = [parameter for parameter in self._others.values() if parameter.ndim == 1]
        self._muon = torch.optim.Muon(list(self._matrices.values()), lr=0.0, weight_decay=DECAY)
        self._adam = torch.optim.AdamW([{"params": rest}, {"params": heads}], lr=0.0, weight_decay=0.0)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Takes a step at a learning rate (of the norms; the others follow from it)."""
        for name, matrix in self._matrices.items():
            gradient = self._convolutions[name].grad
            matrix.grad = None if gradient is None else gradient.reshape(matrix.shape)
        self._muon.param_groups[0]["lr"] = SPEED * rate
        for group, factor in zip(self._adam.param_groups, (1.0, CLASSIFIER), strict=True):
            group["lr"] = factor * rate
        self._muon.step()  # type: ignore[no-untyped-call]
        self._adam.step()

    def tensors(self) -> dict[str, Tensor]:
        """All that `restore` needs, by name."""
        found = {}
        for name, matrix in self._matrices.items():
            state = self._muon.state.get(matrix, {})
            if "momentum_buffer" in state:
                found[f"momentum.{name}"] = state["momentum_buffer"]
        for name, parameter in self._others.items():
            state = self._adam.state.get(parameter, {})
            found |= {f"{kind}.{name}": state[key] for kind, key in MOMENTS.items() if key in state}
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave."""
        for name, matrix in self._matrices.items():
            if f"momentum.{name}" in tensors:
                self._muon.state[matrix]["momentum_buffer"] = tensors[f"momentum.{name}"].to(matrix.device).clone()
        for name, parameter in self._others.items():
            if f"count.{name}" in tensors:
                state = self._adam.state[parameter]
                state["step"] = tensors[f"count.{name}"].clone()
                for kind in ("first", "second"):
                    state[MOMENTS[kind]] = torch.zeros_like(parameter).copy_(tensors[f"{kind}.{name}"])
