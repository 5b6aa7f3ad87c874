"""Pure picture functions: color conversion, grids, guided filter, and motion beyond that of the camera."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from camreel.imageops.color import KR_KB, rgb_to_yuv, to_rgb, yuv_to_rgb_matrix
from camreel.imageops.grid import fit_cells, guided_filter, shrink_plane, tiling
from camreel.imageops.motion import (
    MAX_FRAMES,
    OpticalFlow,
    ResidualMotion,
    agreement,
    camera_motion,
    flow_luma,
    flow_origins,
    warp,
    warp_affine,
)
from camreel.structures import F32, Frame, Picture
from tests.make import frames, picture, textured


@pytest.mark.parametrize(("matrix", "full"), [("bt601", False), ("bt601", True), ("bt709", False), ("bt2020", True)])
def test_yuv_is_converted_to_rgb(matrix, full):
    rgb = np.array([200.0, 60.0, 30.0])
    kr, kb = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}[matrix]
    y = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2]
    cb, cr = (rgb[2] - y) / (2 * (1 - kb)), (rgb[0] - y) / (2 * (1 - kr))
    y, cb, cr = (y, cb + 128, cr + 128) if full else (16 + y * 219 / 255, 128 + cb * 224 / 255, 128 + cr * 224 / 255)
    planes = [np.full(shape, round(value), np.uint8) for shape, value in (((8, 8), y), ((4, 4), cb), ((4, 4), cr))]
    small = to_rgb(Picture(*planes, matrix, full), (4, 4))
    np.testing.assert_allclose(small[1, 1], rgb, atol=2)
    assert yuv_to_rgb_matrix(matrix, full).shape == (3, 4)


@pytest.mark.parametrize("matrix", KR_KB)
@pytest.mark.parametrize("full", [False, True])
def test_rgb_to_yuv_is_the_inverse_conversion(matrix, full):
    colors = np.array([[0, 0, 0], [255, 255, 255], [200, 60, 30], [10, 90, 240]], np.uint8)
    for rgb, (y, u, v) in zip(colors, rgb_to_yuv(colors, matrix, full), strict=True):
        planes = [np.full(shape, value, np.uint8) for shape, value in (((4, 4), y), ((2, 2), u), ((2, 2), v))]
        np.testing.assert_allclose(to_rgb(Picture(*planes, matrix, full))[2, 2], rgb, atol=3)


@pytest.mark.parametrize(
    ("size", "expected"), [((640, 360), (60, 107)), ((360, 640), (107, 60)), ((16, 8), (8, 16)), ((2000, 2), (1, 107))]
)
def test_cells_keep_the_aspect_and_never_exceed_the_pixels(size, expected):
    assert fit_cells(*size, 107) == expected


def test_cells_tile_the_picture_from_edge_to_edge():
    grid = tiling((3, 7), (640, 360))
    for axis, (count, side) in enumerate(((3, 360), (7, 640))):
        edges = [grid.start[axis] + grid.jump[axis] * (cell - 0.5) + 0.5 for cell in (0, count)]
        assert edges == pytest.approx([0, side])


def test_a_plane_is_shrunk_without_a_shift():
    column = np.arange(64, dtype=np.uint8)
    small = shrink_plane(np.tile(column * 3, (48, 1)), 16, 12)
    assert small.shape == (12, 16)
    np.testing.assert_allclose(small[6], (np.arange(16) * 4 + 1.5) * 3, atol=1.5)


def test_optical_flow_points_to_the_position_in_the_other_picture():
    before, now = flow_luma(textured()), flow_luma(textured(shift=4))
    flow = OpticalFlow()(now, before)
    np.testing.assert_allclose(flow[20:-20, 20:-20].mean((0, 1)), [-4, 0], atol=0.3)
    carried = warp(before.astype(np.float32), flow_origins(flow, before.shape))
    close = agreement(carried, now.astype(np.float32))[20:-20, 20:-20].mean()
    assert close > 0.9 > agreement(before.astype(np.float32), now.astype(np.float32)).mean()


def test_pictures_for_the_flow_are_neither_large_nor_too_small_for_it():
    assert flow_luma(picture(1920, 1080)).shape == (120, 214)
    assert flow_luma(picture(2000, 20)).shape == (64, 214)
    assert flow_luma(picture(16, 16)).shape == (64, 64)


def test_the_guided_filter_only_blurs_where_the_picture_is_flat():
    flat = np.full((80, 100), 0.5, np.float32)
    values = np.random.default_rng(0).random((1, 40, 50)).astype(np.float32)
    out = guided_filter(flat, values)
    assert abs(out.mean() - values.mean()) < 0.02
    assert out.std() < values.std() / 4


def test_the_fast_guided_filter_equals_the_plain_one_at_equal_sizes():
    rng = np.random.default_rng(1)
    guide, values = rng.random((20, 30)).astype(np.float32), rng.random((20, 30)).astype(np.float32)
    radius = 3
    windows = [
        np.s_[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
        for y in range(20)
        for x in range(30)
    ]
    inner = np.zeros((20, 30), bool)
    inner[2 * radius : -2 * radius, 2 * radius : -2 * radius] = True  # the edges depend on the border mode
    line = [np.cov(guide[w].ravel(), values[w].ravel(), bias=True) for w in windows]
    slope = np.array([c[0, 1] / (c[0, 0] + 0.01) for c in line]).reshape(20, 30)
    offset = np.array([values[w].mean() for w in windows]).reshape(20, 30) - slope * np.array(
        [guide[w].mean() for w in windows]
    ).reshape(20, 30)
    mean = [np.array([x[w].mean() for w in windows]).reshape(20, 30) for x in (slope, offset)]
    out = guided_filter(guide, values[None], radius=radius / 30, epsilon=0.01)[0]
    np.testing.assert_allclose(out[inner], (mean[0] * guide + mean[1])[inner], atol=1e-4)


def test_the_guided_filter_treats_each_map_independently():
    rng = np.random.default_rng(2)
    guide, maps = rng.random((40, 60)).astype(np.float32), rng.normal(size=(3, 20, 30)).astype(np.float32)
    together = guided_filter(guide, maps)
    for i in range(3):
        np.testing.assert_allclose(together[i], guided_filter(guide, maps[i : i + 1])[0], atol=1e-5)


WIDTH, HEIGHT = 320, 180
CELLS = (80, 45)


def texture(seed: int = 0) -> np.ndarray:
    """Return a wall with detail at the size of a few pixels, larger than the picture on every side."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (80, 120)).astype(np.uint8)
    return cv2.GaussianBlur(np.kron(coarse, np.ones((5, 5), np.uint8)), (0, 0), 4)


def filmed(left: int, top: int, block: tuple[int, int] | None = None) -> Picture:
    """Return a picture of the wall from (left, top), with a bright block of 30 x 40 pixels in front."""
    y = texture()[top : top + HEIGHT, left : left + WIDTH].copy()
    if block is not None:
        x, above = block
        y[above : above + 40, x : x + 30] = 255
    gray = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return Picture(y, gray, gray)


def changes(pictures: list[Picture], rate: float = 30.0) -> list[F32 | None]:
    """Return the residual motion of each picture."""
    motion = ResidualMotion()
    times = [i / rate for i in range(len(pictures))]
    return [change(motion, dataclasses.replace(f, picture=p)) for f, p in zip(frames(times), pictures, strict=True)]


def change(motion: ResidualMotion, frame: Frame, cells: tuple[int, int] = CELLS) -> F32 | None:
    return motion(frame, shrink_plane(frame.picture.y, *cells).astype(np.float32))


def test_the_first_frame_and_still_frames_have_no_motion():
    for found in changes([filmed(40, 40)] * 4):
        assert found is not None and found.shape == CELLS[::-1] and not found.any()


def test_a_pan_is_no_residual_motion_and_a_moving_object_is():
    *_, only_camera = changes([filmed(40 + 3 * i, 40) for i in range(8)])
    *_, found = changes([filmed(40 + 3 * i, 40, (100 - 2 * i, 60)) for i in range(8)])
    assert only_camera is not None and found is not None
    inside, outside = found[15:25, 22:32].mean(), np.delete(found, np.s_[18:40], axis=1)[:, 2:-8].mean()
    assert inside > 5 * outside
    assert found.max() > only_camera[:, 2:-8].max() + 1  # logarithms


def test_a_scene_cut_is_reported_and_earlier_frames_are_forgotten():
    other = dataclasses.replace(filmed(0, 0), y=np.full((HEIGHT, WIDTH), 250, np.uint8))
    found = changes([filmed(40, 40)] * 3 + [other] * 2)
    assert [one is None for one in found] == [False, False, False, True, False]
    assert found[-1] is not None and not found[-1].any()


def test_at_a_low_frame_rate_there_is_still_a_frame_to_compare_with():
    *_, found = changes([filmed(40, 40, (60 + 10 * i, 60)) for i in range(3)], rate=2.0)
    assert found is not None and found.any()


def test_known_flow_is_not_computed_again():
    own, given, flow, last = ResidualMotion(), ResidualMotion(), OpticalFlow(), None
    for i, frame in enumerate(frames([i / 30 for i in range(5)])):
        frame = dataclasses.replace(frame, picture=filmed(40 + 2 * i, 40, (100, 60)))
        luma, cells = flow_luma(frame.picture), shrink_plane(frame.picture.y, *CELLS).astype(np.float32)
        known = None if last is None else flow(luma, last)
        np.testing.assert_array_equal(change(own, frame), given(frame, cells, known))
        last = luma


def test_few_frames_are_kept():
    motion = ResidualMotion()
    for frame in frames([i / 1000 for i in range(3 * MAX_FRAMES)], width=WIDTH, height=HEIGHT):
        change(motion, dataclasses.replace(frame, picture=filmed(40, 40)))
    assert len(motion._past) == MAX_FRAMES


def affine_flow(matrix: np.ndarray, height: int, width: int) -> F32:
    """Return the flow of a picture whose pixels move by a matrix [2, 3]."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    points = np.stack([x, y, np.ones_like(x)], axis=-1)
    return (points @ matrix.T - points[..., :2]).astype(np.float32)


@pytest.mark.parametrize(
    "matrix",
    [
        np.array([[1, 0, 3.0], [0, 1, -2.0]]),
        np.array([[1.02, 0, -1.0], [0, 1.02, 0.5]]),
        np.array([[0.999, -0.02, 2.0], [0.02, 0.999, 0.0]]),
    ],
    ids=["pan", "zoom", "turn"],
)
def test_the_motion_of_the_camera_is_found_beside_moving_objects(matrix):
    flow = affine_flow(matrix, 120, 214)
    flow[30:90, 60:110] += (6, 3)  # a fifth of the picture
    found = camera_motion(flow, (214, 120))
    np.testing.assert_allclose(found, matrix, atol=0.03)
    corners = np.array([[0, 0, 1], [213, 0, 1], [0, 119, 1], [213, 119, 1]])
    np.testing.assert_allclose(corners @ found.T, corners @ matrix.T, atol=0.15)


def test_the_motion_of_the_camera_is_in_cells():
    found = camera_motion(affine_flow(np.array([[1, 0, 4.0], [0, 1, 2.0]]), 120, 214), (107, 60))
    np.testing.assert_allclose(found, [[1, 0, 2], [0, 1, 1]], atol=1e-4)


def test_a_flat_picture_has_no_motion():
    found = camera_motion(np.zeros((120, 214, 2), np.float32), (107, 60))
    np.testing.assert_allclose(found, np.eye(2, 3), atol=1e-6)


def test_warping_reads_earlier_positions_and_marks_the_outside():
    cells = np.arange(12, dtype=np.float32).reshape(3, 4)
    moved, inside = warp_affine(cells, np.array([[1, 0, 1], [0, 1, 0]], np.float32))
    np.testing.assert_array_equal(moved[:, :3], cells[:, 1:])
    assert inside[:, :3].all() and not inside[:, 3].any()


def test_residual_motion_takes_frames_of_any_size():
    motion = ResidualMotion()
    for number, (width, height) in enumerate([(320, 180), (180, 320), (40, 30)]):
        picture = Picture(np.zeros((height, width), np.uint8), *[np.zeros((height // 2, width // 2), np.uint8)] * 2)
        (frame,) = frames([number / 30.0])
        found = change(motion, dataclasses.replace(frame, picture=picture), (width // 4, height // 4))
        assert isinstance(frame, Frame) and found is not None and not found.any()
