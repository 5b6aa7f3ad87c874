"""camreel checkpoints: one `.safetensors` file whose metadata holds everything that is needed to use it.

The string metadata has the key `camreel`, which holds the fields of `Metadata` as JSON.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from camreel.errors import ModelError, OutputError
from camreel.interfaces import Triple
from camreel.runtime.files import atomic_write

KEY = "camreel"
FORMAT = 1


class Metadata(BaseModel):
    """Everything that a network needs besides its tensors."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    arch: str
    """Name of the network in the registry."""
    classes: tuple[str, ...] = Field(min_length=1)
    mean: Triple
    std: Triple
    """Mean and standard deviation of RGB in [0, 1] for normalization."""
    resize: tuple[int, ...] = Field(min_length=1, max_length=2)
    """Short side, or (height, width), before the crop in training, in pixels."""
    crop: tuple[int, int]
    """(height, width) of the pictures in training, in pixels."""
    clip_len: int = Field(ge=1)
    frame_rate: float | None = Field(gt=0)
    multilabel: bool
    threshold: float | None = Field(default=None, gt=0, lt=1)
    """Foreground level at which boxes are cut; None: not calibrated."""
    metrics: dict[str, Any] = {}
    licence: str = ""
    source: str = ""

    @model_validator(mode="after")
    def _sane(self) -> Metadata:
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        if min(*self.crop, *self.resize) < 1:
            raise ValueError("crop and resize must be positive")
        return self


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Metadata) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: file ending in `.safetensors`; an older file is replaced.
        tensors: state dict of the network.
        metadata: written into the file as JSON.

    Raises:
        OutputError: the file cannot be written.

    Example:
        >>> save(Path("mine.safetensors"), net.state_dict(), metadata)
    """
    write_tensors(path, tensors, {KEY: metadata.model_dump_json()})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> None:
    """Write a `.safetensors` file, whole or not at all.

    Args:
        path: an older file is replaced.
        tensors: tensors on any device.
        texts: string metadata of the file.

    Raises:
        OutputError: the file cannot be written.
    """
    own = {key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for key, tensor in tensors.items()}
    try:
        with atomic_write(path) as partial:
            save_file(own, partial, metadata=dict(texts))
    except SafetensorError as error:
        raise OutputError(f"cannot write {path}", str(error), "choose another folder or free some space") from error


def read(path: Path) -> tuple[dict[str, Tensor], Metadata, str]:
    """Read a checkpoint.

    Returns:
        The tensors on the CPU (floating ones in float32), the metadata and the file's sha256.

    Raises:
        ModelError: missing, truncated, tampered with, of another format or without its metadata.
    """
    tensors, text = read_tensors(path)
    if text is None:
        raise ModelError(
            f"{path} is not a camreel checkpoint",
            f"its metadata has no key {KEY!r}",
            f"convert it: camreel import {path} --arch NAME --class-names NAMES.txt -o mine.safetensors",
        )
    return tensors, parse(text, path), digest(path)


def parse(text: str, path: Path) -> Metadata:
    """Validate the JSON metadata of a checkpoint.

    Raises:
        ModelError: it is no JSON, of another format, or a field is missing or wrong.
    """
    try:
        return Metadata.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "metadata"
        if where == "format":
            why = f"its format is {first['input']!r}, this version reads {FORMAT}"
        elif lost := [str(e["loc"][0]) for e in error.errors() if e["type"] == "missing" and len(e["loc"]) == 1]:
            why = f"its metadata lacks {', '.join(lost)}"
        else:
            why = f"its metadata is wrong at {where}: {first['msg']}"
        raise ModelError(
            f"cannot read the checkpoint {path}", why, "write it again with this version of camreel"
        ) from None


def read_tensors(path: Path, key: str = KEY) -> tuple[dict[str, Tensor], str | None]:
    """Read the tensors of a `.safetensors` file (floating-point ones as float32), and its metadata entry `key`.

    Raises:
        ModelError: missing, truncated or damaged.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            text = (file.metadata() or {}).get(key)
            tensors = {name: _single(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise ModelError(f"cannot open {path}", error.strerror or str(error), "check the name of the file") from error
    except SafetensorError as error:
        raise ModelError(
            f"cannot read {path}", f"truncated or damaged: {error}", "copy or write the file again"
        ) from error
    broken = [
        name for name, tensor in tensors.items() if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    ]
    if broken:
        raise ModelError(
            f"cannot use {path}", f"{broken[0]} holds values that are not finite", "copy or write the file again"
        )
    return tensors, text


def _single(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
