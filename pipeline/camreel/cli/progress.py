"""How far a run is: a bar on a terminal, a line now and then in a log, JSON for programs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TextIO, TypeVar

if TYPE_CHECKING:
    from camreel.flow import Progress
    from camreel.structures import Summary

MODES = ("auto", "bar", "log", "json", "none")
Clock = Callable[[], float]

P = TypeVar("P")
P_contra = TypeVar("P_contra", contravariant=True)


class View(NamedTuple):
    """A progress as a bar shows it."""

    label: str
    share: float | None
    """How much is done, in [0, 1]; None where nobody knows."""
    figures: str


class Reporter(Protocol[P_contra]):
    """Takes the progress of one piece of work, step by step."""

    def update(self, progress: P_contra) -> None:
        """Shows it, if it is time to."""
        ...

    def close(self) -> None:
        """Shows the last one and leaves the terminal tidy."""
        ...


def open_reporter(mode: str, stream: TextIO, clock: Clock = time.monotonic) -> Reporter[Progress]:
    """The reporter for one input.

    Args:
        mode: one of `MODES`; auto: a bar where `stream` is a terminal, else log lines.
        stream: where it writes; standard error in the command.
        clock: seconds, for tests.
    """
    if mode == "auto":
        mode = "bar" if shows_bars(stream) else "log"
    if mode == "bar":
        return Bar(stream, clock, view)
    if mode == "none":
        return Silence()
    return Lines(stream, clock, *((describe_json, 1.0) if mode == "json" else (describe_line, 10.0)))


def shows_bars(stream: TextIO) -> bool:
    """Whether a bar can be redrawn there."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Silence:
    """Reports nothing."""

    def update(self, progress: object) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class Lines(Generic[P]):
    """One line at the start, one every `every` seconds, one at the end."""

    def __init__(self, stream: TextIO, clock: Clock, describe: Callable[[P], str], every: float) -> None:
        self._stream = stream
        self._clock = clock
        self._describe = describe
        self._every = every
        self._due = float("-inf")
        self._held: P | None = None

    def update(self, progress: P) -> None:
        """Writes a line when one is due."""
        self._held = progress
        if self._clock() >= self._due:
            self._due = self._clock() + self._every
            self._write()

    def close(self) -> None:
        """Writes the last progress, unless it stands there already."""
        self._write()

    def _write(self) -> None:
        if self._held is not None:
            self._stream.write(self._describe(self._held) + "\n")
            self._stream.flush()
            self._held = None


class Bar(Generic[P]):
    """A bar that is redrawn ten times a second, by whoever reports: no thread of its own."""

    def __init__(self, stream: TextIO, clock: Clock, view: Callable[[P], View]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        name = TextColumn(
            "{task.fields[label]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", max_width=24)
        )
        figures = TextColumn("{task.fields[figures]}", markup=False, table_column=Column(no_wrap=True))
        # Standard output is data: rich must not catch it.
        self._bar = Progress(
            name,
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=6)),
            figures,
            console=Console(file=stream, force_terminal=True),
            auto_refresh=False,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=None, label="", figures="")
        self._clock = clock
        self._view = view
        self._due = float("-inf")
        self._started = False

    def update(self, progress: P) -> None:
        """Redraws the bar when it is time to."""
        label, share, figures = self._view(progress)
        total = None if share is None else 1.0
        self._bar.update(self._task, total=total, completed=share or 0.0, label=label, figures=figures)
        if not self._started:
            self._bar.start()
            self._started = True
        if self._clock() >= self._due:
            self._due = self._clock() + 0.1
            self._bar.refresh()

    def close(self) -> None:
        """Draws the last state and moves on to the next line."""
        if self._started:
            self._bar.refresh()
            self._bar.stop()
            self._started = False


def open_own_reporter(
    quiet: bool, stream: TextIO, show: Callable[[P], View], describe: Callable[[P], str], every: float
) -> Reporter[P]:
    """The reporter for work that is no run over an input.

    Args:
        quiet: say nothing.
        stream: where it writes.
        show: the progress for a bar.
        describe: the progress in words.
        every: seconds between lines of a log.
    """
    if quiet:
        return Silence()
    return Bar(stream, time.monotonic, show) if shows_bars(stream) else Lines(stream, time.monotonic, describe, every)


def view(progress: Progress) -> View:
    """The progress of an input for a bar."""
    return View(short_name(progress.uri), _share(progress), _figures(progress))


def describe_line(progress: Progress) -> str:
    """The progress in words: "clip.mp4: 00:12 of 01:30, 62 fps, 2.1x, 00:37 left"."""
    return f"{short_name(progress.uri)}: {_figures(progress)}"


def describe_json(progress: Progress) -> str:
    """The progress as one JSON object."""
    return json.dumps({**asdict(progress), "fps": round(progress.fps, 2)}, ensure_ascii=False)


def closing_lines(summary: Summary, seconds: float, elapsed: float, *, verbose: bool = False) -> list[str]:
    """What became of an input: its figures, and whatever was done otherwise than asked for.

    Args:
        summary: of the run.
        seconds: of the source that were written.
        elapsed: wall seconds that it took.
        verbose: also each segment, and what each stage cost.
    """
    count, found = summary.frames.written, len(summary.segments)
    figures = [
        f"{count} frames in {elapsed:.1f} s",
        f"{count / elapsed:.0f} fps",
        f"{_speed(seconds / elapsed)} real time",
    ]
    figures.append(f"{found} segment{'' if found == 1 else 's'}")
    if summary.completeness_error is not None:
        figures.append(f"completeness error {summary.completeness_error:.0e}")
    if summary.frames.corrupt:
        figures.append(f"{summary.frames.corrupt} corrupt packets")
    lines = [", ".join(figures)]
    if verbose:
        lines += [
            f"{span.label}: {clock_time(span.start)} to {clock_time(span.end)}, score {span.score:.2f}"
            for span in summary.segments
        ]
        lines.append(
            "busy: " + ", ".join(f"{name} {busy:.1f} s" for name, busy in summary.stages.items() if busy >= 0.05)
        )
    return lines + [f"note: {sentence}" for sentence in summary.fallbacks]


def short_name(uri: str) -> str:
    """The last part of a path or address; the whole where there is none."""
    return uri.rstrip("/").rpartition("/")[2] or uri


def clock_time(seconds: float) -> str:
    """Seconds as MM:SS, from an hour on H:MM:SS."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _figures(progress: Progress) -> str:
    done = clock_time(progress.time)
    parts = [f"{done} of {clock_time(progress.duration)}" if progress.duration else done]
    if progress.fps > 0:
        parts.append(f"{progress.fps:.0f} fps" if progress.fps >= 10 else f"{progress.fps:.1f} fps")
    if progress.elapsed > 0 and progress.time > 0:
        speed = progress.time / progress.elapsed
        parts.append(_speed(speed))
        if progress.duration and progress.duration > progress.time:
            parts.append(f"{clock_time((progress.duration - progress.time) / speed)} left")
    return ", ".join(parts)


def _speed(times: float) -> str:
    return f"{times:.2g}x" if times < 10 else f"{times:.0f}x"


def _share(progress: Progress) -> float | None:
    """How much is done, in [0, 1]; None where nobody knows."""
    if progress.duration:
        return min(1.0, progress.time / progress.duration)
    return min(1.0, progress.frames / progress.total) if progress.total else None
