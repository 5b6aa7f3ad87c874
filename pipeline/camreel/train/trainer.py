"""The one training loop: steps, weight average, validation, saving and early stopping, for every task."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from camreel.errors import ConfigError, ModelError
from camreel.train.checkpointing import START_ANEW, StateRecord, TrainingFiles
from camreel.train.schedule import EarlyStopping, PeriodicTimer, TrainingHistory, learning_rate
from camreel.train.task import B, Task

MAX_FAILED_STEPS = 5
"""Maximum number of steps in a row whose loss is not finite."""
MAX_VALIDATION_SHARE = 0.04
"""Maximum share of the time that periodic validations take."""
RECENT_WEIGHT = 0.05
"""Weight of the latest loss in the moving average that is reported."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainerOptions:
    """How to train."""

    seconds: float
    """Maximum seconds of training in all, those of earlier runs included."""
    rate: float
    """Highest learning rate."""
    average_decay: float
    """Weight that the average of the network keeps at each step, after a warm-up."""
    max_gradient_norm: float
    """Gradients with a larger Euclidean norm are scaled down to it."""
    early_stopping: EarlyStopping | None = None
    """None: no epochs; the time alone ends the training, and the checkpoint holds the latest average."""
    save_seconds: float = 60.0
    """Seconds between saves."""
    validate_seconds: float = 180.0
    """Seconds between validations if there are no epochs."""


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Progress of a training."""

    activity: str
    """"training", or the preparation before it."""
    step: int
    elapsed: float
    """Seconds of training, those of earlier runs included."""
    budget: float
    """Maximum seconds of training."""
    share: float = 0.0
    """Share of the training that is over, in [0, 1]."""
    epochs: float = 0.0
    """How many times a clip was drawn so far, on average."""
    loss: float | None = None
    """Moving average of the training loss; None: no step was successful yet."""
    clips_per_second: float = 0.0
    rate: float = 0.0
    """Learning rate."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Validation metrics of the network that the checkpoint holds: the latest, or with early stopping the best."""


OnProgress = Callable[[TrainingProgress], None]


@dataclass(slots=True)
class _StepCounter:
    """What is reported of the steps of this run."""

    begin: float
    """Seconds of training before this run."""
    loss: float | None = None
    clips: int = 0
    failed: int = 0
    """Failed steps in a row."""

    def add(self, loss: float, clips: int) -> None:
        if math.isnan(loss):
            self.failed += 1
            return
        self.failed = 0
        self.clips += clips
        self.loss = loss if self.loss is None else self.loss + RECENT_WEIGHT * (loss - self.loss)


class Trainer(Generic[B]):
    """A training run of a task, with its weight average, its history and its files.

    Args:
        task: what is trained.
        options: how.
        files: where checkpoint and state are written.
        clock: seconds.

    Example:
        >>> trainer = Trainer(task, options, TrainingFiles(Path("mine.safetensors"), {}))
        >>> trainer.train(lambda progress: print(progress.step, progress.loss))
    """

    def __init__(
        self,
        task: Task[B],
        options: TrainerOptions,
        files: TrainingFiles,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task, self.options, self.files = task, options, files
        self.step = 0
        """Number of steps so far, failed ones included."""
        self.elapsed = 0.0
        """Seconds of training so far."""
        self.history = TrainingHistory(task.rank)
        self._clock = clock
        self._losses: list[float] = []
        """Losses since the last validation."""
        self._averaged = AveragedModel(task.net, multi_avg_fn=self._move_average, use_buffers=True)
        self._averaged.eval().requires_grad_(False)
        # The copy counts as the first network of the average: otherwise the first update would only copy again.
        self._averaged.n_averaged.fill_(1)

    @property
    def average(self) -> nn.Module:
        """The exponential moving average of the network, statistics of batch norms included: the network to be used."""
        return self._averaged.module

    def train(self, on_progress: OnProgress = lambda progress: None) -> None:
        """Train until the time is up or early stopping ends it; save periodically, at the end and on Ctrl-C.

        Args:
            on_progress: called after each step; may raise KeyboardInterrupt.

        Raises:
            ModelError: the loss is not finite for several steps in a row.
            OutputError: a file cannot be written.
        """
        begin = self._clock() - self.elapsed
        saves = PeriodicTimer(self.options.save_seconds, self._clock())
        validations = PeriodicTimer(self.options.validate_seconds, self._clock(), MAX_VALIDATION_SHARE)
        counter = _StepCounter(self.elapsed)
        try:
            while not self._is_over():
                share = self._share()
                rate = learning_rate(share, self.options.rate)
                batch = self.task.draw(self.step, share)
                counter.add(self.train_step(batch, rate), len(batch.pictures))
                if counter.failed > MAX_FAILED_STEPS:
                    why = f"the loss was not a number in {counter.failed} steps in a row"
                    raise ModelError("the training has diverged", why, self.task.advice)
                self.elapsed = self._clock() - begin
                if self._needs_validation(validations):
                    start = self._clock()
                    self.validate()
                    validations.restart(start, self._clock())
                if saves.is_due(self._clock()):
                    self.save()
                    saves.restart(self._clock(), self._clock())
                on_progress(self._progress(counter, share, rate))
        except KeyboardInterrupt:
            self.save()
            raise
        self.save()

    def train_step(self, batch: B, rate: float) -> float:
        """Take a step.

        Args:
            batch: training data.
            rate: learning rate.

        Returns:
            The loss; NaN: it or its gradient is not finite, and the step was skipped.
        """
        net = self.task.net
        loss = self.task.loss(net, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(list(self.task.parameters.values()), self.options.max_gradient_norm)
        finite = math.isfinite(loss.item()) and math.isfinite(norm.item())
        if finite:
            self.task.optimizer.step(rate)
            self._averaged.update_parameters(net)
            self._losses.append(loss.item())
        else:
            # A forward pass that overflowed has spoiled the statistics of the batch norms.
            for buffer, healthy in zip(net.buffers(), self.average.buffers(), strict=True):
                buffer.copy_(healthy)
        net.zero_grad()
        self.step += 1
        return loss.item() if finite else math.nan

    def validate(self) -> dict[str, float]:
        """Measure the average, and with early stopping keep the checkpoint if it is the best so far.

        Returns:
            The new entry of the history.

        Raises:
            OutputError: the checkpoint cannot be written.
        """
        loss = sum(self._losses) / len(self._losses) if self._losses else math.nan
        self._losses.clear()
        entry = self.task.validate(self.average, self.step, self.elapsed, loss)
        self.history.entries.append(entry)
        if self.options.early_stopping and self.history.best == len(self.history.entries) - 1:
            self._save_checkpoint()
        return entry

    def resume(self) -> None:
        """Continue from the state file.

        Raises:
            ConfigError: the state was made with other options, or the training is at its end.
            ModelError: the state cannot be read or does not fit.
        """
        path = self.files.state
        tensors, record = self.files.read_state()
        try:
            self._restore(tensors)
        except (KeyError, RuntimeError) as error:
            why = f"its tensors do not fit the network: {str(error).splitlines()[0]}"
            raise ModelError(f"cannot go on from {path}", why, START_ANEW) from None
        self.step, self.elapsed = record.step, record.elapsed
        self.task.restore_counters(record.counters)
        stopping = self.options.early_stopping
        # Without the checkpoint the best network is lost, and its validation with it.
        self.history.entries = [] if stopping and not self.files.checkpoint.exists() else list(record.history)
        if self.elapsed >= self.options.seconds:
            why = f"it has trained for {self.elapsed:.0f} of {self.options.seconds:.0f} s"
            todo = "give more with --time: it counts from the very beginning"
            raise ConfigError("there is no time left to train", why, todo)
        if stopping and self.history.is_over(stopping):
            entries = self.history.entries
            best, last = entries[self.history.best]["epoch"], entries[-1]["epoch"]
            why = f"epoch {best:g} was the best of {last:g}, at most {stopping.max_epochs} are done"
            raise ConfigError("the training is at its end", why, "give more --patience, or start anew with --overwrite")
        log.info("going on from %s: step %d, %.0f s", path, self.step, self.elapsed)

    def save(self) -> None:
        """Write the state and, without early stopping, the checkpoint.

        Raises:
            OutputError: a file cannot be written.
        """
        self.save_state()
        if self.options.early_stopping is None:
            self._save_checkpoint()

    def save_state(self) -> None:
        """Write the state.

        Raises:
            OutputError: it cannot be written.
        """
        record = StateRecord(
            options=dict(self.files.options),
            step=self.step,
            elapsed=self.elapsed,
            counters=dict(self.task.counters),
            history=self.history.entries,
        )
        self.files.save_state(self.tensors(), record)

    def tensors(self) -> dict[str, Tensor]:
        """Return the network, its average and the optimizer's state by name: everything that `resume` needs."""
        net, average, names = self.task.net.state_dict(), self.average.state_dict(), self._changing_tensors()
        found = {f"net.{name}": net[name] for name in names} | {f"average.{name}": average[name] for name in names}
        return found | self.task.optimizer.tensors()

    def _restore(self, tensors: Mapping[str, Tensor]) -> None:
        for part, net in (("net", self.task.net), ("average", self.average)):
            state = {name: tensors[f"{part}.{name}"] for name in self._changing_tensors()}
            net.load_state_dict(state, strict=False)
        self.task.optimizer.restore(tensors)

    def _changing_tensors(self) -> list[str]:
        """Return the names of the tensors that the training changes; a network in eval mode keeps its buffers."""
        net = self.task.net
        buffers = {name for name, _ in net.named_buffers()} if net.training else set()
        return [name for name in net.state_dict() if name in self.task.parameters or name in buffers]

    @torch.no_grad()
    def _move_average(self, averages: Sequence[Tensor], values: Sequence[Tensor], _: Tensor | int) -> None:
        """Move the average towards the network, faster at the start. Counts of batches stay as they are."""
        decay = min(self.options.average_decay, (1 + self.step) / (10 + self.step))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(list(averages), list(values), 1 - decay)

    def _save_checkpoint(self) -> None:
        latest = self.history.entries[-1] if self.history.entries else {}
        metrics = {**latest, "step": self.step, "elapsed": self.elapsed}
        self.files.save_checkpoint(*self.task.checkpoint(self.average, metrics))

    def _is_over(self) -> bool:
        stopping = self.options.early_stopping
        return self.elapsed >= self.options.seconds or (stopping is not None and self.history.is_over(stopping))

    def _share(self) -> float:
        """Return the share of the training that is over, by time or epochs, whichever ends first."""
        of_time = self.elapsed / self.options.seconds
        stopping = self.options.early_stopping
        return max(self.step / (stopping.max_epochs * stopping.steps_per_epoch), of_time) if stopping else of_time

    def _needs_validation(self, timer: PeriodicTimer) -> bool:
        stopping = self.options.early_stopping
        is_due = self.step % stopping.steps_per_epoch == 0 if stopping else timer.is_due(self._clock())
        return is_due or self.elapsed >= self.options.seconds

    def _progress(self, counter: _StepCounter, share: float, rate: float) -> TrainingProgress:
        return TrainingProgress(
            activity="training",
            step=self.step,
            elapsed=self.elapsed,
            budget=self.options.seconds,
            share=min(1.0, share),
            epochs=self.task.epochs(self.step),
            loss=counter.loss,
            clips_per_second=counter.clips / max(1e-9, self.elapsed - counter.begin),
            rate=rate,
            scores=self.history.entries[self.history.best] if self.history.entries else {},
        )
