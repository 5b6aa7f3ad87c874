"""Networks that remember: every sample as soon as it is there, and its work done once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.errors import DeviceError
from pipeline.recognize.network import Network, network_input, out_of_memory
from pipeline.structures import Clip, ClipActivation

if TYPE_CHECKING:
    from pipeline.models import Features, Memory, Recognizer


@dataclass(frozen=True, slots=True)
class Step:
    """The samples that follow in a video, at one size for the network."""

    samples: Tensor
    """Normalised RGB [1, 3, n, H, W]."""
    memory: Memory
    ends: tuple[bool, bool]
    """Whether the video begins with them, and ends with them."""

    @property
    def kind(self) -> Hashable:
        """Steps of the same kind can be taken together."""
        return tuple(self.samples.shape), self.memory.shapes, self.ends


Advance = Callable[[Step], "Features"]

HOLD = 32
"""Samples for which a class that was on top is mapped still: its smoothing would begin anew whenever it comes back."""


@torch.inference_mode()
def advance(recognizer: Recognizer, steps: Sequence[Step]) -> list[Features]:
    """Takes a step in each of several videos, all of one kind, in one pass of the network; their memories are changed in place.

    Raises:
        DeviceError: it does not fit into memory.
    """
    memories = [step.memory for step in steps]
    joined = type(memories[0]).join(memories)
    try:
        found = recognizer.advance(torch.cat([step.samples for step in steps]), joined, steps[0].ends)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        todo = "show fewer cameras, use a smaller --map-size, another --model or --device"
        raise DeviceError("a step does not fit into memory", str(error).splitlines()[0], todo) from error
    for memory, after in zip(memories, joined.split(), strict=True):
        memory.update(after)
    return [type(found)(found.maps[i : i + 1]) for i in range(len(steps))]


def go_on(clips: Iterable[Clip], network: Network, take: Advance | None) -> Iterator[ClipActivation]:
    """Activations of the clips that `steps` cuts, the last one with or without samples.

    Args:
        clips: clips in order.
        network: one that remembers.
        take: takes a step; None: at once.
    """
    video = _Video(network, take or (lambda step: advance(network.recognizer, [step])[0]))
    for clip in clips:
        yield from video.see(clip)
    yield from video.end()


class _Video:
    """What was seen of a video and not answered yet."""

    def __init__(self, network: Network, take: Advance) -> None:
        self._network, self._take = network, take
        self._waiting: deque[Clip] = deque()
        self._unseen: list[Clip] = []
        """Clips at the beginning, until there are enough samples to begin with."""
        self._memories: list[Memory] = []
        """One for each size of picture."""
        self._nothing: list[Tensor] = []
        """No samples, of each size."""
        self._known: list[Features] = []
        """Of samples whose clip is not complete, at each size."""

    def see(self, clip: Clip) -> Iterator[ClipActivation]:
        """Takes the next clip."""
        if not clip.sampled:
            last = self._waiting.pop()
            self._waiting.append(replace(last, frames=last.frames + clip.frames))
            return
        self._waiting.append(clip)
        self._unseen.append(clip)
        begins = not self._memories
        if begins and sum(len(one.sampled) for one in self._unseen) <= self._network.recognizer.geometry.margin:
            return
        yield from self._go_on((begins, False))

    def end(self) -> Iterator[ClipActivation]:
        """The end of the video."""
        if self._waiting:
            yield from self._go_on((not self._memories, True))

    def _go_on(self, ends: tuple[bool, bool]) -> Iterator[ClipActivation]:
        self._learn(self._look(ends))
        while self._waiting and self._known[0].maps.shape[2] >= len(self._waiting[0].sampled):
            clip = self._waiting.popleft()
            count = len(clip.sampled)
            known = [replace(features, maps=features.maps[:, :, :count]) for features in self._known]
            self._known = [replace(features, maps=features.maps[:, :, count:]) for features in self._known]
            yield from self._network.conclude([clip], known)

    def _look(self, ends: tuple[bool, bool]) -> list[Features]:
        """What the backbone makes of the clips that it has not seen, at each size."""
        clips, self._unseen = self._unseen, []
        samples = [self._samples(clips, which) for which in range(self._sizes)] if clips else self._nothing
        if all(ends):
            return [self._whole(one) for one in samples]
        if ends[0]:
            self._memories = [self._network.recognizer.begin() for _ in samples]
            self._nothing = [one[:, :, :0] for one in samples]
        return [self._take(Step(one, memory, ends)) for one, memory in zip(samples, self._memories, strict=True)]

    @torch.inference_mode()
    def _learn(self, found: list[Features]) -> None:
        known = self._known or [replace(features, maps=features.maps[:, :, :0]) for features in found]
        pairs = zip(known, found, strict=True)
        self._known = [replace(new, maps=torch.cat([old.maps, new.maps], 2)) for old, new in pairs]

    @property
    def _sizes(self) -> int:
        first = self._waiting[0]
        return len(first.frames[first.sampled[0]].inputs)

    def _samples(self, clips: Sequence[Clip], which: int) -> Tensor:
        return torch.cat([network_input([clip], which, self._network.recognizer, self._network.backend) for clip in clips], 2)

    @torch.inference_mode()
    def _whole(self, samples: Tensor) -> Features:
        """A video too short for steps."""
        return self._network.recognizer.features(samples, (0, samples.shape[2]))
