"""Training on the action world: everything put together."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from camreel.errors import ConfigError
from camreel.models.checkpoint import Metadata
from camreel.models.figures import BUNDLE, Inputs, fresh
from camreel.recognize.backend import choose_device
from camreel.synthetic import ACTIONS, film
from camreel.train.checkpointing import Archive
from camreel.train.film_learner import Learner
from camreel.train.film_loop import Plan, train
from camreel.train.film_validator import Exam
from camreel.train.interfaces import Batch, Progress
from camreel.train.loss import POSITIVE, Pooling
from camreel.train.precision import is_half_faster
from camreel.train.render_pool import EASY, HELD_OUT, Render, Studio, shoot
from camreel.train.replay_buffer import START, Replay, held_out

EXAM_FILMS = 144

Notify = Callable[[Progress], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a training run."""

    checkpoint: Path
    state: Path
    """From which the next run can go on."""
    steps: int
    elapsed: float
    """Seconds of training, those of earlier runs included."""
    scores: dict[str, float]
    """Of the last exam: map, top1 and loss, with its step and time."""


def train_figures(
    output: str | Path,
    *,
    seconds: float = 5400.0,
    resume: bool = False,
    overwrite: bool = False,
    seed: int = 0,
    device: str = "auto",
    inputs: Inputs = "both",
    pooling: Pooling = "both",
    workers: int | None = None,
    clips: int = 16,
    notify: Notify = lambda progress: None,
    say: Say = lambda text: None,
    render: Render = film,
) -> Outcome:
    """Trains the network `figures` on films of the action world, from labels of windows alone.

    Args:
        output: the checkpoint, FILE.safetensors; FILE.state.safetensors beside it is for going on later. Both are written every
            minute.
        seconds: time of training in all, that of earlier runs included.
        resume: go on from the state beside `output`; without one, start from the beginning.
        overwrite: replace what exists.
        seed: of the network's first weights and the films.
        device: auto, cpu, cuda or mps.
        inputs: what the network sees: both, rgb or difference.
        pooling: which cells of a map make its logit, in training: all (mean), the highest (top), or one loss of each (both).
        workers: processes that render films; None: by the number of cores.
        clips: of a batch.
        notify: hears how far it is; may interrupt with KeyboardInterrupt, and everything is saved.
        say: hears what was chosen, as sentences.
        render: makes the films.

    Raises:
        ConfigError: the options do not fit, the output exists, or no time is left.
        OutputError: the output cannot be written.
        ModelError: the state cannot be read, or the training has diverged.
        DeviceError: the device is not there, or a process that renders died.
    """
    options = {"inputs": inputs, "pooling": pooling, "seed": str(seed)}
    archive = Archive(Path(output), _metadata(options, seconds), options)
    # Every class starts from the logit of one that a window in as many as there are classes has.
    net = fresh(len(ACTIONS), seed, inputs, bias=math.log(POSITIVE / (len(ACTIONS) - 1)))
    learner = Learner(net.to(choose_device(device)), pooling)
    _open(archive, learner, seconds, resume=resume, overwrite=overwrite, say=say)
    learner.half = is_half_faster(_trial(learner.net, pooling), choose_device(device))
    say(f"training on {choose_device(device)} in {'bfloat16' if learner.half else 'float32'}")
    with closing(Studio(render, seed, archive.counters.get("next", 0), workers or max(1, _cores() - 2))) as studio:
        replay = Replay(studio, len(ACTIONS), clips, seed, archive.counters)
        _learn(archive, learner, replay, render, Plan(seconds), notify)
    return Outcome(archive.checkpoint, archive.state, learner.step, learner.elapsed, archive.history[-1])


def _trial(net: nn.Module, pooling: Pooling) -> Callable[[bool], object]:
    """A step of a learner with a small batch, taken by a copy of its network."""
    learner = Learner(copy.deepcopy(net), pooling)
    classes = len(learner.net.get_parameter("classifier.weight"))
    labels = np.zeros((2, 1, classes), np.float32)
    batch = Batch(np.zeros((2, 32, 96, 96, 3), np.uint8), np.full((2, 1, 32), 1 / 32, np.float32), labels, labels + 1)

    def step(half: bool) -> None:
        learner.half = half
        learner.learn(batch, 0.0)

    return step


def _learn(archive: Archive, learner: Learner, replay: Replay, render: Render, plan: Plan, notify: Notify) -> None:
    """Gets the first films and trains."""

    def prepared(films: int) -> None:
        notify(Progress(f"film {films} of {EXAM_FILMS + START}", learner.step, learner.elapsed, plan.seconds))

    def examine() -> dict[str, float]:
        archive.history.append({"step": learner.step, "elapsed": learner.elapsed, **exam(learner)})
        return archive.history[-1]

    def save() -> None:
        archive.save(learner, replay.counters)

    exam = Exam(list(_exam_films(render, prepared)))
    replay.fill(lambda films: prepared(EXAM_FILMS + films))
    train(learner, replay, plan, examine=examine, save=save, notify=notify, clock=time.monotonic)


def _open(archive: Archive, learner: Learner, seconds: float, *, resume: bool, overwrite: bool, say: Say) -> None:
    """Goes on from the state or begins one: an output that cannot be written is known before anything is rendered."""
    if archive.check(resume=resume, overwrite=overwrite):
        archive.restore(learner)
        if learner.elapsed >= seconds:
            why = f"it has trained for {learner.elapsed:.0f} of {seconds:.0f} s"
            raise ConfigError(
                "there is no time left to train", why, "give more with --time: it counts from the very beginning"
            )
        say(f"going on from {archive.state}: step {learner.step}, {learner.elapsed:.0f} s")
        return
    if resume:
        say(f"nothing to resume: there is no {archive.state}; starting from the beginning")
    archive.save_state(learner, {})


def _metadata(options: dict[str, str], seconds: float) -> Metadata:
    command = " ".join(f"--{name} {value}" for name, value in options.items())
    source = f"camreel train --figures --time {seconds:.0f} {command}"
    return BUNDLE.blank.model_copy(update={"classes": ACTIONS, "source": source})


def _exam_films(render: Render, notify: Callable[[int], None]) -> Iterator[Batch]:
    """The films held out, the same for every run; meanwhile the other processes render the first ones to learn from."""
    for number in range(EXAM_FILMS):
        yield held_out(shoot(render, EASY + number, HELD_OUT), len(ACTIONS))
        notify(number + 1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
