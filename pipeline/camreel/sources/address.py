"""Addresses: inputs as they are opened, and as people see them, which is without credentials."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from camreel.interfaces import Source
from camreel.runtime.registry import load_entry

HTTP_SCHEMES = ("http", "https")
"""Schemes of MJPEG cameras, HLS playlists and files on web servers."""
STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "tcp", "udp", "rtp")
"""Schemes of network cameras, streaming servers, and MPEG-TS or RTP that is sent here or fetched."""
SILENCE_SECONDS = 10.0
"""Default time without data after which a server or a connection is given up."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SECRET = re.compile(r"([?&;][^=&;]*(?:key|token|secret|sig|pas|pwd|auth|credential)[^=&;]*=)[^&;#]*", re.IGNORECASE)
_SECRET_IN_PATH = re.compile(r"([/_](?:password|passwd|pass|pwd)=).*?(?=_[a-z]+=|[/?&#]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed input."""

    name: str
    """Text of the user, without credentials."""
    target: str
    """URL, device or filter graph to open, with credentials. Equal for two texts that name the same source."""
    format: str | None = None
    """FFmpeg's demuxer; None: detected from the content."""
    kind: str = ""
    """Key in `SOURCES` (set by `parse_address`)."""


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How a source is opened."""

    start: float | None = None
    """Seconds from the source's zero; frames before it are dropped."""
    end: float | None = None
    """Seconds from the source's zero; frames from it on are dropped."""
    audio: bool = True
    """Audio packets of files are carried on the frames."""
    silence: float = SILENCE_SECONDS
    """Seconds without a frame after which a live source is dead; three times as long for HLS, which sends segments."""
    clock: Callable[[], float] = time.monotonic
    """Return monotonic seconds; live sources stamp the arrival of each frame with it."""


@dataclass(frozen=True, slots=True)
class SourceType:
    """A kind of source."""

    parser: str
    """Import path of a function (text) -> `Address`, or None if the text names no source of this kind."""
    opener: str
    """Import path of a function (`Address`, `OpenOptions`) -> `Source`.

    In live runs a `LiveSource` is connected again when its connection is lost; any other source is read once.
    The function raises `Unreachable` if a later attempt may succeed, and other `InputError`s if none will.
    """
    forms: tuple[str, ...]
    """Texts that name such a source, as examples in messages."""
    is_path: bool = False
    """The text is a path: folders and wildcards stand for several sources."""
    paced: bool = False
    """Live runs play the frames at their own pace, even if files are read as fast as possible."""

    def parse(self, text: str) -> Address | None:
        """Return the address if a text names a source of this kind, else None."""
        address: Address | None = load_entry(self.parser)(text)
        return address

    def open(self, address: Address, options: OpenOptions) -> Source:
        """Open an address of this kind.

        Raises:
            Unreachable: a later attempt may succeed.
            InputError: there is nothing to read, or it is not a video.
        """
        source: Source = load_entry(self.opener)(address, options)
        return source


def scheme_of(text: str) -> str | None:
    """Return the scheme of a URL in lower case, without "://"; None if the text is not a URL."""
    match = _SCHEME.match(text)
    return match[1].lower() if match else None


def without_credentials(uri: str) -> str:
    """Return a URI without user, password and the values of parameters that look like keys.

    Example:
        >>> without_credentials("rtsp://admin:hunter2@camera/stream?token=abc")
        'rtsp://camera/stream?token=***'
    """
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return uri
    rest = uri[scheme.end() :]
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if host.find("@") > 0:
        rest = rest[host.rindex("@") + 1 :]
    elif re.search(r"^[^\[:]*:(?!\d*$)", host) and "@" in rest:  # a password that contains a slash
        rest = rest[rest.rindex("@") + 1 :]
    return scheme[0] + _SECRET_IN_PATH.sub(r"\1***", _SECRET.sub(r"\1***", rest))
