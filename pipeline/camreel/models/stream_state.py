"""State of networks that see a video sample by sample: each layer keeps the few samples that its next output needs.

The work for a sample is done once, however short the steps are, and the maps equal those of the whole video (continual
inference, Hedegaard and Iosifidis, "Continual 3D Convolutional Neural Networks", ECCV 2022, for networks without a
temporal stride).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class LayerState(dict[str, Tensor]):
    """Samples that the layers keep of one video, or of a batch of videos: layer name -> tensor [B, ...]."""

    def extend(self, name: str, new: Tensor, axis: int, keep: int) -> Tensor:
        """Return the kept and the new samples in a row along the time axis, and keep the last `keep` samples."""
        line = self._line(name, new, axis)
        keep = min(keep, line.shape[axis])
        # A copy: a view would keep the whole line alive.
        self[name] = line.narrow(axis, line.shape[axis] - keep, keep).clone()
        return line

    def delay(self, name: str, new: Tensor, axis: int, count: int) -> Tensor:
        """Return the first `count` of the kept and the new samples, and keep the others."""
        line = self._line(name, new, axis)
        self[name] = line.narrow(axis, count, line.shape[axis] - count).clone()
        return line.narrow(axis, 0, count)

    def _line(self, name: str, new: Tensor, axis: int) -> Tensor:
        return torch.cat([self[name], new], axis) if name in self else new

    @classmethod
    def join(cls, states: Sequence[LayerState]) -> LayerState:
        """Stack states of equal shapes along the batch axis."""
        if len(states) == 1:
            return cls(states[0])
        return cls({name: torch.cat([state[name] for state in states]) for name in states[0]})

    def split(self) -> list[LayerState]:
        """Return the states of the single videos of a batch."""
        count = len(next(iter(self.values())))
        return [LayerState({name: tensor[i : i + 1] for name, tensor in self.items()}) for i in range(count)]

    @property
    def shapes(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Key that must be equal for `join`."""
        return tuple((name, tuple(tensor.shape)) for name, tensor in self.items())
