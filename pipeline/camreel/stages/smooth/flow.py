"""Smoothing along the motion in the picture: maps are warped by optical flow before they are averaged.

A two-sided exponential: the average of a frame's past and future, each a recursion

    N_t = M_t + a g_t W(N_{t-1})        D_t = 1 + a g_t W(D_{t-1})        result = N / D

with W the warp along dense flow (DIS, Kroeger et al., ECCV 2016), a = exp(-dt / tau), and g_t in [0, 1] a photometric
guard per pixel that is small where the warped picture disagrees with the frame (occlusion, wrong flow) and 0 everywhere
at a scene cut. The recursion carries one state per direction instead of warping every neighbor to every frame.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from camreel.imageops.grid import shrink_plane
from camreel.imageops.motion import CUT_AGREEMENT, OpticalFlow, agreement, flow_luma, flow_origins, warp
from camreel.stages.smooth.averages import shared_rows
from camreel.structures import F32, U8, FrameActivation, Ints

REACH = 3.0
"""Time constants that the smoother looks ahead."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Moment:
    """A frame's activation and the pictures that flow needs."""

    activation: FrameActivation
    terms: F32
    """Terms that the frame adds to the sums [h, w, S + 1]: its maps, and one."""
    luma: U8
    """Picture for the flow [H, W]."""
    small: F32
    """Picture for the guard, at the size of the maps [h, w]."""


_Link = tuple[F32, F32]
"""Step to a neighboring frame: origin (x, y) of each cell [h, w, 2], and the gain of the past [h, w]."""


@dataclasses.dataclass(frozen=True, slots=True)
class _State:
    """The recursion: logits and maps summed with their weights."""

    logits: F32
    weight: float
    classes: Ints
    sums: F32
    """N of the S classes and D side by side [h, w, S + 1], so that one warp carries all."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    """A moment that waits for its future."""

    moment: _Moment
    past: _State
    back: _Link | None
    """Link from this moment to the one before; None: there is none, or a scene cut lies between them."""

    @property
    def time(self) -> float:
        return self.moment.activation.frame.time


class FlowSmoother:
    """Smooth along optical flow. Needs maps on a grid that tiles the picture.

    Args:
        seconds: time constant tau to each side.
        causal: look back only.
    """

    def __init__(self, seconds: float, causal: bool = False) -> None:
        self._tau = seconds
        self._causal = causal
        self.lag = 0.0 if causal else 2 * REACH * seconds
        self._flow = OpticalFlow()

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
        """Yield activations at once if causal, else in blocks: one backward pass serves all frames of a block."""
        block: list[_Entry] = []
        for moment in map(_moment, activations):
            last = block[-1] if block else None
            past = _begin(moment)
            if last:
                flow = self._flow(moment.luma, last.moment.luma)
                moment = dataclasses.replace(moment, activation=dataclasses.replace(moment.activation, flow=flow))
                past = self._advance(last.past, moment, self._link(last.moment, moment, flow))
            if self._causal:
                block = [_Entry(moment, past, None)]
                yield _result(moment, past)
                continue
            back = self._link(moment, last.moment, self._flow(last.moment.luma, moment.luma)) if last else None
            block.append(_Entry(moment, past, back))
            if block[-1].time - block[0].time > self.lag:
                done = sum(block[-1].time - entry.time >= self.lag / 2 for entry in block)
                yield from self._smooth_block(block)[:done]
                block = block[done:]
        if not self._causal:
            yield from self._smooth_block(block)

    def _smooth_block(self, block: Sequence[_Entry]) -> list[FrameActivation]:
        """Run the recursion backwards from the end of a block, and join it with the past of each frame."""
        results: list[FrameActivation] = []
        future: _State | None = None
        back: _Link | None = None
        for entry in reversed(block):
            future = self._advance(future, entry.moment, back) if future else _begin(entry.moment)
            results.append(_result(entry.moment, _join(entry.moment, entry.past, future)))
            back = entry.back
        return results[::-1]

    def _link(self, origin: _Moment, target: _Moment, flow: F32) -> _Link | None:
        """Return how to carry a state to a neighboring moment along the flow; None: a scene cut."""
        height, width = target.small.shape
        origins = flow_origins(flow, (height, width))
        guard = agreement(warp(origin.small, origins), target.small)
        if float(guard.mean()) < CUT_AGREEMENT:
            return None
        elapsed = abs(target.activation.frame.time - origin.activation.frame.time)
        return origins, guard * math.exp(-elapsed / self._tau)

    def _advance(self, state: _State, moment: _Moment, link: _Link | None) -> _State:
        """Apply one step of the recursion, onto `moment`."""
        now = moment.activation
        if link is None:
            return _begin(moment)
        origins, gain = link
        old = float(gain.mean())
        carried = warp(state.sums, origins) * gain[..., None]
        same = np.array_equal(now.classes, state.classes)
        sums = moment.terms + carried if same else _merge(moment, state, carried)
        return _State(now.logits + old * state.logits, 1 + old * state.weight, now.classes, sums)


def _merge(moment: _Moment, state: _State, carried: F32) -> F32:
    """Return the sums for newly mapped classes, which start as if their maps had always been the current ones."""
    sums = moment.terms.copy()
    mine, theirs = shared_rows(moment.activation.classes, state.classes)
    sums[..., -1] += carried[..., -1]
    new = np.setdiff1d(np.arange(len(moment.activation.classes)), mine)
    sums[..., new] *= sums[..., -1:]
    sums[..., mine] += carried[..., theirs]
    return sums


def _begin(moment: _Moment) -> _State:
    now = moment.activation
    return _State(now.logits, 1.0, now.classes, moment.terms)


def _join(moment: _Moment, past: _State, future: _State) -> _State:
    """Add past and future of the same moment; the moment itself, which is in both, counts once."""
    now = moment.activation
    return _State(
        past.logits + future.logits - now.logits,
        past.weight + future.weight - 1,
        now.classes,
        past.sums + future.sums - moment.terms,
    )


def _result(moment: _Moment, state: _State) -> FrameActivation:
    maps = np.ascontiguousarray((state.sums[..., :-1] / state.sums[..., -1:]).transpose(2, 0, 1))
    return dataclasses.replace(moment.activation, logits=state.logits / state.weight, maps=maps)


def _moment(activation: FrameActivation) -> _Moment:
    luma = flow_luma(activation.frame.picture)
    count, height, width = activation.maps.shape
    terms = np.ones((height, width, count + 1), np.float32)
    terms[..., :-1] = activation.maps.transpose(1, 2, 0)
    return _Moment(activation, terms, luma, shrink_plane(luma, width, height).astype(np.float32))
