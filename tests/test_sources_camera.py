"""One connection to each kind of live source, over loopback, with the faults that cameras have."""

from __future__ import annotations

import gc
import io
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from camreel.sources import SOURCES, open_source, parse_address
from camreel.sources.address import OpenOptions
from camreel.sources.camera import LiveSource
from camreel.sources.container import Unreachable
from camreel.sources.decoder import Decoder, Watchdog

from tests import cameras
from tests.cameras import (
    CAMERAS,
    LOOP,
    OVER_TCP,
    Camera,
    HlsServer,
    MjpegServer,
    RtspServer,
    consecutive,
    h264,
    number_of,
)
from tests.media import with_audio

SILENCE = 1.0
"""Seconds; longer than a busy machine delays a test."""


@pytest.fixture
def camera(request: pytest.FixtureRequest) -> Iterator[Camera]:
    with CAMERAS[request.param]() as made:
        yield made


def opened(camera: Camera, silence: float = SILENCE) -> LiveSource:
    address = parse_address(camera.url)
    source = SOURCES[address.kind].open(address, OpenOptions(silence=silence))
    assert isinstance(source, LiveSource)
    return source


# --- Every kind


@pytest.mark.parametrize("camera", CAMERAS, indirect=True)
def test_frames_come_in_order_with_the_time_of_their_arrival(camera: Camera, capfd: pytest.CaptureFixture[str]) -> None:
    begin = time.monotonic()
    with open_source(camera.url) as source:
        frames = list(islice(source, 24))
        info = source.info
    assert (info.width, info.height, info.live, info.duration, info.frames) == (320, 240, True, None, None)
    assert info.uri == camera.url
    assert [frame.index for frame in frames] == list(range(24))
    assert consecutive(frames)
    times = [frame.time for frame in frames]
    assert times[0] == 0 and all(a < b for a, b in pairwise(times))
    stamps = [frame.captured for frame in frames]
    assert all(begin < a <= b <= time.monotonic() for a, b in pairwise(stamps))
    for frame in frames:
        assert frame.picture.y.shape == (240, 320)
        assert frame.time_base == info.time_base
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("camera", [kind for kind in CAMERAS if kind != "mjpeg"], indirect=True)
def test_time_follows_the_timestamps_of_a_source_with_a_clock(camera: Camera) -> None:
    with open_source(camera.url) as source:
        frames = list(islice(source, 20))
    assert [frame.time for frame in frames] == pytest.approx([n / camera.rate for n in range(20)], abs=0.002)
    base = frames[0].time_base
    assert [frame.time for frame in frames] == pytest.approx([float((f.pts - frames[0].pts) * base) for f in frames])


@pytest.mark.parametrize("camera", ["rtsp", "rtmp", "mjpeg", "tcp", "udp"], indirect=True)
def test_frames_arrive_soon_after_they_were_sent(camera: Camera) -> None:
    with open_source(camera.url) as source:
        frames = list(islice(source, 40))
        delays = [frame.captured - camera.sent[number_of(frame.picture)] for frame in frames[20:]]
    # Parsers wait for the next picture, MPEG-TS for one more, to know that one has ended.
    assert min(delays) >= 0
    assert sorted(delays)[10] < 2 / camera.rate + 0.05


def test_pictures_without_a_clock_are_timed_by_their_arrival() -> None:
    with MjpegServer(rate=10) as camera, open_source(camera.url) as source:
        frames = list(islice(source, 16))
    assert all(frame.pts is None for frame in frames)
    assert source.info.average_rate is None  # FFmpeg says 25
    assert frames[-1].time == pytest.approx(1.5, abs=0.3)
    assert [frame.time for frame in frames] == pytest.approx(
        [frame.captured - frames[0].captured for frame in frames], abs=1e-3
    )


def test_a_section_of_a_stream_is_read() -> None:
    with RtspServer(rate=30) as camera, open_source(camera.url, start=0.5, end=1.5) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(30))
    assert frames[0].time == pytest.approx(0.5)
    assert source.notes == []


def test_reordered_pictures_come_in_order_each_with_its_own_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    made = io.BytesIO()
    with av.open(made, "w", format="mpegts") as output:
        stream = output.add_stream("libx264", rate=20, options={"bf": "2", "g": "16", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(LOOP):
            frame = cameras.drawn(number, (320, 240)).reformat(format="yuv420p")
            frame.time_base = Fraction(1, 20)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    made.seek(0)
    ticks = iter(range(10_000))
    with av.open(made) as container:
        video = container.streams.video[0]
        decoder = Decoder(container, video, (), threads="SLICE", watchdog=Watchdog(lambda: float(next(ticks)), 1e9))
        frames = list(decoder.frames())
    assert len(frames) == LOOP
    assert all(a.pts < b.pts for a, b in pairwise(frames))
    assert len({frame.opaque for frame in frames}) == LOOP
    assert any(a.opaque > b.opaque for a, b in pairwise(frames))


@pytest.mark.skipif(not hasattr(__import__("resource"), "getrusage"), reason="needs getrusage")
def test_memory_stays_flat_over_many_frames() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    with MjpegServer(rate=2000) as camera, open_source(camera.url) as source:
        frames = iter(source)
        for _ in range(300):
            next(frames)
        gc.collect()
        before = resident()
        for _ in range(2000):
            next(frames)
        gc.collect()
        assert resident() - before < 8_000_000


# --- Stalls, cuts, changes


@pytest.mark.parametrize("camera", [*OVER_TCP, "hls"], indirect=True)
def test_a_server_that_does_not_answer_is_an_error_in_time(camera: Camera) -> None:
    camera.hang()
    begin = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not answer for 0\.5 s"):
        opened(camera, 0.5)
    assert time.monotonic() - begin < 2.5


def test_a_playlist_that_stops_growing_ends_the_source_in_time() -> None:
    with HlsServer(segment=0.4) as camera, opened(camera, 0.6) as source:
        frames = iter(source)
        next(frames)
        camera.stall()
        begin = time.monotonic()
        list(frames)
        assert 1.2 < time.monotonic() - begin < 4
        assert source.end_reason == "nothing came for 1.8 s"


@pytest.mark.parametrize("camera", [*OVER_TCP, "udp"], indirect=True)
def test_a_stall_ends_the_source_in_time(camera: Camera) -> None:
    with opened(camera) as source:
        frames = iter(source)
        for _ in range(5):
            next(frames)
        camera.stall()
        begin = time.monotonic()
        rest = list(frames)
        assert SILENCE * 0.7 < time.monotonic() - begin < SILENCE + 1.2
        assert len(rest) < 30
        assert source.end_reason == f"nothing came for {SILENCE:g} s"
        assert source.notes[-1] == f"the stream ended: {source.end_reason}"
        assert source.continuation() is None


@pytest.mark.parametrize("camera", OVER_TCP, indirect=True)
def test_a_cut_ends_the_source_at_once(camera: Camera) -> None:
    with opened(camera) as source:
        frames = iter(source)
        for _ in range(5):
            next(frames)
        camera.cut()
        begin = time.monotonic()
        list(frames)
        assert time.monotonic() - begin < 1
        assert source.end_reason in ("the sender ended it", "the connection broke")


def test_a_playlist_that_ends_ends_the_source() -> None:
    with HlsServer(segment=0.5) as camera, opened(camera) as source:
        frames = iter(source)
        next(frames)
        camera.over = True
        list(frames)
        assert source.end_reason == "the sender ended it"


@pytest.mark.parametrize("camera", ["rtsp", "rtmp", "mjpeg", "tcp", "udp"], indirect=True)
def test_pictures_of_another_size_are_another_source_on_the_same_connection(camera: Camera) -> None:
    with opened(camera) as source:
        frames = iter(source)
        first = [next(frames) for _ in range(5)]
        camera.size = (160, 128)
        first += frames
        assert source.end_reason == "the picture changed to 160x128"
        assert {frame.picture.y.shape for frame in first} == {(240, 320)}
        second = source.continuation()
        assert second is not None
        assert (second.info.width, second.info.height, second.info.live) == (160, 128, True)
        rest = list(islice(second, 10))
        assert {frame.picture.y.shape for frame in rest} == {(128, 160)}
        assert [frame.index for frame in rest] == list(range(10))
        assert rest[0].time > first[-1].time
        assert rest[0].time - first[-1].time == pytest.approx(1 / camera.rate, abs=0.2)
        assert consecutive([*first, *rest])
        assert camera.connections <= 1


@pytest.mark.parametrize("camera", [*OVER_TCP, "udp", "hls"], indirect=True)
def test_a_stalled_source_closes_at_once(camera: Camera) -> None:
    source = opened(camera, 10)
    next(iter(source))
    camera.stall()
    begin = time.monotonic()
    source.close()
    source.close()
    assert time.monotonic() - begin < 0.5
    assert list(source) == []


def test_sound_is_not_carried_and_noted(tmp_path: Path) -> None:
    data = with_audio(tmp_path / "a.ts").read_bytes()

    class Station(Camera):
        def talk(self, connection: Any) -> None:
            connection.sendall(data)

    with Station() as camera, open_source(camera.url) as source:
        assert "its sound is not carried: the source is live" in source.notes
        frames = list(source)
    assert len(frames) == 40 and source.end_reason == "the sender ended it"
    assert all(frame.packets == () for frame in frames) and source.info.tracks == ()


def test_damaged_pictures_are_counted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    reel = cameras.jpeg((320, 240))
    spoiled = tuple(bytes(len(unit)) if n % 8 == 3 else unit for n, unit in enumerate(reel.packets))
    monkeypatch.setattr(cameras, "jpeg", lambda size: cameras.Reel(spoiled, size))
    with MjpegServer() as camera, open_source(camera.url) as source:
        numbers = [number_of(frame.picture) for frame in islice(source, 21)]
        assert numbers == [n for n in range(24) if n % 8 != 3]
        assert source.corrupt == 3


def test_the_test_camera_ends_its_threads() -> None:
    before = threading.active_count()
    with RtspServer() as camera, open_source(camera.url) as source:
        next(iter(source))
        assert h264(camera.size).size == (320, 240)
    assert threading.active_count() == before
