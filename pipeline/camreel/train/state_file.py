"""The file beside a checkpoint from which a training run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from camreel.errors import ModelError
from camreel.models.checkpoint import read_tensors, write_tensors

KEY = "camreel.state"


class Record(BaseModel):
    """What a run knows besides its tensors."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    options: dict[str, str]
    """What was asked for and may not change."""
    step: int
    elapsed: float
    """Seconds of training."""
    counters: dict[str, int]
    """Of the source."""
    history: list[dict[str, float]]
    """Every exam: step, elapsed and its figures."""


def state_path(checkpoint: Path) -> Path:
    """Where the state of a run with this output lies."""
    return checkpoint.with_name(f"{checkpoint.stem}.state.safetensors")


def write_state(path: Path, tensors: dict[str, Tensor], record: Record) -> None:
    """Writes a state whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_tensors(path, tensors, {KEY: record.model_dump_json()})


def read_state(path: Path) -> tuple[dict[str, Tensor], Record]:
    """Reads a state.

    Raises:
        ModelError: missing, damaged, or no state.
    """
    tensors, text = read_tensors(path, KEY)
    try:
        return tensors, Record.model_validate_json(text or "")
    except ValidationError:
        todo = "start anew with --overwrite instead of --resume"
        raise ModelError(
            f"cannot go on from {path}", "it is no state of a training run of this version", todo
        ) from None
