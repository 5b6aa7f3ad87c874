"""The publisher: live streams, received by real receivers on this machine."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2  # noqa: F401 - before av

import av  # isort: skip
import numpy as np
import pytest
from camreel.errors import ConfigError
from camreel.sinks.options import VideoOptions
from camreel.sinks.publish import publisher as module
from camreel.sinks.publish.publisher import FORMAT_OPTIONS, Publisher, parse_address
from camreel.sinks.publish.relay_client import RelayClient
from camreel.sinks.video import encoder
from camreel.structures import DisplayFrame, Frame, Picture

MILLI = Fraction(1, 1000)
ROOT = str(Path(__file__).resolve().parents[1])
SOON = 20.0
"""Seconds after which something that should have happened has not."""


@pytest.fixture(autouse=True)
def no_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the same encoder on every machine, and short waiting times."""
    monkeypatch.setattr(encoder, "HARDWARE", ())
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.02, 0.05))


def luma(n: int) -> int:
    return 40 + n * 4 % 180


def screen(n: int, width: int = 160, height: int = 120, y: np.ndarray | None = None) -> DisplayFrame:
    half = height // 2, width // 2
    chroma = np.full(half, 128, np.uint8)
    annotated = Picture(np.full((height, width), luma(n), np.uint8) if y is None else y, chroma, chroma)
    return DisplayFrame(annotated, Frame(n, None, n / 25, MILLI, annotated), None, None)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Feed:
    """A loop that shows pictures until a condition holds."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher, self.count, self.longest = publisher, 0, 0.0

    def until(self, condition: Callable[[], bool], **kw: Any) -> None:
        end = time.monotonic() + SOON
        while not condition():
            assert time.monotonic() < end, (
                self.publisher.state,
                self.publisher.reason,
                self.publisher.sent,
                self.publisher.missed,
            )
            began = time.monotonic()
            self.publisher.show(screen(self.count, **kw))
            self.longest = max(self.longest, time.monotonic() - began)
            self.count += 1
            time.sleep(0.004)


@contextlib.contextmanager
def publishing(url: str, *, crf: int = 23, **kw: Any) -> Iterator[Feed]:
    publisher = Publisher(url, VideoOptions(preset="ultrafast", crf=crf), **kw)
    try:
        yield Feed(publisher)
    finally:
        publisher.close()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server that accepts one connection after the other, and keeps the received bytes or reads nothing."""

    def __init__(self, port: int = 0, *, reads: bool = True) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not reads:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.bind(("127.0.0.1", port))
        self._socket.listen()
        self.port = self._socket.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.received: list[bytearray] = []
        self.ended: list[bool] = []
        self._reads = reads
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.received.append(bytearray())
                self.ended.append(False)
                self.connections.append(connection)
                if self._reads:
                    self._keep(connection)

    def _keep(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                self.received[-1] += data
        self.ended[-1] = True

    def cut(self) -> None:
        """Reset the last connection."""
        connection = self.connections[-1]
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RD)
        connection.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join(SOON)


@contextlib.contextmanager
def serving(port: int = 0, **kw: Any) -> Iterator[Server]:
    server = Server(port, **kw)
    try:
        yield server
    finally:
        server.close()


class Receiver(threading.Thread):
    """A player that listens, and stops after `count` pictures."""

    def __init__(self, url: str, count: int, options: dict[str, str], **kw: Any) -> None:
        super().__init__(daemon=True)
        self._open = lambda: av.open(url, options=options, **kw)
        self._count = count
        self.frames: list[tuple[float | None, bool, int, int, float, str]] = []
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            with self._open() as container:
                for f in container.decode(video=0):
                    seconds = None if f.pts is None else float(f.pts * f.time_base)
                    level = float(f.to_ndarray()[: f.height].mean())
                    self.frames.append((seconds, f.key_frame, f.width, f.height, level, f.format.name))
                    if len(self.frames) >= self._count:
                        return
        except av.FFmpegError as error:
            self.error = error


def decoded(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data), format="mpegts") as container:
        return list(container.decode(video=0))


def joined_late(data: bytes) -> list[av.VideoFrame]:
    """Return the frames that a viewer decodes who joins in the middle: complete pictures from a key frame on."""
    frames: list[av.VideoFrame] = []
    with av.open(io.BytesIO(data[len(data) // 376 * 188 :]), format="mpegts") as container:
        for packet in container.demux(video=0):
            with contextlib.suppress(av.error.InvalidDataError):
                frames += packet.decode()
    assert frames[0].key_frame
    return frames


def levels(frames: list[av.VideoFrame]) -> list[float]:
    return [float(f.to_ndarray()[: f.height].mean()) for f in frames]


def number_of(level: float, before: int) -> int:
    """Return the number of the next picture of this luma after another one."""
    return next(n for n in range(before + 1, before + 60) if abs(luma(n) - level) < 2)


RECEIVERS: dict[str, Callable[[int, int], tuple[str, Receiver]]] = {
    "tcp": lambda port, n: (
        f"tcp://127.0.0.1:{port}",
        Receiver(f"tcp://127.0.0.1:{port}?listen=1", n, {}, timeout=SOON),
    ),
    "udp": lambda port, n: (
        f"udp://127.0.0.1:{port}",
        Receiver(f"udp://127.0.0.1:{port}", n, {}, format="mpegts", timeout=SOON),
    ),
    "rtmp": lambda port, n: (
        f"rtmp://127.0.0.1:{port}/live/key",
        Receiver(f"rtmp://127.0.0.1:{port}/live/key", n, {"listen": "1"}, timeout=SOON),
    ),
    "rtsp": lambda port, n: (
        f"rtsp://127.0.0.1:{port}/live",
        Receiver(f"rtsp://127.0.0.1:{port}/live", n, {"rtsp_flags": "listen", "listen_timeout": "15"}),
    ),
}


@pytest.mark.parametrize("kind", list(RECEIVERS))
def test_a_receiver_gets_every_sent_picture_at_its_time(kind: str) -> None:
    port = free_port(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    url, receiver = RECEIVERS[kind](port, 60)
    with publishing(url) as feed:
        feed.until(lambda: len(receiver.frames) >= 60 or not receiver.is_alive())
        assert feed.publisher.sent >= 60
        assert "key" not in feed.publisher.name
    receiver.join(SOON)
    assert receiver.error is None
    assert receiver.frames[0][1]
    assert {frame[2:4] + frame[5:] for frame in receiver.frames} == {(160, 120, "yuv420p")}
    numbers: list[int] = []
    for frame in receiver.frames:
        numbers.append(number_of(frame[4], numbers[-1] if numbers else -1))
    assert numbers[-1] - numbers[2] == 57  # Connecting takes one picture, and leaves some out.
    timed = [(frame[0], n) for frame, n in zip(receiver.frames, numbers, strict=True) if frame[0] is not None]
    # What was received over RTSP has no time before the server says how its clocks belong together.
    assert len(timed) >= (60 if kind != "rtsp" else 0)
    for (a, m), (b, n) in pairwise(timed):
        # What was left out while it connected may have been more than one round of lumas.
        assert ((b - a) * 25 - (n - m) + 1) % 45 == pytest.approx(1, abs=0.03)
    keys = [n for frame, n in zip(receiver.frames, numbers, strict=True) if frame[1]]
    assert all(b - a <= 26 for a, b in pairwise(keys[1:]))


def test_a_receiver_that_starts_later_is_connected() -> None:
    port, clock = free_port(), Clock()
    with publishing(f"tcp://127.0.0.1:{port}", clock=clock) as feed:
        feed.until(lambda: feed.publisher.state == "waiting" and bool(feed.publisher.reason))
        assert feed.publisher.reason == "Connection refused"
        assert feed.publisher.notes == [f"nothing was pushed to tcp://127.0.0.1:{port} (Connection refused)"]
        assert (feed.publisher.sent, feed.publisher.missed) == (0, feed.count)
        with serving(port) as server:
            clock.now += 1
            feed.until(lambda: feed.publisher.sent >= 10)
            feed.publisher.close()
            feed.until(lambda: server.ended == [True]) if not server.ended[0] else None
            frames = decoded(bytes(server.received[0]))
    assert frames[0].key_frame
    assert len(frames) >= 10


def test_after_a_cut_the_receiver_is_connected_again_and_gets_a_complete_stream() -> None:
    with serving() as server, publishing(f"tcp://127.0.0.1:{server.port}") as feed:
        feed.until(lambda: feed.publisher.sent >= 20)
        server.cut()
        feed.until(lambda: feed.publisher.lost == 1)
        first = feed.publisher.sent
        feed.until(lambda: feed.publisher.sent >= first + 80)
        assert feed.publisher.state == "sending"
        (note,) = feed.publisher.notes
        assert note.startswith(f"pushing to tcp://127.0.0.1:{server.port} broke off once (")
        assert note.endswith(f"and {feed.publisher.missed} pictures were not sent")
        assert feed.publisher.sent + feed.publisher.missed == feed.count
        feed.publisher.close()
        assert feed.longest < 1.0
        data = finished(server, 1)
    frames = decoded(data)
    assert frames[0].key_frame
    assert len(frames) >= 80
    assert joined_late(data)
    numbers = [number_of(level, 0) for level in levels(frames)[-10:]]
    assert len(set(numbers)) == 10


def finished(server: Server, index: int) -> bytes:
    """Return the bytes of a connection, once it has ended."""
    end = time.monotonic() + SOON
    while len(server.ended) <= index or not server.ended[index]:
        assert time.monotonic() < end
        time.sleep(0.005)
    return bytes(server.received[index])


def test_twenty_cuts_are_twenty_connections_and_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[RelayClient] = []

    def make(*args: Any) -> RelayClient:
        made.append(RelayClient(*args))
        return made[-1]

    monkeypatch.setattr(module, "RelayClient", make)
    with serving() as server, publishing(f"tcp://127.0.0.1:{server.port}") as feed:
        feed.until(lambda: feed.publisher.sent >= 2)
        files = open_files()
        for n in range(20):
            server.cut()
            feed.until(lambda n=n: feed.publisher.lost == n + 1)
            feed.until(lambda n=n: len(server.connections) == n + 2 and feed.publisher.state == "sending")
        assert open_files() - len(server.connections) <= files
    assert len(made) == 21
    assert all(relay._process.returncode is not None for relay in made)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0


class Gone:
    """A connection that always fails."""

    made: list[float]

    def __init__(self, *_: object) -> None:
        self.made.append(self.clock())
        self.state, self.reason, self.connected, self.sent, self.ready = "gone", "Connection refused", False, 0, False

    def pump(self) -> None: ...
    def kill(self) -> None: ...
    def close(self) -> None: ...


def test_the_time_between_attempts_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.5, 1.0, 2.0, 4.0))
    monkeypatch.setattr(module, "RelayClient", type("Here", (Gone,), {"made": (made := []), "clock": clock}))
    publisher = Publisher("tcp://127.0.0.1:9", clock=clock)
    for n in range(200):
        publisher.show(screen(n))
        clock.now += 0.1
    gaps = [b - a for a, b in pairwise(made)]
    assert gaps == pytest.approx([0.5, 1.0, 2.0, 4.0, 4.0, 4.0], abs=0.101)
    assert (publisher.sent, publisher.missed, publisher.lost) == (0, 200, 0)


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp"])
def test_a_server_that_never_answers_does_not_block(scheme: str) -> None:
    clock = Clock()
    with (
        serving() as server,
        publishing(f"{scheme}://user:pass-1@127.0.0.1:{server.port}/live/key-1", clock=clock) as feed,
    ):
        feed.until(lambda: bool(server.received and server.received[0]))
        feed.until(lambda: feed.publisher.missed > 20)
        assert feed.publisher.state == "connecting"
        process = feed.publisher._relay._process
        clock.now += 11
        feed.until(lambda: feed.publisher.state == "waiting")
        assert process.returncode == -signal.SIGKILL
        assert feed.publisher.reason == "it does not answer"
        assert feed.longest < 1.0
        assert "pass-1" not in repr(feed.publisher.notes)
        assert "key-1" not in feed.publisher.name or scheme == "rtsp"


def test_a_receiver_that_reads_nothing_does_not_block_and_is_given_up() -> None:
    clock, rng = Clock(), np.random.default_rng(1)
    noise = rng.integers(0, 255, (480, 640), np.uint8)
    with serving(reads=False) as server, publishing(f"tcp://127.0.0.1:{server.port}", clock=clock, crf=1) as feed:
        large: dict[str, Any] = {"width": 640, "height": 480}
        feed.until(lambda: feed.publisher.state == "sending", y=noise, **large)

        def given_up() -> bool:
            clock.now += 0.2
            return feed.publisher.lost == 1

        feed.until(given_up, y=noise, **large)
        assert feed.publisher.reason == "it took nothing for 10 s"
        assert feed.longest < 1.0


def test_another_size_is_another_connection() -> None:
    with serving() as server, publishing(f"tcp://127.0.0.1:{server.port}") as feed:
        feed.until(lambda: feed.publisher.sent >= 5)
        feed.until(lambda: len(server.connections) == 2 and feed.publisher.sent >= 12, width=320, height=180)
        feed.publisher.close()
        sizes = [{(f.width, f.height) for f in decoded(finished(server, n))} for n in (0, 1)]
        assert (feed.publisher.lost, feed.publisher.notes) == (0, [])
    assert sizes == [{(160, 120)}, {(320, 180)}]


def test_a_failing_encoder_is_a_reason_and_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server, publishing(f"tcp://127.0.0.1:{server.port}") as feed:
        feed.until(lambda: feed.publisher.sent >= 1)
        monkeypatch.setattr("camreel.sinks.video.encoder.PictureEncoder.encode", lambda *_: av.open("/no/such/file"))
        feed.until(lambda: feed.publisher.lost >= 1)
        assert feed.publisher.reason == "No such file or directory"


def test_the_relay_process_shows_no_credentials() -> None:
    with serving() as server, publishing(f"tcp://user:pass-1@127.0.0.1:{server.port}") as feed:
        feed.until(lambda: feed.publisher.state == "sending")
        arguments = Path(f"/proc/{feed.publisher._relay._process.pid}/cmdline")
        if arguments.exists():
            assert b"pass-1" not in arguments.read_bytes()
        assert feed.publisher.name == f"tcp://127.0.0.1:{server.port}"


ORPHAN = """
    import sys
    sys.path[:0] = sys.argv[2:]
    from tests.test_sinks_publish import Feed, Publisher
    feed = Feed(Publisher(sys.argv[1]))
    feed.until(lambda: feed.publisher.sent >= 5)
    sys.stdout.write("sending\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


def test_a_killed_run_leaves_no_relay_process_behind() -> None:
    with serving() as server:
        command = [sys.executable, "-c", textwrap.dedent(ORPHAN), f"tcp://127.0.0.1:{server.port}", ROOT]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "sending\n"
            os.kill(child.pid, signal.SIGKILL)
        assert len(decoded(finished(server, 0))) >= 4


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("rtsp://user:p%40ss@cam.example:8554/live/a?token=x", "rtsp://cam.example:8554/live/a"),
        ("rtmp://live.example/app/secret-key?x=y", "rtmp://live.example/app"),
        ("udp://239.0.0.1:5000?ttl=2", "udp://239.0.0.1:5000"),
        ("tcp://[::1]:5000", "tcp://[::1]:5000"),
        ("RTSP://Host/x", "rtsp://host/x"),
    ],
)
def test_the_name_of_an_address_has_no_credentials(url: str, name: str) -> None:
    address = parse_address(url)
    assert address.name == Publisher(url).name == name
    assert "p%40ss" not in repr(address)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://user:pass-1@host/x", "cannot push to http"),
        ("out.mp4", "cannot push to a file"),
        ("srt://host:1", "cannot push to srt"),
        ("udp://user:pass-1@host", "names no port"),
        ("tcp://:80", "names no host"),
        ("rtsp:///live", "names no host"),
        ("rtsp://user:pass-1/x@host/live", "cannot be read"),
        ("tcp://host:99999", "cannot be read"),
    ],
)
def test_addresses_that_cannot_be_published_to_are_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        Publisher(url)
    assert "pass-1" not in str(caught.value)
    assert "rtmp://" in caught.value.todo


def test_a_preset_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'veryfast'"):
        Publisher("udp://127.0.0.1:9", VideoOptions(preset="veryfats"))


def test_closing_before_the_connection_ends_the_relay_process_at_once() -> None:
    with serving(reads=False) as server:
        relay = RelayClient(f"rtmp://127.0.0.1:{server.port}/live", "flv", FORMAT_OPTIONS["flv"])
        began = time.monotonic()
        relay.close()
        assert relay._process.returncode is not None
        assert time.monotonic() - began < 1.0
