"""Maps on cells that tile the picture, each at its true position."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from camreel.stages.resample import resample, resample_maps
from camreel.structures import Grid
from tests.make import activation, frames


def on_grid(maps, start, jump, width=640, height=360):
    (frame,) = frames([0.0], width=width, height=height)
    return dataclasses.replace(activation(frame, maps, [0.0] * len(maps)), grid=Grid(start, jump))


def test_a_cell_keeps_its_true_position():
    maps = np.zeros((1, 6, 11), np.float32)
    maps[0, 2, 4] = 1
    (out,) = resample([on_grid(maps, start=(0.0, 0.0), jump=(64.0, 64.0))])
    y, x = np.unravel_index(out.maps[0].argmax(), out.maps[0].shape)
    assert out.grid.start[1] + out.grid.jump[1] * x == pytest.approx(4 * 64, abs=out.grid.jump[1])
    assert out.grid.start[0] + out.grid.jump[0] * y == pytest.approx(2 * 64, abs=out.grid.jump[0])


def test_the_new_cells_tile_the_picture():
    (out,) = resample([on_grid(np.ones((2, 3, 5), np.float32), (10.0, 10.0), (100.0, 100.0))])
    height, width = out.maps.shape[1:]
    assert (height, width) == (60, 107)
    assert out.grid.start[0] - out.grid.jump[0] / 2 == pytest.approx(-0.5)
    assert out.grid.start[1] + out.grid.jump[1] * (width - 0.5) == pytest.approx(639.5)
    np.testing.assert_allclose(out.maps, 1, atol=1e-6)


def test_a_ramp_stays_a_ramp_and_is_held_beyond_the_outermost_cells():
    ramp = np.tile(np.arange(6, dtype=np.float32) * 100, (4, 1))[None]
    (out,) = resample([on_grid(ramp, (50.0, 50.0), (100.0, 100.0))])
    x = out.grid.start[1] + out.grid.jump[1] * np.arange(out.maps.shape[2])
    np.testing.assert_allclose(out.maps[0, 10], np.clip(x - 50, 0, 500), atol=0.01)


def test_maps_of_one_cell_and_of_no_class_are_resampled():
    one = resample_maps(on_grid(np.full((1, 1, 1), 3, np.float32), (50.0, 50.0), (100.0, 100.0)), (6, 10))
    np.testing.assert_array_equal(one.maps, np.full((1, 6, 10), 3))
    empty = resample_maps(on_grid(np.empty((0, 3, 4), np.float32), (0.0, 0.0), (1.0, 1.0)), (6, 10))
    assert empty.maps.shape == (0, 6, 10)
