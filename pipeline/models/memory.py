"""Networks that see a video sample by sample: each layer keeps the few samples that its next output needs.

So the work for a sample is done once, however short the steps are, and the maps are those of the whole video (continual inference,
Hedegaard and Iosifidis, "Continual 3D Convolutional Neural Networks", ECCV 2022, for networks without a temporal stride).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Ends = tuple[bool, bool]
"""Whether a stretch begins where the video begins, and ends where it ends."""


class Memory(dict[str, Tensor]):
    """What the layers keep of one video, or of several side by side: by name a tensor [B, ...]."""

    def follow(self, name: str, new: Tensor, axis: int, keep: int) -> Tensor:
        """What is kept and what is new, in a row along the axis of time; the last `keep` samples are kept from now on."""
        line = self._line(name, new, axis)
        keep = min(keep, line.shape[axis])
        # A copy: a view would keep the whole line alive.
        self[name] = line.narrow(axis, line.shape[axis] - keep, keep).clone()
        return line

    def delay(self, name: str, new: Tensor, axis: int, count: int) -> Tensor:
        """The first `count` samples of what is kept and what is new; the others are kept."""
        line = self._line(name, new, axis)
        self[name] = line.narrow(axis, count, line.shape[axis] - count).clone()
        return line.narrow(axis, 0, count)

    def _line(self, name: str, new: Tensor, axis: int) -> Tensor:
        return torch.cat([self[name], new], axis) if name in self else new

    @classmethod
    def join(cls, memories: Sequence[Memory]) -> Memory:
        """Memories of equal shapes, side by side."""
        if len(memories) == 1:
            return cls(memories[0])
        return cls({name: torch.cat([memory[name] for memory in memories]) for name in memories[0]})

    def split(self) -> list[Memory]:
        """Each of those side by side."""
        count = len(next(iter(self.values())))
        return [Memory({name: tensor[i : i + 1] for name, tensor in self.items()}) for i in range(count)]

    @property
    def shapes(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """What must be equal for `join`."""
        return tuple((name, tuple(tensor.shape)) for name, tensor in self.items())
