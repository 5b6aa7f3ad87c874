"""A separate program that sends encoded pictures over the network: FFmpeg blocks the whole process while it connects.

Standard input: one line of JSON with the target, then packets (`PACKET` and as many bytes as it says). Standard output:
`ready`, `connected` or `failed REASON`, one line each. The program ends with its input. It is started by path, so it
imports nothing of camreel.
"""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import sys
from contextlib import suppress
from fractions import Fraction
from typing import Any, BinaryIO, NoReturn

PACKET = struct.Struct(">qqiI")
"""Head of a packet: presentation and decoding time in `TIME_BASE`, key frame or not, number of bytes that follow."""
TIME_BASE = Fraction(1, 90_000)
NETWORK_SECONDS = 30
"""Longest time that the network may take. The client gives up earlier, but may be gone."""


def main() -> None:
    """Read the target from standard input, and send all packets that follow."""
    source = sys.stdin.buffer
    target = json.loads(source.readline())
    import av

    try:
        container = av.open(target["url"], "w", format=target["format"], container_options=target["options"])
        report("ready")
        forward(source, container)
        set_alarm(True)
        container.close()
    except (av.FFmpegError, OSError, ValueError) as error:
        fail(str(getattr(error, "strerror", None) or type(error).__name__))


def forward(source: BinaryIO, container: Any) -> None:
    """Send packets until the input ends. The first packet connects."""
    from av.packet import Packet

    stream = None
    while len(head := source.read(PACKET.size)) == PACKET.size:
        pts, dts, key, size = PACKET.unpack(head)
        data = source.read(size)
        first, stream = stream is None, stream or add_stream(container, data)
        packet = Packet(data)
        packet.stream, packet.time_base = stream, TIME_BASE
        packet.pts, packet.dts, packet.is_keyframe = pts, dts, bool(key)
        set_alarm(True)
        container.mux(packet)
        set_alarm(False)
        if first:
            report("connected")


def add_stream(container: Any, picture: bytes) -> Any:
    """Add a stream with the parameters in the first encoded picture: some formats send them before all pictures."""
    import av

    with av.open(io.BytesIO(picture), format="h264") as raw:
        return container.add_stream_from_template(raw.streams.video[0])


def set_alarm(on: bool) -> None:
    """Start or stop the alarm that ends the program if the network takes too long.

    A signal without a handler is the only way: Python does not run its own handlers while FFmpeg waits.
    """
    if hasattr(signal, "alarm"):
        signal.alarm(NETWORK_SECONDS if on else 0)


def report(line: str) -> None:
    """Send one line to the client, which may be gone."""
    with suppress(OSError):
        os.write(1, f"{line}\n".encode())


def fail(reason: str) -> NoReturn:
    """Report the reason and end at once: an orderly end would wait for the network."""
    report(f"failed {reason}")
    os._exit(1)


if __name__ == "__main__":
    main()
