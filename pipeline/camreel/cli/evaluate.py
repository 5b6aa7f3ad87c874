"""`camreel evaluate`: a network against the truth, and baselines beside it."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camreel.cli.batch import exit_code, stop_signals
from camreel.cli.flags import Debug, Quiet, Verbose, resolve_settings, takes_settings
from camreel.cli.outputs import reserved
from camreel.cli.progress import open_reporter
from camreel.cli.terminal import Terminal
from camreel.errors import ConfigError, nearest

if TYPE_CHECKING:
    from camreel.config.schema import Config
    from camreel.evaluate import Report

MODEL = "figures"
PAGES = (".html", ".htm")


@takes_settings
def evaluate(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="videos with truth; without it, the data set makes its own", show_default=False
        ),
    ] = None,
    data: Annotated[str, typer.Option(metavar="NAME", help="the data set: figures, davis, ucf24, boxes")] = "figures",
    videos: Annotated[int, typer.Option(min=1, max=500, metavar="COUNT", help="of each split, without DIR")] = 12,
    seed: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="of the first video, without DIR")] = 7001,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="write a page with pictures there: report.html"),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="write the figures there as JSON")
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
    config = _config(settings)
    _check_data(data)
    if output is not None and output.suffix.lower() not in PAGES:
        raise ConfigError(f"-o {output} is no page", "the report is HTML", f"write -o {output.with_suffix('.html')}")
    if output is not None and output == json_path:
        raise ConfigError(f"-o and --json both name {output}", todo="give them different names")
    try:
        with stop_signals(), ExitStack() as own:
            write_page = own.enter_context(reserved(output)) if output else None
            write_json = own.enter_context(reserved(json_path)) if json_path else None
            report = _measure(config, data, folder, videos, seed, terminal)
            if write_json:
                write_json(json.dumps(report.to_dict(), indent=2) + "\n")
            if write_page:
                write_page(_page(report))
    except KeyboardInterrupt as error:
        terminal.note("stopped; nothing is written")
        raise typer.Exit(exit_code(error)) from None


def _config(settings: dict[str, Any]) -> Config:
    """The settings, with the bundled network where nobody named one."""
    resolved = resolve_settings(settings)
    return resolved.config.with_model(MODEL) if resolved.origins["model.name"] == "default" else resolved.config


def _check_data(name: str) -> None:
    from camreel.evaluate import DATA

    if name not in DATA:
        raise ConfigError(f"--data {name} is not possible", f"there are: {', '.join(DATA)}", nearest(name, DATA))


def _measure(config: Config, data: str, folder: Path | None, videos: int, seed: int, terminal: Terminal) -> Report:
    from camreel import evaluate as room

    reporter = open_reporter("none" if terminal.quiet else "auto", sys.stderr)
    try:
        report = room.evaluate(config, data=data, folder=folder, videos=videos, seed=seed, on_progress=reporter.update)
    finally:
        reporter.close()
    typer.echo(room.render(report))
    return report


def _page(report: Report) -> str:
    from importlib.metadata import version

    from camreel.evaluate import page

    return page(report, ["camreel", *sys.argv[1:]], version("camreel"))
