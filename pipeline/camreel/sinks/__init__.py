"""Outputs: the header before the first frame, localizations one by one, the summary at the end.

A sink is one file here and one line in `SINKS`; `camreel.interfaces.Sink` is the contract. Importable without OpenCV and PyAV.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from camreel.errors import ConfigError
from camreel.runtime.registry import load_entry

if TYPE_CHECKING:
    from camreel.interfaces import Sink
    from camreel.structures import Header


@dataclass(frozen=True, slots=True)
class SinkType:
    """A kind of output file."""

    entry: str
    """Import path of the class, created with (path, header, options)."""
    suffixes: tuple[str, ...]
    """Endings of the files it writes, with their dot."""
    role: Literal["video", "records"]
    """Which flag of the command line names its files: `-o` or `--json`."""
    section: str = ""
    """Section of the configuration with its options; empty: it has none."""


SINKS: dict[str, SinkType] = {
    "records": SinkType("camreel.sinks.json_records:JsonSink", (".jsonl", ".json"), "records"),
    "video": SinkType("camreel.sinks.video:VideoSink", (".mp4", ".m4v", ".mov", ".mkv", ".webm"), "video", "video"),
}
"""Name -> kind of output, in the order in which the sinks of a run are opened."""


def suffixes(role: Literal["video", "records"]) -> tuple[str, ...]:
    """Return the endings of all files of a role."""
    return tuple(suffix for kind in SINKS.values() if kind.role == role for suffix in kind.suffixes)


def open_sink(path: Path, role: Literal["video", "records"], header: Header, config: Any) -> tuple[str, Sink]:
    """Open the sink that writes a file of this ending; standard output (`-`) and other endings of records get JSON Lines.

    Args:
        path: the file, or `-`.
        role: what the file is for.
        header: header of the result.
        config: all settings; the sink gets its own section.

    Returns:
        The sink's name in `SINKS`, and the sink.

    Raises:
        ConfigError: nothing is written to files of this ending.
        OutputError: the file cannot be created.
    """
    suffix = path.suffix.lower()
    kinds = {name: kind for name, kind in SINKS.items() if kind.role == role}
    name = next(
        (name for name, kind in kinds.items() if suffix in kind.suffixes), "records" if role == "records" else ""
    )
    if not name:
        why = "the container is chosen by the file's suffix"
        raise ConfigError(f"unknown {role} file type '{suffix}'", why, f"use one of {', '.join(suffixes(role))}")
    kind = kinds[name]
    options = getattr(config, kind.section) if kind.section else None
    return name, load_entry(kind.entry)(path, header, options)
