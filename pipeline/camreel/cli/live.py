"""`camreel live`: cameras."""

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

if TYPE_CHECKING:
    from camreel.config.schema import Config
    from camreel.live.options import LiveOptions, Show
    from camreel.live.session import Outcome

SHOWS = ("auto", "window", "web", "none")
HERE = "127.0.0.1:8090"
PATTERN = "test:"


Where = Annotated[
    str,
    typer.Option(
        metavar="WHERE",
        help="window, web or none; auto: a window, or the page where there is no screen",
        autocompletion=lambda: list(SHOWS),
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
    show: Where = "auto",
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help=rf"show the page, and serve it there \[default: {HERE}, for this computer alone]"
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
    terminal: Terminal = context.obj
    sources = _sources(inputs or [], browser)
    config = resolve_settings(settings, live_defaults(sources)).config
    places = _places(show, serve, browser)
    from camreel.live.options import LiveOptions

    options = LiveOptions(
        show=places,
        address=serve or HERE,
        browser=browser,
        records=_records(json_path),
        record=record,
        segment=time_length(segment, "--segment") if segment else None,
        push=push,
        duration=time_length(duration, "--duration") if duration else None,
        max_frames=max_frames,
        realtime=realtime,
    )
    _refuse_existing(options, len(sources) or 1, overwrite)  # --browser is one that has no name
    raise typer.Exit(_live(sources, config, options, terminal))


takes_settings(live, {**LIVE_FLAGS, **FLAGS})


def live_defaults(sources: Sequence[str]) -> list[Setting]:
    """What is presumed for live sources: nothing looks ahead, and the test pattern works without fetching a network."""
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


def _places(show: str, serve: str | None, browser: bool) -> frozenset[Show]:
    """Where the picture is shown. No screen never fails: it is looked for before anything is opened on it."""
    if show not in SHOWS:
        raise ConfigError(f"--show {show} is not possible", f"it is one of {', '.join(SHOWS)}", nearest(show, SHOWS))
    places: set[Show] = {"web"} if serve is not None or browser or show == "web" else set()
    if show in ("window", "auto") and not (show == "auto" and places):
        from camreel.sinks.window import has_screen

        if has_screen():
            places.add("window")
        elif show == "window":
            raise ConfigError(
                "there is no screen for a window here", "no display answers, or OpenCV has no windows", "use --show web"
            )
        else:
            places.add("web")
    return frozenset(places)


def _records(path: str | None) -> str | None:
    if path is not None and path.endswith(".json"):
        raise ConfigError(
            f"--json {path} is not possible",
            "live records are JSON Lines, which can be read while they grow",
            "name it .jsonl",
        )
    return path


def _refuse_existing(options: LiveOptions, count: int, overwrite: bool) -> None:
    from camreel.live.outputs import record_paths

    wanted = record_paths(options.record, count) if options.record else []
    wanted += [Path(options.records)] if options.records not in (None, "-") else []
    for path in wanted:
        if path.exists() and not overwrite:
            raise ConfigError(f"{path} already exists", todo="--overwrite replaces it, or choose another name")


def _live(sources: Sequence[str], config: Config, options: LiveOptions, terminal: Terminal) -> int:
    try:
        with stop_signals() as stop:
            terminal.note(f"loading {config.model.name}")
            from camreel.flow import load_recognizer
            from camreel.live.session import watch

            recognizer = load_recognizer(config)
            with stop.between_frames():
                outcomes = watch(
                    sources,
                    config,
                    options,
                    recognizer,
                    check=stop.check,
                    say=terminal.note,
                    ended=lambda one: _sum_up(one, terminal),
                )
    except KeyboardInterrupt as error:
        return exit_code(error)
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    if failed and len(failed) == len(outcomes):
        raise failed[0]
    return SOME_FAILED if failed else 0


def _sum_up(outcome: Outcome, terminal: Terminal) -> None:
    counts, live = outcome.summary.frames, outcome.live
    if not counts.decoded:
        return
    files = f" -> {name_paths(outcome.files)}" if outcome.files else ""
    terminal.note(f"{outcome.name}{files}")
    rate = live["rate"]
    terminal.note(
        f"  {counts.decoded} frames in {outcome.seconds:.1f} s: {rate['in']:.1f} per second, {rate['inferred']:.1f} inferred, "
        f"{rate['shown']:.1f} shown; {counts.dropped} dropped, {live['skipped']} not shown"
    )
    for name, what in (("delay", "capture to display"), ("age", "age of the maps")):
        if live[name]["p50"] is not None:
            p50, p95, most = (1000 * live[name][key] for key in ("p50", "p95", "max"))
            terminal.note(f"  {what}: median {p50:.0f} ms, 95 % within {p95:.0f} ms, at most {most:.0f} ms")
    if live["reconnects"]:
        terminal.note(f"  {live['reconnects']} times connected again")
    for sentence in outcome.summary.fallbacks:
        terminal.note(f"  {sentence}")
