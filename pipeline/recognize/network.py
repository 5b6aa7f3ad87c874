"""The network on its device: clips in, and out their logits, maps and self-check."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import DeviceError
from pipeline.recognize.backend import Backend
from pipeline.structures import F32, Clip, ClipActivation, Grid

if TYPE_CHECKING:
    from pipeline.models import Features, Recognizer

    MapMethod = Callable[[Recognizer, Features, Tensor], Tensor]
    See = Callable[[Tensor, tuple[int, int] | None], Features]
    """As `Recognizer.features`."""

NO_EVIDENCE = -1e4
"""Logit of every class where the network gave no number: no score, in softmax and in sigmoid."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which classes are mapped."""

    classes: tuple[int, ...] = ()
    """Always these and no others; empty: the top k of every slice, and those of the clip before."""
    top_k: int = 3
    picked: Callable[[], int | None] = lambda: None
    """A class that somebody wants to see now, whatever its score."""


class Network:
    """The recognizer on its device, the batch that fits, and the classes alive from the `hold` clips before; see `recognize`."""

    def __init__(
        self,
        recognizer: Recognizer,
        maps: MapMethod,
        selection: Selection,
        backend: Backend,
        grid: Grid,
        complete: bool,
        notify: Callable[[str], None],
        hold: int = 1,
        see: See | None = None,
    ) -> None:
        self.batch = backend.batch
        self.recognizer, self.backend = recognizer, backend
        self._maps, self._selection, self._notify = maps, selection, notify
        self._grid, self._complete = grid, complete
        self._hold = hold
        self._see = see or recognizer.features
        self._alive: dict[int, int] = {}
        """Clips for which a class that was on top is mapped still."""

    def keep(self, clip: Clip) -> tuple[int, int] | None:
        """The samples to compute maps for: where the network has a margin, those without it; else all."""
        return clip.valid if self.recognizer.geometry.margin else None

    def run(self, clips: Sequence[Clip]) -> list[ClipActivation]:
        """Answers for the clips; out of memory halves the batch for this and all later calls."""
        answers: list[ClipActivation] = []
        while clips:
            part, rest = clips[: self.batch], clips[self.batch :]
            try:
                answers += self._forward(part)
            except RuntimeError as error:  # torch.OutOfMemoryError is one
                if not out_of_memory(error):
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
        if self.backend.device == "cuda":
            torch.cuda.empty_cache()
        self._notify(f"out of memory: the batch was lowered to {self.batch} clips")

    @torch.inference_mode()
    def _forward(self, clips: Sequence[Clip]) -> list[ClipActivation]:
        recognizer = self.recognizer
        keep = self.keep(clips[0])
        seen = [
            self._see(network_input(clips, which, recognizer, self.backend), keep)
            for which in range(len(clips[0].frames[clips[0].sampled[0]].inputs))
        ]
        return self.conclude(clips, seen)

    @torch.inference_mode()
    def conclude(self, clips: Sequence[Clip], seen: Sequence[Features]) -> list[ClipActivation]:
        """Answers from what the backbone made of the pictures for the scores and, where other, of those for the maps."""
        recognizer = self.recognizer
        logits = recognizer.head(seen[0]).float()
        slices = _slice_logits(recognizer, seen[0], logits)
        features = seen[-1]
        finite = torch.isfinite(logits).all(1) & torch.isfinite(features.maps.float().mean(dim=(1, 2, 3, 4)))
        chosen = [
            self._choose(clip, rows, good) for clip, rows, good in zip(clips, slices.cpu().numpy(), finite.tolist(), strict=True)
        ]
        union = sorted(set().union(*chosen))
        ids = torch.tensor(union, dtype=torch.long, device=logits.device)
        maps = self._maps(recognizer, features, ids)
        errors = _completeness(recognizer, features, maps, ids).cpu().numpy()
        host = maps.float().cpu().numpy(), logits.cpu().numpy(), slices.cpu().numpy()
        return [
            self._answer(clips[b], chosen[b], union, bool(finite[b]), errors[b], *(x[b] for x in host)) for b in range(len(clips))
        ]

    def _choose(self, clip: Clip, slices: F32, good: bool) -> set[int]:
        """The classes to map: those on top anywhere in the clip, and those that were in the `hold` clips before."""
        if not good:
            self._alive = {}
            return set()
        if self._selection.classes:
            return set(self._selection.classes)
        k = min(self._selection.top_k, slices.shape[1])
        top = set(np.argpartition(slices, -k, axis=1)[:, -k:].ravel().tolist())
        if (picked := self._selection.picked()) is not None:
            top.add(picked)
        chosen = top | self._alive.keys()
        self._alive = {c: left - 1 for c, left in self._alive.items() if left > 1} | dict.fromkeys(top, self._hold)
        return chosen

    def _answer(
        self, clip: Clip, chosen: set[int], union: list[int], good: bool, errors: F32, maps: F32, logits: F32, slices: F32
    ) -> ClipActivation:
        if not good:
            first, last = clip.frames[clip.sampled[0]], clip.frames[clip.sampled[-1]]
            self._notify(f"the network gave no numbers (NaN) on frames {first.index} to {last.index}: nothing is drawn there")
            logits, slices = np.full_like(logits, NO_EVIDENCE), np.full_like(slices, NO_EVIDENCE)
        rows = [row for row, class_id in enumerate(union) if class_id in chosen]
        geometry = self.recognizer.geometry
        return ClipActivation(
            clip=clip,
            logits=logits,
            slice_logits=slices,
            classes=np.array([union[row] for row in rows], np.int64),
            maps=maps[rows],
            start=geometry.start[0] + (clip.valid[0] if geometry.margin else 0),
            jump=geometry.jump[0],
            grid=self._grid,
            error=float(errors[rows].max(initial=0.0)) if self._complete else None,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """Clips that are to be seen."""

    clips: Tensor
    """Normalised RGB [B, 3, T, H, W]."""
    keep: tuple[int, int] | None

    @property
    def kind(self) -> Hashable:
        """Looks of the same kind can be taken together."""
        return tuple(self.clips.shape[1:]), self.keep


@torch.inference_mode()
def look(recognizer: Recognizer, looks: Sequence[Look]) -> list[Features]:
    """Sees the clips of several videos, all of one kind, in one pass of the network."""
    found = recognizer.features(torch.cat([one.clips for one in looks]), looks[0].keep)
    counts = [len(one.clips) for one in looks]
    contexts = [None] * len(looks) if found.context is None else torch.split(found.context, counts)
    return [type(found)(*parts) for parts in zip(torch.split(found.maps, counts), contexts, strict=True)]


def network_input(clips: Sequence[Clip], which: int, recognizer: Recognizer, backend: Backend) -> Tensor:
    """The clips' small pictures as normalised RGB [B, 3, T, H, W] on the device; `which`: 0 for scores, 1 for maps."""
    pictures = np.stack([[clip.frames[i].inputs[which] for i in clip.sampled] for clip in clips])
    width = pictures.shape[3]
    # A row of pixels at a time: three channels alone are too short to vectorise over.
    rows = torch.from_numpy(pictures).to(backend.device, non_blocking=True).flatten(-2)
    mean, std = (torch.tensor(values, device=backend.device).mul(255).repeat(width) for values in (recognizer.mean, recognizer.std))
    normal: Tensor = torch.sub(rows, mean).div_(std).to(backend.dtype).reshape(pictures.shape)
    # Kept channels-last in memory: that is how the pictures come, and what bfloat16 convolutions are fastest with.
    return normal.permute(0, 4, 1, 2, 3)


def _slice_logits(recognizer: Recognizer, features: Features, logits: Tensor) -> Tensor:
    """Logits of each time slice [B, T', C]: the mean of the maps over space, for all classes at the cost of one slice."""
    head, maps = recognizer.linear, features.maps
    if head is None:
        return logits[:, None].expand(-1, maps.shape[2], -1)
    if head.coverage is None:
        pooled = maps.mean(dim=(3, 4), dtype=torch.float32)
    else:
        pooled = (maps.float() * head.coverage((maps.shape[2], maps.shape[3], maps.shape[4]))).mean(dim=(3, 4))
    return pooled.transpose(1, 2) @ head.weight.T + head.bias


def _completeness(recognizer: Recognizer, features: Features, maps: Tensor, classes: Tensor) -> Tensor:
    """|mean(map) + bias - logit| / max(1, |logit|) as [B, S]; 0 where the head has no bias of its own to add."""
    if recognizer.linear is None:
        return maps.new_zeros(maps.shape[:2])
    logits = recognizer.head(features).float()[:, classes]
    total = maps.mean(dim=(2, 3, 4)) + recognizer.linear.bias[classes]
    return (total - logits).abs() / logits.abs().clamp(min=1)


def out_of_memory(error: BaseException) -> bool:
    """Whether a torch error means that memory ran out, on any device."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text
