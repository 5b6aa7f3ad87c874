"""`camreel evaluate`: a network against ground truth, with baselines beside it."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camreel.cli.batch import exit_code, stop_signals
from camreel.cli.flags import Debug, Quiet, Verbose, resolve_settings, takes_settings
from camreel.cli.progress import open_reporter
from camreel.cli.terminal import Terminal
from camreel.errors import ConfigError, nearest
from camreel.evaluate.datasets import DATASETS, DataOptions
from camreel.runtime.files import atomic_write

if TYPE_CHECKING:
    from camreel.config.schema import Config
    from camreel.reports.evaluation_report import EvaluationReport

log = logging.getLogger(__name__)

DEFAULT_MODEL = "figures"
PAGE_SUFFIXES = (".html", ".htm")


@takes_settings
def evaluate(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="videos with truth; without it, the data set makes its own", show_default=False
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            metavar="NAME", help=f"the data set: {', '.join(DATASETS)}", autocompletion=lambda: list(DATASETS)
        ),
    ] = DataOptions().name,
    videos: Annotated[
        int, typer.Option(min=1, max=500, metavar="COUNT", help="of each split, without DIR")
    ] = DataOptions().videos,
    seed: Annotated[
        int, typer.Option(min=0, metavar="NUMBER", help="of the first video, without DIR")
    ] = DataOptions().seed,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="write a page with pictures there: report.html"),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="write the metrics there as JSON")
    ] = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
    **settings: Any,
) -> None:
    """Measure how well a network says what, where and when, beside simple baselines.

    Every video goes through the same program as `camreel process`. Thresholds
    that the network does not bring along are chosen on other videos, where
    the data set has some. The network is the bundled one unless --model names
    another.
    """
    terminal: Terminal = context.obj
    config = _resolve_config(settings)
    _check_arguments(data, output, json_path)
    try:
        with stop_signals(), ExitStack() as own:
            # Opened now, so that a file that cannot be written is known before hours of work.
            page = own.enter_context(atomic_write(output)) if output else None
            metrics = own.enter_context(atomic_write(json_path)) if json_path else None
            report = _run(config, DataOptions(data, folder, videos, seed), quiet=terminal.quiet)
            if metrics:
                metrics.write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
            if page:
                page.write_text(_render_page(report), encoding="utf-8")
    except KeyboardInterrupt as error:
        log.info("stopped; nothing is written")
        raise typer.Exit(exit_code(error)) from None


def _resolve_config(settings: dict[str, Any]) -> Config:
    """Return the configuration, with the bundled network unless the user named another."""
    resolved = resolve_settings(settings)
    is_default = resolved.origins["model.name"] == "default"
    return resolved.config.with_model(DEFAULT_MODEL) if is_default else resolved.config


def _check_arguments(data: str, output: Path | None, json_path: Path | None) -> None:
    if data not in DATASETS:
        why = f"there are: {', '.join(DATASETS)}"
        raise ConfigError(f"--data {data} is not possible", why, nearest(data, DATASETS))
    if output is not None and output.suffix.lower() not in PAGE_SUFFIXES:
        raise ConfigError(f"-o {output} is no page", "the report is HTML", f"write -o {output.with_suffix('.html')}")
    if output is not None and output == json_path:
        raise ConfigError(f"-o and --json both name {output}", todo="give them different names")


def _run(config: Config, data: DataOptions, *, quiet: bool) -> EvaluationReport:
    """Run the evaluation with a progress display, and print the table."""
    from camreel.evaluate import evaluation
    from camreel.reports.evaluation_report import render_text

    reporter = open_reporter("none" if quiet else "auto", sys.stderr)
    try:
        report = evaluation.evaluate(config, data, on_progress=reporter.update)
    finally:
        reporter.close()
    typer.echo(render_text(report))
    return report


def _render_page(report: EvaluationReport) -> str:
    from importlib.metadata import version

    from camreel.reports.pages import evaluation_page

    return evaluation_page(report, ["camreel", *sys.argv[1:]], version("camreel"))
