"""Conversion between YUV and RGB."""

from __future__ import annotations

import numpy as np
import pytest
from camreel.imageops.color import STRIP_ROWS, rgb_to_yuv, to_bgr, to_rgb, yuv_to_rgb_matrix
from camreel.structures import Matrix, Picture

MATRICES: tuple[Matrix, ...] = ("bt601", "bt709", "bt2020")


def noise(width: int, height: int, matrix: Matrix = "bt601", full_range: bool = False) -> Picture:
    rng = np.random.default_rng(5)
    half = (height + 1) // 2, (width + 1) // 2
    y, u, v = (rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((height, width), half, half))
    return Picture(y, u, v, matrix, full_range)


def flat(rgb: tuple[int, int, int], matrix: Matrix, full_range: bool) -> Picture:
    levels = rgb_to_yuv(np.array([rgb], np.uint8), matrix, full_range)[0]
    y, u, v = (
        np.full(shape, level, np.uint8) for shape, level in zip(((48, 64), (24, 32), (24, 32)), levels, strict=True)
    )
    return Picture(y, u, v, matrix, full_range)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full_range", [False, True])
def test_pixels_have_the_colors_of_the_planes(matrix: Matrix, full_range: bool) -> None:
    rng = np.random.default_rng(2)
    for rgb in [(0, 0, 0), (255, 255, 255), (255, 0, 0), *rng.integers(0, 256, (20, 3)).tolist()]:
        pixels = to_bgr(flat(tuple(rgb), matrix, full_range))
        assert pixels.shape == (48, 64, 3)
        assert np.abs(pixels.astype(int)[..., ::-1] - rgb).max() <= 4


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (33, 17), (64, 2 * STRIP_ROWS), (70, 2 * STRIP_ROWS + 1)])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full_range", [False, True])
def test_each_chroma_sample_colors_its_four_pixels(size: tuple[int, int], matrix: Matrix, full_range: bool) -> None:
    width, height = size
    picture = noise(width, height, matrix, full_range)
    u, v = (plane.repeat(2, axis=0).repeat(2, axis=1)[:height, :width] for plane in (picture.u, picture.v))
    conversion = yuv_to_rgb_matrix(matrix, full_range).astype(np.float64)
    exact = np.stack([picture.y, u, v], axis=2) @ conversion[:, :3].T + conversion[:, 3]
    assert np.abs(np.clip(exact, 0, 255) - to_rgb(picture)).max() < 1
    assert np.array_equal(to_rgb(picture)[..., ::-1], to_bgr(picture))


def test_turned_pictures_are_converted_as_their_copies() -> None:
    stored = noise(64, 48)
    for turns in range(4):
        view = Picture(*(np.rot90(plane, turns) for plane in (stored.y, stored.u, stored.v)))
        assert np.array_equal(to_rgb(view), np.rot90(to_rgb(stored), turns))


def test_a_smaller_size_is_interpolated_or_averaged() -> None:
    picture = noise(64, 48)
    assert to_rgb(picture, (20, 15)).shape == (15, 20, 3)
    mean = to_rgb(picture, (1, 1), average=True)[0, 0]
    planes = np.array([[plane.mean() for plane in (picture.y, picture.u, picture.v)]])
    expected = planes @ yuv_to_rgb_matrix("bt601", False)[:, :3].T + yuv_to_rgb_matrix("bt601", False)[:, 3]
    assert mean == pytest.approx(np.clip(expected[0], 0, 255), abs=1.5)
