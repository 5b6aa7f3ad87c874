"""Flags that several commands share. Help texts, choices and defaults of settings come from `camreel.config`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from camreel.config.resolution import Resolved, Setting, resolve
from camreel.config.schema import choices, leaves
from camreel.errors import ConfigError
from camreel.models.registry import ARCHITECTURES
from camreel.options import parse_length


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of the command line that gives one setting."""

    names: str
    """Names in the notation of typer: "--top-k", or "--audio/--no-audio"."""
    key: str
    """Dotted key of the setting."""
    metavar: str = "TEXT"
    """Placeholder of the value in the help; empty: the flag takes no value."""
    many: bool = False
    """The flag may be repeated; its values add up."""

    @property
    def parameter(self) -> str:
        """Its name as a Python parameter."""
        return self.shown.removeprefix("--").replace("-", "_")

    @property
    def shown(self) -> str:
        """Its name on the command line."""
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
"""Panel of the help -> flags in it."""

LIVE_FLAGS: Mapping[str, tuple[Flag, ...]] = {
    "Cameras": (
        Flag("--policy", "live.policy", "NAME"),
        Flag("--max-latency", "live.max_latency", "TIME"),
    ),
}
"""Panel and flags that only `camreel live` has."""


def _store(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Store -v, -q and --debug in the terminal, before and after the name of the command."""
    if value:
        setattr(context.obj, str(parameter.name), value)
    return value


Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, callback=_store, help="show more messages", show_default=False)
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", callback=_store, help="show errors only")]
Debug = Annotated[bool, typer.Option("--debug", callback=_store, help="show the traceback of errors")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace outputs that exist")]


def takes_settings(command: Callable[..., None], panels: Mapping[str, tuple[Flag, ...]] = FLAGS) -> Callable[..., None]:
    """Give a command the flags of `panels`, `-c` and `--set`, in place of its `**settings`.

    Example:
        >>> @takes_settings
        ... def command(clip: str, **settings: Any) -> None:
        ...     config = resolve_settings(settings).config
    """
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    command.__signature__ = signature.replace(parameters=[*own, *_parameters(panels)])  # type: ignore[attr-defined]
    return command


def resolve_settings(settings: Mapping[str, Any], defaults: Sequence[Setting] = ()) -> Resolved:
    """Resolve the configuration of a command from its flags, files and defaults.

    Args:
        settings: values of the flags that `takes_settings` added.
        defaults: settings whose default differs for this command.

    Raises:
        ConfigError: a file, key or value is wrong.
    """
    flags = [
        Setting(
            flag.key,
            _split_commas(settings[flag.parameter]) if flag.many else settings[flag.parameter],
            _origin(flag, settings),
        )
        for panel in (*FLAGS.values(), *LIVE_FLAGS.values())
        for flag in panel
        if settings.get(flag.parameter) not in (None, [])
    ]
    return resolve(settings["config"] or (), settings["set"] or (), flags, defaults)


def time_length(text: str, flag: str) -> float:
    """Convert the length of time that a flag takes to seconds.

    Raises:
        ConfigError: the text is not a length of time, or it is zero.
    """
    try:
        seconds = parse_length(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        why, todo = "it takes a length of time", "write 30s, 90m, 1h30m or 5400"
        raise ConfigError(f"{flag} {text} is not possible", why, todo)
    return seconds


def _parameters(panels: Mapping[str, tuple[Flag, ...]]) -> Iterator[inspect.Parameter]:
    for panel, flags in panels.items():
        for flag in flags:
            yield _parameter(flag.parameter, _annotation(flag, panel))
    about = "YAML file with settings, or its name without .yaml if it is in ./configs or shipped with camreel"
    file = typer.Option("--config", "-c", metavar="FILE", help=f"{about}; later ones win")
    value = typer.Option("--set", metavar="A.B=C", help="any setting, over the files; `camreel config` lists all")
    yield _parameter("config", Annotated[list[str] | None, file])
    yield _parameter("set", Annotated[list[str] | None, value])


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _annotation(flag: Flag, panel: str) -> Any:
    names = choices(flag.key)
    text, default = leaves()[flag.key]["description"], leaves()[flag.key].get("default")
    text += f" ({', '.join(names)})" if names else ""
    text += "; several separated by commas, or repeat the flag" if flag.many else ""
    text += f" [default: {default}]" if default and flag.metavar else ""
    text = text.replace("[", r"\[")
    if not flag.metavar:
        return Annotated[bool | None, typer.Option(flag.names, help=text, rich_help_panel=panel, show_default=False)]
    # Any file can be a model, so its names are suggestions and not choices.
    suggestions = list(ARCHITECTURES) if flag.key == "model.name" else list(names)
    complete = (lambda: suggestions) if suggestions else None
    option = typer.Option(flag.names, metavar=flag.metavar, help=text, rich_help_panel=panel, autocompletion=complete)
    return Annotated[list[str] | None if flag.many else str | None, option]


def _split_commas(values: list[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _origin(flag: Flag, settings: Mapping[str, Any]) -> str:
    off = flag.names.partition("/")[2]
    return off if off and settings[flag.parameter] is False else flag.shown
