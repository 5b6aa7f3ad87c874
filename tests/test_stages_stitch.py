"""Merging of overlapping clips: every source frame once, in order, with the same maps however the video is cut."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from camreel.recognize.backend import Backend
from camreel.recognize.batches import NetworkPlan
from camreel.recognize.stage import recognize
from camreel.runtime.concurrency import prefetch
from camreel.stages.sample import Sampling, fit_input, sample
from camreel.stages.stitch import stitch
from camreel.stages.windows import Windowing, windows
from camreel.structures import ClassSelection, Clip, ClipActivation, Grid
from tests.make import TinyRecognizer, frames, numbered

GRID = Grid((0, 0), (1, 1))


def clip_activation(start, valid, values, settled, classes=(0,), slice_start=0.0, jump=1.0):
    """Return a clip of len(values) slices whose maps and logits are `values`, with one frame per sample."""
    span = frames([i / 15 for i in range(start + round(len(values) * jump))])
    span = [dataclasses.replace(f, tick=float(f.index), samples=1) for f in span][start:]
    clip = Clip(tuple(span), tuple(range(len(span))), start, valid, settled)
    column = np.asarray(values, np.float32)
    maps = np.broadcast_to(column[None, :, None, None], (len(classes), len(values), 2, 3)).copy()
    logits = np.broadcast_to(column[:, None], (len(values), 4)).copy()
    return ClipActivation(clip, logits.mean(0), logits, np.array(classes, np.int64), maps, slice_start, jump, GRID, 0.0)


def levels(stream):
    return [float(a.maps[0, 0, 0]) for a in stream]


def test_overlapping_clips_with_equal_values_keep_them():
    clips = [clip_activation(0, (0, 4), [5] * 4, 2), clip_activation(2, (0, 4), [5] * 4, 4)]
    assert levels(stitch(clips)) == pytest.approx([5] * 6)


def test_overlap_is_averaged_with_weights_that_sum_to_one_and_fall_towards_the_ends():
    clips = [clip_activation(0, (0, 4), [0] * 4, 2), clip_activation(2, (0, 4), [1] * 4, 4)]
    # Ticks 2 and 3 are in both: 2 lies deeper in the first clip (weights 2 : 1), 3 deeper in the second (1 : 2).
    assert levels(stitch(clips)) == pytest.approx([0, 0, 1 / 3, 2 / 3, 1, 1])


def test_slices_are_read_at_their_centers():
    clip = clip_activation(0, (0, 8), [0, 8], 8, slice_start=0.0, jump=4.0)
    assert levels(stitch([clip])) == pytest.approx([0, 2, 4, 6, 8, 8, 8, 8])
    late = clip_activation(0, (0, 8), [0, 8], 8, slice_start=2.0, jump=4.0)
    assert levels(stitch([late])) == pytest.approx([0, 0, 0, 2, 4, 6, 8, 8])


def test_padding_is_ignored():
    clip = clip_activation(0, (0, 3), [1, 1, 1, 100], 3)
    assert levels(stitch([clip]))[:3] == pytest.approx([1, 1, 1])


def test_a_very_short_video_uses_the_nearest_slice():
    clip = clip_activation(0, (0, 1), [7], 1, slice_start=2.0, jump=8.0)
    assert levels(stitch([clip]))[0] == 7


def test_a_class_has_one_continuous_map_from_the_first_clip_that_maps_it():
    clips = [
        clip_activation(0, (0, 4), [2] * 4, 2),
        clip_activation(2, (0, 4), [2] * 4, 2, classes=(0, 3)),
        clip_activation(4, (0, 4), [2] * 4, 4, classes=(3,)),
    ]
    out = list(stitch(clips))
    assert [a.classes.tolist() for a in out] == [[0], [0], [0, 3], [0, 3], [0, 3], [0, 3], [3], [3]]
    assert all((a.maps == 2).all() for a in out)


def test_frames_come_out_as_soon_as_no_later_clip_can_change_them():
    read = []

    def clips():
        for clip in [
            clip_activation(0, (0, 4), [0] * 4, 2),
            clip_activation(2, (0, 4), [1] * 4, 2),
            clip_activation(4, (0, 4), [1] * 4, 4),
        ]:
            read.append(clip)
            yield clip

    stream = stitch(clips())
    assert next(stream).frame.index == 0
    assert next(stream).frame.index == 1
    assert len(read) == 1
    next(stream)
    assert len(read) == 2


def cam(recognizer, features, classes):
    return torch.einsum("sk,bkthw->bsthw", recognizer.linear.weight[classes], features.maps)


def run(source, clip_len, batch, depth, recognizer, rate=15.0):
    sampling = Sampling((fit_input((64, 48), recognizer.size),), rate, 1 / 30)
    margin = recognizer.geometry.margin
    stride = clip_len - 2 * margin if margin else max(1, clip_len // 2)
    clips = windows(sample(source, sampling), Windowing(clip_len, stride, margin))
    every = ClassSelection(tuple(range(recognizer.count)))
    plan = NetworkPlan(recognizer, Backend(batch=batch), cam, every, GRID)
    activations = recognize(prefetch(clips, depth) if depth else clips, plan)
    return list(stitch(prefetch(activations, depth) if depth else activations))


@pytest.fixture(scope="module")
def source():
    return numbered(90)


@pytest.fixture(scope="module")
def whole(source):
    return run(source, 64, 1, 0, TinyRecognizer())


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 50), st.sampled_from([1, 2, 3, 8]), st.sampled_from([0, 1, 4]))
def test_the_output_in_clips_equals_that_of_the_whole_video(source, whole, clip_len, batch, depth):
    chunked = run(source, clip_len, batch, depth, TinyRecognizer())
    assert [a.frame.index for a in chunked] == list(range(90))
    for a, b in zip(chunked, whole, strict=True):
        np.testing.assert_allclose(a.maps, b.maps, rtol=0, atol=1e-5)
        np.testing.assert_allclose(a.logits, b.logits, rtol=0, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 40),
    st.integers(1, 12),
    st.sampled_from([1, 3, 8]),
    st.sampled_from([0, 1, 4]),
    st.sampled_from([7.5, 15.0, 40.0, None]),
)
def test_every_frame_comes_out_once_and_in_order(source, count, clip_len, batch, depth, rate):
    recognizer = TinyRecognizer()
    recognizer.geometry = dataclasses.replace(recognizer.geometry, margin=0)
    out = run(source[:count], clip_len, batch, depth, recognizer, rate)
    assert [a.frame.index for a in out] == list(range(count))
    assert all(np.isfinite(a.maps).all() for a in out)
