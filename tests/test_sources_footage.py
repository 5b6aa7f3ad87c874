"""The contract of sources on every file of the real footage."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from camreel.errors import InputError
from camreel.sources import open_source
from camreel.structures import ColorTags

from tests.media import Reading, audio_packets, checksum, plain, read

# fmt: off
ACTIONS = [
    "basketball_shot.mp4", "cleaning_pool.mp4", "golf_swing_portrait_audio.mp4", "hitting_baseball.mp4",
    "juggling_football_720p.mp4", "segway_cuts_audio.mp4", "street_crowd_50fps_audio.avi",
    "three_people_exercise_10fps.avi",
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


@cache
def whole(path: Path) -> Reading:
    return read(path)


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
def test_color_tags_are_passed_on(shared: Path) -> None:
    odd = shared / "footage/odd"
    assert whole(odd / "bt709_full_range.mp4").info.color == ColorTags(1, 1, 1, True)
    assert whole(odd / "bt601_limited_range.mp4").info.color == ColorTags(6, 6, 6, False)
    assert whole(odd / "hevc_10bit.mp4").info.color == ColorTags(2, 2, 2, False)
