"""Sources: from the text with which a user names an input to `VideoInfo` and frames.

Each kind of source is one line in `SOURCES` and two functions: one that recognizes its text (`parse`) and one that
opens it (`open`). Built-in kinds live in `file` (files, standard input, test patterns) and `remote` (servers,
webcams). `inputs` expands folders, wildcards and lists; `reconnect` keeps a live source connected; `browser` turns
the pictures of a web page's visitor into a source.

To add a kind, write one file with the two functions, and add one line at the end of `SOURCES`;
`camreel.interfaces.Source` is the contract of the object that `open` returns.
"""

from __future__ import annotations

from dataclasses import replace

import cv2  # noqa: F401 - before PyAV is imported: in the other order the windows of OpenCV hang for ever

from camreel.errors import InputError
from camreel.interfaces import Source
from camreel.sources.address import Address, OpenOptions, SourceType, scheme_of, without_credentials
from camreel.sources.file import open_file, open_pattern, open_pipe, parse_file, parse_pattern, parse_pipe
from camreel.sources.remote import (
    HTTP_SCHEMES,
    STREAM_SCHEMES,
    open_http,
    open_stream,
    open_webcam,
    parse_http,
    parse_stream,
    parse_webcam,
)

__all__ = ["SOURCES", "open_source", "parse_address"]

SOURCES: dict[str, SourceType] = {
    "file": SourceType(("FILE",), parse_file, open_file, is_path=True),
    "pipe": SourceType(("-",), parse_pipe, open_pipe),
    "pattern": SourceType(("test:", "lavfi:GRAPH"), parse_pattern, open_pattern, paced=True),
    "http": SourceType(tuple(f"{scheme}://" for scheme in HTTP_SCHEMES), parse_http, open_http),
    "stream": SourceType(tuple(f"{scheme}://" for scheme in STREAM_SCHEMES), parse_stream, open_stream),
    "webcam": SourceType(("0", "webcam:1", "/dev/video2"), parse_webcam, open_webcam),
}
"""Name -> kind of source. A text is offered to the last kind first; `file`, the first one, takes all but URLs."""


def parse_address(text: str) -> Address:
    """Return the address that a text names.

    Raises:
        InputError: no kind of source reads this text.

    Example:
        >>> parse_address("test:size=1280x720").target
        'testsrc2=size=1280x720:rate=30'
    """
    for name, kind in reversed(SOURCES.items()):
        address = kind.parse(text)
        if address is not None:
            return replace(address, kind=name)
    forms = ", ".join(form for kind in SOURCES.values() for form in kind.forms)
    todo = "download it, or ask for another address"
    if scheme_of(text) == "srt":
        todo = "let the sender use MPEG-TS over udp or tcp, or RTSP"
    raise InputError(f"{without_credentials(text)}: cannot read from this kind of address", f"known are {forms}", todo)


def open_source(uri: str, *, start: float | None = None, end: float | None = None, audio: bool = True) -> Source:
    """Open a video, or one connection to a live source.

    Args:
        uri: text that one of `SOURCES` recognizes.
        start: seconds from the source's zero; frames before it are dropped. None: begin with the first frame.
        end: seconds from the source's zero; frames from it on are dropped. None: read to the last frame.
        audio: carry the audio packets of files on the frames.

    Returns:
        A source to iterate once and to close, or to use in `with`.

    Raises:
        InputError: there is nothing to read, or it is not a video.

    Example:
        >>> with open_source("clip.mp4", start=2.0) as source:
        ...     for frame in source:
        ...         print(frame.index, frame.time, frame.picture.y.mean())
    """
    address = parse_address(uri)
    return SOURCES[address.kind].open(address, OpenOptions(start, end, audio))
