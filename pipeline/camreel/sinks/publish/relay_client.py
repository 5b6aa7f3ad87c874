"""The client of a relay process: passes encoded pictures on without ever waiting."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from camreel.sinks.publish import relay_process
from camreel.sinks.publish.relay_process import PACKET

State = Literal["starting", "ready", "connected", "gone"]

CLOSING_SECONDS = 2.0
"""Longest time that an orderly end of the process may take."""


class RelayClient:
    """One connection: a process that is fed with packets.

    Args:
        url: address of the receiver.
        format: FFmpeg's name of the stream format.
        options: options of the format.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, url: str, format: str, options: dict[str, str]) -> None:
        self.state: State = "starting"
        self.reason = ""
        """Reason why the connection is gone, for people."""
        self.connected = False
        """The connection was established at some time."""
        self.sent = 0
        """Number of pictures that were passed on."""
        # The target goes through the pipe, because arguments are visible in the list of processes. A session of its
        # own: Ctrl-C must not end the process before its input ends.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(relay_process.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._pending = json.dumps({"url": url, "format": format, "options": options}).encode() + b"\n"
        """Bytes that the pipe has not taken yet."""
        self._received = b""

    @property
    def ready(self) -> bool:
        """Whether a picture can be sent now.

        One picture is needed for connecting; later ones wait until the picture before is on its way.
        """
        return not self._pending and (self.state == "connected" or (self.state == "ready" and not self.sent))

    def send(self, packets: list[Any]) -> None:
        """Pass on the packets of one picture."""
        for packet in packets:
            data = bytes(packet)
            self._pending += PACKET.pack(packet.pts, packet.dts, packet.is_keyframe, len(data)) + data
        self.sent += 1
        self.pump()

    def pump(self) -> None:
        """Write as many bytes as the pipe takes, and read the reports of the process."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._pending:
                self._pending = self._pending[os.write(self._in, self._pending) :]
        with contextlib.suppress(BlockingIOError):
            while self.state != "gone":
                self._receive(os.read(self._out, 4096))

    def _receive(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            word, _, reason = line.decode(errors="replace").partition(" ")
            self.reason = reason or self.reason
            if word in ("ready", "connected"):
                self.state = "ready" if word == "ready" else "connected"
                self.connected = word == "connected"
        if not data:
            self.state, self.reason = "gone", self.reason or "the connection ended"

    def close(self) -> None:
        """End the stream and the process in order, but after `CLOSING_SECONDS` in any case."""
        self.pump()
        self._end(CLOSING_SECONDS if self.state == "connected" and not self._pending else 0.0)

    def kill(self) -> None:
        """End the process at once."""
        self._end(0.0)

    def _end(self, seconds: float) -> None:
        process, self.state = self._process, "gone"
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
