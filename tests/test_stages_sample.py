"""Selection of the frames that a network sees, on its own clock, and their small pictures."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camreel.stages.sample import (
    MAX_GAP_TICKS,
    Sampling,
    fit_input,
    input_pictures,
    network_input_size,
    sample,
)
from camreel.structures import VideoInfo
from tests.make import TinyRecognizer, frames, numbered, picture


def on_clock(source, rate, interval=None, **kwargs):
    """Sample frames at a rate, without small pictures."""
    return list(sample(source, Sampling((), rate, interval), **kwargs))


def answered(times, rate, interval=None):
    return [f.samples for f in on_clock(frames(times), rate, interval)]


def test_every_second_frame_answers_a_network_at_half_the_rate():
    assert answered([i / 30 for i in range(8)], 15, 1 / 30) == [1, 0, 1, 0, 1, 0, 1, 0]


def test_a_frame_of_a_slow_video_answers_several_ticks():
    out = on_clock(frames([0, 0.2, 0.4]), 15, 0.2)
    # A frame answers the ticks that it is nearest to: up to half a tick early.
    assert [f.samples for f in out] == [1, 3, 3]
    assert [f.tick for f in out] == pytest.approx([0, 3, 6])


def test_without_a_rate_every_frame_is_a_sample():
    assert answered([0, 0.5, 7.0], None) == [1, 1, 1]


def test_the_nearest_frame_answers_a_tick_at_any_frame_rate():
    times = [i * 1001 / 24000 for i in range(2000)]
    chosen = [f.time for f in on_clock(frames(times), 15, 1001 / 24000) for _ in range(f.samples)]
    for tick, time in enumerate(chosen):
        assert abs(time - tick / 15) <= 0.5 * 1001 / 24000 + 1e-6


def test_a_long_gap_moves_the_clock_instead_of_repeating_a_still_for_hours():
    out = on_clock(frames([0, 1 / 15, 3600.0, 3600 + 1 / 15]), 15, 1 / 15)
    assert [f.samples for f in out] == [1, 1, MAX_GAP_TICKS, 1]
    assert [f.tick for f in out] == pytest.approx([0, 1, 1 + MAX_GAP_TICKS, 2 + MAX_GAP_TICKS], abs=0.6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.001, 20.0), min_size=1, max_size=60), st.sampled_from([7.5, 15.0, 30.0, None]))
def test_ticks_are_answered_once_each_and_in_order(gaps, rate):
    times = np.cumsum([0.0, *gaps])
    out = on_clock(frames(list(times)), rate, 0.03)
    assert [f.index for f in out] == list(range(len(times)))
    assert out[0].samples >= 1
    ticks = [f.tick for f in out]
    assert all(a < b for a, b in zip(ticks, ticks[1:], strict=False))
    total = 0
    for f in out:
        total += f.samples
        if rate is not None:
            # All ticks up to this frame are answered, none far ahead of it.
            assert f.tick - 1e-6 < total <= f.tick + 1.5 + 1e-6


def test_the_input_of_a_network_has_the_true_aspect_and_its_own_padding():
    info = VideoInfo("a.mp4", 480, 360, 0, Fraction(1, 1000), None, None, None, pixel_aspect=Fraction(4, 3))
    video, image = TinyRecognizer(mean=(0.2, 0.4, 0.6)), TinyRecognizer(clip_len=1, fixed_size=True)
    size = network_input_size(info, video, 24)
    assert (size.width, size.height, size.canvas, size.average, size.fill) == (43, 24, None, False, (51, 102, 153))
    fixed = network_input_size(info, image, 24)
    assert (fixed.width, fixed.height, fixed.shape, fixed.average) == (24, 14, (24, 24), True)


def test_the_whole_picture_is_kept_with_its_aspect():
    size = fit_input((640, 360), 112)
    assert (size.width, size.height) == (199, 112)
    portrait = fit_input((360, 640), 112)
    assert (portrait.width, portrait.height) == (112, 199)


def test_a_network_of_fixed_size_gets_the_picture_fitted_inside():
    size = dataclasses.replace(fit_input((640, 360), 224, fixed=True), fill=(10, 20, 30))
    (small,) = input_pictures(picture(640, 360, 235), (size,))
    assert small.shape == (224, 224, 3)
    assert tuple(small[0, 0]) == (10, 20, 30)
    assert small[112, 112].min() > 250


def test_a_bright_dot_is_at_the_position_that_the_grid_gives():
    luma = np.full((360, 640), 16)
    luma[100:110, 400:410] = 235
    for size in (fit_input((640, 360), 112), fit_input((640, 360), 224, fixed=True)):
        size = dataclasses.replace(size, average=True)
        small = input_pictures(picture(640, 360, luma), (size,))[0].astype(float).sum(2)
        rows, columns = np.indices(small.shape)
        y, x = (small * rows).sum() / small.sum(), (small * columns).sum() / small.sum()
        grid = size.grid((640, 360), (0, 0), (1, 1))
        assert grid.start[0] + grid.jump[0] * y == pytest.approx(104.5, abs=0.6)
        assert grid.start[1] + grid.jump[1] * x == pytest.approx(404.5, abs=0.6)


def test_two_sizes_give_two_inputs_and_frames_without_samples_none():
    sizes = tuple(fit_input((64, 48), side) for side in (16, 24))
    out = list(sample(frames([0, 1 / 30, 2 / 30]), Sampling(sizes, 15, 1 / 30)))
    assert [[i.shape for i in f.inputs] for f in out] == [[(16, 21, 3), (24, 32, 3)], [], [(16, 21, 3), (24, 32, 3)]]


def test_ticks_of_dropped_frames_are_left_out():
    """Repeated pictures would cost as much as the dropped frames saved."""
    source = [frame for frame in numbered(120) if not 30 <= frame.index < 90]
    chosen = [f for f in on_clock(source, 15.0, 1 / 30) if f.samples]
    assert all(f.samples == 1 for f in chosen)
    ticks = [round(f.tick) for f in chosen]
    assert ticks == list(range(len(ticks)))
    assert len(ticks) == 30


def test_half_the_pace_gives_half_the_samples_from_then_on():
    pace = iter([1.0] * 60 + [0.5] * 60 + [1.0] * 60)
    sampled = on_clock(numbered(180), 15.0, 1 / 30, pace=lambda: next(pace))
    chosen = [f.index for f in sampled if f.samples]
    counts = [sum(first <= index < first + 60 for index in chosen) for first in (0, 60, 120)]
    assert counts[0] == 30
    assert counts[1] == pytest.approx(15, abs=1)
    assert counts[2] == pytest.approx(30, abs=1)


def test_a_network_that_sees_every_frame_is_slowed_down_too():
    pace = iter([1.0] * 10 + [0.25] * 40)
    chosen = [f.index for f in on_clock(numbered(50), None, pace=lambda: next(pace)) if f.samples]
    assert len([index for index in chosen if index < 10]) == 10
    assert len([index for index in chosen if index >= 10]) == pytest.approx(10, abs=1)
