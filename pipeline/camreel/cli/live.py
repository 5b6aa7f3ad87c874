"""The command `camreel live`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camreel.cli.batch import exit_code, stop_signals
from camreel.cli.flags import FLAGS, LIVE_FLAGS, Debug, Quiet, Verbose, resolve_settings, takes_settings, time_length
from camreel.cli.outputs import name_paths
from camreel.cli.terminal import Terminal
from camreel.config.resolution import Setting
from camreel.errors import SOME_FAILED, ConfigError, nearest
from camreel.live import DISPLAYS, is_available, served_display
from camreel.live.options import DEFAULT_ADDRESS, LiveOptions

if TYPE_CHECKING:
    from camreel.config.schema import Config
    from camreel.live.session import Outcome

AUTO, NONE = "auto", "none"
SHOW_CHOICES = (AUTO, *DISPLAYS, NONE)
"""Values of `--show`."""
PATTERN = "test:"
"""Start of the addresses of test patterns."""


Show = Annotated[
    str,
    typer.Option(
        metavar="WHERE",
        help=f"{', '.join(DISPLAYS)} or none; auto: {', or '.join(kind.title for kind in DISPLAYS.values())} "
        "where there is no screen",
        autocompletion=lambda: list(SHOW_CHOICES),
    ),
]


def live(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="a webcam (0), rtsp://..., http://..., test:, a video; several: side by side",
            show_default=False,
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="the page asks for the visitor's own camera")] = False,
    show: Show = AUTO,
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help=rf"show the page, and serve it there \[default: {DEFAULT_ADDRESS}, for this computer alone]",
        ),
    ] = None,
    json_path: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="the records as JSON Lines; - for stdout")
    ] = None,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="the annotated video")] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="TIME", help="begin another file of --record after this: 10m")
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="stream the picture there: rtsp://, rtmp://, udp://, tcp://")
    ] = None,
    duration: Annotated[str | None, typer.Option(metavar="TIME", help="end after this: 30s, 10m")] = None,
    max_frames: Annotated[
        int | None, typer.Option(min=1, metavar="COUNT", help="end after so many frames of each source")
    ] = None,
    realtime: Annotated[bool, typer.Option("--realtime/--no-realtime", help="play files at their own pace")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace outputs that exist")] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
    **settings: Any,
) -> None:
    """Show cameras with what happens, where: in a window or in the browser.

    The picture never waits for the network: it carries the newest map, whose age is shown.
    In the window q ends, c changes the class, s keeps the picture, space pauses.
    Ctrl-C ends and finishes all files.
    """
    sources = _sources(inputs or [], browser)
    config = resolve_settings(settings, live_defaults(sources)).config
    options = LiveOptions(
        show=_displays(show, serve, browser),
        address=serve or DEFAULT_ADDRESS,
        browser=browser,
        records=_records(json_path),
        record=record,
        segment=time_length(segment, "--segment") if segment else None,
        push=push,
        duration=time_length(duration, "--duration") if duration else None,
        max_frames=max_frames,
        realtime=realtime,
    )
    _refuse_existing(options, len(sources) or 1, overwrite)  # --browser is a source without an address
    raise typer.Exit(_run(sources, config, options, context.obj))


takes_settings(live, {**LIVE_FLAGS, **FLAGS})


def live_defaults(sources: Sequence[str]) -> list[Setting]:
    """Return the defaults of live runs: nothing looks ahead, and test patterns need no downloaded network."""
    pattern = bool(sources) and all(source.startswith(PATTERN) for source in sources)
    return [Setting("causal", True, "live"), *([Setting("model.name", "figures", "test:")] if pattern else [])]


def _sources(inputs: Sequence[str], browser: bool) -> list[str]:
    if browser:
        if inputs:
            raise ConfigError(
                "--browser is a source itself", f"{inputs[0]} cannot be shown beside it", "leave one of the two out"
            )
        return []
    if not inputs:
        raise ConfigError(
            "no source", todo="name one: camreel live 0, camreel live rtsp://..., camreel live test:, or --browser"
        )
    from camreel.sources.inputs import expand

    return expand(inputs)


def _displays(show: str, serve: str | None, browser: bool) -> frozenset[str]:
    """Return the displays to open. A missing screen never fails: it is looked for before anything is opened on it."""
    if show not in SHOW_CHOICES:
        choices, hint = ", ".join(SHOW_CHOICES), nearest(show, SHOW_CHOICES)
        raise ConfigError(f"--show {show} is not possible", f"it is one of {choices}", hint)
    page = served_display()
    displays = {page} if serve is not None or browser else set()
    if show in DISPLAYS:
        if not is_available(show):
            raise ConfigError(
                f"there is no screen for {DISPLAYS[show].title} here",
                "no display answers, or OpenCV has no windows",
                f"use --show {page}",
            )
        displays.add(show)
    elif show == AUTO and not displays:
        displays.add(next(name for name in DISPLAYS if is_available(name)))
    return frozenset(displays)


def _records(path: str | None) -> str | None:
    if path is not None and path.endswith(".json"):
        raise ConfigError(
            f"--json {path} is not possible",
            "live records are JSON Lines, which can be read while they grow",
            "name it .jsonl",
        )
    return path


def _refuse_existing(options: LiveOptions, count: int, overwrite: bool) -> None:
    from camreel.live.outputs import recording_paths

    wanted = recording_paths(options.record, count) if options.record else []
    wanted += [Path(options.records)] if options.records not in (None, "-") else []
    for path in wanted:
        if path.exists() and not overwrite:
            raise ConfigError(f"{path} already exists", todo="--overwrite replaces it, or choose another name")


def _run(sources: Sequence[str], config: Config, options: LiveOptions, terminal: Terminal) -> int:
    """Run the cameras; return the exit code."""
    try:
        with stop_signals() as stop:
            terminal.note(f"loading {config.model.name}")
            from camreel.flow import load_recognizer
            from camreel.live.session import Callbacks, watch

            recognizer = load_recognizer(config)
            callbacks = Callbacks(on_tick=stop.check, on_end=lambda outcome: _show_outcome(outcome, terminal))
            with stop.between_frames():
                outcomes = watch(sources, config, options, recognizer, callbacks)
    except KeyboardInterrupt as error:
        return exit_code(error)
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    if failed and len(failed) == len(outcomes):
        raise failed[0]
    return SOME_FAILED if failed else 0


def _show_outcome(outcome: Outcome, terminal: Terminal) -> None:
    """Show the result of one camera."""
    counts, live = outcome.summary.frames, outcome.live
    if not counts.decoded:
        return
    files = f" -> {name_paths(outcome.files)}" if outcome.files else ""
    terminal.note(f"{outcome.name}{files}")
    rate = live["rate"]
    terminal.note(
        f"  {counts.decoded} frames in {outcome.seconds:.1f} s: {rate['in']:.1f} per second, "
        f"{rate['inferred']:.1f} inferred, {rate['shown']:.1f} shown; "
        f"{counts.dropped} dropped, {live['skipped']} not shown"
    )
    for name, title in (("delay", "capture to display"), ("age", "age of the maps")):
        if live[name]["p50"] is not None:
            p50, p95, maximum = (1000 * live[name][key] for key in ("p50", "p95", "max"))
            terminal.note(f"  {title}: median {p50:.0f} ms, 95 % within {p95:.0f} ms, at most {maximum:.0f} ms")
    if live["reconnects"]:
        terminal.note(f"  {live['reconnects']} times connected again")
    for sentence in outcome.summary.fallbacks:
        terminal.note(f"  {sentence}")
