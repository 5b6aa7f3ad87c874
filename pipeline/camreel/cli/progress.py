"""Progress of a run: a bar on a terminal, a line every few seconds in a log, JSON for programs."""

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
"""Values of `--progress`."""
BAR_INTERVAL_SECONDS = 0.1
"""Minimum time between two states of a bar."""
LOG_INTERVAL_SECONDS, JSON_INTERVAL_SECONDS = 10.0, 1.0
"""Minimum time between two lines of `--progress log` and `--progress json`."""
Clock = Callable[[], float]
"""Return a time in seconds; `time.monotonic` outside tests."""

P = TypeVar("P")
P_contra = TypeVar("P_contra", contravariant=True)


class BarState(NamedTuple):
    """State of a progress bar."""

    label: str
    """Text on the left."""
    share: float | None
    """Share of the work that is done, in [0, 1]; None: unknown."""
    text: str
    """Text on the right."""


class Reporter(Protocol[P_contra]):
    """A display of the progress of one task."""

    def update(self, progress: P_contra) -> None:
        """Show the progress, unless the last one was shown just now."""
        ...

    def close(self) -> None:
        """Show the last progress, and move the cursor to a new line; may be called again."""
        ...


def open_reporter(mode: str, stream: TextIO, clock: Clock = time.monotonic) -> Reporter[Progress]:
    """Return the reporter of a run over one input.

    Args:
        mode: one of `MODES`; auto: a bar if `stream` is a terminal, else log lines.
        stream: where the progress is written; standard error in the command.
        clock: the time, for tests.

    Example:
        >>> reporter = open_reporter("auto", sys.stderr)
        >>> summary = process("clip.mp4", on_progress=reporter.update)
        >>> reporter.close()
    """
    if mode == "auto":
        mode = "bar" if can_redraw(stream) else "log"
    if mode == "bar":
        return BarReporter(stream, clock, bar_state)
    if mode == "none":
        return NullReporter()
    if mode == "json":
        return LineReporter(stream, clock, describe_json, JSON_INTERVAL_SECONDS)
    return LineReporter(stream, clock, describe_line, LOG_INTERVAL_SECONDS)


def open_task_reporter(
    quiet: bool, stream: TextIO, state: Callable[[P], BarState], describe: Callable[[P], str], interval: float
) -> Reporter[P]:
    """Return the reporter of a task other than a run over an input: a bar if `stream` is a terminal, else log lines.

    Args:
        quiet: show nothing.
        stream: where the progress is written.
        state: converts the progress for a bar.
        describe: converts the progress to a line of a log.
        interval: seconds between lines of a log.
    """
    if quiet:
        return NullReporter()
    if can_redraw(stream):
        return BarReporter(stream, time.monotonic, state)
    return LineReporter(stream, time.monotonic, describe, interval)


def can_redraw(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class NullReporter:
    """A reporter that shows nothing."""

    def update(self, progress: object) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class LineReporter(Generic[P]):
    """One line at the start, one every `interval` seconds, one at the end."""

    def __init__(self, stream: TextIO, clock: Clock, describe: Callable[[P], str], interval: float) -> None:
        self._stream = stream
        self._clock = clock
        self._describe = describe
        self._interval = interval
        self._due = float("-inf")
        self._unwritten: P | None = None

    def update(self, progress: P) -> None:
        """Write a line if one is due."""
        self._unwritten = progress
        if self._clock() >= self._due:
            self._due = self._clock() + self._interval
            self._write()

    def close(self) -> None:
        """Write the last progress, unless it has been written."""
        self._write()

    def _write(self) -> None:
        if self._unwritten is not None:
            self._stream.write(self._describe(self._unwritten) + "\n")
            self._stream.flush()
            self._unwritten = None


class BarReporter(Generic[P]):
    """A progress bar, redrawn at most ten times a second in the thread that calls `update`."""

    def __init__(self, stream: TextIO, clock: Clock, state: Callable[[P], BarState]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        name = TextColumn(
            "{task.fields[label]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", max_width=24)
        )
        text = TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True))
        # Standard output carries data: rich must not redirect it.
        self._bar = Progress(
            name,
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=6)),
            text,
            console=Console(file=stream, force_terminal=True),
            auto_refresh=False,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=None, label="", text="")
        self._clock = clock
        self._state = state
        self._due = float("-inf")
        self._started = False

    def update(self, progress: P) -> None:
        """Redraw the bar if that is due."""
        label, share, text = self._state(progress)
        total = None if share is None else 1.0
        self._bar.update(self._task, total=total, completed=share or 0.0, label=label, text=text)
        if not self._started:
            self._bar.start()
            self._started = True
        if self._clock() >= self._due:
            self._due = self._clock() + BAR_INTERVAL_SECONDS
            self._bar.refresh()

    def close(self) -> None:
        """Draw the last state, and move the cursor to a new line."""
        if self._started:
            self._bar.refresh()
            self._bar.stop()
            self._started = False


def bar_state(progress: Progress) -> BarState:
    """Convert the progress of a run for a bar."""
    return BarState(short_name(progress.uri), _share(progress), _describe(progress))


def describe_line(progress: Progress) -> str:
    """Convert the progress of a run to a line of a log: "clip.mp4: 00:12 of 01:30, 62 fps, 2.1x, 00:37 left"."""
    return f"{short_name(progress.uri)}: {_describe(progress)}"


def describe_json(progress: Progress) -> str:
    """Convert the progress of a run to one JSON object on a line."""
    return json.dumps({**asdict(progress), "fps": round(progress.fps, 2)}, ensure_ascii=False)


def summary_lines(summary: Summary, seconds: float, elapsed: float, *, verbose: bool = False) -> list[str]:
    """Describe a finished run: counts and speed, and everything that was done differently from the request.

    Args:
        summary: summary of the run.
        seconds: seconds of the source that were written.
        elapsed: wall-clock seconds of the run.
        verbose: list all segments, and the time that each stage took, too.
    """
    count, found = summary.frames.written, len(summary.segments)
    parts = [
        f"{count} frames in {elapsed:.1f} s",
        f"{count / elapsed:.0f} fps",
        f"{_speed(seconds / elapsed)} real time",
    ]
    parts.append(f"{found} segment{'' if found == 1 else 's'}")
    if summary.completeness_error is not None:
        parts.append(f"completeness error {summary.completeness_error:.0e}")
    if summary.frames.corrupt:
        parts.append(f"{summary.frames.corrupt} corrupt packets")
    lines = [", ".join(parts)]
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
    """Return the last part of a path or address, or all of it if it has no parts."""
    return uri.rstrip("/").rpartition("/")[2] or uri


def clock_time(seconds: float) -> str:
    """Format seconds as MM:SS, from an hour on as H:MM:SS."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _describe(progress: Progress) -> str:
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
    """Return the share of the run that is done, in [0, 1]; None: unknown."""
    if progress.duration:
        return min(1.0, progress.time / progress.duration)
    return min(1.0, progress.frames / progress.total) if progress.total else None
