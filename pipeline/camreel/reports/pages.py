"""Reports as HTML pages that need nothing else: no network, no scripts, light and dark."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from camreel.metrics import METRICS
from camreel.reports import plots
from camreel.reports.evaluation_report import EvaluationReport, ExampleVideo, describe, table_rows
from camreel.reports.plots import ScorePlot, plot_history, plot_reliability, plot_scores
from camreel.reports.training_report import TrainingReport

TEMPLATES = Path(__file__).parent / "templates"


def evaluation_page(report: EvaluationReport, command: Sequence[str], version: str) -> str:
    """Return the page of an evaluation.

    Args:
        report: results.
        command: command line of the evaluation.
        version: version of camreel.
    """
    model = report.model
    return _render(
        "evaluation.html.j2",
        title=f"camreel evaluate: {model.name} on {report.data}",
        command=shlex.join(command),
        facts=[
            *describe(report),
            f"weights: {model.weights}" + (f", sha256 {model.sha256}" if model.sha256 else ""),
            f"camreel {version}",
        ],
        splits=list(report.splits),
        rows=list(table_rows(report)),
        metrics=METRICS,
        groups=[
            (split, [(example, _score_plot(example, report)) for example in examples])
            for split, examples in groupby(report.examples, key=lambda example: example.split)
        ],
    )


def _score_plot(example: ExampleVideo, report: EvaluationReport) -> ScorePlot | None:
    threshold = report.thresholds["model"].score
    if example.scores is None or threshold is None:
        return None
    return plot_scores(example.scores, example.classes, threshold)


def training_page(report: TrainingReport, command: Sequence[str], version: str) -> str:
    """Return the page of a training on labeled clips.

    Args:
        report: results.
        command: command line of the training.
        version: version of camreel.
    """
    result = report.held_out
    return _render(
        "training.html.j2",
        title=report.title,
        command=shlex.join(command),
        facts=[*report.describe(), f"camreel {version}"],
        result=result,
        confusion=[
            (row.name, [(count, count / max(1, sum(counts))) for count in counts])
            for row, counts in zip(result.classes, result.confusion, strict=True)
        ],
        history=plot_history(report.history),
        reliability=plot_reliability(result.reliability, result.clips),
        confused=report.confused,
    )


def _render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(values) + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    environment.filters["decimals"] = lambda value, digits: f"{value:.{digits}f}"
    environment.globals["sizes"] = plots
    return environment
