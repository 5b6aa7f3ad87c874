"""From decoded frames to pictures: colors, range, rotation, size."""

from __future__ import annotations

import gc
from pathlib import Path

import av
import numpy as np
import pytest
from camreel.sources import open_source
from camreel.sources.picture import Conversion
from camreel.structures import ColorTags, Picture

from tests.media import checksum, gray_ramp, mjpeg_stream, only_frame, read, with_audio, write

KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
TAGS = {"bt601": 6, "bt709": 1, "bt2020": 9}
PATCHES = ((200, 60, 30), (20, 180, 90), (70, 40, 220), (250, 250, 250), (5, 5, 5))


def yuv_of(rgb: tuple[int, int, int], matrix: str, full: bool, depth: int = 8) -> list[int]:
    """ITU-R BT.601/709/2020: R'G'B' to quantised Y'CbCr."""
    kr, kb = KR_KB[matrix]
    red, green, blue = (value / 255 for value in rgb)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = [(blue - luma) / 2 / (1 - kb), (red - luma) / 2 / (1 - kr)]
    unit, top = 1 << (depth - 8), (1 << depth) - 1
    y = luma * top if full else (16 + 219 * luma) * unit
    return [round(y), *(round(128 * unit + c * (top if full else 224 * unit)) for c in chroma)]


def rgb_of(picture: Picture) -> np.ndarray:
    """RGB in the middle of a picture, by its own matrix and range."""
    kr, kb = KR_KB[picture.matrix]
    y, u, v = (float(plane[plane.shape[0] // 2, plane.shape[1] // 2]) for plane in (picture.y, picture.u, picture.v))
    luma = y / 255 if picture.full_range else (y - 16) / 219
    cb, cr = ((c - 128) / (255 if picture.full_range else 224) for c in (u, v))
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    return 255 * np.array([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue])


def patch(fmt: str, values: list[int], size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    """A flat frame with the given value in each component, planar or (nv12) with interleaved chroma."""
    frame = av.VideoFrame(*size, fmt)
    kind = np.uint16 if "10le" in fmt else np.uint8
    for index, (plane, value) in enumerate(zip(frame.planes, values, strict=False)):
        samples = np.full(plane.buffer_size // kind().itemsize, value, kind)
        if fmt == "nv12" and index == 1:
            samples[0::2], samples[1::2] = values[1:]
        plane.update(samples)
    frame.pts = 0
    return frame


def test_planes_stay_valid_after_later_frames_and_after_closing(tmp_path: Path) -> None:
    path = with_audio(tmp_path / "a.mp4")
    with open_source(str(path)) as source:
        kept = [(frame, checksum(frame.picture.y), checksum(frame.picture.u)) for frame in source]
    del source
    gc.collect()
    assert len({luma for _, luma, _ in kept}) > 30
    assert all(checksum(frame.picture.y) == luma and checksum(frame.picture.u) == u for frame, luma, u in kept)


@pytest.mark.parametrize("fmt", ["yuv420p", "yuv444p", "gray"])
def test_planes_cannot_be_written_to(tmp_path: Path, fmt: str) -> None:
    frame, _ = only_frame(write(tmp_path / "a.mkv", gray_ramp(1, fmt=fmt), "ffv1"))
    for plane in (frame.picture.y, frame.picture.u, frame.picture.v):
        with pytest.raises(ValueError, match="read-only"):
            plane[0, 0] = 1


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le", "yuva420p", "yuv410p"])
def test_yuv_keeps_its_color_matrix_and_range(tmp_path: Path, fmt: str, matrix: str, full: bool) -> None:
    for n, rgb in enumerate(PATCHES):
        made = patch(fmt, [*yuv_of(rgb, matrix, full, 10 if "10le" in fmt else 8), 255])
        made.colorspace, made.color_range = TAGS[matrix], 2 if full else 1
        frame, source = only_frame(write(tmp_path / f"{n}.mkv", [made], "ffv1"))
        assert (frame.picture.matrix, frame.picture.full_range) == (matrix, full)
        assert source.info.color == ColorTags(2, 2, TAGS[matrix], full)
        assert np.abs(rgb_of(frame.picture) - rgb).max() <= 3


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
def test_interleaved_chroma_keeps_its_color(matrix: str, full: bool) -> None:
    for rgb in PATCHES:
        made = patch("nv12", yuv_of(rgb, matrix, full))
        made.colorspace, made.color_range = TAGS[matrix], 2 if full else 1
        picture = Conversion(made)(made)
        assert (picture.matrix, picture.full_range) == (matrix, full)
        assert np.abs(rgb_of(picture) - rgb).max() <= 3


def test_raw_nv12_is_read(tmp_path: Path) -> None:
    made = patch("nv12", yuv_of(PATCHES[0], "bt601", False))
    frame, source = only_frame(write(tmp_path / "a.nut", [made], "rawvideo"))
    assert source.info.codec == "rawvideo"
    assert np.abs(rgb_of(frame.picture) - PATCHES[0]).max() <= 3


@pytest.mark.parametrize(
    ("codec", "fmt"), [("ffv1", "bgra"), ("rawvideo", "rgb24"), ("libx264rgb", "rgb24"), ("ffv1", "gbrp10le")]
)
@pytest.mark.parametrize(("size", "matrix"), [((64, 48), "bt601"), ((32, 720), "bt709")])
def test_rgb_becomes_yuv_of_the_usual_matrix(
    tmp_path: Path, codec: str, fmt: str, size: tuple[int, int], matrix: str
) -> None:
    for n, rgb in enumerate(PATCHES):
        flat = np.broadcast_to(np.array(rgb, np.uint8), (size[1], size[0], 3)).copy()
        made = av.VideoFrame.from_ndarray(flat, format="rgb24").reformat(format=fmt)
        made.pts = 0
        options = {"qp": "0"} if codec == "libx264rgb" else {}
        suffix = "nut" if codec == "rawvideo" else "mkv"
        frame, source = only_frame(write(tmp_path / f"{n}.{suffix}", [made], codec, options=options))
        assert (frame.picture.matrix, frame.picture.full_range) == (matrix, False)
        assert (source.info.color.matrix, source.info.color.full_range) == (TAGS[matrix], False)
        assert np.abs(rgb_of(frame.picture) - rgb).max() <= 3


@pytest.mark.parametrize("height", [48, 720])
def test_untagged_yuv_is_judged_by_its_height(tmp_path: Path, height: int) -> None:
    frame, source = only_frame(write(tmp_path / "a.mkv", gray_ramp(1, (32, height)), "ffv1"))
    assert frame.picture.matrix == ("bt709" if height == 720 else "bt601")
    assert source.info.color.matrix == 2


@pytest.mark.parametrize(("fmt", "level"), [("gray", 200), ("gray10le", 800), ("gray16le", 51400)])
@pytest.mark.parametrize(("color_range", "full"), [(0, True), (1, False), (2, True)])
def test_gray_is_neutral_and_keeps_its_range(
    tmp_path: Path, fmt: str, level: int, color_range: int, full: bool
) -> None:
    made = av.VideoFrame(64, 48, fmt)
    kind = np.uint8 if fmt == "gray" else np.uint16
    made.planes[0].update(np.full(made.planes[0].buffer_size // kind().itemsize, level, kind))
    made.pts, made.color_range = 0, color_range
    frame, source = only_frame(write(tmp_path / "a.mkv", [made], "ffv1"))
    assert frame.picture.full_range == source.info.color.full_range == full
    assert abs(int(frame.picture.y[20, 20]) - 200) <= 1
    assert (frame.picture.u == 128).all() and (frame.picture.v == 128).all()
    assert frame.picture.u.shape == (24, 32)


@pytest.mark.parametrize("fmt", ["yuv420p", "yuv444p", "gray", "bgra"])
def test_odd_sizes_have_chroma_for_the_last_row_and_column(tmp_path: Path, fmt: str) -> None:
    frame, source = only_frame(write(tmp_path / "a.mkv", gray_ramp(1, (33, 21), fmt), "ffv1"))
    assert (source.info.width, source.info.height) == (33, 21)
    assert (frame.picture.y.shape, frame.picture.u.shape, frame.picture.v.shape) == ((21, 33), (11, 17), (11, 17))


@pytest.mark.parametrize(("degrees", "turned"), [(90, 90), (-90, 270), (180, 180), (0, 0)])
def test_every_right_angle_is_turned_by_a_view(tmp_path: Path, degrees: int, turned: int) -> None:
    corner = np.full((48, 64), 16, np.uint8)
    corner[:16, :16] = 235  # top left
    made = av.VideoFrame(64, 48, "yuv420p")
    for plane in made.planes:
        plane.update(np.full(plane.buffer_size, 128, np.uint8))
    lines = np.frombuffer(memoryview(made.planes[0]), np.uint8).reshape(48, -1)
    lines[:, :64] = corner
    made.pts = 0
    path = write(
        tmp_path / "a.mp4",
        [made],
        "libx264",
        options={"qp": "0"},
        setup=lambda stream: stream.set_display_rotation(degrees),
    )
    frame, source = only_frame(path)
    assert source.info.rotation == turned
    assert np.array_equal(frame.picture.y, np.rot90(corner, turned // 90))
    assert (source.info.height, source.info.width) == frame.picture.y.shape


def test_bottom_up_pictures_stand_upright(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:8] = 255
    made = av.VideoFrame.from_ndarray(picture, format="bgr24")
    made.pts = 0
    frame, _ = only_frame(write(tmp_path / "a.avi", [made], "rawvideo"))
    assert frame.picture.y[2, 30] > 230 > 20 > frame.picture.y[40, 30]


def test_another_size_in_the_middle_is_scaled_to_the_first_and_noted(tmp_path: Path) -> None:
    small = mjpeg_stream(tmp_path / "a.mjpeg", (64, 48))
    both = tmp_path / "both.mjpeg"
    both.write_bytes(small.read_bytes() + mjpeg_stream(tmp_path / "b.mjpeg", (96, 32)).read_bytes())
    reading = read(both)
    assert len(reading.frames) == 10
    assert reading.shapes == {((48, 64), (24, 32), (24, 32))}
    assert reading.notes == ["5 frames of another size were scaled to 64x48"]
