"""The publisher: live pictures as an H.264 stream to a server or player, connected again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal
from urllib.parse import urlsplit

# OpenCV (through the overlay) before PyAV: the other way round its windows hang.
from camreel.overlay.layer import copy_picture  # isort: skip
import av

from camreel.errors import ConfigError
from camreel.sinks.options import VideoOptions
from camreel.sinks.publish.relay_client import RelayClient
from camreel.sinks.video.clock import LiveClock
from camreel.sinks.video.encoder import EncoderSettings, PictureEncoder, choose_encoder, color_tags, encoder_options
from camreel.structures import DisplayFrame

KEY_FRAME_SECONDS = 1.0
"""Time between key frames, which is also the longest time that a viewer waits for the first picture."""
RECEIVER_SECONDS = 10.0
"""Longest time that a receiver may take to connect, or to take a picture."""
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Waiting time before the next attempt, by the number of failed attempts in a row."""
STABLE_SECONDS = 10.0
"""Duration of a connection after which the next waiting time is the first one again."""

FORMATS = {"rtsp": "rtsp", "rtmp": "flv", "udp": "mpegts", "tcp": "mpegts"}
"""Scheme of the address -> FFmpeg's name of the stream format."""
FORMAT_OPTIONS = {
    "rtsp": {"rtsp_transport": "tcp"},
    "flv": {"flvflags": "no_duration_filesize"},
    "mpegts": {"flush_packets": "1"},
}
"""Stream format -> options of its muxer."""


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """An address that streams can be published to."""

    url: str = field(repr=False)
    """The address as it was given, with credentials."""
    name: str
    """The address for people: without user, password, parameters and stream key."""
    format: str
    """FFmpeg's name of the stream format."""


def parse_address(url: str) -> StreamAddress:
    """Parse an address.

    Raises:
        ConfigError: nothing can be published to this address.

    Example:
        >>> parse_address("rtmp://user:password@live.example/app/key").name
        'rtmp://live.example/app'
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
        # The part after the application is the secret key of the stream.
        path = "/".join(path.split("/")[:2])
    name = f"{scheme}://{f'[{host}]' if host and ':' in host else host or ''}{f':{port}' if port else ''}{path}"
    if not host or (scheme in ("udp", "tcp") and not port):
        raise ConfigError(f"cannot push to {name}", "it names no host" if not host else "it names no port", known)
    if scheme == "udp" and "pkt_size" not in parts.query:
        # Whole transport packets in each datagram, so that a lost datagram damages no other.
        url += ("&" if parts.query else "?") + "pkt_size=1316"
    return StreamAddress(url, name, FORMATS[scheme])


class Publisher:
    """A display sink that streams pictures as H.264.

    It never waits for the receiver. A receiver that does not answer is tried again for as long as the publisher is
    used.

    Args:
        url: `rtsp://` (over TCP), `rtmp://`, `udp://` or `tcp://` (MPEG transport stream).
        options: quality and speed of the encoder; None: the defaults.
        rate: pictures per second, as a hint for the encoder.
        clock: return increasing seconds.

    Raises:
        ConfigError: nothing can be published to this address, or unknown preset.

    Example:
        >>> publisher = Publisher("rtsp://localhost:8554/live")
        >>> publisher.show(shown)
        >>> publisher.close()
    """

    def __init__(
        self,
        url: str,
        options: VideoOptions | None = None,
        *,
        rate: Fraction = Fraction(30),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options = options or VideoOptions()
        self.notes: list[str] = []
        self._address, self._now = parse_address(url), clock
        self.name = self._address.name
        """The address without credentials and stream key."""
        self.reason = ""
        """Reason why the last connection failed or ended."""
        self.missed = 0
        """Number of pictures that were not sent."""
        self.lost = 0
        """Number of connections that ended by themselves."""
        encoder, _ = choose_encoder("auto", ".mp4")
        live_options = encoder_options(encoder, options.crf, options.preset, live=True)
        self._settings = EncoderSettings(encoder, live_options, rate, KEY_FRAME_SECONDS, timed=True)
        self._relay: RelayClient | None = None
        self._format: tuple[object, ...] = ()
        self._sent = self._failures = 0
        self._next_attempt = self._last_ready = self._connected_since = clock()

    @property
    def state(self) -> Literal["waiting", "connecting", "sending"]:
        """Whether the publisher waits for the next attempt, connects, or sends."""
        if self._relay is None:
            return "waiting"
        return "sending" if self._relay.state == "connected" else "connecting"

    @property
    def sent(self) -> int:
        """Number of pictures that were sent."""
        return self._sent + (self._relay.sent if self._relay and self._relay.connected else 0)

    def show(self, shown: DisplayFrame) -> None:
        """Send the picture with the time when its frame was captured, or leave it out. Never waits, never raises."""
        now, picture = self._now(), shown.picture
        picture_format = picture.width, picture.height, picture.matrix, picture.full_range
        if self._relay and picture_format != self._format:
            self.close()
        try:
            if self._relay is None and now >= self._next_attempt:
                self._connect(shown, now)
                self._format = picture_format
            relay = self._relay
            if relay is not None and self._is_ready(relay, now):
                copy_picture(picture, self._encoder.canvas(picture))
                relay.send(self._encoder.encode(shown.frame))
            else:
                self.missed += 1
        except (av.FFmpegError, OSError, ValueError) as error:
            self._lose(str(getattr(error, "strerror", None) or error), now)
            self.missed += 1
        self._update_notes()

    def _update_notes(self) -> None:
        reason = f" ({self.reason})" if self.reason else ""
        if not self.sent and self.missed:
            self.notes[:] = [f"nothing was pushed to {self.name}{reason}"]
        elif self.lost:
            times = "once" if self.lost == 1 else f"{self.lost} times"
            self.notes[:] = [
                f"pushing to {self.name} broke off {times}{reason}, and {self.missed} pictures were not sent"
            ]
        else:
            self.notes.clear()

    def _connect(self, shown: DisplayFrame, now: float) -> None:
        size = shown.picture.width, shown.picture.height
        context = av.CodecContext.create(self._settings.encoder, "w")
        self._encoder = PictureEncoder(context, size, self._settings, LiveClock(), color_tags(shown.picture))
        self._relay = RelayClient(self._address.url, self._address.format, FORMAT_OPTIONS[self._address.format])
        self._last_ready = self._connected_since = now

    def _is_ready(self, relay: RelayClient, now: float) -> bool:
        """Return whether the connection takes a picture; end a connection that is gone or is not ready for too long."""
        relay.pump()
        if relay.state == "gone":
            self._lose(relay.reason, now)
        elif relay.ready:
            self._last_ready = now
            return True
        elif now - self._last_ready > RECEIVER_SECONDS:
            taking = f"it took nothing for {RECEIVER_SECONDS:.0f} s"
            self._lose(taking if relay.state == "connected" else "it does not answer", now)
        return False

    def _lose(self, reason: str, now: float) -> None:
        """Count a connection that failed or ended by itself, and set the time of the next attempt."""
        self.reason = reason
        if relay := self._relay:
            self.lost += relay.connected
            if relay.connected and now - self._connected_since > STABLE_SECONDS:
                self._failures = 0
            self._drop(relay)
            relay.kill()
        self._next_attempt = now + RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failures += 1

    def _drop(self, relay: RelayClient) -> None:
        if relay.connected:
            self._sent += relay.sent
        else:
            self.missed += relay.sent
        self._relay = None

    def close(self) -> None:
        """End the stream; may be called again. The next picture begins a new stream."""
        if relay := self._relay:
            relay.close()
            self._drop(relay)
            self._update_notes()

    def abandon(self) -> None:
        """End the stream after an error: there is nothing to keep."""
        self.close()
