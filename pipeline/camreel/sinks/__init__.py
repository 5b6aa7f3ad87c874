"""Outputs. Result sinks write files (`SINKS`), display sinks take live pictures (window, page, recorder, publisher).

A result sink is one file here and one line in `SINKS`; `camreel.interfaces.Sink` is the contract. The flow opens a sink
with the header, passes the localizations one by one, and closes the sink with the summary. Display sinks follow
`camreel.interfaces.DisplaySink`. Importable without OpenCV and PyAV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from camreel.errors import ConfigError
from camreel.runtime.registry import load_entry

if TYPE_CHECKING:
    from camreel.interfaces import Sink
    from camreel.structures import Header

Role = Literal["video", "records"]
"""Which flag of the command line names a file: `-o` or `--json`."""


@dataclass(frozen=True, slots=True)
class SinkType:
    """A kind of output file."""

    entry: str
    """Import path of the class, created with (path, header, options)."""
    suffixes: tuple[str, ...]
    """Endings of the files that the class writes, in lower case with their dot."""
    role: Role
    section: str = ""
    """Section of the configuration with the options of the sink; empty: the sink has none."""


SINKS: dict[str, SinkType] = {
    "records": SinkType("camreel.sinks.json_records:JsonSink", (".jsonl", ".json"), "records"),
    "video": SinkType(
        "camreel.sinks.video.sink:VideoSink", (".mp4", ".m4v", ".mov", ".mkv", ".webm"), "video", "video"
    ),
}
"""Name -> kind of output file. Of two sinks with the same suffix the first one is used."""


def suffixes(role: Role) -> tuple[str, ...]:
    """Return the endings of all files of a role.

    Example:
        >>> suffixes("records")
        ('.jsonl', '.json')
    """
    return tuple(suffix for kind in SINKS.values() if kind.role == role for suffix in kind.suffixes)


def check_suffix(suffix: str, role: Role, known: Sequence[str]) -> None:
    """Check that a sink writes files of an ending.

    Args:
        suffix: ending in lower case with its dot.
        role: role of the file.
        known: endings that are possible.

    Raises:
        ConfigError: the ending is not known.
    """
    if suffix not in known:
        why = "the container is chosen by the file's suffix"
        raise ConfigError(f"unknown {role} file type '{suffix}'", why, f"use one of {', '.join(known)}")


def open_sink(path: Path, role: Role, header: Header, config: Any) -> tuple[str, Sink]:
    """Open the sink that writes files of this ending. Records with another ending, and standard output, are JSON Lines.

    Args:
        path: the file, or `-`.
        role: role of the file.
        header: header of the result.
        config: all settings; the sink gets its own section.

    Returns:
        The name of the sink in `SINKS`, and the sink.

    Raises:
        ConfigError: no sink writes files of this ending.
        OutputError: the file cannot be created.

    Example:
        >>> name, sink = open_sink(Path("out.mp4"), "video", header, config)
    """
    suffix = path.suffix.lower()
    if role == "video":
        check_suffix(suffix, role, suffixes(role))
    name = next((name for name, kind in SINKS.items() if kind.role == role and suffix in kind.suffixes), "records")
    kind = SINKS[name]
    options = getattr(config, kind.section) if kind.section else None
    return name, load_entry(kind.entry)(path, header, options)
