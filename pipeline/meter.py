"""What a run counts and times: the figures of its summary."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from pipeline.structures import ClipActivation, Frame, Localization, Segment, Tube

T = TypeVar("T")

WAIT = "wait"
"""Name of the hand-over between two lanes: time spent there is idle."""


@dataclass(slots=True)
class Meter:
    """Counts of one run; each field is written by one lane only."""

    decoded: int = 0
    inferred: int = 0
    written: int = 0
    time: float = 0.0
    """Seconds of the source that are written."""
    completeness_error: float | None = None
    segments: list[Segment] = field(default_factory=list)
    tubes: list[Tube] = field(default_factory=list)
    fallbacks: list[str] = field(default_factory=list)
    _laps: list[tuple[str, list[float]]] = field(default_factory=list)
    _sinks: dict[str, float] = field(default_factory=dict)

    def notify(self, sentence: str) -> None:
        """Notes what was done otherwise than asked for, once."""
        if sentence not in self.fallbacks:
            self.fallbacks.append(sentence)

    def lap(self, name: str, stage: Iterable[T]) -> Iterator[T]:
        """Passes a stage's items and times how long each was waited for. Laps are nested in the order they are made."""
        total = [0.0]
        self._laps.append((name, total))
        return _timed(stage, total)

    @contextmanager
    def busy(self, name: str) -> Iterator[None]:
        """Times what is done inside, for what takes items instead of giving them."""
        begin = time.perf_counter()
        yield
        self._sinks[name] = self._sinks.get(name, 0.0) + time.perf_counter() - begin

    @property
    def stages(self) -> dict[str, float]:
        """Wall seconds that each stage itself was busy: its own lap less that of the stage before it."""
        busy: dict[str, float] = {}
        before = 0.0
        for name, (total,) in self._laps:
            if name != WAIT:
                busy[name] = max(0.0, total - before)
            before = total
        return busy | self._sinks

    def absorb(self, other: Meter) -> None:
        """Adds what another one counted before or after."""
        for name, seconds in other.stages.items():
            self._sinks[name] = self._sinks.get(name, 0.0) + seconds
        self.inferred += other.inferred
        for sentence in other.fallbacks:
            self.notify(sentence)
        if other.completeness_error is not None:
            self.completeness_error = max(self.completeness_error or 0.0, other.completeness_error)

    def count_frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Counts what the source gives."""
        for frame in frames:
            self.decoded += 1
            yield frame

    def count_samples(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Counts what the network sees."""
        for frame in frames:
            self.inferred += frame.samples > 0
            yield frame

    def watch_completeness(self, activations: Iterable[ClipActivation]) -> Iterator[ClipActivation]:
        """Keeps the worst completeness error."""
        for activation in activations:
            if activation.error is not None:
                self.completeness_error = max(self.completeness_error or 0.0, activation.error)
            yield activation

    def count_written(self, localization: Localization) -> None:
        """Counts a frame that every sink took, and collects what ended with it."""
        self.written += 1
        self.time = localization.frame.time
        self.count_ended(localization.ended)

    def count_ended(self, ended: Iterable[Segment | Tube]) -> None:
        """Collects segments and tubes."""
        for one in ended:
            if isinstance(one, Segment):
                self.segments.append(one)
            else:
                self.tubes.append(one)


def _timed(stage: Iterable[T], total: list[float]) -> Iterator[T]:
    iterator = iter(stage)
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
