"""The report of an evaluation: its data, as JSON, and as a table of text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from camreel.metrics import METRICS
from camreel.metrics.frame_scores import FrameScores

Table = Mapping[str, Mapping[str, float]]
"""Split -> metric -> value; NaN: it could not be measured."""

UNMEASURED = "-"
"""Cell of a value that could not be measured."""
DECIMALS = {"flicker": 1, "warping": 1}
"""Decimals of a metric's values, if not 3."""
NETWORK_ONLY = ("area_share", "idle_frames")
"""Metrics that only depend on the truth, and are therefore not repeated for the baselines."""
NAME_COLUMNS, SPLIT_COLUMNS = 24, 12
"""Width of the name of a row, and of each split, in characters."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The evaluated network."""

    name: str
    weights: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The two thresholds of a network or baseline, and their origins: given, calibrated, validation or default."""

    score: float | None
    """Score from which a class is active; None: a baseline without scores."""
    box: float
    """Saliency at which boxes are cut."""
    score_origin: str | None
    box_origin: str


@dataclass(frozen=True, slots=True)
class ExampleVideo:
    """A video shown on the page."""

    split: str
    name: str
    rank: str
    """best, median or worst."""
    pointing: float
    """Result of the pointing game."""
    classes: tuple[str, ...]
    scores: FrameScores | None
    """None: the truth has no times."""
    strip: bytes
    """JPEG of some of its frames."""


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The metrics of a network and of the baselines beside it."""

    model: ModelInfo
    data: str
    """Name of the data set, or the folder."""
    seeds: Mapping[str, Mapping[str, list[int]]]
    """ "test" and "validation" -> split -> seeds."""
    thresholds: Mapping[str, Thresholds]
    """Networks and baselines -> thresholds."""
    splits: Table
    """Metrics of the network."""
    baselines: Mapping[str, Table]
    videos: Table
    """Metrics of the network by video instead of split, to compare two networks in pairs."""
    examples: tuple[ExampleVideo, ...]
    config: Mapping[str, Any]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics as plain values; None: it could not be measured."""
        return {
            "model": asdict(self.model),
            "data": self.data,
            "seeds": self.seeds,
            "thresholds": {
                name: {key: value for key, value in asdict(thresholds).items() if value is not None}
                for name, thresholds in self.thresholds.items()
            },
            "splits": _to_plain(self.splits),
            "baselines": {name: _to_plain(table) for name, table in self.baselines.items()},
            "videos": _to_plain(self.videos),
            "config": self.config,
            "notes": list(self.notes),
        }


def _to_plain(table: Table) -> dict[str, dict[str, float | None]]:
    return {
        split: {name: None if math.isnan(value) else round(value, 5) for name, value in metrics.items()}
        for split, metrics in table.items()
    }


@dataclass(frozen=True, slots=True)
class TableRow:
    """One metric of the network or of a baseline."""

    name: str
    """Name of the metric, or of the baseline."""
    is_baseline: bool
    cells: tuple[str, ...]
    """Text per split."""


def table_rows(report: EvaluationReport) -> Iterator[TableRow]:
    """Yield each metric that could be measured on any split, followed by the baselines that have it."""
    for metric in METRICS:
        if any(not math.isnan(metrics.get(metric, math.nan)) for metrics in report.splits.values()):
            yield TableRow(metric, False, _cells(metric, report.splits, report))
            for name, table in report.baselines.items():
                if metric not in NETWORK_ONLY and any(metric in metrics for metrics in table.values()):
                    yield TableRow(name, True, _cells(metric, table, report))


def _cells(metric: str, table: Table, report: EvaluationReport) -> tuple[str, ...]:
    values = [table.get(split, {}).get(metric, math.nan) for split in report.splits]
    return tuple(UNMEASURED if math.isnan(value) else f"{value:.{DECIMALS.get(metric, 3)}f}" for value in values)


def render_text(report: EvaluationReport) -> str:
    """Return the report as text, at most 120 columns wide for up to eight splits.

    Example:
        >>> print(render_text(evaluate(Config().with_model("figures"), DataOptions(videos=2))))
    """
    lines = [f"{report.model.name} ({report.model.weights}) on {report.data}"]
    lines += describe(report)
    lines += ["", " " * NAME_COLUMNS + "".join(f"{split:>{SPLIT_COLUMNS}}" for split in report.splits)]
    for row in table_rows(report):
        name = f"{'  ' * row.is_baseline + row.name:<{NAME_COLUMNS}}"
        lines.append(name + "".join(f"{cell:>{SPLIT_COLUMNS}}" for cell in row.cells))
    return "\n".join(lines)


def describe(report: EvaluationReport) -> list[str]:
    """Return seeds, thresholds and notes, a sentence each."""
    lines = [f"{kind} seeds: {_seed_ranges(seeds)}" for kind, seeds in report.seeds.items() if seeds]
    lines += [
        f"{name}: active from score {t.score:.2f} ({t.score_origin}), boxes from saliency {t.box:.2f} ({t.box_origin})"
        for name, t in report.thresholds.items()
        if t.score is not None
    ]
    return lines + [f"note: {note}" for note in report.notes]


def _seed_ranges(seeds: Mapping[str, list[int]]) -> str:
    """Return seeds with equal ones of several splits combined: "7001 to 7012 (single, pair)"."""
    groups: dict[str, list[str]] = {}
    for split, numbers in seeds.items():
        first, last = min(numbers), max(numbers)
        regular = len(numbers) == last - first + 1
        text = (f"{first} to {last}" if last > first else f"{first}") if regular else ", ".join(map(str, numbers))
        groups.setdefault(text, []).append(split)
    return "; ".join(f"{text} ({', '.join(splits)})" for text, splits in groups.items())
