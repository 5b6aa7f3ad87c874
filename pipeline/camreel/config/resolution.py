"""Configuration resolution: defaults, YAML files, `--set a.b=c` and flags, of which later ones win.

Every value has an origin, which error messages and `camreel config` show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from camreel.config.schema import Config, allowed, choices, is_section, leaves
from camreel.errors import ConfigError, nearest
from camreel.runtime.files import shipped

MAX_ALIGNED_LENGTH = 48
"""Maximum length of the lines of YAML whose comments are aligned."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of one setting, given by a file, flag or command."""

    key: str
    """Dotted key: "model.name"."""
    value: Any
    origin: str
    """Place of the value, for people: "configs/fast.yaml:3", "--set", "--model"."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resolved configuration."""

    config: Config
    origins: Mapping[str, str]
    """Dotted key -> origin of its value ("default" if none was given), in the order of the sections."""


def resolve(
    files: Sequence[str] = (), sets: Sequence[str] = (), flags: Iterable[Setting] = (), defaults: Iterable[Setting] = ()
) -> Resolved:
    """Resolve a configuration.

    Args:
        files: YAML files, or names of files in ./configs or shipped with camreel, without ".yaml"; later ones win.
        sets: settings "a.b=c" with c in YAML; they win over files.
        flags: settings that win over all others.
        defaults: settings whose default differs for a command; all others win over them.

    Raises:
        ConfigError: a file, key or value is wrong; the message has its origin and the allowed values.

    Example:
        >>> resolved = resolve(["fast"], ["localize.top_k=5"])
        >>> resolved.config.smooth.name, resolved.config.localize.top_k, resolved.origins["localize.top_k"]
        ('ema', 5, '--set')
    """
    given: dict[str, Setting] = {}
    for setting in (*defaults, *_read_files(files), *map(_parse_set, sets), *flags):
        _check_key(setting)
        given[setting.key] = setting
    try:
        config = Config.model_validate(_nest(given.values()))
    except ValidationError as error:
        raise _explain(error, given) from None
    return Resolved(config, {key: given[key].origin if key in given else "default" for key in leaves()})


def render(resolved: Resolved) -> str:
    """Return YAML that gives the same configuration when it is read, with the origin of each value as a comment."""
    lines: list[tuple[str, str]] = []
    section = ""
    for key, origin in resolved.origins.items():
        head, _, name = key.rpartition(".")
        if head and head != section:
            lines.append((f"{head}:", ""))
        section = head
        lines.append((f"{'  ' if head else ''}{name}: {_to_yaml(_value(resolved.config, key))}", origin))
    width = max(len(line) for line, origin in lines if origin and len(line) <= MAX_ALIGNED_LENGTH)
    return "\n".join(f"{line:<{width}}  # {origin}" if origin else line for line, origin in lines) + "\n"


def _read_files(names: Iterable[str]) -> Iterator[Setting]:
    for name in names:
        path = find_file(name)
        try:
            root = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
        except OSError as error:
            raise ConfigError(f"cannot read {path}", error.strerror or str(error)) from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path} is not UTF-8 text", todo="give a YAML file") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{path}:{mark.line + 1}" if mark else str(path)
            raise ConfigError(f"{where} is not valid YAML", getattr(error, "problem", None) or str(error)) from None
        if root is not None:
            yield from _flatten(root, path, ())


def find_file(name: str) -> Path:
    """Return the YAML file of this path, or of this name (without ".yaml") in ./configs or shipped with camreel.

    Raises:
        ConfigError: there is none; lists the names.
    """
    path = Path(name)
    if path.is_file():
        return path
    folders = [folder for folder in (Path("configs"), shipped("configs")) if folder.is_dir()]
    named = [folder / f"{name}.yaml" for folder in folders if len(path.parts) == 1]
    found = next((file for file in named if file.is_file()), None)
    if found is not None:
        return found
    known = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
    why = f"it is neither a file nor one of {', '.join(known)}" if known else "there is no such file"
    raise ConfigError(f"no configuration {name!r}", why, nearest(name, known))


def _flatten(node: yaml.Node, path: Path, head: tuple[str, ...]) -> Iterator[Setting]:
    where = f"{path}:{node.start_mark.line + 1}"
    if not isinstance(node, yaml.MappingNode):
        if head:
            yield Setting(".".join(head), _construct(node, where), where)
            return
        raise ConfigError(
            f"{where} is not a mapping", "a configuration file holds lines like `model:` and, indented, `name: mc3_18`"
        )
    seen: set[str] = set()
    for key_node, value in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
        if key in seen:
            raise ConfigError(f"{path}:{key_node.start_mark.line + 1}: {'.'.join((*head, key))} is given twice")
        seen.add(key)
        # A section without settings ("model:") parses as null, and changes nothing.
        is_null = isinstance(value, yaml.ScalarNode) and value.tag.endswith(":null")
        if not (is_null and key in Config.model_fields and is_section(key)):
            yield from _flatten(value, path, (*head, *key.split(".")))


def _construct(node: yaml.Node, where: str) -> Any:
    try:
        return yaml.SafeLoader("").construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not plain YAML", getattr(error, "problem", None) or str(error)) from None


def _parse_set(text: str) -> Setting:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text} is not of the form a.b=c", todo="write for example --set localize.top_k=5")
    try:
        return Setting(key.strip(), yaml.safe_load(value), "--set")
    except yaml.YAMLError as error:
        raise ConfigError(
            f"--set {text}: the value is not valid YAML", getattr(error, "problem", None) or str(error)
        ) from None


def _check_key(setting: Setting) -> None:
    if setting.key in leaves():
        return
    if is_section(setting.key):
        inside = ", ".join(leaf.partition(".")[2] for leaf in leaves() if leaf.startswith(f"{setting.key}."))
        raise ConfigError(
            f"{setting.key} is a section and takes no value ({setting.origin})", f"its settings: {inside}"
        )
    last = setting.key.rpartition(".")[2]
    same_name = [leaf for leaf in leaves() if leaf.rpartition(".")[2] == last]
    hint = f"did you mean {' or '.join(map(repr, same_name))}?" if same_name else nearest(setting.key, leaves())
    raise ConfigError(
        f"unknown setting {setting.key!r} ({setting.origin})", todo=hint or "`camreel config` lists all settings"
    )


def _nest(settings: Iterable[Setting]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for setting in settings:
        head, _, name = setting.key.rpartition(".")
        (tree.setdefault(head, {}) if head else tree)[name] = setting.value
    return tree


def _explain(error: ValidationError, given: Mapping[str, Setting]) -> ConfigError:
    """Convert the first error of validation to one with key, value, origin and allowed values."""
    first = error.errors()[0]
    key = ".".join(part for part in first["loc"][:2] if isinstance(part, str))
    if key not in given:
        return ConfigError(
            str(first["ctx"]["error"]), todo="`camreel config` with the same flags shows where each value comes from"
        )
    setting = given[key]
    shown = f"{key}={_to_yaml(setting.value)}"
    name = setting.origin if setting.origin.startswith("--") and setting.origin != "--set" else ""
    what = f"{name} {setting.value}" if name else f"{shown} ({setting.origin})"
    times = "; write 12.5, 90s, 1:30 or 00:01:30.5" if key in ("start", "end") else ""
    hint = nearest(str(setting.value), choices(key)) if choices(key) else ""
    return ConfigError(f"{what} is not possible", f"{key} takes {allowed(key)}{times}", hint)


def _value(config: BaseModel, key: str) -> Any:
    for part in key.split("."):
        config = getattr(config, part)
    return config


def _to_yaml(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return (
        yaml.safe_dump(plain, default_flow_style=True, width=10_000, allow_unicode=True)
        .removesuffix("\n")
        .removesuffix("\n...")
    )
