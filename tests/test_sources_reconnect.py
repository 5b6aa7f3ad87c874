"""Reconnecting: delays and deadline, events and notes, index and time over several connections."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from camreel.errors import InputError
from camreel.sources import parse_address
from camreel.sources.camera import LiveSource
from camreel.sources.container import Unreachable
from camreel.sources.reconnect import ConnectionEvent, Reconnector, ReconnectPolicy, connections
from camreel.sources.timeline import MIN_INTERVAL_SECONDS
from camreel.structures import Frame, VideoInfo
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.make import MILLI, FakeClock, picture
from tests.media import mjpeg

CAMERA = parse_address("rtsp://admin:hunter2@camera/stream")
SHOWN = picture()


class FakeCamera(LiveSource):
    """A live source with given frames: (captured, own time) of each."""

    in_bursts = False
    corrupt = 0

    def __init__(
        self, frames: list[tuple[float, float]], time: FakeClock, lives: float = 0.0, then: FakeCamera | None = None
    ) -> None:
        self.info = VideoInfo("camera", 64, 48, 0, MILLI, None, None, None, live=True)
        self.notes = []
        self.closed = 0
        self._frames, self._time, self._lives, self._then = frames, time, lives, then

    @property
    def end_reason(self) -> str:
        return "the cable was pulled"

    def __iter__(self) -> Iterator[Frame]:
        for n, (captured, seconds) in enumerate(self._frames):
            yield Frame(n, round(seconds * 1000), seconds, MILLI, SHOWN, captured=captured)
        self._time.now += self._lives

    def continuation(self) -> LiveSource | None:
        return self._then

    def close(self) -> None:
        self.closed += 1


class Run:
    """`connections` over a script of sources and errors."""

    def __init__(
        self, script: list[FakeCamera | InputError], time: FakeClock, policy: ReconnectPolicy | None = None
    ) -> None:
        self.time, self.script = time, list(script)
        self.said: list[str] = []
        self.events: list[ConnectionEvent] = []
        self.frames: list[Frame] = []
        self.reconnector = Reconnector(
            policy or ReconnectPolicy(), time.wait, self.said.append, self.events.append, time, random.Random(7)
        )

    def connect(self) -> LiveSource:
        item = self.script.pop(0) if len(self.script) > 1 or isinstance(self.script[0], FakeCamera) else self.script[0]
        if isinstance(item, InputError):
            raise item
        return item

    def __iter__(self) -> Iterator[Frame]:
        for source in self.reconnector.sources(CAMERA.name, self.connect, False):
            yield from source

    def until_error(self) -> InputError:
        with pytest.raises(InputError) as caught:
            self.frames.extend(self)
        return caught.value


def refused() -> Unreachable:
    return Unreachable(f"{CAMERA.name}: the connection was refused", "no server listens there")


# --- Delays


def jitter() -> Callable[[float], float]:
    rng = random.Random(7)
    return lambda longest: longest * rng.uniform(0.5, 1.0)


def test_delays_double_up_to_the_maximum_and_end_at_the_deadline() -> None:
    run = Run([refused()], FakeClock())
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


def test_slow_attempts_count_towards_the_deadline() -> None:
    run = Run([refused()], FakeClock(), ReconnectPolicy(deadline=25))
    real = run.connect

    def slow() -> LiveSource:
        run.time.now += 10
        return real()

    run.connect = slow  # type: ignore[method-assign]
    run.until_error()
    assert len(run.time.waits) == 2


def test_a_settled_connection_resets_the_delays() -> None:
    time = FakeClock()
    short, long = ReconnectPolicy().settled_after * 0.9, ReconnectPolicy().settled_after * 1.1
    run = Run(
        [*(FakeCamera([(0, 0)], time, lives=lives) for lives in (short, short, long, short)), refused()],
        time,
        ReconnectPolicy(deadline=1),
    )
    run.until_error()
    draw = jitter()
    assert run.time.waits[:3] == pytest.approx([draw(0.5), draw(1), draw(0.5)])


def test_a_lost_connection_that_does_not_come_back_is_an_error() -> None:
    time = FakeClock()
    run = Run([FakeCamera([(100, 0)], time, lives=30), refused()], time)
    error = run.until_error()
    assert error.what == "rtsp://camera/stream: the connection was lost and did not come back within 60 s"
    assert sum(time.waits) == pytest.approx(60)
    first = f"lost the connection (the cable was pulled); trying again in {time.waits[0]:.1f} s"
    assert run.said[:2] == [first, f"no connection (the connection was refused); trying again in {time.waits[1]:.1f} s"]


def test_changes_are_reported_as_sentences_and_as_events() -> None:
    time = FakeClock()
    run = Run(
        [
            refused(),
            FakeCamera([(101, 0)], time, 20, then=FakeCamera([(121, 20)], time, 5)),
            refused(),
            FakeCamera([(140, 0)], time),
        ],
        time,
    )
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
def test_a_permanent_error_ends_the_run_only_before_the_first_connection(error: InputError) -> None:
    time = FakeClock()
    run = Run([error], time)
    assert run.until_error() is error
    assert time.waits == []
    again = Run([FakeCamera([(100, 0)], time, 30), error, error, FakeCamera([(140, 0)], time), refused()], time)
    again.until_error()
    assert len(again.frames) == 2


def test_no_attempt_is_made_after_a_request_to_stop() -> None:
    time = FakeClock()
    time.stop_after = 0
    assert list(Run([refused()], time)) == []
    time = FakeClock()
    time.stop_after = 3
    run = Run([refused()], time)
    assert list(run) == []
    assert len(time.waits) == 3


def test_abandoning_closes_the_source() -> None:
    time = FakeClock()
    source = FakeCamera([(100, 0), (101, 1)], time)
    run = iter(Run([source], time))
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert source.closed


# --- Index and time

steps = st.lists(st.tuples(st.floats(0, 3), st.floats(0.001, 3)), min_size=1, max_size=8)
"""Seconds from frame to frame: of the arrival, of the source's own clock."""


@given(parts=st.lists(st.tuples(st.floats(0, 50), st.floats(-1e4, 1e4), steps), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_index_and_time_continue_over_connections(parts: list[tuple[float, float, list[tuple[float, float]]]]) -> None:
    time, now, sources = FakeClock(), 0.0, []
    for away, zero, each in parts:
        now += away
        frames, own = [], zero
        for arrival, interval in each:
            frames.append((now, own))
            now, own = now + arrival, own + interval
        sources.append(FakeCamera(frames, time))
    run = Run([*sources, refused()], time)
    run.until_error()
    frames = run.frames
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert frames[0].time == 0
    assert all(a.time < b.time for a, b in pairwise(frames))
    assert [frame.part for frame in frames] == [n for n, part in enumerate(parts) for _ in part[2]]
    for a, b in pairwise(frames):
        if a.part == b.part:
            assert b.time - a.time == pytest.approx((b.pts - a.pts) / 1000, abs=MIN_INTERVAL_SECONDS * 2)
        else:
            arrived = b.captured - frames[0].captured
            assert b.time == pytest.approx(max(arrived, a.time + MIN_INTERVAL_SECONDS), abs=1e-9)


# --- Sources that end by themselves


def test_a_test_pattern_is_always_paced() -> None:
    time = FakeClock()
    (source,) = connections("test:size=64x48:rate=10:duration=1.5", wait=time.wait, clock=time)
    assert source.info.live
    time = FakeClock()
    for source in connections("test:size=64x48:rate=10:duration=1.5", wait=time.wait, clock=time):
        frames = list(source)
    assert [frame.captured for frame in frames] == pytest.approx([100 + n / 10 for n in range(15)])
    assert [(frame.index, frame.part) for frame in frames] == [(n, 0) for n in range(15)]


@pytest.mark.parametrize("realtime", [True, False])
def test_a_file_is_played_once_and_at_its_own_pace_on_demand(tmp_path: Path, realtime: bool) -> None:
    time = FakeClock()
    path = str(mjpeg(tmp_path / "a.avi", 6))
    seen = []
    for source in connections(path, wait=time.wait, clock=time, realtime=realtime):
        assert source.info.live == realtime
        seen.append([frame.captured for frame in source])
    assert seen == [pytest.approx([100 + n / 10 for n in range(6)]) if realtime else [None] * 6]
