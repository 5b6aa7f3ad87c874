"""Smoothing along the motion in the picture: maps are carried by optical flow before they are averaged.

A two-sided exponential: the average of a frame's past and future, each a recursion

    N_t = M_t + a g_t W(N_{t-1})        D_t = 1 + a g_t W(D_{t-1})        result = N / D

with W the warp along dense flow (DIS, Kroeger et al., ECCV 2016), a = exp(-dt / tau), and g_t in [0, 1] a photometric guard per
pixel that is small where the warped picture disagrees with the frame (occlusion, wrong flow) and 0 everywhere at a scene cut. The
recursion carries one state per direction instead of warping every neighbour to every frame.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.optical_flow import CUT, OpticalFlow, agreement, carry, origins, small_luma
from pipeline.shrink import shrink_plane
from pipeline.smooth.gaussian import shared_rows
from pipeline.structures import F32, U8, FrameActivation

REACH = 3.0
"""Time constants that the future is looked ahead."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Moment:
    """A frame's activation and the pictures that flow needs."""

    activation: FrameActivation
    terms: F32
    """What the frame adds to the sums [h, w, S + 1]: its maps, and one."""
    luma: U8
    """For the flow [H, W]."""
    small: F32
    """For the guard, at the maps' size [h, w]."""


_Link = tuple[F32, F32]
"""How a state is carried to a neighbouring moment: (x, y) that each cell comes from [h, w, 2], and the share of the past that
counts [h, w]."""


@dataclasses.dataclass(frozen=True, slots=True)
class _State:
    """The recursion: logits and maps summed with their weights."""

    logits: F32
    weight: float
    classes: np.ndarray
    sums: F32
    """N of the S classes and D, side by side [h, w, S + 1], so that one warp carries all."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    """A moment that waits for its future."""

    moment: _Moment
    past: _State
    back: _Link | None
    """From this moment to the one before; None: none, or a scene cut between them."""

    @property
    def time(self) -> float:
        return self.moment.activation.frame.time


class Flow:
    """Smooths along optical flow. Wants maps on a grid that tiles the picture.

    Args:
        tau: time constant to each side, in seconds.
        causal: look back only.
    """

    def __init__(self, tau: float, causal: bool) -> None:
        self._tau = tau
        self._causal = causal
        self.lag = 0.0 if causal else 2 * REACH * tau
        self._flow = OpticalFlow()

    def __call__(self, activations: Iterable[FrameActivation]) -> Iterator[FrameActivation]:
        """Yields frames at once when causal, else in blocks: one pass back from ahead serves all frames of a block."""
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
                yield from self._back(block)[:done]
                block = block[done:]
        if not self._causal:
            yield from self._back(block)

    def _back(self, block: Sequence[_Entry]) -> list[FrameActivation]:
        """Results of a block: the recursion backwards from its end, joined with the past of each frame."""
        results: list[FrameActivation] = []
        future: _State | None = None
        back: _Link | None = None
        for entry in reversed(block):
            future = self._advance(future, entry.moment, back) if future else _begin(entry.moment)
            results.append(_result(entry.moment, _join(entry.moment, entry.past, future)))
            back = entry.back
        return results[::-1]

    def _link(self, origin: _Moment, target: _Moment, flow: F32) -> _Link | None:
        """How to carry a state from one moment to a neighbouring one along the flow; None: a scene cut."""
        height, width = target.small.shape
        source = origins(flow, (height, width))
        guard = agreement(carry(origin.small, source), target.small)
        if float(guard.mean()) < CUT:
            return None
        return source, guard * math.exp(-abs(target.activation.frame.time - origin.activation.frame.time) / self._tau)

    def _advance(self, state: _State, moment: _Moment, link: _Link | None) -> _State:
        """One step of the recursion onto `moment`."""
        now = moment.activation
        if link is None:
            return _begin(moment)
        source, gain = link
        old = float(gain.mean())
        carried = carry(state.sums, source) * gain[..., None]
        sums = moment.terms + carried if np.array_equal(now.classes, state.classes) else _merge(moment, state, carried)
        return _State(now.logits + old * state.logits, 1 + old * state.weight, now.classes, sums)


def _merge(moment: _Moment, state: _State, carried: F32) -> F32:
    """The sums where other classes are mapped than before; a new one starts as if it had always looked like now."""
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
    """Past and future of the same moment; the moment itself, in both, counts once."""
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
    luma = small_luma(activation.frame.picture)
    count, height, width = activation.maps.shape
    terms = np.ones((height, width, count + 1), np.float32)
    terms[..., :-1] = activation.maps.transpose(1, 2, 0)
    return _Moment(activation, terms, luma, shrink_plane(luma, width, height).astype(np.float32))
