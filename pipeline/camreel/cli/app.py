"""Entry point of the command line: arguments become a `Config`, the flow does the work.

Heavy packages (torch, OpenCV, PyAV, NumPy) are imported inside the functions that need them, so that help is fast.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from camreel.cli.batch import exit_code
from camreel.cli.docs import docs
from camreel.cli.evaluate import evaluate
from camreel.cli.figures import figures
from camreel.cli.flags import Debug, Quiet, Verbose, resolve_settings, takes_settings, time_length
from camreel.cli.importing import import_command
from camreel.cli.live import PATTERN, live, live_defaults
from camreel.cli.process import demo, process
from camreel.cli.terminal import Terminal, show_table
from camreel.cli.train import train
from camreel.config.resolution import render
from camreel.errors import ConfigError
from camreel.runtime.files import atomic_write

EXIT_CODES = (
    "Exit codes: 0 done, 1 a bug, 2 usage or configuration, 3 some inputs failed, 4 an input cannot be opened, "
    "5 an output cannot be written, 6 model or weights, 7 device or memory, 130 interrupted, 143 terminated."
)

app = typer.Typer(
    name="camreel",
    help="See where the action is: what happens in a video, where and when.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, and end the process with its exit code.

    Args:
        arguments: words of the command line; None: those of the process.
    """
    terminal = Terminal()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        commands = {str(command.name) for command in app.registered_commands}
        if words and words[0] not in commands and Path(words[0]).exists():
            raise ConfigError(f"{words[0]} is not a command", todo=f"write camreel process {words[0]}")
        with terminal.shows_log():
            app(words, prog_name="camreel", obj=terminal)
    except Exception as error:
        if isinstance(error.__cause__, BrokenPipeError):
            # The reader of the records has ended (`| head`). Python must not fail again when it flushes them at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            terminal.error(error)
        sys.exit(exit_code(error))


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"camreel {version('camreel')}")
        raise typer.Exit


@app.callback()
def set_options(
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    """See where the action is: what happens in a video, where and when."""


def models(context: typer.Context) -> None:
    """List the networks that have a name. With -v before the command, also the files and addresses of their weights."""
    from camreel.models.catalog import catalog

    cards = catalog()
    header = ["name", "kind", "classes", "weights", "MB", "here", "about"]
    rows = [
        [
            card.name,
            card.kind,
            str(card.classes),
            card.weights,
            f"{card.size_mb:.0f}" if card.size_mb else "?",
            "yes" if card.cached else "no",
            card.about,
        ]
        for card in cards
    ]
    if context.obj.verbose:
        header += ["file", "address"]
        rows = [[*row, str(card.path), card.url or "comes with camreel"] for row, card in zip(rows, cards, strict=True)]
    show_table(header, rows)
    folder = next(card.path for card in cards if card.url).parent
    context.obj.note(
        f"Weights that are not here are downloaded on first use to {folder}; without a network connection put the\n"
        "file there (`camreel -v models` shows names and addresses) or name one with --weights FILE.\n"
        "A camreel checkpoint: --model FILE.safetensors; weights of your own: `camreel import`"
    )


def doctor() -> None:
    """Check that this machine has everything that camreel needs; exit code 1 if a check fails."""
    from camreel.cli.doctor import run_checks

    checks = run_checks()
    show_table(("check", "status", "found", "what to do"), [(c.name, c.status, c.found, c.todo) for c in checks])
    raise typer.Exit(1 if any(check.status == "fail" for check in checks) else 0)


def schema() -> None:
    """Print the JSON Schema of the records."""
    from camreel.records import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@takes_settings
def config(**settings: Any) -> None:
    """Print the settings that result from the same flags, as YAML with the origin of each value."""
    typer.echo(render(resolve_settings(settings)), nl=False)


@takes_settings
def bench(
    clip: Annotated[
        str | None, typer.Argument(metavar="CLIP", help="a video, or with --live a source", show_default=False)
    ] = None,
    against: Annotated[str | None, typer.Option(metavar="NAME", help="library to compare with: grad-cam")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="measure delays, drops and memory of `camreel live`, by default with test:")
    ] = False,
    length: Annotated[str, typer.Option("--time", metavar="TIME", help="duration of each live run")] = "60s",
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="write the report there as JSON, too")
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, metavar="COUNT", help="stop after this many frames")] = None,
    **settings: Any,
) -> None:
    """Measure the cost of each stage on CLIP and the largest possible speed; or the delays of `camreel live`."""
    from camreel import bench as room

    report: Any
    if live:
        seconds = time_length(length, "--time")
        report = room.bench_live(
            clip or PATTERN, resolve_settings(settings, live_defaults([clip or PATTERN])).config, seconds
        )
        typer.echo(room.render_live(report))
    elif clip is None:
        raise ConfigError("there is no CLIP to measure", todo="name a video, or add --live")
    else:
        report = room.bench(clip, resolve_settings(settings).config, against=against, frames=frames)
        typer.echo(room.render(report))
    if json_path is not None:
        with atomic_write(json_path) as partial:
            partial.write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")


app.command("process", epilog=EXIT_CODES)(process)
app.command("demo")(demo)
app.command("live", epilog=EXIT_CODES)(live)
app.command("models")(models)
app.command("train", epilog=EXIT_CODES)(train)
app.command("import")(import_command)
app.command("evaluate", epilog=EXIT_CODES)(evaluate)
app.command("figures")(figures)
app.command("bench")(bench)
app.command("config")(config)
app.command("schema")(schema)
app.command("doctor")(doctor)
app.command("docs")(docs)
