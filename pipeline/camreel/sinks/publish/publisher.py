"""This process' end of a `relay`: never waits for it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from camreel.sinks.publish.address import Address
from camreel.sinks.publish.relay_process import PACKET

State = Literal["starting", "ready", "connected", "gone"]

FAREWELL = 2.0
"""Seconds for an orderly end."""


class Courier:
    """One connection: a process that is fed packets.

    Args:
        address: where to.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, address: Address) -> None:
        self.state: State = "starting"
        self.reason = ""
        """Why it is gone, for people."""
        self.connected = False
        """Whether it ever was."""
        self.sent = 0
        """Pictures."""
        # Neither seen in the list of processes nor ended by Ctrl-C before its time.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("relay_process.py"))],
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
        target = {"url": address.url, "format": address.format, "options": address.options}
        self._pending = json.dumps(target).encode() + b"\n"
        self._said = b""

    @property
    def takes(self) -> bool:
        """Whether it can take a picture now: one for connecting, and from then on whenever the one before is on its way."""
        return not self._pending and (self.state == "connected" or (self.state == "ready" and not self.sent))

    def send(self, packets: list[Any]) -> None:
        """Hands over the packets of one picture."""
        for packet in packets:
            data = bytes(packet)
            self._pending += PACKET.pack(packet.pts, packet.dts, packet.is_keyframe, len(data)) + data
        self.sent += 1
        self.pump()

    def pump(self) -> None:
        """Writes what the pipe takes, and hears what the process says."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._pending:
                self._pending = self._pending[os.write(self._in, self._pending) :]
        with contextlib.suppress(BlockingIOError):
            while self.state != "gone":
                self._hear(os.read(self._out, 4096))

    def _hear(self, data: bytes) -> None:
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            word, _, why = line.decode(errors="replace").partition(" ")
            self.reason = why or self.reason
            if word in ("ready", "connected"):
                self.state = "ready" if word == "ready" else "connected"
                self.connected = word == "connected"
        if not data:
            self.state, self.reason = "gone", self.reason or "the connection ended"

    def close(self) -> None:
        """Ends it in order, or after `FAREWELL` seconds in any case."""
        self.pump()
        self._leave(FAREWELL if self.state == "connected" and not self._pending else 0.0)

    def kill(self) -> None:
        """Ends it at once."""
        self._leave(0.0)

    def _leave(self, patience: float) -> None:
        process, self.state = self._process, "gone"
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
