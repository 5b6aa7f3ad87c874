"""Where frames come from: a uri in, `VideoInfo` and frames out."""

from __future__ import annotations

from pipeline.sources.contract import Source
from pipeline.sources.file import FileSource
from pipeline.sources.inputs import expand

__all__ = ["FileSource", "Source", "expand", "open_source"]


def open_source(uri: str, *, start: float | None = None, end: float | None = None, audio: bool = True) -> Source:
    """Opens a video.

    Args:
        uri: Path, http(s) address, or `-` for standard input.
        start: Seconds from the source's zero to begin at; None: from its first frame.
        end: Seconds to stop before; None: to its last frame.
        audio: Whether the audio packets ride along on the frames.

    Returns:
        A source to iterate once and to close, or to use in `with`.

    Raises:
        InputError: there is nothing to read, or it is no video.
    """
    return FileSource(uri, start=start, end=end, audio=audio)
