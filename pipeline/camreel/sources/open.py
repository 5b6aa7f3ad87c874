"""From an address to the source that reads it."""

from __future__ import annotations

import time
from collections.abc import Callable

from camreel.interfaces import Source
from camreel.sources.address import Address, parse
from camreel.sources.camera import Connection, LiveSource
from camreel.sources.container import TIMEOUT, is_endless, longest_silence, open_container
from camreel.sources.file import FileSource


def open_source(uri: str, *, start: float | None = None, end: float | None = None, audio: bool = True) -> Source:
    """Opens a video, or one connection to a live source.

    Args:
        uri: what `parse` knows.
        start: Seconds from the source's zero to begin at; None: from its first frame.
        end: Seconds to stop before; None: to its last frame.
        audio: Whether the audio packets of files ride along on the frames.

    Returns:
        A source to iterate once and to close, or to use in `with`.

    Raises:
        InputError: there is nothing to read, or it is no video.
    """
    return open_address(parse(uri), start=start, end=end, audio=audio)


def open_address(
    address: Address,
    *,
    start: float | None = None,
    end: float | None = None,
    audio: bool = True,
    silence: float = TIMEOUT,
    clock: Callable[[], float] = time.monotonic,
) -> FileSource | LiveSource:
    """Opens what an address names: as a file where it has an end or waits for its reader, else as it happens.

    Args:
        address: of any kind.
        start: seconds; see `open_source`.
        end: seconds; see `open_source`.
        audio: see `open_source`.
        silence: seconds without a frame after which a live source is dead (HLS: see `longest_silence`).
        clock: monotonic seconds, for a live source.

    Raises:
        Unreachable: it does not answer now.
        InputError: there is nothing to read, or it is no video.
    """
    if address.remote:
        container = open_container(address, live=True, silence=silence)
        if address.kind != "http" or is_endless(container):
            connection = Connection(address, container, silence=longest_silence(address, silence), clock=clock)
            return LiveSource(connection, start=start, end=end)
        container.close()
    return FileSource(address, start=start, end=end, audio=audio)
