"""A state dict of a known architecture becomes a checkpoint: `camreel import`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from camreel.errors import ConfigError, InputError, ModelError, nearest
from camreel.models import checkpoint, weights
from camreel.models.architecture import Architecture
from camreel.models.loading import PICKLES, default_metadata
from camreel.models.registry import ARCHITECTURES, architecture

CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Keys under which training programs store the state dict."""
PREFIXES = ("module.", "model.", "net.", "backbone.", "encoder.")
"""Prefixes that wrappers of training programs put before all keys."""


def import_weights(
    path: Path,
    arch: str,
    output: Path,
    *,
    class_names: Sequence[str] | None = None,
    fields: Mapping[str, Any] | None = None,
) -> checkpoint.Metadata:
    """Write a camreel checkpoint from the weights of a network of the registry, with any number of classes.

    Args:
        path: `.safetensors`, `.pth` or `.pt` file with a state dict.
        arch: name of the network, as `camreel models` lists it.
        output: checkpoint to write, FILE.safetensors.
        class_names: names of the classes [C]; None: those of the published weights, if their number fits.
        fields: fields of the metadata that differ from those of the published weights (mean, std, crop, resize,
            clip_len, frame_rate, multilabel).

    Returns:
        The metadata of the checkpoint.

    Raises:
        ConfigError: the network is unknown, the output does not end in .safetensors, or a field does not fit.
        ModelError: the file cannot be read, or does not fit the network or the names.
        OutputError: the checkpoint cannot be written.

    Example:
        >>> import_weights(Path("best.pth"), "resnet18", Path("mine.safetensors"), class_names=["cat", "dog"])
    """
    if arch not in ARCHITECTURES:
        raise ConfigError(f"there is no network {arch!r}", nearest(arch, ARCHITECTURES), "`camreel models` lists them")
    if output.suffix.lower() != ".safetensors":
        raise ConfigError(f"-o {output} is no checkpoint", todo=f"write {output.with_suffix('.safetensors')}")
    row, blank = architecture(arch), default_metadata(arch)
    _check_fields(arch, row, blank, fields or {})
    tensors = _strip(_read(path), f"{row.classifier}.weight")
    if f"{row.classifier}.weight" not in tensors:
        known = ", ".join(list(tensors)[:3])
        why = f"it has no tensor {row.classifier}.weight; it begins with {known}"
        raise ModelError(f"{path} does not fit {arch}", why, "name the network it was made for with --arch")
    rows = len(tensors[f"{row.classifier}.weight"])
    net = weights.empty(arch, row, rows)
    weights.fill(net, row, tensors, str(path), f"name the network it was made for with --arch, in place of {arch}")
    # The blank metadata of a bundled network has placeholders for names.
    published = blank.classes if row.bundle is None else ()
    classes = _names(path, rows, published, class_names)
    source = f"imported from {path.name}"
    changes = {"classes": classes, "source": source, "licence": "", "threshold": None, **(fields or {})}
    metadata = _validate({**blank.model_dump(), **changes})
    checkpoint.save(output, net.state_dict(), metadata)
    return metadata


def _check_fields(arch: str, row: Architecture, blank: checkpoint.Metadata, fields: Mapping[str, Any]) -> None:
    """Check that the clips that the fields describe can be the input of the network.

    Raises:
        ConfigError: they cannot.
    """
    crop, clip_len = fields.get("crop", blank.crop), fields.get("clip_len", blank.clip_len)
    if row.fixed_size and (tuple(crop), clip_len) != (blank.crop, blank.clip_len):
        height, width = blank.crop
        why = f"it takes {blank.clip_len} samples of {width} x {height} pixels only"
        raise ConfigError(f"{arch} takes no clips of another size", why, "leave --size and --clip-len out")
    if row.clip_len == 1 and clip_len != 1:
        why = "it is an image network, which takes single pictures"
        raise ConfigError(f"{arch} takes no clips of {clip_len} samples", why, "leave --clip-len out")


def _validate(values: Mapping[str, Any]) -> checkpoint.Metadata:
    try:
        return checkpoint.Metadata.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        why = f"{name}: {first['msg']}" if name else str(first["msg"]).removeprefix("Value error, ")
        raise ConfigError("the settings of the checkpoint are not possible", why) from None


def read_names(path: Path) -> list[str]:
    """Read class names from a text file with one name per line, or a JSON list or object {id: name}.

    Raises:
        InputError: the file cannot be read or holds no names.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        parsed = (
            json.loads(text) if path.suffix.lower() == ".json" else [s.strip() for s in text.splitlines() if s.strip()]
        )
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot read the class names in {path}", why, "write one name per line") from None
    if isinstance(parsed, dict):
        parsed = [parsed[key] for key in sorted(parsed, key=lambda key: int(key) if str(key).isdigit() else -1)]
    if not isinstance(parsed, list) or not parsed or not all(isinstance(name, str) and name.strip() for name in parsed):
        raise InputError(f"{path} holds no class names", "it is not a list of text", "write one name per line")
    return [name.strip() for name in parsed]


def _read(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".safetensors":
        return dict(checkpoint.read_tensors(path)[0])
    if path.suffix.lower() not in PICKLES:
        raise ModelError(
            f"cannot read {path}", "it is neither .safetensors nor .pth", "save the state dict as one of these"
        )
    content = weights.read_pickle(path)
    for key in CONTAINERS:
        if isinstance(content.get(key), dict):
            return dict(content[key])
    return content


def _strip(tensors: Mapping[str, Any], wanted: str) -> dict[str, Tensor]:
    """Remove prefixes of wrappers, one after the other, until the key that must be there is there."""
    found = {key: value for key, value in tensors.items() if isinstance(value, Tensor)}
    while wanted not in found:
        prefix = next((p for p in PREFIXES if found and all(key.startswith(p) for key in found)), None)
        if prefix is None:
            return found
        found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found


def _names(path: Path, rows: int, published: Sequence[str], given: Sequence[str] | None) -> tuple[str, ...]:
    if given is None and rows == len(published):
        return tuple(published)
    if given is None:
        todo = f"write a file with {rows} lines, one name each, and give it with --class-names"
        raise ModelError(f"the classes of {path} have no names", f"its classifier has {rows} rows", todo)
    if len(given) != rows:
        why = f"its classifier has {rows} rows, but there are {len(given)} names"
        raise ModelError(f"the class names do not fit {path}", why, "give one name for each row, in their order")
    if len(set(given)) != len(given):
        twice = next(name for name in given if list(given).count(name) > 1)
        raise ModelError("the class names are not unique", f"{twice!r} is there twice", "give every class its own name")
    return tuple(given)
