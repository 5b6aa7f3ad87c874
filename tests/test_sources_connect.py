"""Connecting again and again: what is waited for, how long, and what the frames say of it."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from camreel.errors import InputError
from camreel.sources import Event, LiveSource, Patience, connections
from camreel.sources.address import parse
from camreel.sources.container import Unreachable
from camreel.sources.realtime import pace
from camreel.sources.reconnect import Line
from camreel.sources.timeline import STEP
from camreel.structures import Frame, VideoInfo
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cameras import LOOP, HlsServer, MjpegServer, RtspServer, number_of
from tests.make import MILLI, picture
from tests.test_sources import mjpeg

QUICK = Patience(silence=5, first=0.02, most=0.1)
CAMERA = parse("rtsp://admin:hunter2@camera/stream")
SHOWN = picture()


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.stop_after = 10**9

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        if seconds:
            self.waits.append(seconds)
        return len(self.waits) >= self.stop_after


class Fake(LiveSource):
    """A live source that gives what it is told: (captured, own time) of each frame."""

    bursts = False
    corrupt = 0

    def __init__(self, frames: list[tuple[float, float]], time: Time, lives: float = 0.0, then: Fake | None = None) -> None:
        self.info = VideoInfo("camera", 64, 48, 0, MILLI, None, None, None, live=True)
        self.notes = []
        self.closed = 0
        self._frames, self._time, self._lives, self._then = frames, time, lives, then

    @property
    def ended(self) -> str:
        return "somebody fell over the cable"

    def __iter__(self) -> Iterator[Frame]:
        for n, (captured, seconds) in enumerate(self._frames):
            yield Frame(n, round(seconds * 1000), seconds, MILLI, SHOWN, captured=captured)
        self._time.now += self._lives

    def follow(self) -> LiveSource | None:
        return self._then

    def close(self) -> None:
        self.closed += 1


class Run:
    """`connections` over a script of sources and errors."""

    def __init__(self, script: list[Fake | InputError], time: Time, patience: Patience | None = None) -> None:
        self.time, self.script = time, list(script)
        self.said: list[str] = []
        self.events: list[Event] = []
        self.frames: list[Frame] = []
        self.line = Line(patience or Patience(), time.wait, self.said.append, self.events.append, time, random.Random(7))

    def connect(self) -> LiveSource:
        item = self.script.pop(0) if len(self.script) > 1 or isinstance(self.script[0], Fake) else self.script[0]
        if isinstance(item, InputError):
            raise item
        return item

    def __iter__(self) -> Iterator[Frame]:
        for source in self.line.sources(CAMERA, self.connect, False):
            yield from source

    def until_error(self) -> InputError:
        with pytest.raises(InputError) as caught:
            self.frames.extend(self)
        return caught.value


def refused() -> Unreachable:
    return Unreachable(f"{CAMERA.name}: the connection was refused", "nobody listens there")


# --- The waiting


def jitter() -> Callable[[float], float]:
    rng = random.Random(7)
    return lambda longest: longest * rng.uniform(0.5, 1.0)


def test_the_waiting_doubles_up_to_its_most_and_ends_at_the_deadline() -> None:
    run = Run([refused()], Time())
    error = run.until_error()
    expected, draw, left = [], jitter(), 60.0
    for longest in (0.5, 1, 2, 4, 8, 15, 15, 15, 15, 15, 15):
        expected.append(min(left, draw(longest)))
        left -= expected[-1]
    assert run.time.waits == pytest.approx([each for each in expected if each > 0])
    assert sum(run.time.waits) == pytest.approx(60)
    assert error.what == "rtsp://camera/stream: never reachable within 60 s"
    assert error.why == "the connection was refused"
    assert error.exit_code == 4
    assert run.said[0] == f"no connection (the connection was refused); trying again in {expected[0]:.1f} s"
    assert [event.kind for event in run.events] == ["waiting"] * len(run.said)
    assert [event.seconds for event in run.events] == run.time.waits


def test_attempts_that_take_long_count_towards_the_deadline() -> None:
    run = Run([refused()], Time(), Patience(deadline=25))
    real = run.connect

    def slow() -> LiveSource:
        run.time.now += 10
        return real()

    run.connect = slow  # type: ignore[method-assign]
    run.until_error()
    assert len(run.time.waits) == 2


def test_a_connection_that_lived_resets_the_waiting() -> None:
    time = Time()
    short, long = Patience().settled * 0.9, Patience().settled * 1.1
    run = Run(
        [*(Fake([(0, 0)], time, lives=lives) for lives in (short, short, long, short)), refused()], time, Patience(deadline=1)
    )
    run.until_error()
    draw = jitter()
    assert run.time.waits[:3] == pytest.approx([draw(0.5), draw(1), draw(0.5)])


def test_a_lost_connection_that_does_not_come_back_is_an_error() -> None:
    time = Time()
    run = Run([Fake([(100, 0)], time, lives=30), refused()], time)
    error = run.until_error()
    assert error.what == "rtsp://camera/stream: the connection was lost and did not come back within 60 s"
    assert sum(time.waits) == pytest.approx(60)
    first = f"lost the connection (somebody fell over the cable); trying again in {time.waits[0]:.1f} s"
    assert run.said[:2] == [first, f"no connection (the connection was refused); trying again in {time.waits[1]:.1f} s"]


def test_what_happens_is_told_in_sentences_and_in_events() -> None:
    time = Time()
    run = Run([refused(), Fake([(101, 0)], time, 20, then=Fake([(121, 20)], time, 5)), refused(), Fake([(140, 0)], time)], time)
    time.stop_after = 4
    assert [frame.part for frame in run] == [0, 1, 2]
    kinds = ["waiting", "connected", "changed", "lost", "waiting", "waiting", "connected", "lost", "waiting"]
    assert [event.kind for event in run.events] == kinds
    assert [event.part for event in run.events] == [0, 0, 1, 1, 2, 2, 2, 2, 3]
    assert run.events[1].seconds == pytest.approx(time.waits[0])
    assert run.events[3].seconds == pytest.approx(25)
    assert run.events[6].seconds == pytest.approx(time.waits[1] + time.waits[2])
    assert f"connected again after {time.waits[1] + time.waits[2]:.1f} s" in run.said
    assert "hunter2" not in repr(run.events) + repr(run.said)


@pytest.mark.parametrize(
    "error", [InputError("camera: the server asks for a user and password"), InputError("camera: not a video")]
)
def test_what_waiting_does_not_help_is_an_error_at_once_but_only_at_first(error: InputError) -> None:
    time = Time()
    run = Run([error], time)
    assert run.until_error() is error
    assert time.waits == []
    again = Run([Fake([(100, 0)], time, 30), error, error, Fake([(140, 0)], time), refused()], time)
    again.until_error()
    assert len(again.frames) == 2


def test_nothing_is_tried_once_asked_to_stop() -> None:
    time = Time()
    time.stop_after = 0
    assert list(Run([refused()], time)) == []
    time = Time()
    time.stop_after = 3
    run = Run([refused()], time)
    assert list(run) == []
    assert len(time.waits) == 3


def test_abandoning_closes_the_source() -> None:
    time = Time()
    source = Fake([(100, 0), (101, 1)], time)
    run = iter(Run([source], time))
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert source.closed


# --- The running index and time

steps = st.lists(st.tuples(st.floats(0, 3), st.floats(0.001, 3)), min_size=1, max_size=8)
"""From frame to frame: seconds of arrival, seconds of the source's own clock."""


@given(parts=st.lists(st.tuples(st.floats(0, 50), st.floats(-1e4, 1e4), steps), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_index_and_time_go_on_over_connections(parts: list[tuple[float, float, list[tuple[float, float]]]]) -> None:
    time, now, sources = Time(), 0.0, []
    for away, zero, each in parts:
        now += away
        frames, own = [], zero
        for arrival, interval in each:
            frames.append((now, own))
            now, own = now + arrival, own + interval
        sources.append(Fake(frames, time))
    run = Run([*sources, refused()], time)
    run.until_error()
    frames = run.frames
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert frames[0].time == 0
    assert all(a.time < b.time for a, b in pairwise(frames))
    assert [frame.part for frame in frames] == [n for n, part in enumerate(parts) for _ in part[2]]
    for a, b in pairwise(frames):
        if a.part == b.part:
            assert b.time - a.time == pytest.approx((b.pts - a.pts) / 1000, abs=STEP * 2)
        else:
            arrived = b.captured - frames[0].captured
            assert b.time == pytest.approx(max(arrived, a.time + STEP), abs=1e-9)


# --- At its own pace


def numbered(count: int, rate: float = 10.0) -> Iterator[Frame]:
    return (Frame(n, n, 5 + n / rate, MILLI, SHOWN) for n in range(count))


def test_frames_come_when_they_are_due() -> None:
    time = Time()
    frames = list(pace(numbered(20), time.wait, time))
    assert [frame.captured for frame in frames] == pytest.approx([100 + n / 10 for n in range(20)])
    assert [frame.time for frame in frames] == pytest.approx([5 + n / 10 for n in range(20)])


def test_a_late_reader_does_not_make_the_schedule_later() -> None:
    time = Time()
    stamps = []
    for frame in pace(numbered(20), time.wait, time):
        stamps.append(frame.captured)
        time.now += 0.35 if frame.index == 5 else 0.0
    expected = [100 + n / 10 for n in range(20)]
    expected[6:9] = [100.85] * 3
    assert stamps == pytest.approx(expected)


def test_bursts_put_the_schedule_off_but_only_so_far() -> None:
    time = Time()

    def bursts() -> Iterator[Frame]:
        for frame in numbered(40):
            if frame.index in (10, 20, 30):
                time.now = max(time.now, 100 + frame.index / 10 + {10: 0.2, 20: 0.1, 30: 1.0}[frame.index])
            yield frame

    stamps = [frame.captured for frame in pace(bursts(), time.wait, time, slack=0.5)]
    lags = [stamp - 100 - n / 10 for n, stamp in enumerate(stamps)]
    assert lags[:10] == pytest.approx([0.0] * 10)
    assert lags[10:30] == pytest.approx([0.2] * 20)  # the second burst comes within what was put off
    assert lags[30] == pytest.approx(1.0)
    assert lags[35:] == pytest.approx([0.5] * 5)


def test_asked_to_stop_it_ends() -> None:
    time = Time()
    time.stop_after = 3
    assert len(list(pace(numbered(20), time.wait, time))) == 3


def test_a_test_pattern_is_always_paced() -> None:
    time = Time()
    (source,) = connections("test:size=64x48:rate=10:duration=1.5", wait=time.wait, clock=time)
    assert source.info.live
    time = Time()
    for source in connections("test:size=64x48:rate=10:duration=1.5", wait=time.wait, clock=time):
        frames = list(source)
    assert [frame.captured for frame in frames] == pytest.approx([100 + n / 10 for n in range(15)])
    assert [(frame.index, frame.part) for frame in frames] == [(n, 0) for n in range(15)]


@pytest.mark.parametrize("realtime", [True, False])
def test_a_file_comes_once_and_at_its_own_pace_on_demand(tmp_path: Path, realtime: bool) -> None:
    time = Time()
    path = str(mjpeg(tmp_path / "a.avi", 6))
    seen = []
    for source in connections(path, wait=time.wait, clock=time, realtime=realtime):
        assert source.info.live == realtime
        seen.append([frame.captured for frame in source])
    assert seen == [pytest.approx([100 + n / 10 for n in range(6)]) if realtime else [None] * 6]


# --- Real cameras


class Reader:
    """Reads a camera as the program does, and can be asked to stop."""

    def __init__(self, url: str, **options: Any) -> None:
        self.stop = threading.Event()
        self.said: list[str] = []
        self.events: list[Event] = []
        self.sizes: list[tuple[int, int]] = []
        self.lines = connections(
            url, wait=self.stop.wait, notify=self.said.append, on_event=self.events.append, **{"patience": QUICK, **options}
        )

    def __iter__(self) -> Iterator[Frame]:
        for source in self.lines:
            self.sizes.append((source.info.width, source.info.height))
            for frame in source:
                assert (frame.picture.width, frame.picture.height) == self.sizes[-1]
                yield frame
                if self.stop.is_set():
                    return

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def close(self) -> None:
        self.lines.close()  # type: ignore[attr-defined]


def check(frames: list[Frame]) -> None:
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(a.time < b.time and a.part <= b.part for a, b in pairwise(frames))
    elapsed = frames[-1].captured - frames[0].captured
    assert frames[-1].time - frames[0].time == pytest.approx(elapsed, abs=0.6)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
@pytest.mark.parametrize("kind", [RtspServer, MjpegServer])
def test_twenty_cuts_are_twenty_connections_and_nothing_leaks(kind: type[RtspServer | MjpegServer]) -> None:
    def there() -> tuple[int, int, int]:
        gc.collect()
        return threading.active_count(), len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))

    before = there()
    with kind(size=(160, 120), rate=60) as camera:
        reader = Reader(camera.url)
        frames = []
        for frame in reader:
            frames.append(frame)
            if sum(each.part == frame.part for each in frames) == 3:
                if frame.part == 20:
                    break
                camera.cut()
        reader.close()
        check(frames)
        assert camera.connections == 21
        assert {frame.part for frame in frames} == set(range(21))
        assert reader.kinds() == ["connected", *["lost", "waiting", "connected"] * 20]
        del frame, frames, reader
    assert there() == before


def test_a_stalled_camera_is_left_and_found_again() -> None:
    with RtspServer(rate=40) as camera:
        reader = Reader(camera.url, patience=Patience(silence=1, first=0.05, most=0.1))
        frames = []
        for frame in reader:
            frames.append(frame)
            if len(frames) == 10:
                camera.stall()
                begin = time.monotonic()
                threading.Timer(1.5, camera.go).start()
            if frame.part:
                break
        reader.close()
        assert 1.3 < time.monotonic() - begin < 5
        check(frames)
        assert reader.said[0].startswith("lost the connection (nothing came for 1 s); trying again in 0.")
        assert reader.said[-1].startswith("connected again after ")


def test_a_camera_that_is_away_and_comes_back_with_another_size_goes_on_as_another_part() -> None:
    with RtspServer(rate=40, user="admin", password="hunter2") as camera:
        reader = Reader(camera.url)
        frames = []
        for frame in reader:
            frames.append(frame)
            if len(frames) == 10:
                camera.refuse()
                camera.size = (160, 120)
                threading.Timer(0.3, camera.listen).start()
            if len(frames) == 30:
                camera.size = (176, 144)
            if frame.part == 2:
                break
        reader.close()
        check(frames)
        assert reader.sizes == [(320, 240), (160, 120), (176, 144)]
        assert reader.kinds()[-2:] == ["connected", "changed"]
        assert "the picture changed to 176x144" in reader.said
        assert any("the connection was refused" in sentence for sentence in reader.said)
        assert "hunter2" not in repr(reader.said) + repr(reader.events)


def test_a_camera_that_was_there_may_refuse_for_a_while() -> None:
    with MjpegServer(rate=40) as camera:
        reader = Reader(camera.url)
        for frame in reader:
            if frame.index == 5:
                camera.status = 404
                camera.cut()
                threading.Timer(0.3, setattr, (camera, "status", 200)).start()
            if frame.part:
                break
        reader.close()
    assert any("no such video" in sentence for sentence in reader.said)


def test_what_was_never_there_is_an_error_with_the_reason() -> None:
    with RtspServer(user="admin", password="hunter2") as camera:
        camera.refuse()
        reader = Reader(camera.url, patience=Patience(first=0.02, most=0.05, deadline=0.2))
        with pytest.raises(InputError, match=r"never reachable within 0\.2 s\nthe connection was refused") as caught:
            list(reader)
        assert "hunter2" not in str(caught.value) + repr(reader.said)
        camera.listen()
        with pytest.raises(InputError, match="asks for a user and password"):
            list(Reader(camera.url.replace("hunter2", "wrong")))


def test_a_missing_webcam_is_an_error_at_once() -> None:
    reader = Reader("63")
    with pytest.raises(InputError, match="no such webcam"):
        list(reader)
    assert reader.said == []


def test_a_live_list_is_paced_connected_again_and_over_in_the_end() -> None:
    with HlsServer(rate=20, segment=0.6) as camera:
        reader = Reader(camera.url, patience=Patience(silence=5, first=0.02, most=0.1, deadline=0.5))
        frames = []
        with pytest.raises(InputError, match="did not come back within 0.5 s\nthe stream has ended"):
            for frame in reader:
                frames.append(frame)
                if len(frames) == 50:
                    camera.over = True
    check(frames)
    numbers = [number_of(frame.picture) for frame in frames]
    assert all(b == (a + 1) % LOOP for a, b in pairwise(numbers))
    gaps = sorted(b.captured - a.captured for a, b in pairwise(frames[:50]))
    assert gaps[25] == pytest.approx(1 / 20, abs=0.02)
    assert gaps[5] > 0.01  # a whole segment came at once


def test_a_list_of_known_length_comes_once() -> None:
    with HlsServer(length=2, segment=0.5) as camera:
        reader = Reader(camera.url)
        assert len(list(reader)) == 20
        assert reader.events == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
def test_closing_ends_the_connection_at_once() -> None:
    with RtspServer() as camera:
        before = len(os.listdir("/proc/self/fd"))
        reader = Reader(camera.url, patience=Patience(silence=20))
        frames = iter(reader)
        next(frames)
        camera.stall()
        begin = time.monotonic()
        reader.close()
        assert time.monotonic() - begin < 0.5
        camera.go()
        while len(os.listdir("/proc/self/fd")) > before:
            assert time.monotonic() - begin < 5
            time.sleep(0.01)
