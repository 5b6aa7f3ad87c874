"""Clip* -> ClipActivation*: the stage `recognize`, for clips in batches and for streams sample by sample."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from camreel.errors import DeviceError
from camreel.interfaces import Ends, Features, Note, Recognizer
from camreel.recognize.batches import (
    Network,
    NetworkPlan,
    RunBackbone,
    is_out_of_memory,
    network_input,
    recognize_clips,
)
from camreel.structures import Clip, ClipActivation

HOLD_SAMPLES = 32
"""Samples for which a class that was in the top k stays mapped, so that its smoothing does not start again."""


@dataclass(frozen=True, slots=True)
class Batching:
    """Functions that run the network for several videos at once; None: each video for itself."""

    run_backbone: RunBackbone | None = None
    run_step: RunStep | None = None


def recognize(
    clips: Iterable[Clip],
    plan: NetworkPlan,
    note: Note = lambda sentence: None,
    *,
    streams: bool = False,
    batching: Batching | None = None,
) -> Iterator[ClipActivation]:
    """Run the network on clips, in batches of equal length; or on streams, sample by sample.

    Args:
        clips: clips in order, from `windows`.
        plan: the network and how it is run.
        note: take run notes.
        streams: the clips are those of `stream_steps`, and the network has stream state.
        batching: run the network for several videos at once.

    Yields:
        One activation per clip with samples, in order; of a stream as soon as the network knows it, `margin` samples
        late at most.

    Raises:
        DeviceError: a single clip does not fit into memory.
        ModelError: the maps do not add up to the logits.
    """
    batching = batching or Batching()
    if streams:
        network = Network(replace(plan, hold=HOLD_SAMPLES), note, batching.run_backbone)
        yield from recognize_stream(clips, network, batching.run_step)
    else:
        yield from recognize_clips(clips, Network(plan, note, batching.run_backbone))


@dataclass(frozen=True, slots=True)
class StepRequest:
    """The next samples of a video, at one input size."""

    samples: Tensor
    """Normalized RGB [1, 3, n, H, W]."""
    state: Any
    """`StreamState` of the video, changed in place."""
    ends: Ends
    """Whether the video starts with these samples, and ends with them."""

    @property
    def key(self) -> Hashable:
        """Requests with equal keys fit into one batch."""
        return tuple(self.samples.shape), self.state.shapes, self.ends


RunStep = Callable[[StepRequest], Features]


@torch.inference_mode()
def step_batch(recognizer: Recognizer, requests: Sequence[StepRequest]) -> list[Features]:
    """Run the network once for the next samples of several videos, all with the same key; change their states in place.

    Raises:
        DeviceError: the batch does not fit into memory.
    """
    states = [request.state for request in requests]
    joined = type(states[0]).join(states)
    try:
        samples = torch.cat([request.samples for request in requests])
        features = recognizer.forward_step(samples, joined, requests[0].ends)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        todo = "show fewer cameras, use a smaller --map-size, another --model or --device"
        raise DeviceError("a sample does not fit into memory", str(error).splitlines()[0], todo) from error
    for state, after in zip(states, joined.split(), strict=True):
        state.update(after)
    return [Features(features.maps[i : i + 1]) for i in range(len(requests))]


def recognize_stream(
    clips: Iterable[Clip], network: Network, run_step: RunStep | None = None
) -> Iterator[ClipActivation]:
    """Yield the activations of the clips that `stream_steps` makes, each as soon as the network knows it.

    Args:
        clips: clips in order; the last one may be without samples.
        network: a network with stream state.
        run_step: run the network on a step; None: at once.
    """
    video = _Video(network, run_step or (lambda request: step_batch(network.recognizer, [request])[0]))
    for clip in clips:
        yield from video.add(clip)
    yield from video.end()


class _Video:
    """Clips of a video that were seen and not answered yet."""

    def __init__(self, network: Network, run_step: RunStep) -> None:
        self._network, self._run_step = network, run_step
        self._waiting: deque[Clip] = deque()
        self._unseen: list[Clip] = []
        """Clips at the start, until there are enough samples for the first step."""
        self._states: list[Any] = []
        """One for each input size."""
        self._no_samples: list[Tensor] = []
        """Empty tensors of each input size."""
        self._known: list[Features] = []
        """Features of samples whose clip is not complete, at each input size."""

    def add(self, clip: Clip) -> Iterator[ClipActivation]:
        if not clip.sampled:
            last = self._waiting.pop()
            self._waiting.append(replace(last, frames=last.frames + clip.frames))
            return
        self._waiting.append(clip)
        self._unseen.append(clip)
        starts = not self._states
        margin = self._network.recognizer.geometry.margin
        if starts and sum(len(clip.sampled) for clip in self._unseen) <= margin:
            return
        yield from self._step((starts, False))

    def end(self) -> Iterator[ClipActivation]:
        if self._waiting:
            yield from self._step((not self._states, True))

    def _step(self, ends: Ends) -> Iterator[ClipActivation]:
        self._append(self._features(ends))
        while self._waiting and self._known[0].maps.shape[2] >= len(self._waiting[0].sampled):
            clip = self._waiting.popleft()
            count = len(clip.sampled)
            known = [replace(features, maps=features.maps[:, :, :count]) for features in self._known]
            self._known = [replace(features, maps=features.maps[:, :, count:]) for features in self._known]
            yield from self._network.activations([clip], known)

    def _features(self, ends: Ends) -> list[Features]:
        """Run the backbone on the clips that it has not seen, at each input size."""
        clips, self._unseen = self._unseen, []
        samples = [self._samples(clips, which) for which in range(self._sizes)] if clips else self._no_samples
        if all(ends):
            return [self._whole(each) for each in samples]
        if ends[0]:
            self._states = [self._network.recognizer.new_stream() for _ in samples]
            self._no_samples = [each[:, :, :0] for each in samples]
        return [self._run_step(StepRequest(x, s, ends)) for x, s in zip(samples, self._states, strict=True)]

    @torch.inference_mode()
    def _append(self, features: list[Features]) -> None:
        known = self._known or [replace(each, maps=each.maps[:, :, :0]) for each in features]
        pairs = zip(known, features, strict=True)
        self._known = [replace(new, maps=torch.cat([old.maps, new.maps], 2)) for old, new in pairs]

    @property
    def _sizes(self) -> int:
        first = self._waiting[0]
        return len(first.frames[first.sampled[0]].inputs)

    def _samples(self, clips: Sequence[Clip], which: int) -> Tensor:
        return torch.cat([network_input([clip], which, self._network.plan) for clip in clips], 2)

    @torch.inference_mode()
    def _whole(self, samples: Tensor) -> Features:
        """Run the backbone on a video that is too short for steps."""
        return self._network.recognizer.features(samples, (0, samples.shape[2]))
