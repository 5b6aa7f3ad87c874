"""What says that somebody is there: motion beside the camera's, and colours."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from camreel.stages.foreground.color_model import BLUR
from camreel.stages.foreground.residual_motion import MOST

from camreel.imageops.camera_motion import ResidualMotion, camera_motion, warp_affine
from camreel.imageops.optical_flow import OpticalFlow, flow_luma
from camreel.imageops.resize import shrink_plane
from camreel.stages.foreground import COLOR_BINS, MAX_LOG_RATIO, ColorModel, color_bins, log_ratio
from camreel.structures import F32, Frame, Picture
from tests.make import frames

WIDTH, HEIGHT = 320, 180
CELLS = (80, 45)


def texture(seed: int = 0) -> np.ndarray:
    """A wall with detail at the size of a few pixels, larger than the picture on every side."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (80, 120)).astype(np.uint8)
    return cv2.GaussianBlur(np.kron(coarse, np.ones((5, 5), np.uint8)), (0, 0), 4)


def filmed(left: int, top: int, block: tuple[int, int] | None = None) -> Picture:
    """The wall from (left, top), with a bright block, 30 pixels wide and 40 high, in front."""
    y = texture()[top : top + HEIGHT, left : left + WIDTH].copy()
    if block is not None:
        x, above = block
        y[above : above + 40, x : x + 30] = 255
    grey = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return Picture(y, grey, grey)


def seen(pictures: list[Picture], rate: float = 30.0) -> list[F32 | None]:
    motion = ResidualMotion()
    times = [i / rate for i in range(len(pictures))]
    return [told(motion, dataclasses.replace(f, picture=p)) for f, p in zip(frames(times), pictures, strict=True)]


def told(motion: ResidualMotion, frame: Frame, cells: tuple[int, int] = CELLS) -> F32 | None:
    return motion(frame, shrink_plane(frame.picture.y, *cells).astype(np.float32))


# --- motion ---


def test_the_first_frame_and_a_still_one_do_not_move():
    for found in seen([filmed(40, 40)] * 4):
        assert found is not None and found.shape == CELLS[::-1] and not found.any()


def test_a_camera_that_pans_moves_nothing_and_what_moves_by_itself_is_seen():
    *_, only_camera = seen([filmed(40 + 3 * i, 40) for i in range(8)])
    *_, found = seen([filmed(40 + 3 * i, 40, (100 - 2 * i, 60)) for i in range(8)])
    assert only_camera is not None and found is not None
    inside, outside = found[15:25, 22:32].mean(), np.delete(found, np.s_[18:40], axis=1)[:, 2:-8].mean()
    assert inside > 5 * outside
    assert found.max() > only_camera[:, 2:-8].max() + 1  # logarithms


def test_a_scene_cut_is_told_and_what_was_before_is_forgotten():
    other = dataclasses.replace(filmed(0, 0), y=np.full((HEIGHT, WIDTH), 250, np.uint8))
    found = seen([filmed(40, 40)] * 3 + [other] * 2)
    assert [one is None for one in found] == [False, False, False, True, False]
    assert found[-1] is not None and not found[-1].any()


def test_a_slow_camera_still_has_a_frame_to_compare_with():
    *_, found = seen([filmed(40, 40, (60 + 10 * i, 60)) for i in range(3)], rate=2.0)
    assert found is not None and found.any()


def test_flow_that_is_known_is_not_computed_again():
    own, given, flow, last = ResidualMotion(), ResidualMotion(), OpticalFlow(), None
    for i, frame in enumerate(frames([i / 30 for i in range(5)])):
        frame = dataclasses.replace(frame, picture=filmed(40 + 2 * i, 40, (100, 60)))
        luma, cells = flow_luma(frame.picture), shrink_plane(frame.picture.y, *CELLS).astype(np.float32)
        known = None if last is None else flow(luma, last)
        np.testing.assert_array_equal(told(own, frame), given(frame, cells, known))
        last = luma


def test_few_frames_are_kept():
    motion = ResidualMotion()
    for frame in frames([i / 1000 for i in range(3 * MOST)], width=WIDTH, height=HEIGHT):
        told(motion, dataclasses.replace(frame, picture=filmed(40, 40)))
    assert len(motion._past) == MOST


def affine(way: np.ndarray, height: int, width: int) -> F32:
    """The flow of a picture that moves as a matrix [2, 3] for its pixels says."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    points = np.stack([x, y, np.ones_like(x)], axis=-1)
    return (points @ way.T - points[..., :2]).astype(np.float32)


@pytest.mark.parametrize(
    "way",
    [
        np.array([[1, 0, 3.0], [0, 1, -2.0]]),
        np.array([[1.02, 0, -1.0], [0, 1.02, 0.5]]),
        np.array([[0.999, -0.02, 2.0], [0.02, 0.999, 0.0]]),
    ],
    ids=["pan", "zoom", "turn"],
)
def test_the_cameras_motion_is_found_beside_what_moves_by_itself(way):
    flow = affine(way, 120, 214)
    flow[30:90, 60:110] += (6, 3)  # a fifth of the picture
    found = camera_motion(flow, (214, 120))
    np.testing.assert_allclose(found, way, atol=0.03)
    corners = np.array([[0, 0, 1], [213, 0, 1], [0, 119, 1], [213, 119, 1]])
    np.testing.assert_allclose(corners @ found.T, corners @ way.T, atol=0.15)


def test_the_cameras_motion_is_in_cells():
    found = camera_motion(affine(np.array([[1, 0, 4.0], [0, 1, 2.0]]), 120, 214), (107, 60))
    np.testing.assert_allclose(found, [[1, 0, 2], [0, 1, 1]], atol=1e-4)


def test_a_flat_picture_has_no_motion():
    found = camera_motion(np.zeros((120, 214, 2), np.float32), (107, 60))
    np.testing.assert_allclose(found, np.eye(2, 3), atol=1e-6)


def test_warping_reads_where_things_were_and_knows_what_is_outside():
    cells = np.arange(12, dtype=np.float32).reshape(3, 4)
    moved, inside = warp_affine(cells, np.array([[1, 0, 1], [0, 1, 0]], np.float32))
    np.testing.assert_array_equal(moved[:, :3], cells[:, 1:])
    assert inside[:, :3].all() and not inside[:, 3].any()


# --- colours ---


def dressed(shirt: int, trousers: int) -> Picture:
    """A person 40 wide, red above and blue below, before a green wall; all equally bright."""
    u, v = np.full((90, 160), 90, np.uint8), np.full((90, 160), 90, np.uint8)
    v[20:45, 60:80] = shirt
    u[45:80, 60:80] = trousers
    return Picture(np.full((180, 320), 120, np.uint8), u, v)


def test_trousers_that_hold_still_are_found_by_having_moved_and_the_wall_is_not():
    picture, colours = dressed(180, 180), ColorModel()
    up, all_of_it = np.full((45, 80), -1.4, np.float32), np.full((45, 80), -1.4, np.float32)
    all_of_it[8:42, 28:42] = 2.0  # what moves spills onto the wall beside
    up[8:24, 28:42] = 2.0
    for i in range(5):
        colours(picture, i / 30, all_of_it)
    found = colours(picture, 5 / 30, up)
    assert found[12:20, 31:39].min() > 0.9
    assert found[26:38, 31:39].min() > 0.6
    assert found[:, :26].max() < 0.25
    assert found[8:24, 28:29].max() < 1 / (1 + np.exp(-2.0)) < found[12:20, 31:39].min()


def test_where_all_is_of_one_colour_the_prior_stays():
    picture = Picture(np.full((90, 160), 77, np.uint8), *[np.full((45, 80), 128, np.uint8)] * 2)
    prior = np.random.default_rng(0).normal(size=(45, 80)).astype(np.float32)
    np.testing.assert_allclose(ColorModel()(picture, 0.0, prior), 1 / (1 + np.exp(-prior)), atol=1e-5)


def test_what_was_seen_fades_and_is_forgotten_at_once_on_demand():
    picture = dressed(180, 180)
    likely, even = np.full((45, 80), -2.0, np.float32), np.zeros((45, 80), np.float32)
    likely[10:40, 30:40] = 2.0

    def after(seconds: float, forget: bool = False) -> float:
        colours = ColorModel()
        for i in range(30):
            colours(picture, i / 30, likely)
        if forget:
            colours.forget()
        return float(colours(picture, 1 + seconds, even)[12:38, 32:38].mean())

    fresh = ColorModel()(picture, 0.0, even)[12:38, 32:38].mean()
    assert after(0.1) > after(5.0) > 0
    assert after(0.1, forget=True) == pytest.approx(fresh, abs=1e-6)
    assert after(60.0) == pytest.approx(fresh, abs=1e-3)


def test_the_ratio_is_bounded_and_symmetric():
    rng = np.random.default_rng(1)
    counts = rng.random((2, COLOR_BINS**3)) * (rng.random((2, COLOR_BINS**3)) < 0.01)
    found = log_ratio(counts)
    assert found.shape == (COLOR_BINS**3,) and np.abs(found).max() <= MAX_LOG_RATIO
    np.testing.assert_allclose(log_ratio(counts[::-1]), -found, atol=1e-6)
    assert not log_ratio(np.zeros((2, COLOR_BINS**3))).any()


def test_the_blur_keeps_counts():
    np.testing.assert_allclose(BLUR.sum(axis=0), 1)
    np.testing.assert_allclose(BLUR.sum(axis=1), 1)


def test_every_colour_has_a_bin():
    extremes = np.array([[0, 255], [63, 64], [191, 192], [128, 127]], np.uint8)
    picture = Picture(np.kron(extremes, np.ones((8, 8), np.uint8)), *[np.kron(extremes, np.ones((4, 4), np.uint8))] * 2)
    bins = color_bins(picture, (2, 4))
    assert bins.min() >= 0 and bins.max() < COLOR_BINS**3 and len(set(bins.tolist())) > 4


def test_frames_without_end_take_no_more_memory():
    colours = ColorModel()
    for i in range(50):
        colours(dressed(180, 60), i / 30, np.zeros((45, 80), np.float32))
    assert colours._counts.sum() == pytest.approx(45 * 80 / (1 - np.exp(-1 / 30 / 0.7)), rel=0.2)


def test_a_frame_is_a_frame_of_any_size():
    motion = ResidualMotion()
    for number, (width, height) in enumerate([(320, 180), (180, 320), (40, 30)]):
        picture = Picture(np.zeros((height, width), np.uint8), *[np.zeros((height // 2, width // 2), np.uint8)] * 2)
        (frame,) = frames([number / 30.0])
        found = told(motion, dataclasses.replace(frame, picture=picture), (width // 4, height // 4))
        assert isinstance(frame, Frame) and found is not None and not found.any()
