from __future__ import annotations

import dataclasses

import numpy as np

from camreel.imageops.guided_filter import guided_filter
from camreel.stages.refine import refine
from tests.make import activation, frames, picture


def test_a_soft_map_is_pulled_to_the_edge_of_the_picture():
    luma = np.full((120, 200), 40)
    luma[:, 100:] = 200
    (frame,) = frames([0.0])
    frame = dataclasses.replace(frame, picture=picture(200, 120, luma))
    ramp = np.clip((np.arange(100) - 40) / 20, 0, 1)
    (out,) = refine([activation(frame, np.tile(ramp, (60, 1))[None], [0.0])])
    row = out.maps[0, out.maps.shape[1] // 2]
    assert out.maps.shape == (1, 120, 200)
    before = np.interp([96, 103], np.arange(200), np.interp(np.arange(200) / 2 - 0.25, np.arange(100), ramp))
    assert row[103] - row[96] > 1.3 * (before[1] - before[0])


def test_where_the_picture_is_flat_the_map_is_only_blurred():
    flat = np.full((80, 100), 0.5, np.float32)
    values = np.random.default_rng(0).random((1, 40, 50)).astype(np.float32)
    out = guided_filter(flat, values)
    assert abs(out.mean() - values.mean()) < 0.02
    assert out.std() < values.std() / 4


def test_it_is_the_guided_filter_where_guide_and_maps_have_the_same_size():
    rng = np.random.default_rng(1)
    guide, values = rng.random((20, 30)).astype(np.float32), rng.random((20, 30)).astype(np.float32)
    radius = 3
    windows = [
        np.s_[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1] for y in range(20) for x in range(30)
    ]
    inner = np.zeros((20, 30), bool)
    inner[2 * radius : -2 * radius, 2 * radius : -2 * radius] = True  # the edges depend on how the picture goes on
    line = [np.cov(guide[w].ravel(), values[w].ravel(), bias=True) for w in windows]
    slope = np.array([c[0, 1] / (c[0, 0] + 0.01) for c in line]).reshape(20, 30)
    offset = np.array([values[w].mean() for w in windows]).reshape(20, 30) - slope * np.array(
        [guide[w].mean() for w in windows]
    ).reshape(20, 30)
    mean = [np.array([x[w].mean() for w in windows]).reshape(20, 30) for x in (slope, offset)]
    out = guided_filter(guide, values[None], reach=radius / 30, epsilon=0.01)[0]
    np.testing.assert_allclose(out[inner], (mean[0] * guide + mean[1])[inner], atol=1e-4)


def test_every_class_is_filtered_as_if_alone():
    rng = np.random.default_rng(2)
    guide, maps = rng.random((40, 60)).astype(np.float32), rng.normal(size=(3, 20, 30)).astype(np.float32)
    together = guided_filter(guide, maps)
    for i in range(3):
        np.testing.assert_allclose(together[i], guided_filter(guide, maps[i : i + 1])[0], atol=1e-5)


def test_a_frame_without_maps_passes():
    (frame,) = frames([0.0])
    one = activation(frame, np.zeros((0, 6, 10)), [0.0])
    assert list(refine([one])) == [one]


def test_the_grid_still_tiles_the_picture():
    (frame,) = frames([0.0], width=640, height=360)
    (out,) = refine([activation(frame, np.ones((2, 60, 107)), [0.0, 0.0])])
    assert out.maps.shape == (2, 120, 214)
    assert abs(out.grid.start[1] + out.grid.jump[1] * 213.5 - 639.5) < 1e-6
    np.testing.assert_allclose(out.maps, 1, atol=1e-4)
