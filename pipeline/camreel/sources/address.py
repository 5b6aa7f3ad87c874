"""What a user names as an input, and what it is."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from camreel.errors import InputError

Kind: TypeAlias = Literal["file", "pipe", "webcam", "stream", "http", "pattern"]

STDIN: Final = "-"
STREAMS: Final = ("rtsp", "rtsps", "rtmp", "rtmps", "tcp", "udp", "rtp")
PATTERN: Final = {"size": "640x360", "rate": "30"}
"""Of `test:` where nothing else is said."""
CAPTURE: Final = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
"""FFmpeg's name of what reads webcams, by platform."""

SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
DEVICE = re.compile(r"\d+|webcam:.+|/dev/(?:video|v4l/).+")
SECRET = re.compile(r"([?&;][^=&;]*(?:key|token|secret|sig|pas|pwd|auth|credential)[^=&;]*=)[^&;#]*", re.IGNORECASE)
SECRET_IN_PATH = re.compile(r"([/_](?:password|passwd|pass|pwd)=).*?(?=_[a-z]+=|[/?&#]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """An input as it is opened, and as it is shown."""

    kind: Kind
    name: str
    """As the user named it, without credentials."""
    target: str
    """What FFmpeg is asked to open."""
    format: str | None = None
    """The demuxer; None: it finds out by itself."""

    @property
    def remote(self) -> bool:
        """Whether reading may fail at any time because something outside went away."""
        return self.kind in ("webcam", "stream", "http")

    @property
    def segmented(self) -> bool:
        """Whether pictures come a segment of some seconds at a time (HLS)."""
        return self.kind == "http" and ".m3u8" in self.target.lower()


def parse(text: str) -> Address:
    """Tells what an input is.

        0, webcam:1, /dev/video2                   a webcam (a file of that name is ./0); by its name elsewhere than on Linux
        rtsp://, rtsps://, rtmp://, rtmps://       a network camera or a streaming server
        udp://, tcp://, rtp://                     MPEG-TS or RTP, sent here or fetched
        http://, https://                          MJPEG, HLS, or a file
        test:, test:size=1280x720:rate=25          a moving test pattern
        lavfi:GRAPH                                what a filter graph of FFmpeg makes
        -                                          standard input
        anything else                              a file

    Raises:
        InputError: it is an address of a kind that nobody here can read.
    """
    if text == STDIN:
        return Address("pipe", text, "pipe:0")
    if DEVICE.fullmatch(text):
        return _webcam(text)
    if text.startswith("test:"):
        options = dict(part.partition("=")[::2] for part in text.removeprefix("test:").split(":") if part)
        graph = ":".join(f"{key}={value}" for key, value in (PATTERN | options).items())
        return Address("pattern", text, f"testsrc2={graph}", "lavfi")
    if text.startswith("lavfi:"):
        return Address("pattern", text, text.removeprefix("lavfi:"), "lavfi")
    scheme = SCHEME.match(text)
    if scheme is None:
        # Without "file:" a name with a colon would be taken for a protocol.
        return Address("file", text, f"file:{text}")
    return _server(text, scheme[1].lower())


def _webcam(text: str) -> Address:
    device = text.removeprefix("webcam:")
    if sys.platform == "linux" and device.isdigit():
        device = f"/dev/video{device}"
    return Address("webcam", text, device, CAPTURE.get(sys.platform, "v4l2"))


def _server(text: str, scheme: str) -> Address:
    name = without_credentials(text)
    if scheme in ("http", "https"):
        return Address("http", name, text)
    if scheme in STREAMS:
        return Address("stream", name, text)
    why = f"known are http, https, {', '.join(STREAMS)}"
    todo = (
        "let the sender use MPEG-TS over udp or tcp, or RTSP"
        if scheme == "srt"
        else "download it, or ask for another address"
    )
    raise InputError(f"{name}: cannot read from this kind of address", why, todo)


def identity(text: str) -> str:
    """The same for two inputs that name the same thing.

    Raises:
        InputError: see `parse`.
    """
    address = parse(text)
    return os.path.abspath(text) if address.kind == "file" else address.target


def is_file(text: str) -> bool:
    """Whether an input names a file (or what stands for files: a folder, a pattern).

    Raises:
        InputError: see `parse`.
    """
    return parse(text).kind == "file"


def without_credentials(uri: str) -> str:
    """The uri without user, password and the values of parameters that look like keys."""
    scheme = SCHEME.match(uri)
    if scheme is None:
        return uri
    rest = uri[scheme.end() :]
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if host.find("@") > 0:
        rest = rest[host.rindex("@") + 1 :]
    elif re.search(r"^[^\[:]*:(?!\d*$)", host) and "@" in rest:  # a password with a slash in it
        rest = rest[rest.rindex("@") + 1 :]
    return scheme[0] + SECRET_IN_PATH.sub(r"\1***", SECRET.sub(r"\1***", rest))
