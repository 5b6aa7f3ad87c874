"""The contract of sources, on real footage and on media made on the spot."""

from __future__ import annotations

import gc
import http.server
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from av.stream import Disposition
from camreel.errors import InputError
from camreel.interfaces import Source
from camreel.sources import expand, open_source
from camreel.sources.decoder import PATIENCE, Decoder
from camreel.sources.picture import Conversion
from camreel.sources.timestamps import Clock, zero_of
from camreel.structures import ColorTags, Frame, Picture

# fmt: off
ACTIONS = [
    "basketball_shot.mp4", "cleaning_pool.mp4", "golf_swing_portrait_audio.mp4", "hitting_baseball.mp4",
    "juggling_football_720p.mp4", "segway_cuts_audio.mp4", "street_crowd_50fps_audio.avi", "three_people_exercise_10fps.avi",
    "v_Basketball_g01_c01.avi", "v_Biking_g05_c02.avi", "v_CliffDiving_g03_c01.mp4", "v_Fencing_g01_c06.mp4",
    "v_SkateBoarding_g02_c01.mp4", "v_SoccerJuggling_g23_c01.avi", "v_SoccerJuggling_g24_c01.avi", "wave_in_crowd.avi",
    "yoga.mp4",
]
ODD = [
    "av1_10bit.mp4", "bt601_limited_range.mp4", "bt709_full_range.mp4", "delayed_start.mp4",
    "discard_first_keyframe.mp4", "hevc_10bit.mp4", "mpeg1_mp2_audio.mpg", "non_utf8_metadata.avi",
    "non_zero_start_audio.mp4", "odd_size_444.mp4", "one_frame.mp4", "rotated_90_two_audio.mp4",
    "truncated.avi", "two_audio.mkv", "vfr.mp4", "vp9.webm",
]
# fmt: on
UNREADABLE = ("empty.mp4", "truncated_no_index.mp4")
FOOTAGE = [f"actions/{name}" for name in ACTIONS] + [f"odd/{name}" for name in ODD]

# --- What comes out, in a form to compare


class Seen(NamedTuple):
    pts: int | None
    time: float
    luma: int
    """Checksum."""


class Reading(NamedTuple):
    info: Any
    frames: list[Seen]
    shapes: set[tuple[tuple[int, ...], ...]]
    packets: list[tuple[int, int, int]]
    notes: list[str]
    corrupt: int


def checksum(plane: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(plane))


def key(packet: av.Packet) -> tuple[int, int, int]:
    return packet.stream_index, packet.dts, packet.size


def read(path: Path | str, **options: Any) -> Reading:
    frames, shapes, packets = [], set(), []
    with open_source(str(path), **options) as source:
        for index, frame in enumerate(source):
            assert frame.index == index
            assert frame.time_base == source.info.time_base
            frames.append(Seen(frame.pts, frame.time, checksum(frame.picture.y)))
            shapes.add((frame.picture.y.shape, frame.picture.u.shape, frame.picture.v.shape))
            packets += [key(packet) for packet in frame.packets]
        return Reading(source.info, frames, shapes, packets, source.notes, source.corrupt)


@cache
def whole(path: Path) -> Reading:
    return read(path)


def plain(path: Path | str) -> list[av.VideoFrame]:
    """What PyAV alone decodes, by default threading."""
    with av.open(str(path), metadata_errors="ignore") as container:
        return list(container.decode(container.streams.video[0]))


def audio_packets(path: Path, first: float = -1e9, end: float = 1e9) -> list[tuple[int, int, int]]:
    """Own demux of the audio packets with first <= time < end, seconds counted from the start of the video."""
    with av.open(str(path), metadata_errors="ignore") as container:
        video = container.streams.video[0]
        zero = (video.start_time or 0) * video.time_base
        packets = [packet for packet in container.demux() if packet.stream.type == "audio" and packet.dts is not None]
        return [key(packet) for packet in packets if first <= float(packet.pts * packet.time_base - zero) < end]


# --- Media made on the spot


def gray_ramp(count: int, size: tuple[int, int] = (64, 48), fmt: str = "yuv420p") -> Iterator[av.VideoFrame]:
    """Frames of which the n-th is flat gray 20 + 8 n."""
    for n in range(count):
        level = np.full((size[1], size[0], 3), (20 + 8 * n) % 256, np.uint8)
        frame = av.VideoFrame.from_ndarray(level, format="rgb24").reformat(format=fmt)
        frame.pts = n
        yield frame


def write(
    path: Path,
    frames: Iterable[av.VideoFrame],
    codec: str,
    *,
    container: str | None = None,
    options: dict[str, str] | None = None,
    time_base: Fraction | None = None,
    setup: Callable[[av.VideoStream], None] | None = None,
) -> Path:
    """Encodes frames, which carry size, format, pts, and colour tags."""
    frames = list(frames)
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=10, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        context = stream.codec_context
        context.colorspace, context.color_range = frames[0].colorspace, frames[0].color_range
        if time_base:
            context.time_base = time_base
        if setup:
            setup(stream)
        for frame in [*frames, None]:
            if frame and time_base:
                frame.time_base = time_base
            for packet in stream.encode(frame):
                output.mux(packet)
    return path


def mjpeg(path: Path, count: int) -> Path:
    return write(path, gray_ramp(count, fmt="yuvj420p"), "mjpeg")


def spoil(path: Path, damaged: Sequence[int]) -> Path:
    """Overwrites whole packets with zeros."""
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    position = 0
    for n, packet in enumerate(packets):
        position = data.index(packet, position)
        if n in damaged:
            data = data[:position] + bytes(len(packet)) + data[position + len(packet) :]
    path.write_bytes(data)
    return path


def with_audio(path: Path, seconds: int = 4) -> Path:
    graph = f"testsrc2=size=64x48:rate=10:duration={seconds}[out0];sine=frequency=440:duration={seconds}[out1]"
    with av.open(graph, format="lavfi") as made, av.open(str(path), "w") as output:
        video, audio = output.add_stream("libx264", rate=10, options={"g": "10"}), output.add_stream("aac", rate=44100)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for frame in made.decode():
            stream = video if isinstance(frame, av.VideoFrame) else audio
            if stream is video:
                frame = frame.reformat(format="yuv420p")
                frame.pict_type = 0
            output.mux(stream.encode(frame))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    return path


# --- Colours

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


def only_frame(path: Path) -> tuple[Frame, Source]:
    with open_source(str(path)) as source:
        (frame,) = source
        return frame, source


# --- The contract on every real file


def test_no_footage_is_forgotten(shared: Path) -> None:
    files = {f"{path.parent.name}/{path.name}" for path in (shared / "footage").glob("*/*") if path.suffix != ".json"}
    assert files == {*FOOTAGE, *(f"odd/{name}" for name in UNREADABLE)}


@pytest.mark.footage
@pytest.mark.parametrize("name", FOOTAGE)
def test_frames_are_exactly_those_of_a_plain_decode(shared: Path, name: str) -> None:
    path = shared / "footage" / name
    reading, expected = whole(path), plain(path)
    assert [frame.pts for frame in reading.frames] == [frame.pts for frame in expected]
    assert reading.corrupt == 0
    if expected[0].format.name in ("yuv420p", "yuvj420p"):
        lumas = [np.rot90(frame.to_ndarray()[: frame.height], reading.info.rotation // 90) for frame in expected]
        assert [frame.luma for frame in reading.frames] == [checksum(luma) for luma in lumas]


@pytest.mark.footage
@pytest.mark.parametrize("name", FOOTAGE)
def test_time_increases_and_follows_the_pts(shared: Path, name: str) -> None:
    reading = whole(shared / "footage" / name)
    times = [frame.time for frame in reading.frames]
    assert all(a < b for a, b in pairwise(times))
    base = reading.info.time_base
    lags = [frame.time - float((frame.pts - reading.frames[0].pts) * base) for frame in reading.frames]
    backward = any(a.pts >= b.pts for a, b in pairwise(reading.frames))
    assert backward == (name in ("actions/wave_in_crowd.avi", "odd/non_utf8_metadata.avi"))
    assert max(lags) - min(lags) < (0.06 if backward else 1e-9)
    assert 0 <= times[0] < 0.05


@pytest.mark.footage
@pytest.mark.parametrize("name", FOOTAGE)
def test_pictures_have_the_displayed_size(shared: Path, name: str) -> None:
    path = shared / "footage" / name
    with av.open(str(path), metadata_errors="ignore") as container:
        frame = next(container.decode(video=0))
    size = (frame.width, frame.height) if frame.rotation % 180 == 0 else (frame.height, frame.width)
    reading = whole(path)
    assert (reading.info.width, reading.info.height) == size
    chroma = ((size[1] + 1) // 2, (size[0] + 1) // 2)
    assert reading.shapes == {((size[1], size[0]), chroma, chroma)}


@pytest.mark.footage
@pytest.mark.parametrize("name", FOOTAGE)
def test_every_audio_packet_rides_along_once(shared: Path, name: str) -> None:
    path = shared / "footage" / name
    assert whole(path).packets == audio_packets(path)
    assert {index for index, _, _ in whole(path).packets} == {track.index for track in whole(path).info.tracks}


@pytest.mark.footage
@pytest.mark.parametrize("name", FOOTAGE)
def test_a_section_equals_that_part_of_the_whole(shared: Path, name: str) -> None:
    path = shared / "footage" / name
    full = whole(path)
    last = full.frames[-1].time
    for start in (last * 0.05, last * 0.55, last * 0.97):
        end = start + 0.5
        section = read(path, start=start, end=end)
        assert section.frames == [frame for frame in full.frames if start <= frame.time < end]
        assert section.packets == audio_packets(path, section.frames[0].time, end)


@pytest.mark.footage
@pytest.mark.parametrize("name", UNREADABLE)
def test_hopeless_files_are_named_with_a_reason(shared: Path, name: str) -> None:
    path = shared / "footage" / "odd" / name
    with pytest.raises(InputError) as caught:
        open_source(str(path))
    assert caught.value.what.startswith(f"{path}: ")
    assert {"empty.mp4": "did not finish", "truncated_no_index.mp4": "moov"}[name] in caught.value.why
    assert caught.value.todo


@pytest.mark.footage
def test_a_cut_off_file_gives_what_it_holds_and_says_so(shared: Path) -> None:
    reading = whole(shared / "footage/odd/truncated.avi")
    assert len(reading.frames) == 121
    assert reading.notes == ["the file is cut off: it holds 121 of the 240 frames it claims"]


@pytest.mark.footage
def test_rotation_follows_the_display_matrix(shared: Path) -> None:
    path = shared / "footage/odd/rotated_90_two_audio.mp4"
    stored = plain(path)[100]
    a, b, _, c, d, *_ = np.frombuffer(bytes(stored.side_data[0]), np.int32) / 65536
    with open_source(str(path)) as source:
        assert source.info.rotation == 90
        frame = next(frame for frame in source if frame.index == 100)
        for x, y in ((10, 20), (300, 20), (160, 170)):
            # The matrix takes a stored point to the displayed one, up to a shift into the picture.
            shown_x, shown_y = (a * x + c * y) % 180, (b * x + d * y - 1) % 320
            assert frame.picture.y[int(shown_y), int(shown_x)] == stored.to_ndarray()[y, x]


@pytest.mark.footage
def test_what_is_not_carried_is_noted(shared: Path) -> None:
    reading = whole(shared / "footage/odd/rotated_90_two_audio.mp4")
    assert [track.codec for track in reading.info.tracks] == ["aac", "aac"]
    assert reading.notes == [
        "subtitle stream 2 (mov_text) is not carried over",
        "video stream 3 (h264) is not carried over",
        "subtitle stream 5 (mov_text) is not carried over",
    ]


@pytest.mark.footage
def test_colour_tags_are_passed_on(shared: Path) -> None:
    odd = shared / "footage/odd"
    assert whole(odd / "bt709_full_range.mp4").info.color == ColorTags(1, 1, 1, True)
    assert whole(odd / "bt601_limited_range.mp4").info.color == ColorTags(6, 6, 6, False)
    assert whole(odd / "hevc_10bit.mp4").info.color == ColorTags(2, 2, 2, False)


# --- Pictures


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
def test_yuv_keeps_its_colour_matrix_and_range(tmp_path: Path, fmt: str, matrix: str, full: bool) -> None:
    for n, rgb in enumerate(PATCHES):
        made = patch(fmt, [*yuv_of(rgb, matrix, full, 10 if "10le" in fmt else 8), 255])
        made.colorspace, made.color_range = TAGS[matrix], 2 if full else 1
        frame, source = only_frame(write(tmp_path / f"{n}.mkv", [made], "ffv1"))
        assert (frame.picture.matrix, frame.picture.full_range) == (matrix, full)
        assert source.info.color == ColorTags(2, 2, TAGS[matrix], full)
        assert np.abs(rgb_of(frame.picture) - rgb).max() <= 3


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
def test_interleaved_chroma_keeps_its_colour(matrix: str, full: bool) -> None:
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


@pytest.mark.parametrize(("codec", "fmt"), [("ffv1", "bgra"), ("rawvideo", "rgb24"), ("libx264rgb", "rgb24"), ("ffv1", "gbrp10le")])
@pytest.mark.parametrize(("size", "matrix"), [((64, 48), "bt601"), ((32, 720), "bt709")])
def test_rgb_becomes_yuv_of_the_usual_matrix(tmp_path: Path, codec: str, fmt: str, size: tuple[int, int], matrix: str) -> None:
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
def test_gray_is_neutral_and_keeps_its_range(tmp_path: Path, fmt: str, level: int, color_range: int, full: bool) -> None:
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
        tmp_path / "a.mp4", [made], "libx264", options={"qp": "0"}, setup=lambda stream: stream.set_display_rotation(degrees)
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


def mjpeg_stream(path: Path, size: tuple[int, int]) -> Path:
    return write(path, gray_ramp(5, size, "yuvj420p"), "mjpeg", container="mjpeg")


# --- Time


def test_variable_frame_rate_and_a_late_start_are_kept(tmp_path: Path) -> None:
    stamps = [5000, 5040, 5041, 5300, 9000, 9001]
    frames = list(gray_ramp(6))
    for frame, pts in zip(frames, stamps, strict=True):
        frame.pts = pts
    reading = read(write(tmp_path / "a.mkv", frames, "ffv1", time_base=Fraction(1, 1000)))
    assert [frame.pts for frame in reading.frames] == stamps
    assert [frame.time for frame in reading.frames] == pytest.approx([(pts - 5000) / 1000 for pts in stamps], abs=1e-12)


def test_frames_without_pts_come_at_the_average_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h264", gray_ramp(10), "libx264", container="h264")
    reading = read(path)
    assert [frame.pts for frame in reading.frames] == [None] * 10
    assert reading.info.duration is None and reading.info.frames is None
    assert [frame.time for frame in reading.frames] == pytest.approx([n / 25 for n in range(10)])
    assert read(path, start=0.2, end=0.32).frames == reading.frames[5:8]


def clock(rate: int = 10) -> Clock:
    return Clock(Fraction(1, 1000), Fraction(rate), 0)


def test_missing_pts_step_by_the_average_interval() -> None:
    ticks = clock()
    assert [ticks(pts) for pts in (0, 100, None, None, 500)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.5])


def test_repeated_and_backward_pts_step_by_half_an_interval() -> None:
    ticks = clock()
    assert [ticks(pts) for pts in (0, 100, 100, 300, 200, 400)] == pytest.approx([0, 0.1, 0.15, 0.3, 0.35, 0.4])


def test_a_clock_that_begins_anew_goes_on_behind_what_was() -> None:
    ticks = clock()
    assert [ticks(pts) for pts in (5000, 5100, 0, 100, 200)] == pytest.approx([5.0, 5.1, 5.2, 5.3, 5.4])


@pytest.mark.parametrize("rate", [None, Fraction(0), Fraction(90000)])
def test_an_insane_rate_is_not_used(rate: Fraction | None) -> None:
    ticks = Clock(Fraction(1, 1000), rate, 0)
    assert [ticks(None), ticks(None)] == pytest.approx([0, 0.04])


@pytest.mark.parametrize(
    ("claim", "first", "zero"), [(None, 7, 7), (5, 7, 5), (9, 7, 7), (5, 99999, 99999), (5, None, 5), (None, None, 0)]
)
def test_zero_is_the_claimed_start_where_that_is_sane(claim: int | None, first: int | None, zero: int) -> None:
    assert zero_of(claim, first, Fraction(1, 1000)) == zero


def test_a_section_of_mpeg_that_seeks_badly_is_complete(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts", gray_ramp(60), "libx264", options={"g": "25", "bf": "2"})
    full = read(path).frames
    assert len(full) == 60
    for start in (0.05, 2.4, 2.51, 5.0):
        assert read(path, start=start).frames == [frame for frame in full if frame.time >= start]


@pytest.mark.parametrize(("start", "end"), [(99.0, None), (2.0, 1.0), (1.01, 1.09)])
def test_an_empty_section_is_an_error(tmp_path: Path, start: float, end: float | None) -> None:
    path = with_audio(tmp_path / "a.mp4")
    with open_source(str(path), start=start, end=end) as source, pytest.raises(InputError, match="no frame between"):
        list(source)


def test_a_section_takes_the_audio_of_its_own_time_only(tmp_path: Path) -> None:
    path = with_audio(tmp_path / "a.mkv")
    section = read(path, start=1.25, end=2.5)
    assert section.frames[0].time == pytest.approx(1.3)
    assert section.packets == audio_packets(path, 1.3, 2.5)
    assert len(section.packets) == pytest.approx(1.2 * 44100 / 1024, abs=2)


def test_audio_is_left_out_on_demand(tmp_path: Path) -> None:
    reading = read(with_audio(tmp_path / "a.mp4"), audio=False)
    assert (reading.packets, reading.info.tracks, reading.notes) == ([], (), [])
    assert len(reading.frames) == 40


# --- Damage


def test_damaged_packets_are_skipped_and_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = spoil(mjpeg(tmp_path / "a.avi", 20), (0, 7, 8, 19))
    reading = read(path)
    assert [frame.pts for frame in reading.frames] == [n for n in range(20) if n not in (0, 7, 8, 19)]
    assert reading.corrupt == 4
    assert reading.notes == ["4 damaged packets were skipped"]
    assert capfd.readouterr() == ("", "")


def test_a_hundred_failures_in_a_row_end_the_source(tmp_path: Path) -> None:
    count = PATIENCE + 20
    reading = read(spoil(mjpeg(tmp_path / "a.avi", count), range(5, count - 1)))
    assert len(reading.frames) == 5
    assert reading.corrupt == PATIENCE
    assert any("failures in a row" in note for note in reading.notes)


def test_fewer_failures_than_that_are_survived(tmp_path: Path) -> None:
    count = PATIENCE + 5
    reading = read(spoil(mjpeg(tmp_path / "a.avi", count), range(3, PATIENCE + 2)))
    assert [frame.pts for frame in reading.frames] == [0, 1, 2, *range(PATIENCE + 2, count)]


def test_a_file_without_a_single_good_frame_is_an_error(tmp_path: Path) -> None:
    path = spoil(mjpeg(tmp_path / "a.avi", 5), range(5))
    with pytest.raises(InputError, match="not a single frame can be decoded"), open_source(str(path)) as source:
        list(source)


@pytest.mark.parametrize(("suffix", "share"), [("mp4", 0.5), ("mkv", 0.5), ("ts", 0.5), ("mp4", 0.9), ("mkv", 0.31)])
def test_a_cut_tail_is_never_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    options = {"movflags": "faststart"} if suffix == "mp4" else {}
    path = tmp_path / f"a.{suffix}"
    graph = "testsrc2=size=160x120:rate=10:duration=6"
    with av.open(graph, format="lavfi") as made, av.open(str(path), "w", options=options) as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for frame in made.decode(video=0):
            output.mux(stream.encode(frame.reformat(format="yuv420p")))
        output.mux(stream.encode(None))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    reading = read(path)
    assert share * 60 * 0.6 < len(reading.frames) < 60
    assert suffix != "mp4" or any("cut off" in note for note in reading.notes)
    assert [frame.pts for frame in reading.frames] == [frame.pts for frame in plain_until_the_end(path)]
    section = read(path, start=1.05)
    expected = [frame for frame in reading.frames if frame.time >= 1.05]
    assert [frame.pts for frame in section.frames] == [frame.pts for frame in expected]
    # What the decoder invents for the missing half of the last picture is not the same every time.
    assert section.frames[:-1] == expected[:-1]


def plain_until_the_end(path: Path) -> list[av.VideoFrame]:
    frames = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                frames += packet.decode()
            except av.FFmpegError:
                continue
    return frames


class StubVideo:
    """A video stream whose packets decode to their own number."""

    index = 0
    thread_type = ""

    def decode(self, packet: StubPacket | None) -> list[int]:
        return [] if packet is None else [packet.number]


class StubPacket(NamedTuple):
    number: int
    stream_index: int = 0
    dts: int = 0
    is_corrupt: bool = False


class StubContainer:
    """A demuxer that fails now and then, going on behind the damage or not at all."""

    streams = ()

    def __init__(self, script: list[int | Exception]) -> None:
        self.script = script

    def demux(self, *_: object) -> Iterator[StubPacket]:
        while self.script:
            item = self.script.pop(0) if len(self.script) > 1 or isinstance(self.script[0], int) else self.script[0]
            if isinstance(item, Exception):
                raise item
            yield StubPacket(item)


def bad_data() -> Exception:
    return av.error.InvalidDataError(1, "invalid data")


def test_reading_goes_on_behind_a_demuxer_error() -> None:
    decoder = Decoder(StubContainer([1, 2, bad_data(), bad_data(), 3, bad_data(), 4]), StubVideo(), [])  # type: ignore[arg-type]
    assert list(decoder.frames()) == [1, 2, 3, 4]
    assert decoder.corrupt == 2
    assert not decoder.gave_up


def test_a_demuxer_that_fails_for_ever_is_given_up() -> None:
    decoder = Decoder(StubContainer([1, 2, bad_data()]), StubVideo(), [])  # type: ignore[arg-type]
    assert list(decoder.frames()) == [1, 2]
    assert decoder.gave_up
    assert decoder.corrupt == 1


def test_a_lost_connection_is_not_taken_for_damage() -> None:
    lost = av.error.ExitError(1, "Immediate exit requested")
    decoder = Decoder(StubContainer([1, lost]), StubVideo(), [], remote=True)  # type: ignore[arg-type]
    frames = decoder.frames()
    assert next(frames) == 1
    with pytest.raises(av.error.ExitError):
        next(frames)


# --- What cannot be opened


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere/a b\.mp4: no such file"):
        open_source("nowhere/a b.mp4")


def test_a_directory_is_not_a_video(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("name", ["notes.txt", "a.mp4", "a.srt"])
def test_text_is_not_a_video(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("These are words, not pictures.\n" * 200)
    with pytest.raises(InputError, match="not a video"):
        open_source(str(tmp_path / name))


def test_sound_with_a_cover_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as output, av.open("sine=duration=1", format="lavfi") as made:
        cover, audio = output.add_stream("mjpeg"), output.add_stream("aac", rate=44100)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 64, 48, "yuvj420p", Disposition.attached_pic
        output.mux(cover.encode(next(gray_ramp(1, fmt="yuvj420p"))))
        output.mux(cover.encode(None))
        for frame in made.decode(audio=0):
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    with pytest.raises(InputError, match="there is no video in it") as caught:
        open_source(str(path))
    assert caught.value.why == "it holds audio, video"


def test_no_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mjpeg(tmp_path / "a.avi", 1)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything

        def refuse(*_: object, **__: object) -> None:
            raise av.error.PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(InputError, match="no permission to read it"):
        open_source(str(path))


@pytest.mark.parametrize("name", ["2024-01-01T10:00.avi", "100%d [x] ü.avi", "-.avi"])
def test_peculiar_file_names_are_just_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    mjpeg(Path("plain.avi"), 3).rename(name)
    reading = read(name)
    assert reading.info.uri == name
    assert len(reading.frames) == 3


def test_standard_input_is_read_quietly(tmp_path: Path) -> None:
    path = spoil(mjpeg(tmp_path / "a.avi", 12), (4,))
    code = "from camreel.sources import open_source\nprint([f.pts for f in open_source('-', start=0.2)])"
    with path.open("rb") as file:
        done = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[2, 3, 5, 6, 7, 8, 9, 10, 11]\n", "")


# --- Addresses


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `cut/` promises whole files and gives half of each."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self.path.startswith("/cut/"):
            return super().do_GET()
        data = (Path(self.directory) / self.path.removeprefix("/cut/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    def handler(*args: Any) -> Handler:
        return Handler(*args, directory=str(tmp_path))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"user:hunter2@127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_an_address_is_read_like_a_file_and_its_password_stays_inside(tmp_path: Path, server: str) -> None:
    path = with_audio(tmp_path / "a.mkv")
    for start in (None, 2.05):  # this server cannot seek
        reading = read(f"http://{server}/a.mkv", start=start)
        assert reading.frames == read(path, start=start).frames
        assert reading.info.uri == f"http://{server.removeprefix('user:hunter2@')}/a.mkv"


def test_errors_of_addresses_hide_the_password(server: str) -> None:
    with pytest.raises(InputError) as caught:
        open_source(f"http://{server}/nothing.mp4?token=hunter2")
    assert "hunter2" not in str(caught.value)
    assert "not found" in str(caught.value)


def test_a_cut_connection_is_an_error(tmp_path: Path, server: str) -> None:
    write(tmp_path / "a.ts", gray_ramp(200, (320, 240)), "mpeg2video", options={"qmax": "2", "b": "8000000"})
    with open_source(f"http://{server}/cut/a.ts") as source, pytest.raises(InputError, match="connection was lost"):
        list(source)


def test_unknown_kinds_of_address_are_refused() -> None:
    with pytest.raises(InputError, match="cannot read from this kind of address"):
        open_source("gopher://me:secret@host/v.mp4")


# --- Closing


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_close_may_come_at_any_time_and_twice(tmp_path: Path) -> None:
    path = str(with_audio(tmp_path / "a.mp4"))
    never, midway, done = open_source(path), open_source(path), open_source(path)
    next(iter(midway))
    assert len(list(done)) == 40
    for source in (never, midway, done):
        source.close()
        source.close()
        assert list(source) == []


def test_a_second_iterator_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    with open_source(str(mjpeg(tmp_path / "a.avi", 6))) as source:
        assert [frame.index for frame, _ in zip(source, range(2), strict=False)] == [0, 1]
        assert [frame.index for frame in source][-1] == 5


def test_closing_in_the_loop_ends_it(tmp_path: Path) -> None:
    seen = 0
    with open_source(str(mjpeg(tmp_path / "a.avi", 6))) as source:
        for frame in source:
            seen += 1
            if frame.index == 2:
                source.close()
    assert seen == 3


def test_track_templates_live_until_the_source_is_closed(tmp_path: Path) -> None:
    with open_source(str(with_audio(tmp_path / "a.mp4"))) as source:
        packets = [packet for frame in source for packet in frame.packets]
        with av.open(str(tmp_path / "copy.m4a"), "w", format="mp4") as output:
            copy = output.add_stream_from_template(source.info.tracks[0].template)
            for packet in packets:
                packet.stream = copy
                output.mux(packet)
    with av.open(str(tmp_path / "copy.m4a")) as container:
        assert sum(packet.dts is not None for packet in container.demux(audio=0)) == len(packets)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
def test_no_file_and_no_thread_is_leaked(tmp_path: Path) -> None:
    path = str(with_audio(tmp_path / "a.mp4"))
    broken = str(spoil(mjpeg(tmp_path / "b.avi", 3), range(3)))
    infos = []
    gc.collect()
    before = open_files(), len(os.listdir("/proc/self/task"))
    for n in range(30):
        source = open_source(path, start=1.0 if n % 3 == 0 else None)
        if n % 2:
            next(iter(source))
        infos.append(source.info)  # as a summary would keep it
        source.close()
        with pytest.raises(InputError):
            open_source(broken)
    del source
    gc.collect()
    assert (open_files(), len(os.listdir("/proc/self/task"))) == before


# --- Naming inputs


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = "b.mp4 a.MKV .hidden.mp4 a.camreel.mp4 c.partial.mp4 notes.txt odd[1].avi more/d.mkv more/deep/e.mkv more/deep/f.dat"
    for name in names.split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["b.mp4"], ["b.mp4"]),
        (["."], ["./a.MKV", "./b.mp4", "./odd[1].avi"]),
        (["more/*.mkv"], ["more/d.mkv"]),
        (["more/**/*.mkv"], ["more/d.mkv", "more/deep/e.mkv"]),
        (["more/**"], ["more/d.mkv", "more/deep/e.mkv"]),
        (["more/deep/*.dat"], ["more/deep/f.dat"]),
        (["*"], ["a.MKV", "b.mp4", "odd[1].avi"]),
        (["odd[1].avi"], ["odd[1].avi"]),
        (["a.camreel.mp4", ".hidden.mp4", "notes.txt"], ["a.camreel.mp4", ".hidden.mp4", "notes.txt"]),
        (["b.mp4", "more", "./b.mp4", "*.mp4"], ["b.mp4", "more/d.mkv"]),
        (["-", "http://host/a.mp4", "-"], ["-", "http://host/a.mp4"]),
    ],
)
def test_inputs_expand(clips: Path, inputs: list[str], expected: list[str]) -> None:
    assert expand(inputs) == expected


def test_a_list_names_inputs_relative_to_itself(clips: Path) -> None:
    (clips / "more/list.txt").write_text("# mine\n\nd.mkv\n  ../b.mp4  \ndeep/*.mkv\nhttps://host/a.mp4\n" + str(clips / "a.MKV"))
    expected = ["more/d.mkv", "more/../b.mp4", "more/deep/e.mkv", "https://host/a.mp4", str(clips / "a.MKV")]
    assert expand(["@more/list.txt", "b.mp4"]) == expected


@pytest.mark.parametrize("text", ["gone.mp4", "none", "*.webm", "@gone.txt", "@none", "gone/*.mp4", "more/*.txt"])
def test_what_stands_for_nothing_is_an_error(clips: Path, text: str) -> None:
    with pytest.raises(InputError) as caught:
        expand(["b.mp4", text])
    assert text in caught.value.what


def test_an_empty_list_is_an_error(clips: Path) -> None:
    (clips / "list.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match=r"@list\.txt"):
        expand(["@list.txt"])
