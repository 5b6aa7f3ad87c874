from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camreel.imageops.color import yuv_to_rgb_matrix
from camreel.stages.sample import MAX_GAP_TICKS, fit_input, input_pictures, sample
from camreel.structures import Picture
from tests.make import frames, numbered, picture


def chosen(times, rate, interval=None):
    return [f.samples for f in sample(frames(times), rate, interval, ())]


def test_every_second_frame_answers_a_network_at_half_the_rate():
    assert chosen([i / 30 for i in range(8)], 15, 1 / 30) == [1, 0, 1, 0, 1, 0, 1, 0]


def test_a_slow_video_answers_several_ticks_with_one_frame():
    out = list(sample(frames([0, 0.2, 0.4]), 15, 0.2, ()))
    # A frame answers the ticks that it is nearest to: up to half a tick early.
    assert [f.samples for f in out] == [1, 3, 3]
    assert [f.tick for f in out] == pytest.approx([0, 3, 6])


def test_without_a_rate_every_frame_is_a_sample():
    assert chosen([0, 0.5, 7.0], None) == [1, 1, 1]


def test_the_nearest_frame_answers_a_tick_at_any_frame_rate():
    times = [i * 1001 / 24000 for i in range(2000)]
    answered = [(f.time, f.tick) for f in sample(frames(times), 15, 1001 / 24000, ()) for _ in range(f.samples)]
    for tick, (time, _) in enumerate(answered):
        assert abs(time - tick / 15) <= 0.5 * 1001 / 24000 + 1e-6


def test_a_long_gap_moves_the_clock_instead_of_repeating_a_still_for_hours():
    out = list(sample(frames([0, 1 / 15, 3600.0, 3600 + 1 / 15]), 15, 1 / 15, ()))
    assert [f.samples for f in out] == [1, 1, MAX_GAP_TICKS, 1]
    assert [f.tick for f in out] == pytest.approx([0, 1, 1 + MAX_GAP_TICKS, 2 + MAX_GAP_TICKS], abs=0.6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.001, 20.0), min_size=1, max_size=60), st.sampled_from([7.5, 15.0, 30.0, None]))
def test_ticks_are_answered_once_each_and_in_order(gaps, rate):
    times = np.cumsum([0.0, *gaps])
    out = list(sample(frames(list(times)), rate, 0.03, ()))
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


@pytest.mark.parametrize(("matrix", "full"), [("bt601", False), ("bt601", True), ("bt709", False), ("bt2020", True)])
def test_colours_come_out_right(matrix, full):
    rgb = np.array([200.0, 60.0, 30.0])
    kr, kb = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}[matrix]
    y = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2]
    cb, cr = (rgb[2] - y) / (2 * (1 - kb)), (rgb[0] - y) / (2 * (1 - kr))
    y, cb, cr = (y, cb + 128, cr + 128) if full else (16 + y * 219 / 255, 128 + cb * 224 / 255, 128 + cr * 224 / 255)
    planes = [np.full(shape, round(value), np.uint8) for shape, value in (((8, 8), y), ((4, 4), cb), ((4, 4), cr))]
    small = input_pictures(Picture(*planes, matrix, full), fit_input(8, 8, 4, fixed=False, smooth=False, fill=(0, 0, 0)))
    np.testing.assert_allclose(small[1, 1], rgb, atol=2)
    assert yuv_to_rgb_matrix(Picture(*planes, matrix, full)).shape == (3, 4)


def test_the_whole_picture_is_kept_with_its_aspect():
    size = fit_input(640, 360, 112, fixed=False, smooth=False, fill=(0, 0, 0))
    assert (size.width, size.height) == (199, 112)
    portrait = fit_input(360, 640, 112, fixed=False, smooth=False, fill=(0, 0, 0))
    assert (portrait.width, portrait.height) == (112, 199)


def test_a_network_of_fixed_size_gets_the_picture_fitted_inside():
    size = fit_input(640, 360, 224, fixed=True, smooth=False, fill=(10, 20, 30))
    small = input_pictures(picture(640, 360, 235), size)
    assert small.shape == (224, 224, 3)
    assert tuple(small[0, 0]) == (10, 20, 30)
    assert small[112, 112].min() > 250


def test_a_bright_dot_is_where_the_grid_says_it_is():
    luma = np.full((360, 640), 16)
    luma[100:110, 400:410] = 235
    for size in (
        fit_input(640, 360, 112, fixed=False, smooth=True, fill=(0, 0, 0)),
        fit_input(640, 360, 224, fixed=True, smooth=True, fill=(0, 0, 0)),
    ):
        small = input_pictures(picture(640, 360, luma), size).astype(float).sum(2)
        rows, columns = np.indices(small.shape)
        y, x = (small * rows).sum() / small.sum(), (small * columns).sum() / small.sum()
        grid = size.grid(640, 360, (0, 0), (1, 1))
        assert grid.start[0] + grid.jump[0] * y == pytest.approx(104.5, abs=0.6)
        assert grid.start[1] + grid.jump[1] * x == pytest.approx(404.5, abs=0.6)


def test_two_sizes_give_two_inputs_and_unseen_frames_none():
    sizes = [fit_input(64, 48, side, fixed=False, smooth=False, fill=(0, 0, 0)) for side in (16, 24)]
    out = list(sample(frames([0, 1 / 30, 2 / 30]), 15, 1 / 30, sizes))
    assert [[i.shape for i in f.inputs] for f in out] == [[(16, 21, 3), (24, 32, 3)], [], [(16, 21, 3), (24, 32, 3)]]


def test_ticks_of_dropped_frames_are_left_out():
    """They would be answered by a still, which costs as much as what was dropped to save it."""
    frames = [frame for frame in numbered(120) if not 30 <= frame.index < 90]
    chosen = [f for f in sample(frames, 15.0, 1 / 30, []) if f.samples]
    assert all(f.samples == 1 for f in chosen)
    ticks = [round(f.tick) for f in chosen]
    assert ticks == list(range(len(ticks)))
    assert len(ticks) == 30


def test_half_the_pace_is_half_the_samples_from_then_on():
    frames = numbered(180)
    pace = iter([1.0] * 60 + [0.5] * 60 + [1.0] * 60)
    chosen = [f.index for f in sample(frames, 15.0, 1 / 30, [], lambda: next(pace)) if f.samples]
    counts = [sum(first <= index < first + 60 for index in chosen) for first in (0, 60, 120)]
    assert counts[0] == 30
    assert counts[1] == pytest.approx(15, abs=1)
    assert counts[2] == pytest.approx(30, abs=1)


def test_a_network_that_sees_every_frame_is_slowed_down_too():
    pace = iter([1.0] * 10 + [0.25] * 40)
    chosen = [f.index for f in sample(numbered(50), None, None, [], lambda: next(pace)) if f.samples]
    assert len([index for index in chosen if index < 10]) == 10
    assert len([index for index in chosen if index >= 10]) == pytest.approx(10, abs=1)
