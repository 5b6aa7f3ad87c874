"""The flags that several commands share. Help, choices and defaults of settings come from `config`: they are written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from camreel.config.resolution import Resolved, Setting, resolve
from camreel.config.schema import choices, leaves
from camreel.errors import ConfigError
from camreel.options import parse_length


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that gives one setting."""

    names: str
    """As typer takes it: "--top-k", or "--audio/--no-audio"."""
    key: str
    metavar: str = "TEXT"
    many: bool = False
    """May be given again; the values add up."""

    @property
    def parameter(self) -> str:
        """Its name as a Python parameter."""
        return self.shown.removeprefix("--").replace("-", "_")

    @property
    def shown(self) -> str:
        """Its name as people write it."""
        return self.names.partition("/")[0]


FLAGS: Mapping[str, tuple[Flag, ...]] = {
    "Network": (
        Flag("--model", "model.name", "NAME"),
        Flag("--weights", "model.weights"),
        Flag("--method", "model.method", "NAME"),
        Flag("--map-size", "model.map_size", "PIXELS"),
        Flag("--device", "model.device", "NAME"),
        Flag("--precision", "model.precision", "NAME"),
        Flag("--batch", "model.batch", "CLIPS"),
        Flag("--trust-pickle", "model.trust_pickle", ""),
    ),
    "Localization": (
        Flag("--classes", "localize.classes", "NAMES", many=True),
        Flag("--top-k", "localize.top_k", "COUNT"),
        Flag("--min-score", "localize.min_score", "SCORE"),
        Flag("--threshold", "localize.threshold", "SHARE"),
        Flag("--refine", "localize.refine", "NAME"),
        Flag("--smooth", "smooth.name", "NAME"),
        Flag("--causal/--no-causal", "causal", ""),
    ),
    "Picture and range": (
        Flag("--style", "video.style", "NAME"),
        Flag("--codec", "video.codec", "NAME"),
        Flag("--crf", "video.crf", "NUMBER"),
        Flag("--preset", "video.preset", "NAME"),
        Flag("--audio/--no-audio", "video.audio", ""),
        Flag("--start", "start", "TIME"),
        Flag("--end", "end", "TIME"),
    ),
}


LIVE: Mapping[str, tuple[Flag, ...]] = {
    "Cameras": (
        Flag("--policy", "live.policy", "NAME"),
        Flag("--max-latency", "live.max_latency", "TIME"),
    ),
}
"""Of `live` alone."""


def _remember(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Keeps -v, -q and --debug, wherever they stand."""
    if value:
        setattr(context.obj, str(parameter.name), value)
    return value


Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, callback=_remember, help="say more", show_default=False)
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", callback=_remember, help="say errors only")]
Debug = Annotated[bool, typer.Option("--debug", callback=_remember, help="show the traceback of errors")]


def takes_settings(command: Callable[..., None], panels: Mapping[str, tuple[Flag, ...]] = FLAGS) -> Callable[..., None]:
    """Gives a command the flags of `panels`, `-c` and `--set`, in place of its `**settings`."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    command.__signature__ = signature.replace(parameters=[*own, *_parameters(panels)])  # type: ignore[attr-defined]
    return command


def resolve_settings(settings: Mapping[str, Any], defaults: Sequence[Setting] = ()) -> Resolved:
    """Lays what the flags of `takes_settings` brought over files and defaults.

    Args:
        settings: what the flags brought.
        defaults: of this command, where they differ.

    Raises:
        ConfigError: a file, key or value is wrong.
    """
    flags = [
        Setting(
            flag.key,
            _join(settings[flag.parameter]) if flag.many else settings[flag.parameter],
            _origin(flag, settings),
        )
        for panel in (*FLAGS.values(), *LIVE.values())
        for flag in panel
        if settings.get(flag.parameter) not in (None, [])
    ]
    return resolve(settings["config"] or (), settings["set"] or (), flags, defaults)


def span(text: str, flag: str) -> float:
    """Seconds of a length of time that a flag takes.

    Raises:
        ConfigError: it is none.
    """
    try:
        seconds = parse_length(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise ConfigError(
            f"{flag} {text} is not possible", "it takes a length of time", "write 30s, 90m, 1h30m or 5400"
        )
    return seconds


def _parameters(panels: Mapping[str, tuple[Flag, ...]]) -> Iterator[inspect.Parameter]:
    for panel, flags in panels.items():
        for flag in flags:
            yield _parameter(flag.parameter, _annotation(flag, panel))
    file = typer.Option(
        "--config", "-c", metavar="FILE", help="YAML with settings, or NAME of ./configs/NAME.yaml; the last one wins"
    )
    value = typer.Option("--set", metavar="A.B=C", help="any setting, over the files; `camreel config` lists all")
    yield _parameter("config", Annotated[list[str] | None, file])
    yield _parameter("set", Annotated[list[str] | None, value])


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _annotation(flag: Flag, panel: str) -> Any:
    names = choices(flag.key)
    text, default = leaves()[flag.key]["description"], leaves()[flag.key].get("default")
    text += f" ({', '.join(names)})" if names else ""
    text += "; several between commas, or again" if flag.many else ""
    text += f" [default: {default}]" if default and flag.metavar else ""
    text = text.replace("[", r"\[")
    if not flag.metavar:
        return Annotated[bool | None, typer.Option(flag.names, help=text, rich_help_panel=panel, show_default=False)]
    complete = (lambda: list(names)) if names else None
    option = typer.Option(flag.names, metavar=flag.metavar, help=text, rich_help_panel=panel, autocompletion=complete)
    return Annotated[list[str] | None if flag.many else str | None, option]


def _join(values: list[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _origin(flag: Flag, settings: Mapping[str, Any]) -> str:
    off = flag.names.partition("/")[2]
    return off if off and settings[flag.parameter] is False else flag.shown
