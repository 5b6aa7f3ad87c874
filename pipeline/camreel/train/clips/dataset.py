"""Which clips there are and what each shows: from folders named after classes, or from a table."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from camreel.errors import InputError
from camreel.sources.inputs import VIDEO_SUFFIXES

Part = Literal["train", "val"]
PARTS: tuple[Part, ...] = ("train", "val")
GROUPS = "groups.json"
FEWEST = 3
"""Clips of a class."""
MAKE = "make a folder for each class with clips in it, or a CSV file with the columns path,label"


@dataclass(frozen=True, slots=True)
class Example:
    """A clip, or a part of a video, with its label."""

    path: Path
    label: str
    group: str
    """Examples of one group (a camera, a recording, a person) are never on both sides of a split."""
    part: Part | None = None
    """The side of the split that was chosen by hand."""
    start: float | None = None
    """Seconds; None: from the beginning."""
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """All examples, in a fixed order."""

    classes: tuple[str, ...]
    """In alphabetical order; class_id is the position."""
    examples: tuple[Example, ...]


def read_catalog(source: Path) -> Catalog:
    """Reads what there is to learn from.

    Args:
        source: a folder with a folder of clips for every class, one with such folders in `train` and `val`, or a CSV file with
            the columns path and label, and start, end and group where they are known. `groups.json` in the folder says which
            group a file is of: {file name: group}; without it every file is a group of its own.

    Raises:
        InputError: there is nothing to learn from, or it cannot be read.
    """
    if source.is_dir():
        examples = list(_folders(source))
    elif source.is_file() and source.suffix.lower() == ".csv":
        examples = list(_table(source))
    else:
        why = "no such file or directory" if not source.exists() else "it is neither a folder nor a CSV file"
        raise InputError(f"cannot learn from {source}", why, MAKE)
    return checked(source, examples)


def checked(source: Path, examples: list[Example]) -> Catalog:
    """The catalog of these examples.

    Raises:
        InputError: there are fewer than two classes, or fewer than three clips in one.
    """
    counts = Counter(example.label for example in examples)
    if len(counts) < 2:
        only = f"only {next(iter(counts))!r}" if counts else "no clips in folders named after classes"
        raise InputError(f"there is nothing to tell apart in {source}", f"there are {only}", MAKE)
    few = [f"{label} has {count}" for label, count in sorted(counts.items()) if count < FEWEST]
    if few:
        why = "; ".join(few) + (" clip" if all(text.endswith(" 1") for text in few) else " clips")
        raise InputError(f"there are too few clips in {source}", why, f"every class needs {FEWEST} at least")
    ordered = sorted(examples, key=lambda example: (str(example.path), example.start or 0.0))
    return Catalog(tuple(sorted(counts)), tuple(ordered))


def _folders(folder: Path) -> Iterator[Example]:
    groups = _groups(folder)
    divided = all((folder / part).is_dir() for part in PARTS)
    for part in PARTS if divided else (None,):
        root = folder / part if part else folder
        for place in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
            for path in sorted(place.iterdir()):
                if (
                    path.suffix.lower() in VIDEO_SUFFIXES
                    and not path.name.startswith(".")
                    and ".camreel." not in path.name
                ):
                    yield Example(path, place.name, groups.get(path.name, str(path)), part)


def _groups(folder: Path) -> Mapping[str, str]:
    path = folder / GROUPS
    if not path.exists():
        return {}
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}", str(error), "it has the form {file name: group}") from None
    if not isinstance(listed, dict) or not all(isinstance(group, str) for group in listed.values()):
        raise InputError(f"cannot read {path}", "it is no object of strings", "it has the form {file name: group}")
    return listed


def _table(path: Path) -> Iterator[Example]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"path", "label"} - set(reader.fieldnames or ())
            if missing:
                why = f"it has no column {', '.join(sorted(missing))}"
                raise InputError(
                    f"cannot learn from {path}", why, "the first line names the columns: path,label,start,end,group"
                )
            for row in reader:
                yield _row(path, reader.line_num, row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}", str(error), "write it as CSV in UTF-8") from None


def _row(table: Path, line: int, row: Mapping[str, str | None]) -> Example:
    name, label = (row.get("path") or "").strip(), (row.get("label") or "").strip()
    if not name or not label:
        raise InputError(
            f"{table}, line {line}: there is no {'path' if not name else 'label'}",
            todo="fill it in, or delete the line",
        )
    path = table.parent / name
    start, end = (_seconds(table, line, key, row.get(key)) for key in ("start", "end"))
    if start is not None and end is not None and end <= start:
        raise InputError(
            f"{table}, line {line}: it ends at {end:g} s, before it starts at {start:g} s", todo="swap the two"
        )
    return Example(path, label, (row.get("group") or "").strip() or str(path), None, start, end)


def _seconds(table: Path, line: int, key: str, text: str | None) -> float | None:
    if not text or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(
            f"{table}, line {line}: {key} is {text!r}", "it is no time in seconds", "write 12.5, or leave it empty"
        )
    return value
