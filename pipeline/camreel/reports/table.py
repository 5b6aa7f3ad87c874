"""The figures as rows of text, for the terminal and for the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from camreel.evaluate.summary import METRICS
from camreel.reports.evaluation_report import Report, Table

UNMEASURED = "-"
DECIMALS = {"flicker": 1, "warping": 1}
BESIDE_WIDTH, COLUMN = 24, 12


def rows(report: Report) -> Iterator[tuple[str, bool, list[str]]]:
    """Every metric that could be measured of the network on any split, each followed by the baselines that have it.

    Yields:
        Name, whether it is a baseline's, and a cell per split.
    """
    for metric in METRICS:
        if any(not math.isnan(found.get(metric, math.nan)) for found in report.splits.values()):
            yield metric, False, _cells(metric, report.splits, report.splits)
            for name, table in report.baselines.items():
                if (
                    metric != "area_share"
                    and metric != "idle_frames"
                    and any(metric in found for found in table.values())
                ):
                    yield name, True, _cells(metric, table, report.splits)


def render(report: Report) -> str:
    """The report as text, at most 120 columns wide for the splits there are."""
    lines = [f"{report.model} ({report.weights}) on {report.data}"]
    lines += describe(report)
    lines += ["", " " * BESIDE_WIDTH + "".join(f"{split:>{COLUMN}}" for split in report.splits)]
    for name, beside, cells in rows(report):
        lines.append(f"{'  ' * beside + name:<{BESIDE_WIDTH}}" + "".join(f"{cell:>{COLUMN}}" for cell in cells))
    return "\n".join(lines)


def describe(report: Report) -> list[str]:
    """Seeds, thresholds and notes, a sentence each."""
    lines = [f"{kind} seeds: {_seeds(seeds)}" for kind, seeds in report.seeds.items() if seeds]
    lines += [
        f"{name}: active from score {cut.score:.2f} ({cut.score_origin}), boxes from saliency {cut.box:.2f} ({cut.box_origin})"
        for name, cut in report.cuts.items()
    ]
    return lines + [f"note: {note}" for note in report.notes]


def _seeds(seeds: Mapping[str, list[int]]) -> str:
    """Equal seeds of several splits in one: "7001 to 7012 (single, pair)"."""
    groups: dict[str, list[str]] = {}
    for split, numbers in seeds.items():
        first, last = min(numbers), max(numbers)
        regular = len(numbers) == last - first + 1
        text = (f"{first} to {last}" if last > first else f"{first}") if regular else ", ".join(map(str, numbers))
        groups.setdefault(text, []).append(split)
    return "; ".join(f"{text} ({', '.join(splits)})" for text, splits in groups.items())


def _cells(metric: str, table: Table, splits: Table) -> list[str]:
    return [_cell(metric, table.get(split, {}).get(metric, math.nan)) for split in splits]


def _cell(metric: str, value: float) -> str:
    return UNMEASURED if math.isnan(value) else f"{value:.{DECIMALS.get(metric, 3)}f}"
