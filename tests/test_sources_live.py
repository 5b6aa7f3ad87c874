"""One connection to each kind of live source, over loopback, with the faults that cameras have."""

from __future__ import annotations

import gc
import io
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from camreel.errors import InputError
from camreel.sources import LiveSource, open_source
from camreel.sources.address import parse
from camreel.sources.container import Unreachable
from camreel.sources.decoder import Decoder, Watch
from camreel.sources.open import open_address
from camreel.sources.timestamps import Clock
from camreel.structures import Frame

from tests import cameras
from tests.cameras import LOOP, Camera, HlsServer, MjpegServer, RtmpServer, RtspServer, TsServer, UdpSender, h264, number_of
from tests.test_sources import with_audio

SILENCE = 1.0
"""Seconds; more than a busy machine holds anybody up."""
KINDS: dict[str, Callable[[], Camera]] = {
    "rtsp": lambda: RtspServer(rate=60),
    "rtsp over udp": lambda: RtspServer(rate=60, udp=True),
    "rtmp": lambda: RtmpServer(rate=60),
    "mjpeg": lambda: MjpegServer(rate=60),
    "hls": lambda: HlsServer(rate=40, segment=0.4),
    "tcp": lambda: TsServer(rate=60),
    "udp": lambda: UdpSender(rate=60),
}
OVER_TCP = ("rtsp", "rtmp", "mjpeg", "tcp")


@pytest.fixture
def camera(request: pytest.FixtureRequest) -> Iterator[Camera]:
    with KINDS[request.param]() as made:
        yield made


def opened(camera: Camera, silence: float = SILENCE) -> LiveSource:
    source = open_address(parse(camera.url), silence=silence)
    assert isinstance(source, LiveSource)
    return source


def follows(frames: list[Frame]) -> bool:
    """Whether no picture is missing between the first and the last."""
    numbers = [number_of(frame.picture) for frame in frames]
    return all(b == (a + 1) % LOOP for a, b in pairwise(numbers))


# --- Every kind


@pytest.mark.parametrize("camera", KINDS, indirect=True)
def test_frames_come_in_order_with_the_time_of_their_arrival(camera: Camera, capfd: pytest.CaptureFixture[str]) -> None:
    begin = time.monotonic()
    with open_source(camera.url) as source:
        frames = list(islice(source, 24))
        info = source.info
    assert (info.width, info.height, info.live, info.duration, info.frames) == (320, 240, True, None, None)
    assert info.uri == camera.url
    assert [frame.index for frame in frames] == list(range(24))
    assert follows(frames)
    times = [frame.time for frame in frames]
    assert times[0] == 0 and all(a < b for a, b in pairwise(times))
    stamps = [frame.captured for frame in frames]
    assert all(begin < a <= b <= time.monotonic() for a, b in pairwise(stamps))
    for frame in frames:
        assert frame.picture.y.shape == (240, 320)
        assert frame.time_base == info.time_base
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("camera", [kind for kind in KINDS if kind != "mjpeg"], indirect=True)
def test_time_is_the_source_own_where_it_has_a_clock(camera: Camera) -> None:
    with open_source(camera.url) as source:
        frames = list(islice(source, 20))
    assert [frame.time for frame in frames] == pytest.approx([n / camera.rate for n in range(20)], abs=0.002)
    base = frames[0].time_base
    assert [frame.time for frame in frames] == pytest.approx([float((f.pts - frames[0].pts) * base) for f in frames])


@pytest.mark.parametrize("camera", ["rtsp", "rtmp", "mjpeg", "tcp", "udp"], indirect=True)
def test_a_frame_is_there_soon_after_it_was_sent(camera: Camera) -> None:
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
    assert [frame.time for frame in frames] == pytest.approx([frame.captured - frames[0].captured for frame in frames], abs=1e-3)


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
        decoder = Decoder(container, video, (), threads="SLICE", watch=Watch(lambda: float(next(ticks)), 1e9))
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


# --- Who is let in


@pytest.mark.parametrize("digest", [True, False])
def test_a_camera_with_a_password_lets_in_who_knows_it(digest: bool) -> None:
    with RtspServer(user="admin", password="hunter2", digest=digest) as camera:
        assert "hunter2" in camera.url
        with open_source(camera.url) as source:
            assert len(list(islice(source, 3))) == 3
            assert source.info.uri == f"rtsp://127.0.0.1:{camera.port}/stream"
        with pytest.raises(InputError, match="asks for a user and password") as caught:
            open_source(camera.url.replace("hunter2", "swordfish"))
        assert not isinstance(caught.value, Unreachable)
        assert "swordfish" not in str(caught.value) and "USER:PASSWORD@" in caught.value.todo


@pytest.mark.parametrize("kind", [RtspServer, MjpegServer])
@pytest.mark.parametrize(
    ("status", "what", "passing"),
    [
        (401, "asks for a user and password", False),
        (403, "refuses access", False),
        (404, "no such video on the server", False),
        (429, "refuses for now", True),
        (503, "cannot be opened", True),
    ],
)
def test_what_a_server_answers_is_told(
    kind: type[Camera], status: int, what: str, passing: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with kind() as camera:
        camera.status = status
        with pytest.raises(InputError, match=what) as caught:
            open_source(camera.url.replace("//", "//admin:hunter2@") + "?token=hunter3")
    assert isinstance(caught.value, Unreachable) == passing
    assert "hunter" not in str(caught.value)
    assert caught.value.exit_code == 4
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("camera", OVER_TCP, indirect=True)
def test_nobody_there_is_told(camera: Camera) -> None:
    camera.refuse()
    with pytest.raises(Unreachable, match="the connection was refused"):
        open_source(camera.url)


def test_an_unknown_host_is_told() -> None:
    with pytest.raises(Unreachable, match="cannot be reached"):
        open_source("rtsp://nowhere.invalid/stream")


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_a_server_that_hangs_up_is_told(scheme: str) -> None:
    class Rude(Camera):
        def talk(self, connection: Any) -> None:
            connection.recv(10)

    Rude.scheme = scheme
    with Rude() as camera, pytest.raises(Unreachable, match="hung up|sends no video"):
        open_source(camera.url)


# --- Stalls, cuts, changes


@pytest.mark.parametrize("camera", [*OVER_TCP, "hls"], indirect=True)
def test_a_server_that_does_not_answer_is_told_in_time(camera: Camera) -> None:
    camera.hang()
    begin = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not answer for 0\.5 s"):
        opened(camera, 0.5)
    assert time.monotonic() - begin < 2.5


def test_a_list_that_grows_no_more_ends_the_source_in_time() -> None:
    with HlsServer(segment=0.4) as camera, opened(camera, 0.6) as source:
        frames = iter(source)
        next(frames)
        camera.stall()
        begin = time.monotonic()
        list(frames)
        assert 1.2 < time.monotonic() - begin < 4
        assert source.ended == "nothing came for 1.8 s"


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
        assert source.ended == f"nothing came for {SILENCE:g} s"
        assert source.notes[-1] == f"the stream ended: {source.ended}"
        assert source.follow() is None


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
        assert source.ended in ("the sender ended it", "the connection broke")


def test_a_list_that_ends_ends_the_source() -> None:
    with HlsServer(segment=0.5) as camera, opened(camera) as source:
        frames = iter(source)
        next(frames)
        camera.over = True
        list(frames)
        assert source.ended == "the sender ended it"


@pytest.mark.parametrize("camera", ["rtsp", "rtmp", "mjpeg", "tcp", "udp"], indirect=True)
def test_another_size_is_another_source_on_the_same_connection(camera: Camera) -> None:
    with opened(camera) as source:
        frames = iter(source)
        first = [next(frames) for _ in range(5)]
        camera.size = (160, 128)
        first += frames
        assert source.ended == "the picture changed to 160x128"
        assert {frame.picture.y.shape for frame in first} == {(240, 320)}
        second = source.follow()
        assert second is not None
        assert (second.info.width, second.info.height, second.info.live) == (160, 128, True)
        rest = list(islice(second, 10))
        assert {frame.picture.y.shape for frame in rest} == {(128, 160)}
        assert [frame.index for frame in rest] == list(range(10))
        assert rest[0].time > first[-1].time
        assert rest[0].time - first[-1].time == pytest.approx(1 / camera.rate, abs=0.2)
        assert follows([*first, *rest])
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


def test_sound_is_left_behind_and_noted(tmp_path: Path) -> None:
    data = with_audio(tmp_path / "a.ts").read_bytes()

    class Station(Camera):
        def talk(self, connection: Any) -> None:
            connection.sendall(data)

    with Station() as camera, open_source(camera.url) as source:
        assert "its sound is not carried: the source is live" in source.notes
        frames = list(source)
    assert len(frames) == 40 and source.ended == "the sender ended it"
    assert all(frame.packets == () for frame in frames) and source.info.tracks == ()


def test_damaged_pictures_are_counted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    reel = cameras.jpeg((320, 240))
    spoiled = tuple(bytes(len(unit)) if n % 8 == 3 else unit for n, unit in enumerate(reel.packets))
    monkeypatch.setattr(cameras, "jpeg", lambda size: cameras.Reel(spoiled, size))
    with MjpegServer() as camera, open_source(camera.url) as source:
        numbers = [number_of(frame.picture) for frame in islice(source, 21)]
        assert numbers == [n for n in range(24) if n % 8 != 3]
        assert source.corrupt == 3


class Sound:
    """A container that goes on to give sound when no picture comes any more."""

    streams = ()

    def __init__(self, script: list[tuple[float, int]]) -> None:
        self.script = script
        self.now = 0.0

    def demux(self) -> Iterator[Any]:
        for now, stream in self.script:
            self.now = max(now, self.now)
            yield type("Packet", (), {"stream_index": stream, "dts": 0, "is_corrupt": False, "size": 1})()


class Video:
    index = 0
    thread_type = ""
    codec_context = type("Context", (), {"flags": 0})()

    def decode(self, packet: Any) -> list[float]:
        return [packet.opaque] if packet else []


def test_sound_without_pictures_is_a_stall() -> None:
    container = Sound([(0.0, 0), (1.0, 0), *((1 + n / 2, 1) for n in range(100))])
    decoder = Decoder(container, Video(), (), watch=Watch(lambda: container.now, 5.0))  # type: ignore[arg-type]
    assert list(decoder.frames()) == [0.0, 1.0]
    assert decoder.stalled
    assert container.now == 6.0  # five seconds after the last picture
    assert decoder.packets == []


def test_a_reader_that_is_slow_is_not_a_stall() -> None:
    container = Sound([(float(n), n % 2) for n in range(20)])
    decoder = Decoder(container, Video(), (), watch=Watch(lambda: container.now, 5.0))  # type: ignore[arg-type]
    seen = 0
    for _ in decoder.frames():
        seen += 1
        container.now += 60
    assert seen == 10
    assert not decoder.stalled


def test_a_clock_that_leaps_goes_on_by_an_interval() -> None:
    clock = Clock(Fraction(1, 1000), Fraction(10), 0, leap=10)
    assert [clock(pts) for pts in (0, 100, 9000, 900_000, 900_100, 50, 150)] == pytest.approx([0, 0.1, 9, 9.1, 9.2, 9.3, 9.4])


# --- What has an end


def test_a_list_of_known_length_is_read_like_a_file() -> None:
    with HlsServer(length=3, segment=0.5) as camera:
        with open_source(camera.url) as source:
            assert not isinstance(source, LiveSource)
            assert source.info.duration == pytest.approx(1.5)
            frames = list(source)
        assert len(frames) == 30 and follows(frames)
        assert all(frame.captured is None for frame in frames)


def test_the_camera_of_these_tests_ends_its_threads() -> None:
    before = threading.active_count()
    with RtspServer() as camera, open_source(camera.url) as source:
        next(iter(source))
        assert h264(camera.size).size == (320, 240)
    assert threading.active_count() == before
