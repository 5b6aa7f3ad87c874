"""A backbone that learns with its new head: the later half of its layers, with the norms' statistics as they are."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from camreel.models.torch_recognizer import TorchRecognizer
from camreel.structures import U8
from camreel.train.clips.embeddings import normalised, pooled
from camreel.train.clips.linear_probe import Head
from camreel.train.schedule import learning_rate

Freeze = Literal["all", "half", "none"]
"""What of the backbone stays as it is."""
RATES: dict[Freeze, float] = {"all": 1e-3, "half": 1e-3, "none": 3e-4}
"""Highest learning rate, by what stays as it is. Measured over three folds of source videos of fights, one seed: with 1e-3 for
the whole backbone macro-F1 is .76 in the last epoch, with 3e-4 .84."""
DECAY = 0.05
"""Weight decay of matrices and convolutions."""
SMOOTHING = 0.1
"""Share of the label that is spread over all classes."""
KEEP = 0.98
"""What the average keeps of itself at each step, once it is warm."""
LONGEST = 1.0
"""Longest gradient."""
MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class Tuner:
    """Takes a step for each batch.

    Args:
        network: stays as it is; on its device.
        head: that the learning starts from.
        weights: of each class in the loss [C].
        freeze: what stays as it is.
        device: of the network.
    """

    def __init__(
        self, network: TorchRecognizer, head: Head, weights: NDArray[np.float64], freeze: Freeze, device: str
    ) -> None:
        self._network = network
        self._device = device
        self._rate = RATES[freeze]
        self._weights = torch.tensor(weights, dtype=torch.float32, device=device)
        self.net = copy.deepcopy(network.net)
        put_head(self.net, network.architecture.classifier, head)
        self._learning = learning_parameters(self.net, network.architecture.classifier, freeze)
        for parameter in self._learning.values():
            parameter.requires_grad_(True)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.half = False
        """Compute the maps in bfloat16."""
        self.step = 0
        self.elapsed = 0.0
        """Seconds of training so far."""
        matrices, rest = ([p for p in self._learning.values() if (p.ndim > 1) is wide] for wide in (True, False))
        groups = [{"params": matrices, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, lr=0.0)

    def learn(self, pictures: U8, labels: NDArray[np.int64], share: float) -> float:
        """Takes a step.

        Args:
            pictures: RGB [B, T, H, W, 3].
            labels: class ids [B].
            share: how much of the training is over, in [0, 1].

        Returns:
            The loss; NaN where it or its gradient is not finite, and nothing was learned.
        """
        loss = self._differentiate(pictures, labels)
        length = nn.utils.clip_grad_norm_(list(self._learning.values()), LONGEST)
        good = math.isfinite(loss.item()) and math.isfinite(length.item())
        if good:
            for group in self._optimiser.param_groups:
                group["lr"] = learning_rate(share, self._rate)
            self._optimiser.step()
            self._follow()
        self._optimiser.zero_grad()
        self.step += 1
        return loss.item() if good else math.nan

    def try_step(self, pictures: U8, labels: NDArray[np.int64], half: bool) -> None:
        """What is most of the work of a step, in bfloat16 or not, of which nothing remains."""
        self._differentiate(pictures, labels, half)
        self._optimiser.zero_grad()

    def _differentiate(self, pictures: U8, labels: NDArray[np.int64], half: bool | None = None) -> Tensor:
        """The loss; its gradient is with the parameters."""
        x = normalised(pictures, self._network, self._device)
        linear = self._network.linear
        assert linear is not None
        with torch.autocast(
            torch.device(self._device).type, torch.bfloat16, enabled=self.half if half is None else half
        ):
            maps = self._network.architecture.features(self.net, x).maps
        layer: Any = self.net.get_submodule(self._network.architecture.classifier)
        logits = functional.linear(pooled(maps, linear), layer.weight.flatten(1), layer.bias)
        wanted = torch.from_numpy(labels).to(self._device)
        loss = functional.cross_entropy(logits, wanted, self._weights, label_smoothing=SMOOTHING)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average towards the network; faster at the start."""
        keep = min(KEEP, (1 + self.step) / (10 + self.step))
        averages = dict(self.average.named_parameters())
        for name, parameter in self._learning.items():
            averages[name].lerp_(parameter, 1 - keep)

    def backbone(self, x: Tensor) -> Tensor:
        """The averaged network's last feature maps of normalised clips."""
        return self._network.architecture.features(self.average, x).maps

    @property
    def head(self) -> Head:
        """The averaged network's head."""
        layer: Any = self.average.get_submodule(self._network.architecture.classifier)
        weight, bias = (tensor.detach().cpu().float().numpy() for tensor in (layer.weight.flatten(1), layer.bias))
        return Head(weight.copy(), bias.copy())

    def tensors(self) -> dict[str, Tensor]:
        """All that `restore` needs, by name."""
        averages = dict(self.average.named_parameters())
        found: dict[str, Tensor] = {f"net.{name}": tensor for name, tensor in self._learning.items()}
        found |= {f"average.{name}": averages[name] for name in self._learning}
        for name, parameter in self._learning.items():
            state = self._optimiser.state.get(parameter, {})
            found |= {f"{key}.{name}": state[key] for key in MOMENTS if key in state}
        return found

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave.

        Raises:
            KeyError: a tensor of the network is missing.
            RuntimeError: a tensor has another shape.
        """
        averages = dict(self.average.named_parameters())
        for name, parameter in self._learning.items():
            parameter.copy_(tensors[f"net.{name}"])
            averages[name].copy_(tensors[f"average.{name}"])
            if f"step.{name}" in tensors:
                moments = {key: tensors[f"{key}.{name}"].clone() for key in MOMENTS}
                device = parameter.device
                self._optimiser.state[parameter] = {k: v if k == "step" else v.to(device) for k, v in moments.items()}


def learning_parameters(net: nn.Module, classifier: str, freeze: Freeze) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name: the classifier's, and of the other layers none, the later half, or all."""
    own = f"{classifier}."
    head = {name: parameter for name, parameter in net.named_parameters() if name.startswith(own)}
    body = [(name, parameter) for name, parameter in net.named_parameters() if not name.startswith(own)]
    if freeze == "all":
        return head
    layers = [at for at, (_, parameter) in enumerate(body) if parameter.ndim > 1]
    first = layers[(len(layers) + 1) // 2] if freeze == "half" else 0
    return dict(body[first:]) | head


def put_head(net: nn.Module, classifier: str, head: Head) -> None:
    """Gives a network a new classifier, a copy of the head."""
    layer: Any = net.get_submodule(classifier)
    device, shape = layer.weight.device, layer.weight.shape
    layer.weight = nn.Parameter(torch.tensor(head.weight, device=device).reshape(-1, *shape[1:]), requires_grad=False)
    layer.bias = nn.Parameter(torch.tensor(head.bias, device=device), requires_grad=False)
