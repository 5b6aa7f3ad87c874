"""From a uri to an open demuxer, or to an error that a person can act on."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import av
from av import FFmpegError
from av.container import InputContainer

from pipeline.errors import InputError

TIMEOUT = 10.0
"""Seconds that a server may stay silent."""
STDIN = "-"
SECRET = re.compile(r"([?&;][^=&;]*(?:key|token|secret|sig|pass|pwd|auth|credential)[^=&;]*=)[^&;#]*", re.IGNORECASE)


def is_url(uri: str) -> bool:
    """Whether a uri names a server rather than a file."""
    return re.match(r"[a-z][a-z0-9+.-]+://", uri, re.IGNORECASE) is not None


def without_credentials(uri: str) -> str:
    """The uri without user, password and the values of parameters that look like keys."""
    if not is_url(uri):
        return uri
    parts = urlsplit(uri)
    return SECRET.sub(r"\1***", urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))


def can_seek(uri: str) -> bool:
    """Whether going back in the source is worth a try: not in pipes."""
    return is_url(uri) or (uri != STDIN and stat.S_ISREG(Path(uri).stat().st_mode))


def open_container(uri: str) -> InputContainer:
    """Opens a file, an http(s) address, or `-` for standard input.

    Raises:
        InputError: there is nothing, or nothing that could be a video.
    """
    name = without_credentials(uri)
    try:
        if is_url(uri):
            container = _open_url(uri, name)
        elif uri == STDIN:
            container = av.open("pipe:0", metadata_errors="ignore")
        else:
            _check_file(uri)
            # Without "file:" a name with a colon would be taken for a protocol.
            container = av.open(f"file:{uri}", metadata_errors="ignore")
    except FFmpegError as error:
        raise _explain(error, uri, name) from None
    if container.format.name == "tty":  # FFmpeg would play any .txt as ANSI art
        container.close()
        raise InputError(f"{name}: not a video", "it is a text file", "name a video, or @FILE to read a list of inputs from it")
    return container


def _open_url(uri: str, name: str) -> InputContainer:
    if urlsplit(uri).scheme.lower() not in ("http", "https"):
        raise InputError(f"{name}: cannot read from this kind of address", "only http:// and https:// are known")
    return av.open(uri, metadata_errors="ignore", timeout=TIMEOUT)


def _check_file(uri: str) -> None:
    path = Path(uri)
    if path.is_dir():
        raise InputError(f"{uri}: is a directory", todo="name a video in it")
    if not path.exists():
        raise InputError(f"{uri}: no such file", todo="check the path; quote names that hold spaces")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{uri}: the file is empty", "the recording or the copy did not finish", "copy or record it again")


def _explain(error: FFmpegError, uri: str, name: str) -> InputError:
    if isinstance(error, PermissionError):
        return InputError(f"{name}: no permission to read it", todo="change its permissions or run as its owner")
    if isinstance(error, av.error.ExitError):
        return InputError(f"{name}: the server did not answer for {TIMEOUT:.0f} s", todo="check the address and the network")
    if isinstance(error, av.error.InvalidDataError):
        return _explain_invalid(uri, name)
    return InputError(f"{name}: cannot be opened", (error.strerror or type(error).__name__).lower())


def _explain_invalid(uri: str, name: str) -> InputError:
    if not is_url(uri) and uri != STDIN and Path(uri).is_file():
        with open(uri, "rb") as file:
            if file.read(8)[4:] == b"ftyp":
                why = "the recording was cut off before its index (moov) was written, or the file is damaged"
                return InputError(f"{name}: the video has no readable index", why, "copy it again, or repair it with untrunc")
    return InputError(f"{name}: not a video", "no known format, or damaged at its very beginning", "check that it plays elsewhere")
