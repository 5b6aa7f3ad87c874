"""What is counted and timed while cameras run, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

MILLISECONDS = 60_000
"""Longest delay that is told apart."""
RECENT = 300
"""Delays that count as recent."""
SPAN = 2.0
"""Seconds over which a rate is taken."""


class Delays:
    """Delays in seconds: all of them to the millisecond, and the latest as they are."""

    def __init__(self) -> None:
        self._counts = np.zeros(MILLISECONDS + 1, np.int64)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self.count = 0
        self.total = 0.0
        """Seconds."""
        self.most = 0.0
        """The longest, in seconds."""

    def add(self, seconds: float) -> None:
        """Takes the next delay."""
        seconds = max(0.0, seconds)
        self._counts[min(round(1000 * seconds), MILLISECONDS)] += 1
        self._recent.append(seconds)
        self.count += 1
        self.total += seconds
        self.most = max(self.most, seconds)

    def quantile(self, share: float) -> float | None:
        """The delay in seconds that this share of all is not longer than; None: there was none."""
        if not self.count:
            return None
        rank = max(1, int(np.ceil(share * self.count)))
        return int(np.searchsorted(np.cumsum(self._counts), rank)) / 1000

    def quantiles(self) -> dict[str, float | None]:
        """Median, 95 % quantile and maximum of all, in seconds; None: there was none."""
        return {
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "max": round(self.most, 6) if self.count else None,
        }

    def recent(self) -> dict[str, float] | None:
        """Median, 95 % quantile and maximum of the latest, in milliseconds; None: there was none."""
        if not self._recent:
            return None
        latest = np.array(self._recent) * 1000
        p50, p95 = np.quantile(latest, (0.5, 0.95))
        return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(float(latest.max()), 1)}


class Rate:
    """Events per second, over the last seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def add(self, now: float, count: int = 1) -> None:
        """Takes events that happened now, in seconds of a monotonic clock."""
        self._times.extend([now] * count)
        self._forget(now)

    def at(self, now: float) -> float:
        """The rate now."""
        self._forget(now)
        return len(self._times) / SPAN

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - SPAN:
            self._times.popleft()


@dataclass(slots=True)
class Counters:
    """Of one camera. Each field is written by one lane only."""

    name: str
    """Without credentials."""
    captured: int = 0
    inferred: int = 0
    """Frames that the network saw."""
    answered: int = 0
    """Frames with a record."""
    shown: int = 0
    reconnects: int = 0
    connected: bool = False
    ages: Delays = field(default_factory=Delays)
    """Of the maps on the pictures."""
    rate_in: Rate = field(default_factory=Rate)
    rate_inferred: Rate = field(default_factory=Rate)
    rate_shown: Rate = field(default_factory=Rate)


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters with what only the camera knows."""

    counters: Counters
    dropped: int
    """Frames that the network will not see."""
    skipped: int
    """Frames that were not shown, as a newer one was there."""
    pace: float
    """Share of its samples that the network has time for."""


_COUNTS = (
    ("captured", "Frames that came from the source."),
    ("inferred", "Frames that the network saw."),
    ("answered", "Frames that have a record."),
    ("shown", "Frames that were shown."),
)


def prometheus(readings: Sequence[Reading], delays: Delays) -> str:
    """Everything in Prometheus' text format (version 0.0.4)."""
    lines: list[str] = []

    def family(name: str, kind: str, about: str, values: Sequence[tuple[str, float]]) -> None:
        lines.extend((f"# HELP camreel_{name} {about}", f"# TYPE camreel_{name} {kind}"))
        lines.extend(f"camreel_{name}{labels} {value:.10g}" for labels, value in values)

    def each(value: str) -> list[tuple[str, float]]:
        return [(_labels(i, r), float(getattr(r.counters, value))) for i, r in enumerate(readings)]

    for field_name, about in _COUNTS:
        family(f"frames_{field_name}_total", "counter", about, each(field_name))
    dropped = [(_labels(i, r), float(r.dropped)) for i, r in enumerate(readings)]
    family(
        "frames_dropped_total",
        "counter",
        "Frames that the network will not see: they came faster than it follows.",
        dropped,
    )
    skipped = [(_labels(i, r), float(r.skipped)) for i, r in enumerate(readings)]
    family("frames_skipped_total", "counter", "Frames that were not shown, as a newer one was there.", skipped)
    family("reconnects_total", "counter", "Times that the source came back.", each("reconnects"))
    family("connected", "gauge", "Whether the source gives frames.", each("connected"))
    family(
        "pace",
        "gauge",
        "Share of its samples that the network has time for.",
        [(_labels(i, r), r.pace) for i, r in enumerate(readings)],
    )
    lines += _summary("delay_seconds", "Seconds from capture to display.", [("{", delays)])
    ages = [(_labels(i, r)[:-1] + ",", r.counters.ages) for i, r in enumerate(readings)]
    lines += _summary("map_age_seconds", "Seconds that the map on the picture is older.", ages)
    return "\n".join(lines) + "\n"


def _summary(name: str, about: str, measured: Sequence[tuple[str, Delays]]) -> list[str]:
    """A family of summaries; each with how its labels begin."""
    lines = [f"# HELP camreel_{name} {about}", f"# TYPE camreel_{name} summary"]
    for labels, delays in measured:
        shares = {0.5: delays.quantile(0.5), 0.95: delays.quantile(0.95), 1: delays.most if delays.count else None}
        plain = "" if labels == "{" else labels.rstrip(",") + "}"
        lines += [
            f'camreel_{name}{labels}quantile="{share}"}} {value:.10g}'
            for share, value in shares.items()
            if value is not None
        ]
        lines += [f"camreel_{name}_sum{plain} {delays.total:.10g}", f"camreel_{name}_count{plain} {delays.count}"]
    return lines


def _labels(index: int, reading: Reading) -> str:
    name = reading.counters.name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{{camera="{index}",source="{name}"}}'
