"""Alignment of maps with the edges of the picture."""

from __future__ import annotations

import dataclasses

import numpy as np

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


def test_a_frame_without_maps_is_passed_on():
    (frame,) = frames([0.0])
    one = activation(frame, np.zeros((0, 6, 10)), [0.0])
    assert list(refine([one])) == [one]


def test_the_grid_still_tiles_the_picture():
    (frame,) = frames([0.0], width=640, height=360)
    (out,) = refine([activation(frame, np.ones((2, 60, 107)), [0.0, 0.0])])
    assert out.maps.shape == (2, 120, 214)
    assert abs(out.grid.start[1] + out.grid.jump[1] * 213.5 - 639.5) < 1e-6
    np.testing.assert_allclose(out.maps, 1, atol=1e-4)
