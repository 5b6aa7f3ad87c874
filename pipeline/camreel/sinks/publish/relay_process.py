"""A program of its own that sends encoded pictures on: FFmpeg keeps a whole process waiting while it connects.

Standard input: a line of JSON that says where to, then packets (`PACKET` and so many bytes). Standard output: `ready`, `connected`,
`failed WHY`, a line each. It ends with its input.
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
"""Presentation and decoding time in `TIME_BASE`, whether it is a key frame, bytes that follow."""
TIME_BASE = Fraction(1, 90_000)
PATIENCE = 30
"""Seconds that the network may take; whoever started this program has less, and may be gone."""


def main() -> None:
    """Reads where to, and sends all that comes."""
    source = sys.stdin.buffer
    target = json.loads(source.readline())
    import av

    try:
        container = av.open(target["url"], "w", format=target["format"], container_options=target["options"])
        say("ready")
        forward(source, container)
        watch(True)
        container.close()
    except (av.FFmpegError, OSError, ValueError) as error:
        fail(str(getattr(error, "strerror", None) or type(error).__name__))


def forward(source: BinaryIO, container: Any) -> None:
    """Sends packets until there are no more. The first one connects."""
    from av.packet import Packet

    stream = None
    while len(head := source.read(PACKET.size)) == PACKET.size:
        pts, dts, key, size = PACKET.unpack(head)
        data = source.read(size)
        first, stream = stream is None, stream or add_stream(container, data)
        packet = Packet(data)
        packet.stream, packet.time_base, packet.pts, packet.dts, packet.is_keyframe = (
            stream,
            TIME_BASE,
            pts,
            dts,
            bool(key),
        )
        watch(True)
        container.mux(packet)
        watch(False)
        if first:
            say("connected")


def add_stream(container: Any, picture: bytes) -> Any:
    """A stream with the parameters that the first picture carries: some formats tell them before all pictures."""
    import av

    with av.open(io.BytesIO(picture), format="h264") as raw:
        return container.add_stream_from_template(raw.streams.video[0])


def watch(on: bool) -> None:
    """Ends the program if the network takes longer than it may, which nothing else would: no signal handler runs meanwhile."""
    if hasattr(signal, "alarm"):
        signal.alarm(PATIENCE if on else 0)


def say(line: str) -> None:
    """One line to whoever started this program, who may be gone."""
    with suppress(OSError):
        os.write(1, f"{line}\n".encode())


def fail(why: str) -> NoReturn:
    """Ends at once: an orderly end would wait for the network."""
    say(f"failed {why}")
    os._exit(1)


if __name__ == "__main__":
    main()
