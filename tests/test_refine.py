from __future__ import annotations

import dataclasses

import numpy as np

from pipeline.refine import guided, refine
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
    flat = np.full((40, 50), 0.5, np.float32)
    values = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    out = guided(flat, values)
    assert out.mean() == np.float32(values.mean()) or abs(out.mean() - values.mean()) < 0.02
    assert out.std() < values.std() / 4


def test_the_grid_still_tiles_the_picture():
    (frame,) = frames([0.0], width=640, height=360)
    (out,) = refine([activation(frame, np.ones((2, 60, 107)), [0.0, 0.0])])
    assert out.maps.shape == (2, 120, 214)
    assert abs(out.grid.start[1] + out.grid.jump[1] * 213.5 - 639.5) < 1e-6
    np.testing.assert_allclose(out.maps, 1, atol=1e-4)
