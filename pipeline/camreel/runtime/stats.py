"""Counters and timers of one run: the numbers of its summary."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from camreel.structures import ClipActivation, Counts, Frame, Localization, Segment, Summary, Tube

T = TypeVar("T")

WAIT = "wait"
"""Name of the hand-over between two lanes; the time spent there is idle."""


@dataclass(slots=True)
class RunStats:
    """Statistics of one run. Each field is written by one lane only."""

    decoded: int = 0
    inferred: int = 0
    written: int = 0
    time: float = 0.0
    """Position in the source up to which frames are written, in seconds."""
    completeness_error: float | None = None
    segments: list[Segment] = field(default_factory=list)
    tubes: list[Tube] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Run notes: everything that was done differently from the request."""
    _laps: list[tuple[str, list[float]]] = field(default_factory=list)
    _sinks: dict[str, float] = field(default_factory=dict)

    def note(self, sentence: str) -> None:
        """Add a run note, unless it is there already."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def timed(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Pass items on and add up how long each was waited for. Laps nest in the order in which they are created."""
        total = [0.0]
        self._laps.append((name, total))
        return _timed(items, total)

    @contextmanager
    def busy(self, name: str) -> Iterator[None]:
        """Add the time spent in the block to a sink."""
        begin = time.perf_counter()
        yield
        self._sinks[name] = self._sinks.get(name, 0.0) + time.perf_counter() - begin

    @property
    def stages(self) -> dict[str, float]:
        """Busy wall-clock seconds of each stage: its own lap minus the lap of the stage before it."""
        busy: dict[str, float] = {}
        before = 0.0
        for name, (total,) in self._laps:
            if name != WAIT:
                busy[name] = max(0.0, total - before)
            before = total
        return busy | self._sinks

    def counted(self, name: str, items: Iterable[Any]) -> Iterable[Any]:
        """Pass on the output of a stage and count what the summary tells of it."""
        if name == "sample":
            return self._count_samples(items)
        return self._check_completeness(items) if name == "recognize" else items

    def count_frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Pass on and count the frames of the source."""
        for frame in frames:
            self.decoded += 1
            yield frame

    def _count_samples(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.inferred += frame.samples > 0
            yield frame

    def _check_completeness(self, activations: Iterable[ClipActivation]) -> Iterator[ClipActivation]:
        for activation in activations:
            if activation.error is not None:
                self.completeness_error = max(self.completeness_error or 0.0, activation.error)
            yield activation

    def count_written(self, localization: Localization) -> None:
        """Count a frame that all sinks have written, and collect the segments and tubes that ended with it."""
        self.written += 1
        self.time = localization.frame.time
        self.add_ended(localization.ended)

    def add_ended(self, ended: Iterable[Segment | Tube]) -> None:
        """Collect segments and tubes."""
        for item in ended:
            if isinstance(item, Segment):
                self.segments.append(item)
            else:
                self.tubes.append(item)

    def summary(self, corrupt: int, source_notes: Iterable[str], sink_notes: Iterable[str] = ()) -> Summary:
        """Return the summary of the run.

        Args:
            corrupt: number of packets that could not be decoded.
            source_notes: run notes of the source.
            sink_notes: run notes of the sinks.
        """
        # Frames that were on their way when Ctrl-C was pressed count as dropped.
        counts = Counts(self.decoded, self.written, self.decoded - self.written, corrupt, self.inferred)
        return Summary(
            frames=counts,
            segments=tuple(self.segments),
            tracks=tuple(self.tubes),
            completeness_error=self.completeness_error,
            stages=self.stages,
            fallbacks=(*source_notes, *self.notes, *sink_notes),
        )

    def absorb(self, other: RunStats) -> None:
        """Add the statistics of an earlier or later part of the same run."""
        for name, seconds in other.stages.items():
            self._sinks[name] = self._sinks.get(name, 0.0) + seconds
        self.inferred += other.inferred
        for sentence in other.notes:
            self.note(sentence)
        if other.completeness_error is not None:
            self.completeness_error = max(self.completeness_error or 0.0, other.completeness_error)


def _timed(items: Iterable[T], total: list[float]) -> Iterator[T]:
    iterator = iter(items)
    try:
        while True:
            begin = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                total[0] += time.perf_counter() - begin
            yield item
    finally:
        getattr(iterator, "close", lambda: None)()
