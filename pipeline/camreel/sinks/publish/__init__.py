"""What is on screen, pushed to a server or a player as a live stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

# OpenCV (through the overlay) before PyAV: the other way round its windows hang.
from camreel.overlay.layer import copy  # isort: skip
import av

from camreel.sinks.publish.address import parse
from camreel.sinks.publish.publisher import Courier
from camreel.sinks.video.clock import Elapsed
from camreel.sinks.video.encoder import choose, encoder_options
from camreel.sinks.video.encoding import Coding, Encoding, color_tags
from camreel.structures import DisplayFrame

GOP = 1.0
"""Seconds between key frames, and so what a viewer waits for."""
PATIENCE = 10.0
"""Seconds that a receiver may take to connect, or to take a picture."""
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before the next try, by the number of tries in a row that failed."""
STEADY = 10.0
"""Seconds that a connection must have held for the next wait to be the first again."""


class Push:
    """Pushes screens as H.264. It never waits, and a receiver that is not there is tried again for as long as it runs.

    Args:
        url: `rtsp://` (over TCP), `rtmp://`, `udp://` or `tcp://` (MPEG transport stream).
        rate: pictures per second, as a hint for the encoder.
        crf: quality, 0 to 51, lower is better.
        preset: speed of the encoder, by x264's names.
        clock: seconds, increasing.

    Raises:
        ConfigError: nothing can be pushed to this address, or unknown preset.
    """

    def __init__(
        self,
        url: str,
        *,
        rate: Fraction = Fraction(30),
        crf: int = 23,
        preset: str = "veryfast",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        address = parse(url)
        self.notes: list[str] = []
        """What was done otherwise than asked for, as sentences for the user."""
        self.name = address.name
        """The address without what must not be shown."""
        self.reason = ""
        """Why the last connection failed or ended."""
        self.missed = self.lost = 0
        """Pictures that were not sent; connections that ended by themselves."""
        self._address, self._now = address, clock
        encoder, _ = choose("auto", ".mp4")
        self._coding = Coding(encoder, encoder_options(encoder, crf, preset, live=True), rate, GOP, timed=True)
        self._courier: Courier | None = None
        self._kind: tuple[object, ...] = ()
        self._sent = self._failures = 0
        self._next = self._since = self._began = clock()

    @property
    def state(self) -> Literal["waiting", "connecting", "sending"]:
        """Waiting for the next try, connecting, or sending."""
        if self._courier is None:
            return "waiting"
        return "sending" if self._courier.state == "connected" else "connecting"

    @property
    def sent(self) -> int:
        """Pictures that were sent."""
        return self._sent + (self._courier.sent if self._courier and self._courier.connected else 0)

    def _describe(self) -> list[str]:
        why = f" ({self.reason})" if self.reason else ""
        if not self.sent and self.missed:
            return [f"nothing was pushed to {self.name}{why}"]
        if self.lost:
            times = "once" if self.lost == 1 else f"{self.lost} times"
            return [f"pushing to {self.name} broke off {times}{why}, and {self.missed} pictures were not sent"]
        return []

    def show(self, screen: DisplayFrame) -> None:
        """Sends the picture at the time when its frame was captured, or leaves it out: no receiver makes it wait or fail."""
        self._send(screen)
        self.notes[:] = self._describe()

    def _send(self, screen: DisplayFrame) -> None:
        now, picture = self._now(), screen.picture
        kind = (picture.width, picture.height, picture.matrix, picture.full_range)
        if self._courier and kind != self._kind:
            self.close()
        try:
            if self._courier is None and now >= self._next:
                self._connect(screen, now)
                self._kind = kind
            courier = self._courier
            if courier is None or not self._is_ready(courier, now):
                self.missed += 1
                return
            copy(picture, self._encoding.canvas(picture))
            courier.send(self._encoding.encode(screen.frame))
        except (av.FFmpegError, OSError, ValueError) as error:
            self._lose(str(getattr(error, "strerror", None) or error), now)
            self.missed += 1

    def _connect(self, screen: DisplayFrame, now: float) -> None:
        size = screen.picture.width, screen.picture.height
        context = av.CodecContext.create(self._coding.encoder, "w")
        self._encoding = Encoding(context, size, self._coding, Elapsed(), color_tags(screen.picture))
        self._courier = Courier(self._address)
        self._since = self._began = now

    def _is_ready(self, courier: Courier, now: float) -> bool:
        """Whether the connection takes a picture; ends one that is gone or takes none for too long."""
        courier.pump()
        if courier.state == "gone":
            self._lose(courier.reason, now)
        elif courier.takes:
            self._since = now
            return True
        elif now - self._since > PATIENCE:
            self._lose(
                f"it took nothing for {PATIENCE:.0f} s" if courier.state == "connected" else "it does not answer", now
            )
        return False

    def _lose(self, reason: str, now: float) -> None:
        self.reason = reason
        if courier := self._courier:
            self.lost += courier.connected
            if courier.connected and now - self._began > STEADY:
                self._failures = 0
            self._drop(courier)
            courier.kill()
        self._next = now + WAITS[min(self._failures, len(WAITS) - 1)]
        self._failures += 1

    def _drop(self, courier: Courier) -> None:
        if courier.connected:
            self._sent += courier.sent
        else:
            self.missed += courier.sent
        self._courier = None

    def close(self) -> None:
        """Ends the stream. A picture that comes later begins another."""
        if courier := self._courier:
            courier.close()
            self._drop(courier)
        self.notes[:] = self._describe()

    def abandon(self) -> None:
        """The same: there is nothing to keep."""
        self.close()
