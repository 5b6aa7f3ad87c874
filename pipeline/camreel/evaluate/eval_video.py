"""What is evaluated: videos with truth, whatever data set they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from camreel.annotations import Truth
from camreel.structures import F32


@dataclass(frozen=True, slots=True)
class Marks:
    """What is marked on a frame beside who acts: boxes [N, 4] each, xyxy in pixels, half-open."""

    aim: F32
    """Where the peak of a map should be: those who act, closer than one box around all of them."""
    ignored: F32
    """People that count neither as acting nor as not."""
    bystanders: F32
    """People who do not act."""


@dataclass(frozen=True, slots=True)
class Case:
    """A video with truth that is not there yet: it is made or read when its turn comes, and forgotten after it."""

    name: str
    split: str
    seed: int | None
    """That it was made with; None: it was not made."""
    seconds: float
    """How long the video is."""
    load: Callable[[Path], tuple[Path, Truth]]
    """(a folder for what has to be written) -> the video's file and its truth."""
    timed: bool = True
    """Whether the truth says what happens when; otherwise only where the given class is."""
    dense: bool = True
    """Whether the truth says on every frame where those are who act; otherwise only on some."""
    marks: Mapping[int, Marks] = field(default_factory=dict)
    """By frame."""
    aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What networks may call a class of the truth that they do not know by its name, best first."""


@dataclass(frozen=True, slots=True)
class Data:
    """A data set: one line of `DATA`."""

    test: Callable[[Path | None, int, int], Sequence[Case]]
    """(folder that the user named, or None; videos per split; first seed) -> the videos to measure on."""
    validation: Callable[[Path | None, int], Sequence[Case]]
    """(the same folder, videos per split) -> the videos to choose thresholds on; never those of the test."""
