"""One contract for every smoother, then tests of the single ones."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camreel.errors import ConfigError
from camreel.stages.smooth import SMOOTHERS, make_smoother
from tests.make import activation, frames, textured

TWO_SIDED = {"gaussian"}
"""Smoothers that cannot be causal."""
VARIANTS = [(name, causal) for name in SMOOTHERS for causal in (False, True) if not (causal and name in TWO_SIDED)]
SECONDS = 0.2


def smoother(name, causal=False, seconds=SECONDS):
    return make_smoother(name, seconds, causal)


def still(values, rate=30.0, times=None, classes=(0,)):
    """Return frames of one still picture with uniform maps; map and logit have the given values."""
    times = [i / rate for i in range(len(values))] if times is None else times
    shown = [dataclasses.replace(f, picture=STILL) for f in frames(times)]
    return [
        activation(f, np.full((len(classes), 12, 16), v), [v, -v], classes) for f, v in zip(shown, values, strict=True)
    ]


STILL = textured()


@pytest.mark.parametrize(("name", "causal"), VARIANTS)
def test_every_frame_comes_out_once_and_in_order(name, causal):
    for count in (0, 1, 2, 45):
        out = list(smoother(name, causal)(still([1.0] * count)))
        assert [a.frame.index for a in out] == list(range(count))


@pytest.mark.parametrize(("name", "causal"), VARIANTS)
def test_constant_values_are_kept(name, causal):
    for a in smoother(name, causal)(still([3.0] * 40)):
        np.testing.assert_allclose(a.maps, 3.0, rtol=1e-4)
        np.testing.assert_allclose(a.logits, [3.0, -3.0], rtol=1e-4)


@pytest.mark.parametrize(("name", "causal"), VARIANTS)
def test_noise_is_reduced(name, causal):
    noise = np.random.default_rng(0).normal(0, 1, 120)
    out = np.array([a.maps.mean() for a in smoother(name, causal)(still(noise))])
    assert out.std() <= noise.std() * (1.0001 if name == "none" else 0.6)


@pytest.mark.parametrize(("name", "causal"), VARIANTS)
def test_no_frame_is_held_back_longer_than_the_declared_lag(name, causal):
    taken = []

    def watched():
        for a in still([1.0] * 120):
            taken.append(a.frame.time)
            yield a

    smooth = smoother(name, causal)
    # One frame more may be needed to know that the window is complete.
    for a in smooth(watched()):
        assert taken[-1] - a.frame.time <= smooth.lag + 1 / 30 + 1e-9


@pytest.mark.parametrize("name", sorted(set(SMOOTHERS) - TWO_SIDED))
def test_causal_smoothers_look_ahead_by_nothing(name):
    assert smoother(name, causal=True).lag == 0


@pytest.mark.parametrize("name", sorted(TWO_SIDED))
def test_a_two_sided_smoother_refuses_to_be_causal(name):
    with pytest.raises(ConfigError) as caught:
        smoother(name, causal=True)
    assert caught.value.what == f"smoothing {name} cannot be causal" and "looks 0.6 s ahead" in caught.value.why
    assert "--smooth flow or --smooth ema" in caught.value.todo and caught.value.exit_code == 2


@pytest.mark.parametrize(("name", "causal"), VARIANTS)
def test_a_class_is_never_mixed_into_a_frame_that_does_not_map_it(name, causal):
    sequence = still([1.0] * 20) + still([5.0] * 20, classes=(0, 1))[:20] + still([1.0] * 20, classes=(1,))
    sequence = [dataclasses.replace(a, frame=still([0.0] * 60)[i].frame) for i, a in enumerate(sequence)]
    out = list(smoother(name, causal)(sequence))
    assert [a.classes.tolist() for a in out] == [[0]] * 20 + [[0, 1]] * 20 + [[1]] * 20
    assert all(a.maps.shape[0] == len(a.classes) and np.isfinite(a.maps).all() for a in out)
    # A new class starts at its first map, not at zero.
    np.testing.assert_allclose(out[20].maps[1], 5.0, atol=4.1 if not causal else 1e-3)


@pytest.mark.parametrize("name", ["gaussian", "flow"])
def test_two_sided_smoothers_keep_the_position_of_a_pulse(name):
    values = np.zeros(91)
    values[45] = 1
    out = np.array([a.maps.mean() for a in smoother(name)(still(values))])
    assert out.argmax() == 45
    np.testing.assert_allclose(out, out[::-1], atol=2e-3)


@pytest.mark.parametrize(("name", "causal"), [("ema", False), ("ema", True), ("flow", True)])
def test_causal_smoothers_show_nothing_before_it_happens(name, causal):
    values = np.zeros(60)
    values[30:] = 1
    out = np.array([a.maps.mean() for a in smoother(name, causal)(still(values))])
    assert (out[:30] == 0).all()
    assert out[30] > 0


def test_ema_depends_on_time_and_not_on_the_number_of_frames():
    values = [0.0] + [1.0] * 60
    for rate in (10.0, 30.0, 60.0):
        out = list(smoother("ema")(still(values, rate)))
        after = next(a for a in out if a.frame.time >= 0.3 - 1e-9)
        assert after.maps.mean() == pytest.approx(1 - math.exp(-0.3 / SECONDS), abs=0.02)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.005, 0.5), min_size=1, max_size=25))
def test_gaussian_is_the_weighted_mean_by_time(gaps):
    times = np.cumsum([0.0, *gaps])
    values = np.sin(np.arange(len(times)) * 1.7)
    out = [float(a.maps[0, 0, 0]) for a in smoother("gaussian")(still(values, times=list(times)))]
    for i, t in enumerate(times):
        near = np.abs(times - t) <= 3 * SECONDS
        weights = np.exp(-0.5 * ((times - t) / SECONDS) ** 2) * near
        assert out[i] == pytest.approx((weights * values).sum() / weights.sum(), abs=1e-4)


def moving(count=40, speed=2, blob=8.0):
    """Return a texture that moves to the right, with a flickering blob of evidence that moves with it."""
    rng = np.random.default_rng(2)
    out = []
    for i, f in enumerate(frames([i / 30 for i in range(count)])):
        x = (20 + speed * i) / 2
        columns = np.arange(80)
        column = np.exp(-0.5 * ((columns - x) / (blob / 2)) ** 2) * (1 + rng.normal(0, 0.5))
        maps = np.tile(column, (60, 1))[None]
        out.append(activation(dataclasses.replace(f, picture=textured(shift=speed * i)), maps, [0.0, 0.0]))
    return out


@pytest.mark.parametrize("causal", [False, True])
def test_flow_follows_motion_where_plain_averaging_smears(causal):
    source = moving()
    i = 25
    truth = (20 + 2 * i) / 2
    peak = {}
    width = {}
    for name in ("flow", "ema" if causal else "gaussian"):
        column = list(smoother(name, causal)(source))[i].maps[0].mean(0)
        peak[name] = float((column * np.arange(80)).sum() / column.sum())
        width[name] = float(np.sqrt((column * (np.arange(80) - peak[name]) ** 2).sum() / column.sum()))
    other = "ema" if causal else "gaussian"
    assert peak["flow"] == pytest.approx(truth, abs=1.2)
    assert width["flow"] < width[other] * 0.85


def test_flow_does_not_carry_evidence_over_a_scene_cut():
    before, after = still([1.0] * 15), still([0.0] * 15)
    other = textured(seed=9)
    both = [
        dataclasses.replace(a, frame=dataclasses.replace(a.frame, index=i, time=i / 30))
        for i, a in enumerate(before + after)
    ]
    both[15:] = [dataclasses.replace(a, frame=dataclasses.replace(a.frame, picture=other)) for a in both[15:]]
    for causal in (False, True):
        out = [a.maps.mean() for a in smoother("flow", causal)(both)]
        assert out[14] == pytest.approx(1, abs=1e-3)
        assert out[15] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("size", [(16, 16), (33, 17), (90, 160), (8, 8), (400, 10)])
def test_flow_takes_pictures_of_any_size(size):
    width, height = size
    out = [
        activation(dataclasses.replace(f, picture=textured(width, height)), np.ones((1, 3, 4)), [1.0, 0.0])
        for f in frames([0, 0.1, 0.2])
    ]
    assert len(list(smoother("flow")(out))) == 3
