"""From the inputs that a user names (folders, wildcards, lists) to single sources."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from camreel.errors import InputError
from camreel.sources import SOURCES, parse_address

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2t", ".m2ts", ".m2v",
    ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf",
    ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
})
# fmt: on
"""Endings of the files that folders and wildcards stand for, in lower case."""
WILDCARDS = frozenset("*?[")


def expand(inputs: Sequence[str]) -> list[str]:
    """Resolve folders, wildcards and lists into single inputs, in order and each only once.

    A folder stands for the videos in it, a pattern with wildcards (`more/*.mkv`; `**` matches subfolders) for the
    matching videos, `@list.txt` for the lines of a file (paths relative to the file; `#` starts a comment). Hidden
    files and camreel's own outputs (`*.camreel.*`, `*.partial.*`) are left out unless they are named. URLs, webcams,
    test patterns and `-` stay as they are.

    Raises:
        InputError: an input does not exist, stands for no video, or is a kind of address that cannot be read.

    Example:
        >>> expand(["clips", "rtsp://camera/stream", "clips/a.mp4"])
        ['clips/a.mp4', 'clips/b.mp4', 'rtsp://camera/stream']
    """
    found: dict[tuple[str, str], str] = {}
    for text in inputs:
        is_list = text.startswith("@") and not os.path.exists(text)
        for uri in _read_list(text[1:]) if is_list else _resolve(text):
            found.setdefault(_identity(uri), uri)
    return list(found.values())


def _identity(text: str) -> tuple[str, str]:
    """Return a key that is equal for two inputs that name the same source."""
    address = parse_address(text)
    return address.kind, os.path.abspath(text) if SOURCES[address.kind].is_path else address.target


def _is_path(text: str) -> bool:
    return SOURCES[parse_address(text).kind].is_path


def _resolve(text: str) -> list[str]:
    if not _is_path(text) or os.path.isfile(text):
        return [text]
    if os.path.isdir(text):
        inside = _videos(os.path.join(text, name) for name in os.listdir(text))
        return _not_empty(text, inside, "there is no video in this directory")
    if os.path.exists(text):
        return [text]
    if not WILDCARDS.intersection(text):
        raise InputError(f"{text}: no such file or directory", todo="check the path; quote names that hold spaces")
    matches = glob.glob(text, recursive=True)
    # A pattern that spells out its suffix means all files with it; any other pattern means videos.
    suffix = Path(text).suffix
    spelled_out = bool(suffix) and not WILDCARDS.intersection(suffix)
    return _not_empty(text, _videos(matches, any_suffix=spelled_out), "nothing matches this pattern")


def _read_list(path: str) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not a text file"
        raise InputError(f"@{path}: the list cannot be read", why) from None
    entries = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    folder = os.path.dirname(path)
    paths = [os.path.join(folder, entry) if _is_path(entry) else entry for entry in entries]
    return _not_empty(f"@{path}", [uri for entry in paths for uri in _resolve(entry)], "the list is empty")


def _videos(paths: Iterable[str], any_suffix: bool = False) -> list[str]:
    return sorted(path for path in paths if _is_wanted(Path(path), any_suffix) and os.path.isfile(path))


def _is_wanted(path: Path, any_suffix: bool) -> bool:
    own_output = {".camreel", ".partial"}.intersection(path.suffixes[:-1])
    hidden = path.name.startswith(".")
    return not hidden and not own_output and (any_suffix or path.suffix.lower() in VIDEO_SUFFIXES)


def _not_empty(text: str, found: list[str], why_none: str) -> list[str]:
    if not found:
        raise InputError(f"{text}: no input", why_none, "check the path; put patterns in quotes")
    return found
