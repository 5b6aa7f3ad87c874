"""Lost connections to real cameras over loopback are opened again, and frames continue."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from camreel.errors import InputError
from camreel.sources.reconnect import ConnectionEvent, ReconnectPolicy, connections
from camreel.structures import Frame

from tests.cameras import HlsServer, MjpegServer, RtspServer, consecutive

QUICK = ReconnectPolicy(silence=5, first_delay=0.02, max_delay=0.1)


class Reader:
    """Read a camera as a live run does, until it is asked to stop."""

    def __init__(self, url: str, **options: Any) -> None:
        self.stop = threading.Event()
        self.said: list[str] = []
        self.events: list[ConnectionEvent] = []
        self.sizes: list[tuple[int, int]] = []
        self.sources = connections(
            url, wait=self.stop.wait, note=self.said.append, on_event=self.events.append, **{"policy": QUICK, **options}
        )

    def __iter__(self) -> Iterator[Frame]:
        for source in self.sources:
            self.sizes.append((source.info.width, source.info.height))
            for frame in source:
                assert (frame.picture.width, frame.picture.height) == self.sizes[-1]
                yield frame
                if self.stop.is_set():
                    return

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def close(self) -> None:
        self.sources.close()  # type: ignore[attr-defined]


def check(frames: list[Frame]) -> None:
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(a.time < b.time and a.part <= b.part for a, b in pairwise(frames))
    elapsed = frames[-1].captured - frames[0].captured
    assert frames[-1].time - frames[0].time == pytest.approx(elapsed, abs=0.6)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
@pytest.mark.parametrize("kind", [RtspServer, MjpegServer])
def test_twenty_cuts_are_twenty_connections_and_nothing_leaks(kind: type[RtspServer | MjpegServer]) -> None:
    def count() -> tuple[int, int, int]:
        gc.collect()
        return threading.active_count(), len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))

    before = count()
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
    assert count() == before


def test_a_stalled_camera_is_connected_again() -> None:
    with RtspServer(rate=40) as camera:
        reader = Reader(camera.url, policy=ReconnectPolicy(silence=1, first_delay=0.05, max_delay=0.1))
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


def test_a_camera_that_returns_with_another_size_continues_as_another_part() -> None:
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


def test_a_lost_camera_may_refuse_for_a_while() -> None:
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


def test_a_camera_that_was_never_reachable_is_an_error_with_the_reason() -> None:
    with RtspServer(user="admin", password="hunter2") as camera:
        camera.refuse()
        reader = Reader(camera.url, policy=ReconnectPolicy(first_delay=0.02, max_delay=0.05, deadline=0.2))
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


def test_a_live_playlist_is_paced_and_connected_again_until_it_has_ended() -> None:
    with HlsServer(rate=20, segment=0.6) as camera:
        reader = Reader(camera.url, policy=ReconnectPolicy(silence=5, first_delay=0.02, max_delay=0.1, deadline=0.5))
        frames = []
        with pytest.raises(InputError, match="did not come back within 0.5 s\nthe stream has ended"):
            for frame in reader:
                frames.append(frame)
                if len(frames) == 50:
                    camera.over = True
    check(frames)
    assert consecutive(frames)
    gaps = sorted(b.captured - a.captured for a, b in pairwise(frames[:50]))
    assert gaps[25] == pytest.approx(1 / 20, abs=0.02)
    assert gaps[5] > 0.01  # a whole segment came at once


def test_a_playlist_of_known_length_is_played_once() -> None:
    with HlsServer(length=2, segment=0.5) as camera:
        reader = Reader(camera.url)
        assert len(list(reader)) == 20
        assert reader.events == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
def test_closing_ends_the_connection_at_once() -> None:
    with RtspServer() as camera:
        before = len(os.listdir("/proc/self/fd"))
        reader = Reader(camera.url, policy=ReconnectPolicy(silence=20))
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
