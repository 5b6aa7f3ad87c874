"""The second part of learning from clips: epochs until nothing gets better, the best network kept in a file all along."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from camreel.train.clips.batch_sampler import Draws
from camreel.train.clips.classification_report import ClassificationReport
from camreel.train.clips.fine_tuner import Tuner
from camreel.train.film_loop import BAD_STEPS, diverged
from camreel.train.schedule import Due

EPOCHS = 12
SAVE_EVERY = 60.0
"""Seconds."""
KEPT = "the best checkpoint so far is kept; start again with another --seed, or with --freeze all"


@dataclass(frozen=True, slots=True)
class Tuning:
    """How far the training is."""

    epoch: float
    """Of EPOCHS."""
    share: float
    """How much of the training is over, in [0, 1]."""
    loss: float
    """Mean over the epoch so far; NaN at its end."""
    best: float
    """Macro-F1 of the best network so far on the clips held out."""


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """When to stop."""

    seconds: float
    """Of training in all, those of earlier runs included."""
    patience: int
    """Epochs in a row that may pass without a better network."""


@dataclass(slots=True)
class TrainingHistory:
    """What happened so far."""

    history: list[dict[str, float]] = field(default_factory=list)
    """An entry for the head alone (epoch 0) and for each epoch."""

    @property
    def best(self) -> int:
        """The entry with the best macro-F1 on the clips held out; among equals the one with the least loss."""
        return max(
            range(len(self.history)), key=lambda i: (self.history[i]["macro_f1"], -self.history[i]["held_out_loss"])
        )

    def add(self, epoch: float, elapsed: float, loss: float, verdict: ClassificationReport) -> bool:
        """Notes an epoch, or the part of one after which the time is up, and tells whether it is the best."""
        figures = {"held_out_loss": verdict.loss, "macro_f1": verdict.macro_f1}
        entry = {"epoch": epoch, "elapsed": elapsed, "loss": loss} | figures
        self.history.append({name: round(value, 4) for name, value in entry.items() if math.isfinite(value)})
        return self.best == len(self.history) - 1

    def is_over(self, patience: int) -> bool:
        """Whether nothing has got better for long enough, or all epochs are done."""
        last = self.history[-1]["epoch"]
        return last >= EPOCHS or last - self.history[self.best]["epoch"] >= patience


def tune(
    tuner: Tuner,
    draws: Draws,
    course: TrainingHistory,
    limits: EarlyStopping,
    *,
    examine: Callable[[], ClassificationReport],
    keep: Callable[[ClassificationReport], None],
    save: Callable[[], None],
    notify: Callable[[Tuning], None],
    clock: Callable[[], float],
) -> None:
    """Trains until nothing gets better, all epochs are done or the time is up; what is in the files stays usable at any moment.

    Args:
        tuner: learns; goes on from where it is.
        draws: gives the batches.
        course: has the entry of the head alone, and those of epochs that an earlier run did.
        limits: when to stop.
        examine: what the averaged network makes of the clips held out.
        keep: writes the network, as it is the best so far.
        save: writes what is needed to go on.
        notify: hears of every step; may interrupt with KeyboardInterrupt.
        clock: seconds.

    Raises:
        ModelError: the loss stays without a value.
        OutputError: a file cannot be written.
    """
    begin = clock() - tuner.elapsed
    saves = Due(SAVE_EVERY, clock())
    losses, bad = list[float](), 0
    try:
        while not course.is_over(limits.patience) and tuner.elapsed < limits.seconds:
            share = max(tuner.step / (EPOCHS * draws.per_epoch), tuner.elapsed / limits.seconds)
            loss = tuner.learn(*draws.draw(tuner.step), share)
            bad = bad + 1 if math.isnan(loss) else 0
            if bad > BAD_STEPS:
                raise diverged(bad, KEPT)
            losses += [] if math.isnan(loss) else [loss]
            tuner.elapsed = clock() - begin
            if tuner.step % draws.per_epoch == 0 or tuner.elapsed >= limits.seconds:
                verdict = examine()
                if course.add(tuner.step / draws.per_epoch, tuner.elapsed, _mean(losses), verdict):
                    keep(verdict)
                losses = []
            if saves.now(clock()):
                save()
                saves.done(clock(), clock())
            best = course.history[course.best]["macro_f1"]
            notify(Tuning(tuner.step / draws.per_epoch, min(1.0, share), _mean(losses), best))
    finally:
        save()


def _mean(losses: Sequence[float]) -> float:
    return sum(losses) / len(losses) if losses else math.nan
