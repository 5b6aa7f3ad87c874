"""The training loop: for a while, batch after batch, with an exam and a save now and then."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from camreel.errors import ModelError
from camreel.train.film_learner import Learner
from camreel.train.interfaces import Progress, Source
from camreel.train.schedule import Due, learning_rate

BAD_STEPS = 5
"""So many steps in a row may fail."""
EXAM_COST = 0.04
"""Share of the time that exams may take."""
RECENT = 0.05
"""Weight of the latest loss in the mean that is told."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train."""

    seconds: float
    """Of training in all, those of earlier runs included."""
    rate: float = 2e-3
    """Highest learning rate."""
    save_every: float = 60.0
    """Seconds."""
    exam_every: float = 180.0
    """Seconds."""


@dataclass(slots=True)
class _Tally:
    """What is told of the steps of this run."""

    begin: float
    loss: float | None = None
    clips: int = 0
    bad: int = 0

    def count(self, loss: float, clips: int) -> None:
        if math.isnan(loss):
            self.bad += 1
            return
        self.bad = 0
        self.clips += clips
        self.loss = loss if self.loss is None else self.loss + RECENT * (loss - self.loss)


def train(
    learner: Learner,
    source: Source,
    plan: Plan,
    *,
    examine: Callable[[], Mapping[str, float]],
    save: Callable[[], None],
    notify: Callable[[Progress], None],
    clock: Callable[[], float],
) -> None:
    """Trains until the time is up; saves then, and also when it is interrupted.

    Args:
        learner: learns; goes on from where it is.
        source: gives the batches.
        plan: how.
        examine: takes an exam, and returns its figures.
        save: keeps everything in files.
        notify: hears of every step; may interrupt with KeyboardInterrupt.
        clock: seconds.

    Raises:
        ModelError: the loss stays without a value.
        OutputError: a file cannot be written.
    """
    begin = clock() - learner.elapsed
    saves, exams = Due(plan.save_every, clock()), Due(plan.exam_every, clock(), EXAM_COST)
    tally, scores = _Tally(learner.elapsed), dict[str, float]()
    try:
        while learner.elapsed < plan.seconds:
            share = learner.elapsed / plan.seconds
            rate = learning_rate(share, plan.rate)
            batch = source.draw(learner.step, share)
            tally.count(learner.learn(batch, rate), len(batch.pictures))
            if tally.bad > BAD_STEPS:
                raise diverged(tally.bad, "the last good checkpoint is kept; start again with another --seed")
            learner.elapsed = clock() - begin
            if exams.now(clock()) or learner.elapsed >= plan.seconds:
                start = clock()
                scores = dict(examine())
                exams.done(start, clock())
            if saves.now(clock()):
                save()
                saves.done(clock(), clock())
            notify(_progress(learner, plan, tally, rate, source.reuse, scores))
    except KeyboardInterrupt:
        save()
        raise
    save()


def _progress(
    learner: Learner, plan: Plan, tally: _Tally, rate: float, reuse: float, scores: Mapping[str, float]
) -> Progress:
    speed = tally.clips / max(1e-9, learner.elapsed - tally.begin)
    return Progress("training", learner.step, learner.elapsed, plan.seconds, tally.loss, speed, rate, reuse, scores)


def diverged(steps: int, todo: str) -> ModelError:
    """The error of a training whose loss stays without a value."""
    return ModelError("the training has diverged", f"the loss was not a number in {steps} steps in a row", todo)
