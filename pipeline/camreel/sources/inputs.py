"""From what a user names to a list of inputs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from camreel.errors import InputError
from camreel.sources.address import identity, is_file

# fmt: off
VIDEOS: Final = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2t", ".m2ts", ".m2v",
    ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf",
    ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
})
# fmt: on
WILD: Final = frozenset("*?[")


def expand(inputs: Sequence[str]) -> list[str]:
    """Resolves directories, patterns and lists into single inputs, in order and each only once.

    A directory stands for the videos in it, a pattern (`more/*.mkv`, `**` goes down) for what matches, `@list.txt` for the
    lines of a file (relative to it; `#` starts a comment). Hidden files and our own outputs (`*.camreel.*`, `*.partial.*`)
    are left out unless named. Addresses, webcams, patterns and `-` stay as they are.

    Raises:
        InputError: something named is not there, stands for nothing, or is of a kind that nobody here can read.
    """
    found: dict[str, str] = {}
    for text in inputs:
        for uri in _list(text[1:]) if text.startswith("@") and not os.path.exists(text) else _resolve(text):
            found.setdefault(identity(uri), uri)
    return list(found.values())


def _resolve(text: str) -> list[str]:
    if not is_file(text) or os.path.isfile(text):
        return [text]
    if os.path.isdir(text):
        return _some(
            text, _videos(os.path.join(text, name) for name in os.listdir(text)), "there is no video in this directory"
        )
    if os.path.exists(text):
        return [text]
    if not WILD.intersection(text):
        raise InputError(f"{text}: no such file or directory", todo="check the path; quote names that hold spaces")
    matches = glob.glob(text, recursive=True)
    # A pattern that spells out its extension means it; any other one means videos.
    named = bool(Path(text).suffix) and not WILD.intersection(Path(text).suffix)
    return _some(text, _videos(matches, any_extension=named), "nothing matches this pattern")


def _list(path: str) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"@{path}: the list cannot be read", getattr(error, "strerror", None) or "it is not a text file"
        ) from None
    entries = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    folder = os.path.dirname(path)
    resolved = [uri for entry in entries for uri in _resolve(os.path.join(folder, entry) if is_file(entry) else entry)]
    return _some(f"@{path}", resolved, "the list is empty")


def _videos(paths: Iterable[str], any_extension: bool = False) -> list[str]:
    return sorted(path for path in paths if _is_wanted(Path(path), any_extension) and os.path.isfile(path))


def _is_wanted(path: Path, any_extension: bool) -> bool:
    own = {".camreel", ".partial"}.intersection(path.suffixes[:-1])
    return not path.name.startswith(".") and not own and (any_extension or path.suffix.lower() in VIDEOS)


def _some(text: str, found: list[str], why_none: str) -> list[str]:
    if not found:
        raise InputError(f"{text}: no input", why_none, "check the path; put patterns in quotes")
    return found
