"""Counters, delays and rates of live runs, in bounded memory; and their form for viewers and for Prometheus."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from camreel.sinks.web.messages import DelayStatus, Status
from camreel.structures import DisplayFrame

if TYPE_CHECKING:
    from prometheus_client import Metric

MAX_DELAY_MILLISECONDS = 60_000
"""Longest delay that is counted as itself; longer ones count as this."""
RECENT_DELAYS = 300
"""Number of delays that count as recent."""
RATE_SECONDS = 2.0
"""Time over which a rate is measured."""


class Delays:
    """Delays in seconds: a histogram of all of them in milliseconds, and the recent ones.

    Example:
        >>> delays = Delays()
        >>> for seconds in (0.01, 0.02, 0.09):
        ...     delays.add(seconds)
        >>> delays.quantiles()
        {'p50': 0.02, 'p95': 0.09, 'max': 0.09}
    """

    def __init__(self) -> None:
        self._counts = np.zeros(MAX_DELAY_MILLISECONDS + 1, np.int64)
        self._recent: deque[float] = deque(maxlen=RECENT_DELAYS)
        self.count = 0
        self.total = 0.0
        """Sum in seconds."""
        self.maximum = 0.0
        """Seconds."""

    def add(self, seconds: float) -> None:
        """Add a delay; negative ones count as 0."""
        seconds = max(0.0, seconds)
        self._counts[min(round(1000 * seconds), MAX_DELAY_MILLISECONDS)] += 1
        self._recent.append(seconds)
        self.count += 1
        self.total += seconds
        self.maximum = max(self.maximum, seconds)

    def quantile(self, share: float) -> float | None:
        """Return the delay in seconds that a share of all delays does not exceed; None: there was no delay."""
        if not self.count:
            return None
        rank = max(1, int(np.ceil(share * self.count)))
        return int(np.searchsorted(np.cumsum(self._counts), rank)) / 1000

    def quantiles(self) -> dict[str, float | None]:
        """Return median, 95 % quantile and maximum of all delays in seconds; None: there was no delay."""
        return {
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "max": round(self.maximum, 6) if self.count else None,
        }

    def recent(self) -> DelayStatus | None:
        """Return median, 95 % quantile and maximum of the recent delays in milliseconds; None: there was no delay."""
        if not self._recent:
            return None
        recent = np.array(self._recent) * 1000
        p50, p95 = np.quantile(recent, (0.5, 0.95))
        return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(float(recent.max()), 1)}


class Rate:
    """Events per second over the last `RATE_SECONDS`."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def add(self, now: float, count: int = 1) -> None:
        """Add events that happened now, in seconds of a monotonic clock."""
        self._times.extend([now] * count)
        self._forget(now)

    def at(self, now: float) -> float:
        """Return the rate now."""
        self._forget(now)
        return len(self._times) / RATE_SECONDS

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - RATE_SECONDS:
            self._times.popleft()


@dataclass(slots=True)
class CameraMetrics:
    """Counters of one camera. Each field is written by one lane only."""

    name: str
    """Address without credentials."""
    captured: int = 0
    inferred: int = 0
    """Number of frames that the network saw."""
    answered: int = 0
    """Number of frames with a localization."""
    shown: int = 0
    reconnects: int = 0
    connected: bool = False
    ages: Delays = field(default_factory=Delays)
    """Ages of the maps on the pictures."""
    captured_rate: Rate = field(default_factory=Rate)
    inferred_rate: Rate = field(default_factory=Rate)
    shown_rate: Rate = field(default_factory=Rate)


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """Counters of one camera at one time, with those that its channels and its load shedder hold."""

    metrics: CameraMetrics
    dropped: int
    """Number of frames that the network will not see."""
    skipped: int
    """Number of frames that were not shown because a newer one was there."""
    pace: float
    """Share of its samples that the network has time for."""


def make_status(snapshots: Sequence[MetricsSnapshot], shown: Sequence[DisplayFrame], now: float) -> Status:
    """Return the part of the status for viewers that follows from the cameras and their newest pictures.

    Args:
        snapshots: metrics of each camera.
        shown: newest picture of each camera that has one.
        now: monotonic clock in seconds.
    """
    metrics = [snapshot.metrics for snapshot in snapshots]
    ages = [each.age for each in shown if each.age is not None]
    scores: dict[str, float] = {}
    for each in shown:
        for action in each.localization.actions if each.localization else ():
            scores[action.label] = max(scores.get(action.label, 0.0), action.score)
    status: Status = {
        "scores": dict(sorted(scores.items(), key=lambda item: -item[1])),
        "rates": {
            "in": sum(each.captured_rate.at(now) for each in metrics),
            "inferred": sum(each.inferred_rate.at(now) for each in metrics),
            "shown": sum(each.shown_rate.at(now) for each in metrics),
        },
        "dropped": sum(snapshot.dropped for snapshot in snapshots),
        "age": 1000 * max(ages) if ages else None,
        "cameras": [{"name": each.name, "connected": each.connected} for each in metrics],
    }
    if shown:
        status["time"] = max(each.frame.time for each in shown)
    return status


def describe_status(status: Status) -> str:
    """Describe rates, delay and dropped frames in one line.

    Example:
        >>> describe_status(status)
        '30 in, 15 inferred, 30 shown per second, 42 ms, 95 % 61 ms, 0 dropped'
    """
    rates, delay = status["rates"], status.get("delay")
    parts = [f"{rates['in']:.0f} in", f"{rates['inferred']:.0f} inferred", f"{rates['shown']:.0f} shown per second"]
    parts += [f"{delay['p50']:.0f} ms, 95 % {delay['p95']:.0f} ms"] if delay else []
    parts += [f"{status['dropped']} dropped"]
    return ", ".join(parts) + (", paused" if status["paused"] else "")


def prometheus_text(snapshots: Sequence[MetricsSnapshot], delays: Delays) -> str:
    """Return all metrics in the text format of Prometheus (version 0.0.4). Needs the extra `web`.

    Args:
        snapshots: metrics of each camera.
        delays: delays from capture to display.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(snapshots, delays))
    return generate_latest(registry).decode()


_Family = tuple[str, str, Callable[[MetricsSnapshot], float]]
"""Name after `camreel_`, help text, and the value of a camera."""
_COUNTERS: tuple[_Family, ...] = (
    ("frames_captured", "Frames that came from the source.", lambda s: s.metrics.captured),
    ("frames_inferred", "Frames that the network saw.", lambda s: s.metrics.inferred),
    ("frames_answered", "Frames that have a record.", lambda s: s.metrics.answered),
    ("frames_shown", "Frames that were shown.", lambda s: s.metrics.shown),
    (
        "frames_dropped",
        "Frames that the network will not see: they came faster than it follows.",
        lambda s: s.dropped,
    ),
    ("frames_skipped", "Frames that were not shown, as a newer one was there.", lambda s: s.skipped),
    ("reconnects", "Times that the source came back.", lambda s: s.metrics.reconnects),
)
_GAUGES: tuple[_Family, ...] = (
    ("connected", "Whether the source gives frames.", lambda s: s.metrics.connected),
    ("pace", "Share of its samples that the network has time for.", lambda s: s.pace),
)


@dataclass(frozen=True, slots=True, eq=False)
class _Collector:
    """Custom collector for prometheus_client: the counters exist already and are read when they are asked for."""

    snapshots: Sequence[MetricsSnapshot]
    delays: Delays

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for families, kind in ((_COUNTERS, CounterMetricFamily), (_GAUGES, GaugeMetricFamily)):
            for name, about, value in families:
                family = kind(f"camreel_{name}", about, labels=("camera", "source"))
                for number, snapshot in enumerate(self.snapshots):
                    family.add_metric(list(self._labels(number).values()), float(value(snapshot)))
                yield family
        yield _summary("delay_seconds", "Seconds from capture to display.", [({}, self.delays)])
        ages = [(self._labels(number), snapshot.metrics.ages) for number, snapshot in enumerate(self.snapshots)]
        yield _summary("map_age_seconds", "Seconds that the map on the picture is older.", ages)

    def _labels(self, number: int) -> dict[str, str]:
        return {"camera": str(number), "source": self.snapshots[number].metrics.name}


def _summary(name: str, about: str, measured: Sequence[tuple[Mapping[str, str], Delays]]) -> Metric:
    """Return a summary with quantiles, which `SummaryMetricFamily` does not have."""
    from prometheus_client import Metric

    family = Metric(f"camreel_{name}", about, "summary")
    for labels, delays in measured:
        quantiles = {"0.5": delays.quantile(0.5), "0.95": delays.quantile(0.95)}
        for share, value in (quantiles | {"1": delays.maximum if delays.count else None}).items():
            if value is not None:
                family.add_sample(f"camreel_{name}", {**labels, "quantile": share}, value)
        family.add_sample(f"camreel_{name}_sum", dict(labels), delays.total)
        family.add_sample(f"camreel_{name}_count", dict(labels), delays.count)
    return family
