"""Networks with stream state: samples one by one give the maps of the whole video, and each is processed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from camreel.cams.maps import activation_maps, load_method
from camreel.models.architecture import LayerState
from camreel.models.registry import ARCHITECTURES, architecture
from camreel.models.torch_recognizer import TorchRecognizer
from camreel.recognize.backend import Backend
from camreel.recognize.batches import NetworkPlan
from camreel.recognize.stage import StepRequest, recognize, step_batch
from camreel.stages.sample import Sampling, fit_input, sample
from camreel.stages.stitch import stitch
from camreel.stages.windows import Windowing, stream_steps, windows
from camreel.structures import ClassSelection, ClipActivation, Frame, FrameActivation, Grid
from tests.make import numbered
from tests.networks import network, new_network

STREAMING = sorted(name for name in ARCHITECTURES if architecture(name).forward_step is not None)
"""Networks with stream state."""
GRID = Grid((0.0, 0.0), (8.0, 8.0))
SIZE = fit_input((64, 48), 32)


def noise(samples: int, videos: int = 1) -> torch.Tensor:
    return torch.randn(videos, 3, samples, 32, 48, generator=torch.Generator().manual_seed(2))


def in_steps(name: str, x: torch.Tensor, lengths: list[int]) -> tuple[torch.Tensor, list[int]]:
    """Return the maps of videos in steps of the given lengths, and the number of samples that each step made known."""
    net, state = network(name), network(name).new_stream()
    first = net.geometry.margin + 1
    found = [net.forward_step(x[:, :, :first], state, (True, False)).maps]
    for length in lengths:
        found.append(net.forward_step(x[:, :, first : first + length], state, (False, False)).maps)
        first += length
    found.append(net.forward_step(x[:, :, :0], state, (False, True)).maps)
    return torch.cat(found, 2), [maps.shape[2] for maps in found]


def test_the_bundled_and_the_default_network_have_stream_state():
    assert STREAMING == ["figures", "mc3_18"]


@pytest.mark.parametrize("name", STREAMING)
@settings(max_examples=8, deadline=None)
@given(lengths=st.lists(st.integers(1, 4), max_size=6))
@torch.inference_mode()
def test_steps_of_any_length_give_the_maps_of_the_whole_video(name, lengths):
    net = network(name)
    x = noise(net.geometry.margin + 1 + sum(lengths), videos=2)
    whole = net.features(x, (0, x.shape[2])).maps
    maps, counts = in_steps(name, x, lengths)
    assert counts[1:-1] == lengths, "each step makes as many samples known as it brings"
    assert counts[-1] <= net.geometry.margin
    torch.testing.assert_close(maps, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", STREAMING)
@torch.inference_mode()
def test_each_layer_processes_each_sample_once(name):
    """The work of a step does not depend on how much was seen before."""
    net = network(name)
    seen: list[int] = []
    last = net._backbone.last if name == "figures" else net._backbone.layer4
    handle = last.register_forward_pre_hook(
        lambda module, args: seen.append(args[0].shape[0 if name == "figures" else 2])
    )
    try:
        in_steps(name, noise(net.geometry.margin + 6), [1] * 5)
    finally:
        handle.remove()
    assert sum(seen) == net.geometry.margin + 6
    assert seen[1:-1] == [1] * 5


@pytest.mark.parametrize("name", STREAMING)
def test_a_batch_of_videos_has_the_maps_of_each_alone(name):
    net = network(name)
    margin = net.geometry.margin
    videos = noise(margin + 3, videos=3)
    alone, states = [], [net.new_stream() for _ in videos]
    for video in videos:
        state = net.new_stream()
        step_batch(net, [StepRequest(video[None, :, : margin + 1], state, (True, False))])
        alone.append(step_batch(net, [StepRequest(video[None, :, margin + 1 :], state, (False, False))])[0].maps)
    for video, state in zip(videos, states, strict=True):
        step_batch(net, [StepRequest(video[None, :, : margin + 1], state, (True, False))])
    pairs = zip(videos, states, strict=True)
    following = [StepRequest(video[None, :, margin + 1 :], state, (False, False)) for video, state in pairs]
    assert len({step.key for step in following}) == 1
    for one, other in zip(step_batch(net, following), alone, strict=True):
        torch.testing.assert_close(one.maps, other, rtol=1e-5, atol=1e-5)


def test_the_state_holds_the_needed_samples_and_no_others():
    state = LayerState()
    for n in range(50):
        state.extend("x", torch.full((1, 1, 3), float(n)), 2, keep=2)
    assert state["x"].untyped_storage().nbytes() == 2 * 4
    assert state.delay("y", torch.arange(5.0)[None], 1, 2).tolist() == [[0.0, 1.0]]
    assert state.delay("y", torch.zeros(1, 0), 1, 1).tolist() == [[2.0]]


def closed_form(recognizer, features, classes):
    return activation_maps(load_method("cam"), recognizer, features, classes)


@cache
def on_device(name: str) -> TorchRecognizer:
    """Return the network as it runs: moved to the CPU, with folded batch norms."""
    recognizer = new_network(name)
    recognizer.to("cpu")
    return recognizer


def plan_of(name: str, selection: ClassSelection) -> NetworkPlan:
    return NetworkPlan(on_device(name), Backend(), closed_form, selection, GRID)


def sampled(name: str, frames: Iterable[Frame]) -> Iterator[Frame]:
    """Sample frames at 30 per second for a network."""
    return sample(frames, Sampling((SIZE,), network(name).frame_rate, 1 / 30))


def streamed(name: str, frames: Iterable[Frame], selection: ClassSelection) -> Iterator[ClipActivation]:
    """Return the activations of a network that sees the frames as a stream."""
    return recognize(stream_steps(sampled(name, frames)), plan_of(name, selection), streams=True)


def in_clips(name: str, frames: Iterable[Frame], selection: ClassSelection) -> Iterator[ClipActivation]:
    """Return the activations of a network that sees the frames in clips."""
    margin = network(name).geometry.margin
    clips = windows(sampled(name, frames), Windowing(8 + 2 * margin, 8, margin))
    return recognize(clips, plan_of(name, selection))


def in_both_ways(name: str, frames: list[Frame]) -> list[list[FrameActivation]]:
    """Return the activations of frames as a stream, and in clips."""
    return [list(stitch(way(name, frames, ClassSelection((1, 3))))) for way in (streamed, in_clips)]


@pytest.mark.parametrize("name", STREAMING)
@pytest.mark.parametrize("count", [1, 2, 7, 24, 61])
def test_streams_have_the_maps_of_clips(name, count):
    frames = numbered(count)
    stream, clips = in_both_ways(name, frames)
    assert [a.frame.index for a in stream] == [a.frame.index for a in clips] == list(range(count))
    for one, other in zip(stream, clips, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(one.classes, other.classes)
        scale = max(1.0, float(np.abs(other.maps).max()))
        np.testing.assert_allclose(one.maps / scale, other.maps / scale, atol=1e-5)


@pytest.mark.parametrize("name", STREAMING)
def test_an_activation_is_yielded_as_soon_as_the_margin_allows(name):
    net = network(name)
    read: list[int] = []

    def watched():
        for frame in numbered(90):
            read.append(frame.index)
            yield frame

    lags = []
    for activation in stitch(streamed(name, watched(), ClassSelection((0,)))):
        lags.append(read[-1] - activation.frame.index)
    # In frames: the margin, and the frames between two samples.
    assert max(lags[20:60]) <= 30 / net.frame_rate * (net.geometry.margin + 1) + 1


def test_a_frame_of_a_slow_camera_answers_several_ticks():
    frames = [dataclasses.replace(f, time=f.index / 4, time_base=Fraction(1, 4)) for f in numbered(12)]
    stream, clips = in_both_ways("figures", frames)
    assert len(stream) == 12
    for one, other in zip(stream, clips, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4, atol=1e-4)


def test_no_frames_give_no_activations():
    assert list(stitch(streamed("figures", [], ClassSelection()))) == []


def test_a_class_in_the_top_k_stays_mapped_for_a_while():
    """Otherwise its smoothing would start again whenever it comes back."""
    activations = streamed("figures", numbered(120), ClassSelection(top_k=1))
    seen = [set(activation.classes.tolist()) for activation in activations]
    tops = [s for s in seen if s]
    assert all(before <= now for before, now in zip(tops[:30], tops[1:31], strict=True))
