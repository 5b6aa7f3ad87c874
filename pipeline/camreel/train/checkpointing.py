"""The two files of a training run: the checkpoint that people use, and the state from which the run goes on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from camreel.errors import ConfigError, ModelError, OutputError
from camreel.models.checkpoint import Metadata, save
from camreel.train.film_learner import Learner
from camreel.train.state_file import Record, read_state, state_path, write_state

SUFFIX = ".safetensors"


def prepare(checkpoint: Path) -> None:
    """Makes the folder of a checkpoint.

    Raises:
        ConfigError: the checkpoint has another suffix.
        OutputError: the folder cannot be made or written to.
    """
    if checkpoint.suffix != SUFFIX:
        raise ConfigError(f"-o {checkpoint} does not end in {SUFFIX}", todo=f"write {checkpoint.with_suffix(SUFFIX)}")
    folder = checkpoint.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {folder}", error.strerror or str(error), "choose another with -o"
        ) from None
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write to the folder {folder}", "permission denied", "choose another with -o")


class Resumable(Protocol):
    """What learns, and can be put aside."""

    step: int
    elapsed: float

    def tensors(self) -> dict[str, Tensor]:
        """All that `restore` needs, by name."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave; raises KeyError or RuntimeError where they do not fit."""
        ...


@dataclass(slots=True)
class Archive:
    """Writes both files, and reads the state."""

    checkpoint: Path
    metadata: Metadata
    """Of the checkpoint; its metrics are filled in."""
    options: Mapping[str, str]
    """What a run that goes on may not change."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Every exam: step, elapsed and its figures."""
    counters: dict[str, int] = field(default_factory=dict)
    """Of the source, as the state had them."""

    @property
    def state(self) -> Path:
        """Where the state lies."""
        return state_path(self.checkpoint)

    def check(self, *, resume: bool, overwrite: bool) -> bool:
        """Whether there is a state to go on from, if that is wanted; makes sure that files may and can be written.

        Raises:
            ConfigError: the output has another suffix or exists.
            OutputError: the folder cannot be written to.
        """
        prepare(self.checkpoint)
        found = resume and self.state.exists()
        if not overwrite and not found:
            for path in (self.checkpoint, self.state):
                if path.exists():
                    todo = "--overwrite starts anew" + (", --resume goes on" if self.state.exists() else "")
                    raise ConfigError(f"{path} already exists", todo=todo)
        return found

    def restore(self, learner: Resumable) -> None:
        """Puts the state into a learner.

        Raises:
            ConfigError: the state was made with other options.
            ModelError: it cannot be read or does not fit.
        """
        tensors, record = read_state(self.state)
        for name, value in self.options.items():
            if record.options.get(name) != value:
                was = record.options.get(name, "nothing")
                what = f"cannot go on from {self.state} with --{name} {value}"
                raise ConfigError(
                    what, f"it was made with --{name} {was}", "give the same, or start anew with --overwrite"
                )
        try:
            learner.restore(tensors)
        except (KeyError, RuntimeError) as error:
            why = f"its tensors do not fit the network: {str(error).splitlines()[0]}"
            raise ModelError(
                f"cannot go on from {self.state}", why, "start anew with --overwrite instead of --resume"
            ) from None
        learner.step, learner.elapsed = record.step, record.elapsed
        self.history, self.counters = record.history, record.counters

    def save_state(self, learner: Resumable, counters: Mapping[str, int]) -> None:
        """Writes the state.

        Raises:
            OutputError: it cannot be written.
        """
        record = Record(
            options=dict(self.options),
            step=learner.step,
            elapsed=learner.elapsed,
            counters=dict(counters),
            history=self.history,
        )
        write_state(self.state, learner.tensors(), record)

    def save(self, learner: Learner, counters: Mapping[str, int]) -> None:
        """Writes both files; what is seen of the network in the checkpoint is its average.

        Raises:
            OutputError: one cannot be written.
        """
        self.save_state(learner, counters)
        metrics: dict[str, Any] = {
            **(self.history[-1] if self.history else {}),
            "step": learner.step,
            "elapsed": learner.elapsed,
        }
        save(self.checkpoint, learner.average.state_dict(), self.metadata.model_copy(update={"metrics": metrics}))
