"""Clips in batches through the network: logits, maps and the completeness check."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from camreel.errors import DeviceError, ModelError
from camreel.interfaces import Features, Note, Recognizer
from camreel.recognize.backend import Backend
from camreel.structures import F32, ClassSelection, Clip, ClipActivation, Grid

MapFunction = Callable[[Recognizer, Features, Tensor], Tensor]
"""(recognizer, features, class ids [S]) -> signed maps [B, S, T', h, w] in logits."""
RunBackbone = Callable[[Tensor, tuple[int, int] | None], Features]
"""As `Recognizer.features`."""

NO_EVIDENCE = -1e4
"""Logit of every class where the network returned NaN: a score of 0, in softmax and in sigmoid."""
COMPLETENESS_LIMIT = 1e-2
"""Completeness error from which the maps are wrong: float32 sums reach 1e-5, a wrong linear head 1e-1."""


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """The network and how it is run on one video."""

    recognizer: Recognizer
    backend: Backend
    maps: MapFunction
    selection: ClassSelection
    """Classes to map: `class_ids` and no others, or the top k of every slice and those of the clips before."""
    grid: Grid
    """Position of the maps' cells on the displayed picture."""
    complete: bool = True
    """The maps add up to the logit, so the error of that sum is checked."""
    hold: int = 1
    """Clips for which a class that was in the top k is still mapped, so that its smoothing need not start again."""


class Network:
    """The recognizer on its device, with the batch size that fits and the classes that are still mapped.

    Args:
        plan: the network and how it is run.
        note: take run notes.
        run_backbone: run the backbone; None: at once. Several videos may share one that batches their requests.
    """

    def __init__(self, plan: NetworkPlan, note: Note, run_backbone: RunBackbone | None = None) -> None:
        self.plan = plan
        self.recognizer = plan.recognizer
        self.batch = plan.backend.batch
        self._note = note
        self._run_backbone = run_backbone or plan.recognizer.features
        self._alive: dict[int, int] = {}
        """Class id -> number of clips for which it is still mapped."""

    def kept_samples(self, clip: Clip) -> tuple[int, int] | None:
        """Return the samples to compute maps for: those without margin if the network has one, else None for all."""
        return clip.valid if self.recognizer.geometry.margin else None

    def run(self, clips: Sequence[Clip]) -> list[ClipActivation]:
        """Return the activations of clips; if memory runs out, halve the batch for this and all later calls.

        Raises:
            DeviceError: a single clip does not fit into memory.
            ModelError: the maps do not add up to the logits.
        """
        answers: list[ClipActivation] = []
        while clips:
            part, rest = clips[: self.batch], clips[self.batch :]
            try:
                answers += self._forward(part)
            except RuntimeError as error:  # torch.OutOfMemoryError is one
                if not is_out_of_memory(error):
                    raise
                self._halve(error)
                continue
            clips = rest
        return answers

    def _halve(self, error: Exception) -> None:
        if self.batch == 1:
            raise DeviceError(
                "one clip does not fit into memory",
                str(error).splitlines()[0],
                "use a smaller --map-size, another --model or --device",
            ) from error
        self.batch = max(1, self.batch // 2)
        if self.plan.backend.device == "cuda":
            torch.cuda.empty_cache()
        self._note(f"out of memory: the batch was lowered to {self.batch} clips")

    @torch.inference_mode()
    def _forward(self, clips: Sequence[Clip]) -> list[ClipActivation]:
        keep = self.kept_samples(clips[0])
        inputs = len(clips[0].frames[clips[0].sampled[0]].inputs)
        features = [self._run_backbone(network_input(clips, which, self.plan), keep) for which in range(inputs)]
        return self.activations(clips, features)

    @torch.inference_mode()
    def activations(self, clips: Sequence[Clip], features: Sequence[Features]) -> list[ClipActivation]:
        """Return the activations of clips.

        Args:
            clips: the clips.
            features: their features from the pictures for the scores and, if the maps use another size, from those for
                the maps.
        """
        recognizer = self.recognizer
        logits = recognizer.head(features[0]).float()
        slices = _slice_logits(recognizer, features[0], logits)
        mapped = features[-1]
        finite = torch.isfinite(logits).all(1) & torch.isfinite(mapped.maps.float().mean(dim=(1, 2, 3, 4)))
        rows = zip(clips, slices.cpu().numpy(), finite.tolist(), strict=True)
        chosen = [self._choose(clip, top, good) for clip, top, good in rows]
        union = sorted(set().union(*chosen))
        ids = torch.tensor(union, dtype=torch.long, device=logits.device)
        shape = mapped.maps.shape
        maps = self.plan.maps(recognizer, mapped, ids) if union else logits.new_zeros((shape[0], 0, *shape[2:]))
        errors = _completeness(recognizer, mapped, maps, ids).cpu().numpy()
        host = maps.float().cpu().numpy(), logits.cpu().numpy(), slices.cpu().numpy()
        return [
            self._activation(clip, chosen[b], union, bool(finite[b]), _Arrays(errors[b], *(x[b] for x in host)))
            for b, clip in enumerate(clips)
        ]

    def _choose(self, clip: Clip, slices: F32, good: bool) -> set[int]:
        """Return the classes to map: those in the top k anywhere in the clip, and those of the clips before."""
        if not good:
            self._alive = {}
            return set()
        selection = self.plan.selection
        if selection.class_ids:
            return set(selection.class_ids)
        k = min(selection.top_k, slices.shape[1])
        top = set(np.argpartition(slices, -k, axis=1)[:, -k:].ravel().tolist())
        if (picked := selection.picked()) is not None:
            top.add(picked)
        chosen = top | self._alive.keys()
        self._alive = {c: left - 1 for c, left in self._alive.items() if left > 1} | dict.fromkeys(top, self.plan.hold)
        return chosen

    def _activation(
        self, clip: Clip, chosen: set[int], union: list[int], good: bool, arrays: _Arrays
    ) -> ClipActivation:
        logits, slices = arrays.logits, arrays.slices
        if not good:
            first, last = clip.frames[clip.sampled[0]], clip.frames[clip.sampled[-1]]
            self._note(f"the network returned NaN on frames {first.index} to {last.index}: nothing is drawn there")
            logits, slices = np.full_like(logits, NO_EVIDENCE), np.full_like(slices, NO_EVIDENCE)
        rows = [row for row, class_id in enumerate(union) if class_id in chosen]
        error = float(arrays.errors[rows].max(initial=0.0)) if self.plan.complete else None
        if error is not None and not error <= COMPLETENESS_LIMIT:
            raise ModelError(
                f"the maps of {self.recognizer.name} do not add up to its logits",
                f"the completeness error is {error:.2g}, over {COMPLETENESS_LIMIT:g}: its `linear` is not its head",
                "correct `linear`, or return None there to differentiate the head",
            )
        geometry = self.recognizer.geometry
        return ClipActivation(
            clip=clip,
            logits=logits,
            slice_logits=slices,
            classes=np.array([union[row] for row in rows], np.int64),
            maps=arrays.maps[rows],
            start=geometry.start[0] + (clip.valid[0] if geometry.margin else 0),
            jump=geometry.jump[0],
            grid=self.plan.grid,
            error=error,
        )


@dataclass(frozen=True, slots=True)
class _Arrays:
    """Results of one clip on the CPU."""

    errors: F32
    maps: F32
    logits: F32
    slices: F32


@dataclass(frozen=True, slots=True)
class ForwardRequest:
    """Clips to run the backbone on."""

    clips: Tensor
    """Normalized RGB [B, 3, T, H, W]."""
    keep: tuple[int, int] | None

    @property
    def key(self) -> Hashable:
        """Requests with equal keys fit into one batch."""
        return tuple(self.clips.shape[1:]), self.keep


@torch.inference_mode()
def backbone_batch(recognizer: Recognizer, requests: Sequence[ForwardRequest]) -> list[Features]:
    """Run the backbone once for the requests of several videos, all with the same key."""
    features = recognizer.features(torch.cat([request.clips for request in requests]), requests[0].keep)
    counts = [len(request.clips) for request in requests]
    contexts = [None] * len(requests) if features.context is None else torch.split(features.context, counts)
    return [Features(*parts) for parts in zip(torch.split(features.maps, counts), contexts, strict=True)]


def recognize_clips(clips: Iterable[Clip], network: Network) -> Iterator[ClipActivation]:
    """Yield one activation per clip, in order."""
    for batch in _batches(clips, network):
        yield from network.run(batch)


def _batches(clips: Iterable[Clip], network: Network) -> Iterator[list[Clip]]:
    """Group consecutive clips with equal length and kept samples, at most as many as the network takes now."""
    for _, equal in groupby(clips, key=lambda clip: (len(clip.sampled), network.kept_samples(clip))):
        batch: list[Clip] = []
        for clip in equal:
            batch.append(clip)
            if len(batch) >= network.batch:
                yield batch
                batch = []
        if batch:
            yield batch


def network_input(clips: Sequence[Clip], which: int, plan: NetworkPlan) -> Tensor:
    """Return the pictures of clips, for scores (0) or maps (1), as normalized RGB [B, 3, T, H, W] on the device."""
    recognizer, backend = plan.recognizer, plan.backend
    pictures = np.stack([[clip.frames[i].inputs[which] for i in clip.sampled] for clip in clips])
    width = pictures.shape[3]
    # A row of pixels at a time: three channels alone are too short to vectorize over.
    rows = torch.from_numpy(pictures).to(backend.device, non_blocking=True).flatten(-2)
    mean, std = (
        torch.tensor(values, device=backend.device).mul(255).repeat(width)
        for values in (recognizer.mean, recognizer.std)
    )
    normal: Tensor = torch.sub(rows, mean).div_(std).to(backend.dtype).reshape(pictures.shape)
    # Channels last in memory: that is how the pictures come, and what bfloat16 convolutions are fastest with.
    return normal.permute(0, 4, 1, 2, 3)


def _slice_logits(recognizer: Recognizer, features: Features, logits: Tensor) -> Tensor:
    """Return the logits of each time slice [B, T', C]: the spatial means of the maps of all classes."""
    head, maps = recognizer.linear, features.maps
    if head is None:
        return logits[:, None].expand(-1, maps.shape[2], -1)
    if head.pooling_weight is None:
        pooled = maps.mean(dim=(3, 4), dtype=torch.float32)
    else:
        weight = head.pooling_weight((maps.shape[2], maps.shape[3], maps.shape[4]))
        pooled = (maps.float() * weight).mean(dim=(3, 4))
    return pooled.transpose(1, 2) @ head.weight.T + head.bias


def _completeness(recognizer: Recognizer, features: Features, maps: Tensor, classes: Tensor) -> Tensor:
    """Return |mean(map) + bias - logit| / max(1, |logit|) [B, S]; 0 where the head has no bias of its own to add."""
    if recognizer.linear is None:
        return maps.new_zeros(maps.shape[:2])
    logits = recognizer.head(features).float()[:, classes]
    total = maps.mean(dim=(2, 3, 4)) + recognizer.linear.bias[classes]
    return (total - logits).abs() / logits.abs().clamp(min=1)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a torch error means that memory ran out, on any device."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text
