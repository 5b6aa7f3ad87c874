"""The command line: arguments become a `Config`, the flow does the work. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camreel.cli.batch import Stop, exit_code, run_jobs, stop_signals
from camreel.cli.evaluate import evaluate
from camreel.cli.figures import figures
from camreel.cli.flags import Debug, Quiet, Verbose, resolve_settings, span, takes_settings
from camreel.cli.live import PATTERN, live_defaults
from camreel.cli.live import live as live_command
from camreel.cli.outputs import STDOUT, Job, choose, name_paths, plan_outputs, prepare
from camreel.cli.progress import MODES, closing_lines, open_reporter, short_name
from camreel.cli.terminal import Terminal, show_table
from camreel.cli.train import train
from camreel.config.resolution import render
from camreel.errors import ConfigError, InputError, nearest

if TYPE_CHECKING:
    from camreel.config.schema import Config
    from camreel.flow import Progress

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
    """Runs a command and ends the process with its exit code."""
    terminal = Terminal()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if (
            words
            and Path(words[0]).exists()
            and words[0] not in {str(command.name) for command in app.registered_commands}
        ):
            raise ConfigError(f"{words[0]} is not a command", todo=f"write camreel process {words[0]}")
        with terminal.shows_log():
            app(words, prog_name="camreel", obj=terminal)
    except Exception as error:
        if isinstance(error.__cause__, BrokenPipeError):
            # Whoever read the records has enough (`| head`): that is no news, also not for the interpreter as it ends.
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
def start(
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    """See where the action is: what happens in a video, where and when."""


@app.command("process", epilog=EXIT_CODES)
@takes_settings
def process(
    context: typer.Context,
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="videos, or folders of videos", show_default=False)
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="the annotated video, or with / at the end a folder (made if need be)",
        ),
    ] = None,
    json_path: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="PATH", help="the records: FILE.jsonl, FILE.json for one document, a folder, - for stdout"
        ),
    ] = None,
    no_video: Annotated[bool, typer.Option("--no-video", help="write no video")] = False,
    no_json: Annotated[bool, typer.Option("--no-json", help="write no records")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace outputs that exist")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="leave out inputs that have all their outputs")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done, and do nothing")] = False,
    progress: Annotated[
        str, typer.Option(metavar="HOW", help=", ".join(MODES), autocompletion=lambda: list(MODES))
    ] = "auto",
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
    **settings: Any,
) -> None:
    """Write the annotated video and the records of every INPUT.

    clip.mp4 becomes clip.camreel.mp4 and clip.camreel.jsonl beside it, or in the
    folder of -o. Where two inputs would share a name there, the later one gets
    -2, -3 and so on.

    Ctrl-C stops and keeps what is done; a second Ctrl-C ends at once.
    """
    terminal: Terminal = context.obj
    if progress not in MODES:
        raise ConfigError(
            f"--progress {progress} is not possible", f"it is one of {', '.join(MODES)}", nearest(progress, MODES)
        )
    config = resolve_settings(settings).config
    jobs = plan_outputs(_expand(inputs), output, json_path, video=not no_video, json=not no_json)
    jobs, done = choose(jobs, overwrite=overwrite, skip_existing=skip_existing)
    for job in done:
        terminal.note(f"{job.uri}: skipped, {name_paths(job.paths)} exist{'s' if len(job.paths) == 1 else ''}")
    if dry_run:
        raise typer.Exit(run_jobs(jobs, lambda job: _show_plan(job, config), terminal))
    if jobs:
        _process(jobs, config, "none" if terminal.quiet else progress, terminal)


def _expand(inputs: Sequence[str]) -> list[str]:
    """The inputs one by one, each once. Of several, one that is not there stays, to fail in its turn and not stop the others."""
    from camreel.sources.inputs import expand

    try:
        return expand(inputs)
    except InputError:
        if len(inputs) == 1:
            raise
    found: list[str] = []
    for text in inputs:
        try:
            found += expand([text])
        except InputError:
            found.append(text)
    return list(dict.fromkeys(found))


def _show_plan(job: Job, config: Config) -> None:
    from camreel.flow import describe_run

    for line in (*describe_run(job.uri, config), f"  writes {name_paths(job.paths)}"):
        typer.echo(line)


def _process(jobs: Sequence[Job], config: Config, mode: str, terminal: Terminal) -> None:
    try:
        with stop_signals() as stop:
            prepare(jobs)
            terminal.note(f"loading {config.model.name}")
            from camreel.flow import load_recognizer

            recognizer = load_recognizer(config)
            code = run_jobs(jobs, lambda job: _work(job, config, recognizer, mode, terminal, stop), terminal)
    except KeyboardInterrupt as error:
        code = exit_code(error)
    raise typer.Exit(code)


def _work(job: Job, config: Config, recognizer: Any, mode: str, terminal: Terminal, stop: Stop) -> None:
    """Processes one input and says how it went."""
    from camreel.flow import process

    if mode == "auto" and job.records == STDOUT and sys.stdout.isatty():
        mode = "none"
    reporter = open_reporter(mode, sys.stderr)
    last: list[Progress] = []

    def on_progress(progress: Progress) -> None:
        last[:] = [progress]
        reporter.update(progress)
        stop.check()

    begin = time.monotonic()
    try:
        with stop.between_frames():
            summary = process(
                job.uri, config, video=job.video, records=job.records, on_progress=on_progress, recognizer=recognizer
            )
    except KeyboardInterrupt:
        reporter.close()
        kept = name_paths([path for path in job.files if path.exists()])
        where = (config.start or 0.0) + (last[0].time if last else 0.0)
        terminal.note(f"stopped at {where:.1f} s" + (f"; what is done is in {kept}" if kept else "; nothing is written"))
        raise
    finally:
        reporter.close()
    seconds = last[0].time if last else 0.0
    terminal.note(f"{short_name(job.uri)} -> {name_paths(job.paths)}")
    for line in closing_lines(summary, seconds, time.monotonic() - begin, verbose=terminal.verbose > 0):
        terminal.note(f"  {line}")


@app.command("models")
def models(context: typer.Context) -> None:
    """List the networks that have a name. With -v before the command, also where their weights are and come from."""
    from camreel.models.catalog import catalog

    cards = catalog()
    header = ["name", "kind", "classes", "weights", "MB", "here", "about"]
    rows = [
        [
            c.name,
            c.kind,
            str(c.classes),
            c.weights,
            f"{c.size_mb:.0f}" if c.size_mb else "?",
            "yes" if c.cached else "no",
            c.about,
        ]
        for c in cards
    ]
    if context.obj.verbose:
        header += ["file", "address"]
        rows = [[*row, str(card.path), card.url or "comes with camreel"] for row, card in zip(rows, cards, strict=True)]
    show_table(header, rows)
    folder = next(card.path for card in cards if card.url).parent
    context.obj.note(
        f"Weights that are not here are fetched on first use into {folder}; without a network put the file there"
    )
    context.obj.note(
        "(`camreel -v models` shows names and addresses) or name one with --weights. A camreel checkpoint: --model FILE.safetensors"
    )


@app.command("doctor")
def doctor() -> None:
    """Check that this machine has what camreel needs; exit code 1 if something fails."""
    from camreel.cli.doctor import examine

    checks = examine()
    show_table(("check", "status", "found", "what to do"), [(c.name, c.status, c.found, c.todo) for c in checks])
    raise typer.Exit(1 if any(check.status == "fail" for check in checks) else 0)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of the records."""
    from camreel.records import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command("config")
@takes_settings
def config(**settings: Any) -> None:
    """Print the settings that would hold with the same flags, as YAML, each with where it comes from."""
    typer.echo(render(resolve_settings(settings)), nl=False)


@app.command("bench")
@takes_settings
def bench(
    clip: Annotated[
        str | None, typer.Argument(metavar="CLIP", help="a video, or with --live a source", show_default=False)
    ] = None,
    against: Annotated[str | None, typer.Option(metavar="NAME", help="what to compare with: grad-cam")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="delays, drops and memory of `camreel live`, by default of test:")
    ] = False,
    length: Annotated[str, typer.Option("--time", metavar="TIME", help="of each live run")] = "60s",
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="write the report there as JSON, too")
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, metavar="COUNT", help="stop after so many frames")] = None,
    **settings: Any,
) -> None:
    """Measure what each stage costs on CLIP, and what the limit is; or what is live about `camreel live`."""
    from camreel import bench as stage

    report: Any
    if live:
        config = resolve_settings(settings, live_defaults([clip or PATTERN])).config
        report = stage.bench_live(clip or PATTERN, config, span(length, "--time"))
        typer.echo(stage.render_live(report))
    elif clip is None:
        raise ConfigError("there is no CLIP to measure", todo="name a video, or add --live")
    else:
        report = stage.bench(clip, resolve_settings(settings).config, against=against, frames=frames)
        typer.echo(stage.render(report))
    if json_path is not None:
        json_path.write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")


app.command("evaluate", epilog=EXIT_CODES)(evaluate)
app.command("figures")(figures)
app.command("live", epilog=EXIT_CODES)(live_command)
app.command("train", epilog=EXIT_CODES)(train)
