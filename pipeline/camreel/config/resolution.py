"""Layers of settings, later over earlier: defaults, YAML files, `--set a.b=c`, flags. Every value has an origin."""

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


@dataclass(frozen=True, slots=True)
class Setting:
    """One value somebody gave."""

    key: str
    """Dotted: "model.name"."""
    value: Any
    origin: str
    """Where it stands, for people: "configs/fast.yaml:3", "--set", "--model"."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What holds after all layers."""

    config: Config
    origins: Mapping[str, str]
    """Dotted key -> where its value came from ("default" where nobody gave one), in the order of the sections."""


def resolve(
    files: Sequence[str] = (), sets: Sequence[str] = (), flags: Iterable[Setting] = (), defaults: Iterable[Setting] = ()
) -> Resolved:
    """Lays settings over the defaults.

    Args:
        files: YAML files, or names NAME of ./configs/NAME.yaml; later ones win.
        sets: "a.b=c" with c in YAML, over the files.
        flags: over all.
        defaults: under all: what a command presumes.

    Raises:
        ConfigError: a file, key or value is wrong; says which, where it stands and what is allowed.
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
    """YAML that gives the same settings when it is read, each line with the origin of its value as a comment."""
    lines: list[tuple[str, str]] = []
    section = ""
    for key, origin in resolved.origins.items():
        head, _, name = key.rpartition(".")
        if head and head != section:
            lines.append((f"{head}:", ""))
        section = head
        lines.append((f"{'  ' if head else ''}{name}: {_to_yaml(_value(resolved.config, key))}", origin))
    width = max(len(line) for line, origin in lines if origin and len(line) <= 48)
    return "\n".join(f"{line:<{width}}  # {origin}" if origin else line for line, origin in lines) + "\n"


def _read_files(names: Iterable[str]) -> Iterator[Setting]:
    for name in names:
        path = _find(name)
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


def _find(name: str) -> Path:
    """Return the file of this name, or the configuration NAME in ./configs or shipped with camreel."""
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
        if not (
            isinstance(value, yaml.ScalarNode)
            and value.tag.endswith(":null")
            and key in Config.model_fields
            and is_section(key)
        ):
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
    twins = [leaf for leaf in leaves() if leaf.rpartition(".")[2] == last]
    hint = f"did you mean {' or '.join(map(repr, twins))}?" if twins else nearest(setting.key, leaves())
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
    """The first error as key, value, origin and what is allowed."""
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
