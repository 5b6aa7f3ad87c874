"""Sources: from the text with which a user names an input to `VideoInfo` and frames.

Each kind of source is one line in `SOURCES`, which names two functions: one recognizes the text (parser), one opens the
address (opener). Built-in kinds live in `file` (files, standard input, test patterns) and `remote` (servers, webcams).
`inputs` expands folders, wildcards and lists; `reconnect` keeps a live source connected; `browser` turns the pictures
of a web page's visitor into a source.

A new kind is one file here and one line in `SOURCES`; `camreel.interfaces.Source` is the contract of the object that
the opener returns.
"""

from __future__ import annotations

from dataclasses import replace

# OpenCV before PyAV, for all modules of this package: in the other order the windows of OpenCV hang for ever.
import cv2  # noqa: F401  # isort: skip
import av  # noqa: F401  # isort: skip

from camreel.errors import InputError
from camreel.interfaces import Source
from camreel.sources.address import (
    HTTP_SCHEMES,
    STREAM_SCHEMES,
    Address,
    OpenOptions,
    SourceType,
    scheme_of,
    without_credentials,
)

_FILE, _REMOTE = "camreel.sources.file", "camreel.sources.remote"
_HTTP_FORMS, _STREAM_FORMS = (tuple(f"{scheme}://" for scheme in each) for each in (HTTP_SCHEMES, STREAM_SCHEMES))

SOURCES: dict[str, SourceType] = {
    "webcam": SourceType(f"{_REMOTE}:parse_webcam", f"{_REMOTE}:open_webcam", ("0", "webcam:1", "/dev/video2")),
    "stream": SourceType(f"{_REMOTE}:parse_stream", f"{_REMOTE}:open_stream", _STREAM_FORMS),
    "http": SourceType(f"{_REMOTE}:parse_http", f"{_REMOTE}:open_http", _HTTP_FORMS),
    "pattern": SourceType(f"{_FILE}:parse_pattern", f"{_FILE}:open_pattern", ("test:", "lavfi:GRAPH"), paced=True),
    "pipe": SourceType(f"{_FILE}:parse_pipe", f"{_FILE}:open_pipe", ("-",)),
    "file": SourceType(f"{_FILE}:parse_file", f"{_FILE}:open_file", ("FILE",), is_path=True),
}
"""Name -> kind of source, in the order in which a text is offered to them; kinds that take any path come last."""


def parse_address(text: str) -> Address:
    """Return the address that a text names.

    Raises:
        InputError: no kind of source reads this text.

    Example:
        >>> parse_address("test:size=1280x720").target
        'testsrc2=size=1280x720:rate=30'
    """
    for name, kind in sorted(SOURCES.items(), key=lambda item: item[1].is_path):
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
