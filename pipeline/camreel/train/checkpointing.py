"""The two files of a training: the checkpoint, for use, and the state beside it, from which `--resume` continues."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from camreel.errors import ConfigError, ModelError
from camreel.models.checkpoint import Metadata, read_tensors, save, write_tensors
from camreel.runtime.files import make_folder

SUFFIX = ".safetensors"
STATE_KEY = "camreel.state"
"""Metadata entry of a state file that holds the record."""
START_ANEW = "start anew with --overwrite instead of --resume"

log = logging.getLogger(__name__)


class StateRecord(BaseModel):
    """Everything in a state file besides the tensors."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    options: dict[str, str]
    """Options that a resumed run must not change."""
    step: int
    elapsed: float
    """Seconds of training."""
    counters: dict[str, int]
    """Position in the data, see `Task.counters`."""
    history: list[dict[str, float]]
    """All validations, see `Task.validate`."""


def check_output(checkpoint: Path) -> None:
    """Check the name of a checkpoint, and make its folder.

    Raises:
        ConfigError: the checkpoint has another suffix.
        OutputError: the folder cannot be made or written to.
    """
    if checkpoint.suffix != SUFFIX:
        raise ConfigError(f"-o {checkpoint} does not end in {SUFFIX}", todo=f"write {checkpoint.with_suffix(SUFFIX)}")
    make_folder(checkpoint.parent, "choose another with -o")


def state_path(checkpoint: Path) -> Path:
    """Return the path of the state file beside a checkpoint."""
    return checkpoint.with_name(f"{checkpoint.stem}.state{SUFFIX}")


@dataclass(frozen=True, slots=True)
class TrainingFiles:
    """The checkpoint and the state of a training; each file is written whole or not at all.

    Example:
        >>> files = TrainingFiles(Path("mine.safetensors"), {"seed": "0"})
        >>> resumes = files.check(resume=True, overwrite=False)
    """

    checkpoint: Path
    options: Mapping[str, str]
    """Options that a resumed run must not change, by the name of their flag."""

    @property
    def state(self) -> Path:
        """Path of the state file."""
        return state_path(self.checkpoint)

    def check(self, *, resume: bool, overwrite: bool) -> bool:
        """Check that the files may and can be written, before any work is done.

        Args:
            resume: continue from the state, if there is one.
            overwrite: replace existing files.

        Returns:
            Whether the run resumes.

        Raises:
            ConfigError: the output has another suffix or exists.
            OutputError: the folder cannot be written to.
        """
        check_output(self.checkpoint)
        resumes = resume and self.state.exists()
        if not overwrite and not resumes:
            for path in (self.checkpoint, self.state):
                if path.exists():
                    todo = "--overwrite starts anew" + (", --resume goes on" if self.state.exists() else "")
                    raise ConfigError(f"{path} already exists", todo=todo)
        if resume and not resumes:
            log.info("nothing to resume: there is no %s; starting from the beginning", self.state)
        return resumes

    def read_state(self) -> tuple[dict[str, Tensor], StateRecord]:
        """Read the state.

        Returns:
            Tensors by name, and the record.

        Raises:
            ConfigError: it was made with other options.
            ModelError: it is missing, damaged, or not a state.
        """
        tensors, text = read_tensors(self.state, STATE_KEY)
        try:
            record = StateRecord.model_validate_json(text or "")
        except ValidationError:
            why = "it is no state of a training run of this version"
            raise ModelError(f"cannot go on from {self.state}", why, START_ANEW) from None
        for name, value in self.options.items():
            if record.options.get(name) != value:
                was = record.options.get(name, "nothing")
                raise ConfigError(
                    f"cannot go on from {self.state} with --{name} {value}",
                    f"it was made with --{name} {was}",
                    "give the same, or start anew with --overwrite",
                )
        return tensors, record

    def save_state(self, tensors: Mapping[str, Tensor], record: StateRecord) -> None:
        """Write the state.

        Raises:
            OutputError: it cannot be written.
        """
        write_tensors(self.state, tensors, {STATE_KEY: record.model_dump_json()})

    def save_checkpoint(self, tensors: Mapping[str, Tensor], metadata: Metadata) -> None:
        """Write the checkpoint.

        Raises:
            OutputError: it cannot be written.
        """
        save(self.checkpoint, tensors, metadata)
