"""Where a live stream is pushed to."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from camreel.errors import ConfigError

FORMATS = {"rtsp": "rtsp", "rtmp": "flv", "udp": "mpegts", "tcp": "mpegts"}
"""By scheme, FFmpeg's name of what is sent."""
_OPTIONS = {
    "rtsp": {"rtsp_transport": "tcp"},
    "flv": {"flvflags": "no_duration_filesize"},
    "mpegts": {"flush_packets": "1"},
}


@dataclass(frozen=True, slots=True)
class Address:
    """An address that can be pushed to."""

    url: str = field(repr=False)
    """As it was given, with what must not be shown."""
    name: str
    """For people: without user, password, parameters and stream key."""
    format: str

    @property
    def options(self) -> dict[str, str]:
        """Of the format."""
        return _OPTIONS[self.format]


def parse(url: str) -> Address:
    """Reads an address.

    Raises:
        ConfigError: nothing can be pushed to it.
    """
    known = "use rtsp://HOST/NAME, rtmp://HOST/APP/KEY, udp://HOST:PORT or tcp://HOST:PORT"
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        raise ConfigError("cannot push to this address", "it cannot be read", known) from None
    if scheme not in FORMATS:
        raise ConfigError(f"cannot push to {scheme or 'a file'}", "a live stream goes to rtsp, rtmp, udp or tcp", known)
    path = parts.path
    if scheme == "rtmp":
        # What follows the application is the key of the stream.
        path = "/".join(path.split("/")[:2])
    name = f"{scheme}://{f'[{host}]' if host and ':' in host else host or ''}{f':{port}' if port else ''}{path}"
    if not host or (scheme in ("udp", "tcp") and not port):
        raise ConfigError(f"cannot push to {name}", "it names no host" if not host else "it names no port", known)
    if scheme == "udp" and "pkt_size" not in parts.query:
        # Whole transport packets in each datagram, so that a lost one damages no other.
        url += ("&" if parts.query else "?") + "pkt_size=1316"
    return Address(url, name, FORMATS[scheme])
