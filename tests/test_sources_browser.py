"""Pictures that a visitor's browser sends, as a source."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from camreel.sources.browser import MAX_PAUSE_SECONDS, browser_connections
from camreel.structures import Frame, VideoInfo

RNG = np.random.default_rng(0)


def jpeg(width: int = 64, height: int = 48, level: int | None = None) -> bytes:
    """A picture of noise, or of one level of gray."""
    noise = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", noise if level is None else np.full_like(noise, level))[1].tobytes()


def claiming(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header claims another size."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 4 :]


def received(sent: list[tuple[float, bytes]]) -> list[tuple[VideoInfo, list[Frame], int]]:
    """Info, frames and number of corrupt pictures of every source."""
    return [(source.info, list(source), source.corrupt) for source in browser_connections(iter(sent), "a visitor")]


def test_every_picture_is_a_frame_by_its_arrival():
    ((info, frames, corrupt),) = received([(10.0 + number / 30, jpeg(level=40 * number)) for number in range(5)])
    assert (info.uri, info.width, info.height, info.live, info.codec) == ("a visitor", 64, 48, True, "mjpeg")
    assert (info.frames, info.duration, info.average_rate) == (None, None, None)
    assert [frame.captured for frame in frames] == [10.0 + number / 30 for number in range(5)]
    assert [frame.time for frame in frames] == pytest.approx([number / 30 for number in range(5)])
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert {frame.pts for frame in frames} == {None}
    assert [round(float(frame.picture.y.mean())) for frame in frames] == [0, 40, 80, 120, 160]
    assert all(frame.picture.full_range and frame.picture.matrix == "bt601" for frame in frames)
    assert corrupt == 0


def test_broken_pictures_are_counted_and_skipped():
    good = jpeg()
    bad = [b"", b"no picture", good[: len(good) // 2], claiming(good, 65_000, 65_000), good[300:]]
    ((_, frames, corrupt),) = received([(number / 10, data) for number, data in enumerate([good, *bad, good])])
    assert (len(frames), corrupt) == (2, len(bad))


def test_there_is_no_source_if_nothing_can_be_decoded():
    assert received([]) == []
    assert received([(1.0, b"no"), (2.0, b"picture")]) == []


def test_another_size_begins_a_new_part_and_time_and_index_go_on():
    sizes = [(64, 48), (64, 48), (48, 64), (48, 64), (64, 48)]
    parts = received([(5 + number / 10, jpeg(*size)) for number, size in enumerate(sizes)])
    assert [(info.width, info.height) for info, _, _ in parts] == [(64, 48), (48, 64), (64, 48)]
    frames = [frame for _, part, _ in parts for frame in part]
    assert [frame.part for frame in frames] == [0, 0, 1, 1, 2]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert all((frame.picture.width, frame.picture.height) == size for frame, size in zip(frames, sizes, strict=True))


def test_a_pause_begins_a_new_part():
    arrivals = [0.0, 0.9 * MAX_PAUSE_SECONDS, 3 * MAX_PAUSE_SECONDS, 3 * MAX_PAUSE_SECONDS + 0.1]
    parts = received([(arrival, jpeg()) for arrival in arrivals])
    assert [[frame.captured for frame in part] for _, part, _ in parts] == [arrivals[:2], arrivals[2:]]
    assert [frame.time for _, part, _ in parts for frame in part] == pytest.approx(arrivals)


def test_corrupt_pictures_are_counted_in_their_own_part():
    sent = [(0.0, jpeg()), (0.1, b"x"), (0.2, jpeg(32, 32)), (0.3, b"x"), (0.4, b"x"), (0.5, jpeg(32, 32))]
    assert [corrupt for _, _, corrupt in received(sent)] == [1, 2]


def test_closing_a_source_leaves_the_remaining_pictures_to_the_next_one():
    sent = iter([(number / 10, jpeg()) for number in range(4)])
    sources = browser_connections(sent, "a visitor")
    first = next(sources)
    with first:
        assert next(iter(first)).index == 0
    assert list(first) == []
    assert [frame.part for source in sources for frame in source] == [1, 1, 1]


def test_nothing_is_decoded_before_it_is_asked_for():
    taken = []

    def sent() -> Iterator[tuple[float, bytes]]:
        for number in range(3):
            taken.append(number)
            yield number / 10, jpeg()

    sources = browser_connections(sent(), "a visitor")
    next(iter(next(sources)))
    assert taken == [0]
