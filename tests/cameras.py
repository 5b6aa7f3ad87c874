"""Real cameras for tests, in this process and over loopback: RTSP, MJPEG, HLS, MPEG-TS over TCP and UDP, RTMP.

    with RtspServer(size=(320, 240), rate=20) as camera:
        read(camera.url)
        camera.stall()            # keeps its connections and sends nothing, until camera.go()
        camera.cut()              # ends every connection; the next one is served
        camera.refuse()           # accepts no connection, until camera.listen()
        camera.size = (640, 480)  # from the next frame on
        camera.connections        # how many were accepted so far

The pictures of each size are encoded once, then looped. Every picture carries its number in its top rows:
`number_of(picture)` reads it, and `camera.sent[number]` is the monotonic time when that picture was last sent.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from types import TracebackType
from typing import ClassVar, Self

import cv2  # noqa: F401  # isort: skip  (before av)
import av
import numpy as np
from camreel.structures import Frame, Picture

Size = tuple[int, int]
LOOP = 64
"""Number of different pictures, which repeat in a loop."""
BITS = 6
USER, PASSWORD = "admin", "hunter2"
KEYFRAMES = 8
"""Distance between keyframes, in pictures."""


# --- Pictures


@dataclass(frozen=True)
class Reel:
    """A loop of encoded pictures."""

    packets: tuple[bytes, ...]
    size: Size


def drawn(number: int, size: Size) -> av.VideoFrame:
    """Draw a moving bar over a gradient, with the picture's number as black and white blocks along the top."""
    width, height = size
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(40, 200, width, dtype=np.uint8)
    rgb[..., 1] = np.linspace(60, 160, height, dtype=np.uint8)[:, None]
    left = number * width // LOOP
    rgb[:, left : left + max(4, width // 20)] = 220
    for bit in range(BITS):
        rgb[: height // 6, bit * width // BITS : (bit + 1) * width // BITS] = 255 * (number >> bit & 1)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    frame.pts = number
    return frame


def number_of(picture: Picture) -> int:
    """Return the number in a picture that a camera of this file has sent."""
    row = picture.y[picture.height // 12]
    return sum(1 << bit for bit in range(BITS) if row[(2 * bit + 1) * picture.width // (2 * BITS)] > 128)


def consecutive(frames: Iterable[Frame]) -> bool:
    """Return whether no picture is missing between the first and the last frame."""
    numbers = [number_of(frame.picture) for frame in frames]
    return all(b == (a + 1) % LOOP for a, b in pairwise(numbers))


@cache
def h264(size: Size, bframes: int = 0) -> Reel:
    """Return H.264 access units in Annex B format, each keyframe with its parameter sets."""
    options = {"preset": "ultrafast", "g": str(KEYFRAMES), "x264-params": "repeat-headers=1:threads=1:scenecut=0"}
    options |= {"bf": str(bframes)} if bframes else {"tune": "zerolatency"}
    return _encode("libx264", "yuv420p", size, options)


@cache
def jpeg(size: Size) -> Reel:
    return _encode("mjpeg", "yuvj420p", size, {"qmin": "4", "qmax": "4"})


def _encode(codec: str, pixels: str, size: Size, options: dict[str, str]) -> Reel:
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.options = *size, pixels, options
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    packets: list[bytes] = []
    for frame in [*(drawn(number, size).reformat(format=pixels) for number in range(LOOP)), None]:
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    assert len(packets) == LOOP
    return Reel(tuple(packets), size)


# --- What every camera can do


class Camera:
    """A server on a port of its own that serves each connection in a thread of its own."""

    scheme = "tcp"
    tail = ""

    def __init__(self, size: Size = (320, 240), rate: float = 20.0, *, user: str = "", password: str = "") -> None:
        self.size = size
        """Width and height of the pictures from now on."""
        self.rate = rate
        """Pictures per second."""
        self.user, self.password = user, password
        """Credentials that clients must send; empty: none."""
        self.status = 200
        """Status that clients are answered with."""
        self.connections = 0
        """Number of connections accepted so far."""
        self.sent: dict[int, float] = {}
        """Number of a picture -> `time.monotonic()` when it was last sent."""
        self.port = 0
        self._sockets: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None

    @property
    def url(self) -> str:
        login = f"{self.user}:{self.password}@" if self.user else ""
        return f"{self.scheme}://{login}127.0.0.1:{self.port}{self.tail}"

    # Faults

    def stall(self) -> None:
        """Send nothing until `go`, without ending any connection."""
        self.hang()

    def hang(self) -> None:
        """Answer no client and send nothing until `go`."""
        self._flowing.clear()

    def go(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """End every open connection."""
        for each in list(self._sockets):
            _shut(each)

    def refuse(self) -> None:
        """End every connection and accept none until `listen`."""
        listener, self._listener = self._listener, None
        if listener is not None:
            _shut(listener)
            listener.close()
        self.cut()

    def listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = self._listener.getsockname()[1]
        self._start(self._accept, self._listener)

    def close(self) -> None:
        self.refuse()
        self.go()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a camera of the tests hangs"

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Serving

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._sockets.add(connection)
            self._start(self._serve, connection)

    def _start(self, target: Callable[[socket.socket], None], argument: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(argument,), name="test-camera", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.await_go(connection)
                self.talk(connection)
            except (OSError, ValueError, av.FFmpegError):  # the other side is gone, or this one was cut
                pass
            finally:
                self._sockets.discard(connection)
                _shut(connection)

    def talk(self, connection: socket.socket) -> None:
        """Serve one connection to its end."""
        raise NotImplementedError

    def await_go(self, connection: socket.socket) -> None:
        """Wait while the camera hangs.

        Raises:
            OSError: the client is gone.
        """
        while not self._flowing.wait(0.02):
            gone = select.select([connection], [], [], 0)[0] and not connection.recv(1, socket.MSG_PEEK)
            if gone or connection not in self._sockets:
                raise OSError("closed")

    def schedule(self, connection: socket.socket) -> Iterator[int]:
        """Yield running numbers of the pictures, each when it is due by an absolute schedule; end with the connection.

        Yields -1 whenever there is data to read from the connection.
        """
        begin, number = time.monotonic(), 0
        while connection in self._sockets and connection.fileno() >= 0:
            pause = begin + number / self.rate - time.monotonic()
            readable, _, _ = select.select([connection], [], [], max(0.0, min(pause, 0.1)))
            if readable:
                if not connection.recv(1, socket.MSG_PEEK):
                    return
                yield -1
            elif not self._flowing.is_set():
                begin = time.monotonic() - number / self.rate
                self._flowing.wait(0.02)
            elif pause <= 0.001:
                self.sent[number % LOOP] = time.monotonic()
                yield number
                number += 1

    def units(self, connection: socket.socket) -> Iterator[tuple[int, bytes]]:
        """Yield running numbers and H.264 pictures when they are due. A new size begins with the next keyframe."""
        shown = self.size
        for number in self.schedule(connection):
            if number % KEYFRAMES == 0:
                shown = self.size
            if number >= 0:
                yield number, h264(shown).packets[number % LOOP]
            else:
                connection.recv(4096)


def _shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


def _read_head(connection: socket.socket) -> str:
    """Read a request up to its empty line, and skip RTCP packets between requests."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(1)
        if not more:
            raise OSError("closed")
        if more == b"$" and not data:
            (length,) = struct.unpack(">xH", _exactly(connection, 3))
            _exactly(connection, length)
            continue
        data += more
    return data.decode()


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


def _field(head: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*?)\r$", head, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else ""


# --- RTSP


class RtspServer(Camera):
    """H.264 in RTP, interleaved in the RTSP connection (`udp=True`: only in datagrams beside it)."""

    scheme, tail = "rtsp", "/stream"
    PHRASES: ClassVar = {
        200: "OK",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        429: "Too Many",
        461: "Unsupported Transport",
        503: "Busy",
    }

    def __init__(
        self,
        size: Size = (320, 240),
        rate: float = 20.0,
        *,
        user: str = "",
        password: str = "",
        digest: bool = True,
        udp: bool = False,
    ) -> None:
        super().__init__(size, rate, user=user, password=password)
        self.digest, self.udp = digest, udp

    def talk(self, connection: socket.socket) -> None:
        self._client_port = 0
        while (method := self._answer(connection)) != "PLAY":
            if method == "TEARDOWN":
                return
        sequence, shown = 0, self.size
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("127.0.0.1", 0))
            for number in self.schedule(connection):
                if number < 0:
                    if self._answer(connection) == "TEARDOWN":
                        return
                    continue
                if number % KEYFRAMES == 0:
                    shown = self.size
                stamp = round(number * 90000 / self.rate)
                for payload, last in _rtp_payloads(h264(shown).packets[number % LOOP]):
                    header = struct.pack(">BBHII", 0x80, 96 | last << 7, sequence & 0xFFFF, stamp & 0xFFFFFFFF, 0x1234)
                    sequence += 1
                    packet = header + payload
                    if self.udp:
                        datagrams.sendto(packet, ("127.0.0.1", self._client_port))
                    else:
                        connection.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)

    def _answer(self, connection: socket.socket) -> str:
        head = _read_head(connection)
        self.await_go(connection)
        method, where, _ = head.split(" ", 2)
        status, fields, body = self.status, "", ""
        if status == 200 and method != "OPTIONS" and not self._let_in(head, method):
            status = 401
        if status == 401:
            kind = 'Digest realm="camera", nonce="abc123"' if self.digest else 'Basic realm="camera"'
            fields = f"WWW-Authenticate: {kind}\r\n"
        elif status == 200 and method == "OPTIONS":
            fields = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
        elif status == 200 and method == "DESCRIBE":
            body = self._description()
            fields = f"Content-Base: {where}/\r\nContent-Type: application/sdp\r\n"
        elif status == 200 and method == "SETUP":
            status, fields = self._set_up(_field(head, "Transport"))
        if method != "OPTIONS":
            fields += "Session: 12345678;timeout=60\r\n"
        fields = f"CSeq: {_field(head, 'CSeq')}\r\n{fields}Content-Length: {len(body)}\r\n"
        connection.sendall(f"RTSP/1.0 {status} {self.PHRASES[status]}\r\n{fields}\r\n{body}".encode())
        return method

    def _set_up(self, transport: str) -> tuple[int, str]:
        if self.udp != ("client_port" in transport):
            return 461, ""
        if not self.udp:
            return 200, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        ports = re.search(r"client_port=(\d+)-(\d+)", transport)
        assert ports
        self._client_port = int(ports[1])
        return 200, f"Transport: RTP/AVP;unicast;client_port={ports[1]}-{ports[2]}\r\n"

    def _let_in(self, head: str, method: str) -> bool:
        if not self.user:
            return True
        said = _field(head, "Authorization")
        if not self.digest:
            return said == "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        parts = dict(re.findall(r'(\w+)="([^"]*)"', said))
        mine = _md5(f"{self.user}:camera:{self.password}")
        return parts.get("response") == _md5(f"{mine}:abc123:{_md5(method + ':' + parts.get('uri', ''))}")

    def _description(self) -> str:
        sets = [unit for unit in _nal_units(h264(self.size).packets[0]) if unit[0] & 31 in (7, 8)]
        sprop = ",".join(base64.b64encode(unit).decode() for unit in sets)
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sprop}\r\na=control:track1\r\n"
        )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _nal_units(data: bytes) -> list[bytes]:
    return [unit.rstrip(b"\0") for unit in re.split(b"\0\0\0?\1", data) if unit]


def _rtp_payloads(data: bytes, most: int = 1400) -> Iterator[tuple[bytes, bool]]:
    """Yield RTP payloads by RFC 6184 (large units in fragments), and whether each is the picture's last."""
    units = _nal_units(data)
    for unit in units:
        final = unit is units[-1]
        if len(unit) <= most:
            yield unit, final
            continue
        body = unit[1:]
        for at in range(0, len(body), most):
            begins, ends = at == 0, at + most >= len(body)
            yield (
                bytes((unit[0] & 0xE0 | 28, begins << 7 | ends << 6 | unit[0] & 31)) + body[at : at + most],
                final and ends,
            )


# --- RTMP


class RtmpServer(Camera):
    """H.264 in FLV messages, to every client that asks to play."""

    scheme, tail = "rtmp", "/live/stream"
    COMMAND, VIDEO = 20, 9
    CHUNK = 1 << 20
    """Chunk size in bytes, so large that no message is split."""

    def talk(self, connection: socket.socket) -> None:
        hello = _exactly(connection, 1537)
        connection.sendall(b"\3" + bytes(1536) + hello[1:])
        _exactly(connection, 1536)
        self._send(connection, 1, 0, struct.pack(">I", self.CHUNK))
        for name, transaction in self._commands(connection):
            if name == "connect":
                self._send(
                    connection,
                    self.COMMAND,
                    0,
                    _amf("_result", transaction, {}, {"code": "NetConnection.Connect.Success"}),
                )
            elif name == "createStream":
                self._send(connection, self.COMMAND, 0, _amf("_result", transaction, None, 1.0))
            elif name == "play":
                break
        self._send(
            connection,
            self.COMMAND,
            0,
            _amf("onStatus", 0.0, None, {"level": "status", "code": "NetStream.Play.Start"}),
        )
        shown: Size | None = None
        for number, unit in self.units(connection):
            parts = _nal_units(unit)
            keyframe = any(part[0] & 31 == 5 for part in parts)
            stamp = round(1000 * number / self.rate)
            if keyframe and shown != self.size:
                shown = self.size
                self._send(connection, self.VIDEO, stamp, b"\x17\0\0\0\0" + _avc_configuration(parts))
            body = b"".join(struct.pack(">I", len(part)) + part for part in parts if part[0] & 31 < 6)
            self._send(connection, self.VIDEO, stamp, (b"\x17" if keyframe else b"\x27") + b"\1\0\0\0" + body)

    @staticmethod
    def _send(connection: socket.socket, kind: int, stamp: int, body: bytes) -> None:
        stream = 1 if kind == RtmpServer.VIDEO else 0
        head = (
            b"\4"
            + struct.pack(">I", stamp)[1:]
            + struct.pack(">I", len(body))[1:]
            + bytes([kind])
            + struct.pack("<I", stream)
        )
        connection.sendall(head + body)

    def _commands(self, connection: socket.socket) -> Iterator[tuple[str, float]]:
        """Yield names and transaction numbers of the client's commands."""
        lengths: dict[int, tuple[int, int]] = {}
        bodies: dict[int, bytes] = {}
        chunk = 128
        while True:
            (basic,) = _exactly(connection, 1)
            form, channel = basic >> 6, basic & 63
            head = _exactly(connection, (11, 7, 3, 0)[form])
            if form < 2:
                lengths[channel] = int.from_bytes(head[3:6], "big"), head[6]
            length, kind = lengths[channel]
            body = bodies.pop(channel, b"")
            body += _exactly(connection, min(chunk, length - len(body)))
            if len(body) < length:
                bodies[channel] = body
            elif kind == 1:
                (chunk,) = struct.unpack(">I", body)
            elif kind == self.COMMAND:
                size = int.from_bytes(body[1:3], "big")
                yield body[3 : 3 + size].decode(), struct.unpack(">d", body[4 + size : 12 + size])[0]


def _amf(*values: object) -> bytes:
    """Encode strings, numbers, None and flat objects as AMF 0."""

    def text(value: str) -> bytes:
        return struct.pack(">H", len(value)) + value.encode()

    def one(value: object) -> bytes:
        if isinstance(value, str):
            return b"\2" + text(value)
        if isinstance(value, float):
            return b"\0" + struct.pack(">d", value)
        if isinstance(value, dict):
            return b"\3" + b"".join(text(key) + one(each) for key, each in value.items()) + b"\0\0\t"
        return b"\5"

    return b"".join(map(one, values))


def _avc_configuration(parts: list[bytes]) -> bytes:
    sps, pps = (next(part for part in parts if part[0] & 31 == kind) for kind in (7, 8))
    sets = b"\xe1" + struct.pack(">H", len(sps)) + sps + b"\1" + struct.pack(">H", len(pps)) + pps
    return b"\1" + sps[1:4] + b"\xff" + sets


# --- HTTP


class MjpegServer(Camera):
    """JPEG pictures one after another in one HTTP answer, as network cameras send them."""

    scheme, tail = "http", "/video.mjpg"

    def talk(self, connection: socket.socket) -> None:
        if not _admit(self, connection, _read_head(connection)):
            return
        head = "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        connection.sendall(head.encode())
        for number in self.schedule(connection):
            if number < 0:
                connection.recv(4096)
                continue
            data = jpeg(self.size).packets[number % LOOP]
            part = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            connection.sendall(part.encode() + data + b"\r\n")


def _admit(camera: Camera, connection: socket.socket, head: str) -> bool:
    """Return whether a client may connect; if not, answer with the reason."""
    right = "Basic " + base64.b64encode(f"{camera.user}:{camera.password}".encode()).decode()
    status = camera.status
    if status == 200 and camera.user and _field(head, "Authorization") != right:
        status = 401
    if status != 200:
        challenge = 'WWW-Authenticate: Basic realm="camera"\r\n' if status == 401 else ""
        connection.sendall(
            f"HTTP/1.0 {status} {RtspServer.PHRASES[status]}\r\n{challenge}Content-Length: 0\r\n\r\n".encode()
        )
    return status == 200


class HlsServer(Camera):
    """A playlist of segments that grows with time; `length`: a finished recording of so many segments."""

    scheme, tail = "http", "/live.m3u8"

    def __init__(
        self, size: Size = (320, 240), rate: float = 20.0, *, segment: float = 1.0, length: int | None = None
    ) -> None:
        super().__init__(size, rate)
        self.segment, self.length = segment, length
        self.over = False
        """Whether the playlist says that it is complete."""
        self.requests: list[str] = []
        self._begin = time.monotonic() - 3 * segment
        self._frozen: int | None = None

    def stall(self) -> None:
        """Stop the growth of the playlist."""
        self._frozen = self._complete()

    def go(self) -> None:
        super().go()
        self._frozen = None

    def talk(self, connection: socket.socket) -> None:
        head = _read_head(connection)
        path = head.split(" ", 2)[1].partition("?")[0]
        self.requests.append(path)
        if not _admit(self, connection, head):
            return
        number = re.search(r"(\d+)\.ts$", path)
        body = self._segment(int(number[1])) if number else self._list().encode()
        connection.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    def _complete(self) -> int:
        if self._frozen is not None:
            return self._frozen
        return self.length or int((time.monotonic() - self._begin) / self.segment)

    def _list(self) -> str:
        complete = self._complete()
        first = 0 if self.length else max(0, complete - 3)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{max(1, round(self.segment))}"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first}")
        for number in range(first, complete):
            lines += [f"#EXTINF:{self.segment:.3f},", f"part{number}.ts"]
        if self.length or self.over:
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(lines) + "\n"

    def _segment(self, number: int) -> bytes:
        per = round(self.segment * self.rate)
        made = io.BytesIO()
        with TsMuxer(made, self.size) as muxer:
            for n in range(number * per, (number + 1) * per):
                muxer.write(h264(self.size).packets[n % LOOP], n / self.rate)
                self.sent[n % LOOP] = self._begin + n / self.rate
        return made.getvalue()


# --- MPEG-TS


class TsMuxer:
    """Muxer of H.264 pictures to MPEG-TS in a file-like object."""

    def __init__(self, file: object, size: Size) -> None:
        self._output = av.open(file, "w", format="mpegts", options={"flush_packets": "1"})
        self._stream = self._output.add_stream(
            "libx264", rate=25, options={"tune": "zerolatency", "preset": "ultrafast"}
        )
        self._stream.width, self._stream.height, self._stream.pix_fmt = *size, "yuv420p"

    def write(self, unit: bytes, time: float) -> None:
        packet = av.Packet(unit)
        packet.stream, packet.time_base = self._stream, Fraction(1, 90000)
        packet.pts = packet.dts = round((time + 1) * 90000)
        packet.is_keyframe = any(part[0] & 31 == 5 for part in _nal_units(unit))
        self._output.mux(packet)

    def close(self) -> None:
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Pipe:
    """A socket as a file-like object to write to."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send

    def write(self, data: bytes) -> int:
        try:
            for at in range(0, len(data), 1316):
                self._send(bytes(data[at : at + 1316]))
        except OSError:
            pass  # the schedule finds out; an error in PyAV's callback would be printed
        return len(data)


class TsServer(Camera):
    """MPEG-TS to every client that connects by TCP."""

    def talk(self, connection: socket.socket) -> None:
        with TsMuxer(_Pipe(connection.sendall), self.size) as muxer:
            for number, unit in self.units(connection):
                muxer.write(unit, number / self.rate)


class UdpSender(Camera):
    """MPEG-TS in datagrams to a port, whether it is read or not; `cut` starts anew."""

    scheme = "udp"

    def listen(self) -> None:
        if not self.port:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        self._listener, far = socket.socketpair()
        self._sockets.add(far)
        self._start(self._serve, far)

    def cut(self) -> None:
        listening = self._listener is not None
        super().cut()
        if listening:
            self.listen()

    def talk(self, connection: socket.socket) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:

            def send(data: bytes) -> None:
                datagrams.sendto(data, ("127.0.0.1", self.port))

            with TsMuxer(_Pipe(send), self.size) as muxer:
                for number, unit in self.units(connection):
                    muxer.write(unit, number / self.rate)


CAMERAS: dict[str, Callable[[], Camera]] = {
    "rtsp": lambda: RtspServer(rate=60),
    "rtsp over udp": lambda: RtspServer(rate=60, udp=True),
    "rtmp": lambda: RtmpServer(rate=60),
    "mjpeg": lambda: MjpegServer(rate=60),
    "hls": lambda: HlsServer(rate=40, segment=0.4),
    "tcp": lambda: TsServer(rate=60),
    "udp": lambda: UdpSender(rate=60),
}
OVER_TCP = ("rtsp", "rtmp", "mjpeg", "tcp")
"""Cameras whose server notices when a connection is cut or refused."""
