"""Networks that remember: sample by sample they say what they say of the whole video, and do each sample's work once."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from camreel.cams.maps import activation_maps
from camreel.models.registry import ARCHITECTURES
from camreel.models.stream_state import LayerState
from camreel.recognize.backend import Backend
from camreel.recognize.stage import recognize
from camreel.recognize.streaming import StepRequest, step_batch
from camreel.stages.sample import fit_input, sample
from camreel.stages.stitch import stitch
from camreel.stages.windows import stream_steps, windows
from camreel.structures import ClassSelection, Frame, Grid
from tests.make import numbered
from tests.networks import network

REMEMBER = sorted(name for name, family in ARCHITECTURES.items() if family.advance is not None)
GRID = Grid((0.0, 0.0), (8.0, 8.0))
SIZE = fit_input(64, 48, 32, fixed=False, smooth=False, fill=(0, 0, 0))


def noise(samples: int, videos: int = 1) -> torch.Tensor:
    return torch.randn(videos, 3, samples, 32, 48, generator=torch.Generator().manual_seed(2))


def in_steps(name: str, x: torch.Tensor, lengths: list[int]) -> tuple[torch.Tensor, list[int]]:
    """The maps of videos seen in stream_steps, and how many samples each step made known."""
    net, memory = network(name), network(name).begin()
    first = net.geometry.margin + 1
    found = [net.advance(x[:, :, :first], memory, (True, False)).maps]
    for length in lengths:
        found.append(net.advance(x[:, :, first : first + length], memory, (False, False)).maps)
        first += length
    found.append(net.advance(x[:, :, :0], memory, (False, True)).maps)
    return torch.cat(found, 2), [maps.shape[2] for maps in found]


def test_the_bundled_network_and_the_default_one_remember():
    assert REMEMBER == ["figures", "mc3_18"]


@pytest.mark.parametrize("name", REMEMBER)
@settings(max_examples=8, deadline=None)
@given(lengths=st.lists(st.integers(1, 4), max_size=6))
@torch.inference_mode()
def test_steps_of_any_length_give_the_maps_of_the_whole(name, lengths):
    net = network(name)
    x = noise(net.geometry.margin + 1 + sum(lengths), videos=2)
    whole = net.features(x, (0, x.shape[2])).maps
    maps, counts = in_steps(name, x, lengths)
    assert counts[1:-1] == lengths, "each step makes as many samples known as it brings"
    assert counts[-1] <= net.geometry.margin
    torch.testing.assert_close(maps, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", REMEMBER)
@torch.inference_mode()
def test_each_layer_sees_each_sample_once(name):
    """The work of a step does not depend on how much was seen before."""
    net = network(name)
    seen: list[int] = []
    last = net._backbone.last if name == "figures" else net._backbone.layer4
    handle = last.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[0 if name == "figures" else 2]))
    try:
        in_steps(name, noise(net.geometry.margin + 6), [1] * 5)
    finally:
        handle.remove()
    assert sum(seen) == net.geometry.margin + 6
    assert seen[1:-1] == [1] * 5


@pytest.mark.parametrize("name", REMEMBER)
def test_videos_side_by_side_are_as_alone(name):
    net = network(name)
    margin = net.geometry.margin
    videos = noise(margin + 3, videos=3)
    alone, memories, apart = [], [net.begin() for _ in videos], []
    for video in videos:
        memory = net.begin()
        step_batch(net, [StepRequest(video[None, :, : margin + 1], memory, (True, False))])
        alone.append(step_batch(net, [StepRequest(video[None, :, margin + 1 :], memory, (False, False))])[0].maps)
    for video, memory in zip(videos, memories, strict=True):
        apart.append(StepRequest(video[None, :, : margin + 1], memory, (True, False)))
        step_batch(net, apart[-1:])
    following = [StepRequest(v[None, :, margin + 1 :], m, (False, False)) for v, m in zip(videos, memories, strict=True)]
    assert len({step.kind for step in following}) == 1
    for one, other in zip(step_batch(net, following), alone, strict=True):
        torch.testing.assert_close(one.maps, other, rtol=1e-5, atol=1e-5)


def test_a_memory_holds_what_it_must_and_nothing_else():
    memory = LayerState()
    for n in range(50):
        memory.follow("x", torch.full((1, 1, 3), float(n)), 2, keep=2)
    assert memory["x"].untyped_storage().nbytes() == 2 * 4
    assert memory.delay("y", torch.arange(5.0)[None], 1, 2).tolist() == [[0.0, 1.0]]
    assert memory.delay("y", torch.zeros(1, 0), 1, 1).tolist() == [[2.0]]


# The stage


def closed_form(recognizer, features, classes):
    return activation_maps("cam", features.maps, classes, weight=recognizer.linear.weight, coverage=None, head=recognizer.head)


def answers(name: str, frames: list[Frame], *, whole: bool, classes: tuple[int, ...] = (1, 3)):
    net = network(name)
    net.to("cpu")
    sampled = sample(frames, net.frame_rate, 1 / 30, [SIZE])
    margin = net.geometry.margin
    if whole:
        clips = recognize(
            windows(sampled, 8 + 2 * margin, 8, margin), net, closed_form, ClassSelection(classes), GRID, backend=Backend()
        )
    else:
        clips = recognize(stream_steps(sampled), net, closed_form, ClassSelection(classes), GRID, backend=Backend(), streams=True)
    return list(stitch(clips))


@pytest.mark.parametrize("name", REMEMBER)
@pytest.mark.parametrize("count", [1, 2, 7, 24, 61])
def test_cameras_get_the_maps_that_files_get(name, count):
    frames = numbered(count)
    step, file = (answers(name, frames, whole=whole) for whole in (False, True))
    assert [a.frame.index for a in step] == [a.frame.index for a in file] == list(range(count))
    for one, other in zip(step, file, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(one.classes, other.classes)
        scale = max(1.0, float(np.abs(other.maps).max()))
        np.testing.assert_allclose(one.maps / scale, other.maps / scale, atol=1e-5)


@pytest.mark.parametrize("name", REMEMBER)
def test_an_answer_comes_as_soon_as_the_margin_allows(name):
    net = network(name)
    given_out: list[int] = []

    def watched():
        for frame in numbered(90):
            given_out.append(frame.index)
            yield frame

    lags = []
    sampled = sample(watched(), net.frame_rate, 1 / 30, [SIZE])
    clips = recognize(stream_steps(sampled), net, closed_form, ClassSelection((0,)), GRID, backend=Backend(), streams=True)
    for activation in stitch(clips):
        lags.append(given_out[-1] - activation.frame.index)
    # In frames: the margin, and what lies between two samples.
    assert max(lags[20:60]) <= 30 / net.frame_rate * (net.geometry.margin + 1) + 1


def test_a_slow_camera_answers_several_ticks_with_a_frame():
    frames = [dataclasses.replace(f, time=f.index / 4, time_base=Fraction(1, 4)) for f in numbered(12)]
    step, file = (answers("figures", frames, whole=whole) for whole in (False, True))
    assert len(step) == 12
    for one, other in zip(step, file, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4, atol=1e-4)


def test_nothing_in_gives_nothing_out():
    assert answers("figures", [], whole=False) == []


def test_a_class_on_top_is_mapped_for_a_while():
    """So that its smoothing does not begin anew whenever it comes back."""
    net = network("figures")
    sampled = sample(numbered(120), net.frame_rate, 1 / 30, [SIZE])
    seen = [
        set(a.classes.tolist())
        for a in recognize(stream_steps(sampled), net, closed_form, ClassSelection(top_k=1), GRID, backend=Backend(), streams=True)
    ]
    tops = [s for s in seen if s]
    assert all(before <= now for before, now in zip(tops[:30], tops[1:31], strict=True))
