"""Labeled clips from folders named after classes or from a table, and their split into training and held-out clips."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from camreel.errors import InputError
from camreel.sources.inputs import VIDEO_SUFFIXES

Subset = Literal["train", "val"]
SUBSETS: tuple[Subset, ...] = ("train", "val")
GROUPS_FILE = "groups.json"
MIN_CLIPS_PER_CLASS = 3
"""Minimum number of clips of a class."""
HELD_OUT_SHARE = 0.2
"""Minimum share of the clips of each class that is held out."""
LAYOUT_ADVICE = "make a folder for each class with clips in it, or a CSV file with the columns path,label"


@dataclass(frozen=True, slots=True)
class LabeledClip:
    """A clip, or a part of a video, with its label."""

    path: Path
    label: str
    group: str
    """Camera, recording or person; clips of one group are never on both sides of a split."""
    subset: Subset | None = None
    """Side of the split that the user chose; None: not chosen."""
    start: float | None = None
    """Start in seconds; None: the beginning."""
    end: float | None = None
    """End in seconds; None: the end."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """All labeled clips, in a fixed order."""

    classes: tuple[str, ...]
    """Class names in alphabetical order; the class id is the index."""
    clips: tuple[LabeledClip, ...]


def read_dataset(source: Path) -> Dataset:
    """Read the names and labels of clips.

    Args:
        source: a folder with a folder of clips for every class; a folder with such folders in `train` and `val`; or a
            CSV file with the columns path and label, and start, end and group where they are known. `groups.json` in
            the folder gives the group of files: {file name: group}; without it every file is a group of its own.

    Raises:
        InputError: there is nothing to learn from, or it cannot be read.

    Example:
        >>> dataset = read_dataset(Path("clips"))
        >>> train, held_out = split_dataset(dataset, seed=0)
    """
    if source.is_dir():
        clips = list(_read_folders(source))
    elif source.is_file() and source.suffix.lower() == ".csv":
        clips = list(_read_table(source))
    else:
        why = "no such file or directory" if not source.exists() else "it is neither a folder nor a CSV file"
        raise InputError(f"cannot learn from {source}", why, LAYOUT_ADVICE)
    return make_dataset(source, clips)


def make_dataset(source: Path, clips: Sequence[LabeledClip]) -> Dataset:
    """Return the dataset of clips.

    Args:
        source: where they come from, for error messages.
        clips: the clips, in any order.

    Raises:
        InputError: there are fewer than two classes, or fewer than three clips of a class.
    """
    counts = Counter(clip.label for clip in clips)
    if len(counts) < 2:
        only = f"only {next(iter(counts))!r}" if counts else "no clips in folders named after classes"
        raise InputError(f"there is nothing to tell apart in {source}", f"there are {only}", LAYOUT_ADVICE)
    few = [f"{label} has {count}" for label, count in sorted(counts.items()) if count < MIN_CLIPS_PER_CLASS]
    if few:
        why = "; ".join(few) + (" clip" if all(text.endswith(" 1") for text in few) else " clips")
        todo = f"every class needs {MIN_CLIPS_PER_CLASS} at least"
        raise InputError(f"there are too few clips in {source}", why, todo)
    ordered = sorted(clips, key=lambda clip: (str(clip.path), clip.start or 0.0))
    return Dataset(tuple(sorted(counts)), tuple(ordered))


def _read_folders(folder: Path) -> Iterator[LabeledClip]:
    groups = _read_groups(folder)
    divided = all((folder / subset).is_dir() for subset in SUBSETS)
    for subset in SUBSETS if divided else (None,):
        root = folder / subset if subset else folder
        for place in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
            for path in sorted(place.iterdir()):
                # Annotated videos that camreel wrote beside the clips are not clips.
                hidden = path.name.startswith(".") or ".camreel." in path.name
                if path.suffix.lower() in VIDEO_SUFFIXES and not hidden:
                    yield LabeledClip(path, place.name, groups.get(path.name, str(path)), subset)


def _read_groups(folder: Path) -> Mapping[str, str]:
    path = folder / GROUPS_FILE
    if not path.exists():
        return {}
    todo = "it has the form {file name: group}"
    try:
        groups = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}", str(error), todo) from None
    if not isinstance(groups, dict) or not all(isinstance(group, str) for group in groups.values()):
        raise InputError(f"cannot read {path}", "it is no object of strings", todo)
    return groups


def _read_table(path: Path) -> Iterator[LabeledClip]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"path", "label"} - set(reader.fieldnames or ())
            if missing:
                why = f"it has no column {', '.join(sorted(missing))}"
                todo = "the first line names the columns: path,label,start,end,group"
                raise InputError(f"cannot learn from {path}", why, todo)
            for row in reader:
                yield _read_row(path, reader.line_num, row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}", str(error), "write it as CSV in UTF-8") from None


def _read_row(table: Path, line: int, row: Mapping[str, str | None]) -> LabeledClip:
    name, label = (row.get("path") or "").strip(), (row.get("label") or "").strip()
    if not name or not label:
        what = f"{table}, line {line}: there is no {'path' if not name else 'label'}"
        raise InputError(what, todo="fill it in, or delete the line")
    path = table.parent / name
    start, end = (_read_seconds(table, line, key, row.get(key)) for key in ("start", "end"))
    if start is not None and end is not None and end <= start:
        what = f"{table}, line {line}: it ends at {end:g} s, before it starts at {start:g} s"
        raise InputError(what, todo="swap the two")
    return LabeledClip(path, label, (row.get("group") or "").strip() or str(path), None, start, end)


def _read_seconds(table: Path, line: int, key: str, text: str | None) -> float | None:
    if not text or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        what = f"{table}, line {line}: {key} is {text!r}"
        raise InputError(what, "it is no time in seconds", "write 12.5, or leave it empty")
    return value


def split_dataset(dataset: Dataset, seed: int) -> tuple[tuple[LabeledClip, ...], tuple[LabeledClip, ...]]:
    """Split the clips: as the folders `train` and `val` say, else by groups, so that every class is on both sides.

    Args:
        dataset: all clips.
        seed: seed of the order in which groups are tried.

    Returns:
        Training clips, and held-out clips.

    Raises:
        InputError: a class is on one side only, and cannot be on both.
    """
    clips = dataset.clips
    held_out = {i for i, clip in enumerate(clips) if clip.subset == "val"}
    if not held_out and not any(clip.subset for clip in clips):
        held_out = _choose_held_out(clips, seed)
    sides = (
        tuple(clip for i, clip in enumerate(clips) if i not in held_out),
        tuple(clip for i, clip in enumerate(clips) if i in held_out),
    )
    _check_sides(dataset, sides)
    return sides


def _choose_held_out(clips: Sequence[LabeledClip], seed: int) -> set[int]:
    """Return the indices of the clips to hold out.

    Whole groups are chosen, while a class in them has too few held-out clips and keeps enough for training.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for i, clip in enumerate(clips):
        members[clip.group].append(i)
    total = Counter(clip.label for clip in clips)
    wanted = {label: max(1, round(HELD_OUT_SHARE * count)) for label, count in total.items()}
    counts: Counter[str] = Counter()
    held_out: set[int] = set()
    names = sorted(members)
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    # Large groups would take all that is wanted at once: they are tried last.
    for name in sorted(order, key=lambda name: len(members[name])):
        inside = Counter(clips[i].label for i in members[name])
        needed = any(counts[label] < wanted[label] for label in inside)
        fits = all(counts[label] + count <= max(wanted[label], total[label] // 2) for label, count in inside.items())
        if needed and fits:
            held_out.update(members[name])
            counts.update(inside)
    return held_out


def _check_sides(dataset: Dataset, sides: tuple[Sequence[LabeledClip], Sequence[LabeledClip]]) -> None:
    for side, use in zip(sides, ("learned from", "held out"), strict=True):
        missing = sorted(set(dataset.classes) - {clip.label for clip in side})
        if missing:
            raise InputError(
                f"no clip of {missing[0]!r} can be {use}",
                "its clips are of too few groups to be divided",
                "add clips of other cameras or recordings, or put clips into train/ and val/ by hand",
            )
