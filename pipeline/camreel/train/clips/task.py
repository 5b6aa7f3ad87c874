"""Learning a user's own actions from labelled clips: everything put together."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camreel.errors import ConfigError, ModelError
from camreel.models.loading import load
from camreel.models.torch_recognizer import TorchRecognizer
from camreel.recognize.backend import choose_device
from camreel.train.checkpointing import Archive, prepare
from camreel.train.clips.batch_sampler import Draws, per_epoch
from camreel.train.clips.classification_report import ClassificationReport
from camreel.train.clips.clip_cache import Shelf, Skipped
from camreel.train.clips.dataset import Catalog, Example, checked, read_catalog
from camreel.train.clips.embeddings import Vectors, vectors
from camreel.train.clips.fine_tune import EPOCHS, EarlyStopping, TrainingHistory, Tuning, tune
from camreel.train.clips.fine_tuner import Freeze, Tuner
from camreel.train.clips.linear_probe import choose_decay, fit_head
from camreel.train.clips.splits import split
from camreel.train.clips.validator import Exam
from camreel.train.precision import is_half_faster

BACKBONE = "figures"
TRIED = 2
"""Clips on which number formats are compared."""
SIDED = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """How many clips are read."""

    done: int
    total: int


Notify = Callable[[Reading | Tuning], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train."""

    model: str = BACKBONE
    """The backbone: a network whose head is average pooling and a linear layer, or a checkpoint of one."""
    weights: str = "default"
    freeze: Freeze = "half"
    """What of the backbone stays as it is: all, half, none."""
    seconds: float = 1800.0
    """Of training after the clips are read, at most; those of earlier runs included."""
    patience: int = 8
    """Epochs in a row without a better macro-F1 after which it ends."""
    seed: int = 0
    """Of the split, the order of the clips and their variants."""
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What came of the training."""

    checkpoint: Path
    verdict: ClassificationReport
    learned: tuple[Example, ...]
    skipped: tuple[str, ...]
    """Clips that could not be used, and why."""
    folds: float
    """Macro-F1 of the head alone over folds of groups of the clips that were learned from."""
    history: tuple[Mapping[str, float], ...]
    """An entry for the head alone (epoch 0) and for each epoch: epoch, elapsed, loss, held_out_loss, macro_f1."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What there is to learn from, and to examine with."""

    classes: tuple[str, ...]
    learned: tuple[Example, ...]
    held: tuple[Example, ...]
    vectors: Mapping[Example, Vectors]
    shelf: Shelf
    skipped: tuple[str, ...]
    mirror: bool
    """Whether clips may be mirrored."""


def train_clips(
    source: Path,
    output: Path,
    plan: Plan | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    notify: Notify = lambda progress: None,
    say: Say = lambda text: None,
) -> TrainingResult:
    """Trains a network for the actions in labelled clips: first a new head, then the later half of the backbone with it.

    Args:
        source: folders of clips or a CSV file, see `read_catalog`.
        output: the checkpoint, FILE.safetensors. It always holds the best network so far; FILE.state.safetensors beside it is for
            going on later.
        plan: how.
        overwrite: replace what exists.
        resume: go on from the state beside `output`; without one, start from the beginning.
        notify: hears how far it is; may interrupt with KeyboardInterrupt, and what is in the files stays usable.
        say: hears what was chosen, as sentences.

    Raises:
        ConfigError: the output exists, the backbone has no linear head, or the state was made with other options or is at its end.
        InputError: there is too little to learn from.
        ModelError: the backbone or the state cannot be had, or the training has diverged.
        OutputError: the output cannot be written.
    """
    plan = plan or Plan()
    prepare(output)
    catalog = read_catalog(source)
    split(catalog, plan.seed)  # refuses what it must before anything is read
    network = _backbone(plan.model, plan.weights)
    archive = Archive(output, network.metadata, _options(plan, catalog))
    going_on = archive.check(resume=resume, overwrite=overwrite)
    if resume and not going_on:
        say(f"nothing to resume: there is no {archive.state}; starting from the beginning")
    network.to(choose_device(plan.device))
    lesson = _gather(source, catalog, network, plan, notify, say)
    return _learn(network, lesson, archive, plan, f"camreel train {source.name}", going_on, notify, say)


def _backbone(model: str, weights: str) -> TorchRecognizer:
    network = load(model, weights)
    if not isinstance(network, TorchRecognizer) or network.linear is None:
        why = "its head is not average pooling and a linear layer, so a new one would not make exact maps"
        raise ConfigError(
            f"{model} cannot be trained on clips", why, f"take {BACKBONE}, mc3_18, r2plus1d_18 or their like"
        )
    if network.weights == "random":
        raise ModelError(
            f"{model} has random weights", "a head on them would learn nothing", "name the file of real ones"
        )
    return network


def _options(plan: Plan, catalog: Catalog) -> dict[str, str]:
    """What a run that goes on may not change."""
    counts = Counter(example.label for example in catalog.examples)
    clips = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    return {"model": plan.model, "weights": plan.weights, "freeze": plan.freeze, "seed": str(plan.seed), "clips": clips}


def _gather(
    source: Path, catalog: Catalog, network: TorchRecognizer, plan: Plan, notify: Notify, say: Say
) -> TrainingData:
    shelf, device = Shelf(network), choose_device(plan.device)
    read, skipped = dict[Example, Vectors](), list[str]()
    for number, example in enumerate(catalog.examples):
        try:
            pictures = shelf.pictures(example)
            sides = (pictures, np.ascontiguousarray(pictures[:, :, ::-1]))
            of_sides = (vectors(side, network, lambda x: network.features(x).maps, device) for side in sides)
            read[example] = Vectors(example, *of_sides)
        except Skipped as error:
            skipped.append(f"{error.what}: {error.why}" if error.why else error.what)
            say(f"skipped: {skipped[-1]}")
        notify(Reading(number + 1, len(catalog.examples)))
    usable = checked(source, list(read))
    learned, held = split(usable, plan.seed)
    mirror = not any(SIDED.search(name.replace("_", " ")) for name in usable.classes)
    if not mirror:
        say("clips are not mirrored: a class name says left or right")
    return TrainingData(usable.classes, learned, held, read, shelf, tuple(skipped), mirror)


def _learn(
    network: TorchRecognizer,
    lesson: TrainingData,
    archive: Archive,
    plan: Plan,
    command: str,
    going_on: bool,
    notify: Notify,
    say: Say,
) -> TrainingResult:
    device = choose_device(plan.device)
    known = [lesson.vectors[example] for example in lesson.learned]
    decay, folds = choose_decay(known, lesson.classes, lesson.mirror, plan.seed)
    head = fit_head(known, lesson.classes, decay, lesson.mirror)
    tuner = Tuner(network, head, balance(lesson.learned, lesson.classes), plan.freeze, device)
    exam = Exam(tuner, network, lesson.shelf, lesson.held, lesson.classes, device)
    clips = {"learned": len(lesson.learned), "held_out": len(lesson.held), "skipped": len(lesson.skipped)}
    metrics = {"folds_macro_f1": round(folds, 4), "clips": clips, "weight_decay": decay}
    command += f" --model {plan.model} --freeze {plan.freeze} --seed {plan.seed}"

    def keep(verdict: ClassificationReport) -> None:
        exam.keep(archive.checkpoint, verdict, metrics, command)

    course = _open(archive, tuner, plan, going_on, say)
    if not course.history:
        verdict = exam.take()
        course.add(tuner.step / per_epoch(len(lesson.learned)), tuner.elapsed, math.nan, verdict)
        say(
            f"the head alone: macro-F1 {verdict.macro_f1:.3f} on {len(lesson.held)} clips held out, folds of the others {folds:.3f}"
        )
        keep(verdict)
    if plan.freeze != "all":
        limits = EarlyStopping(plan.seconds, plan.patience)
        draws = Draws(lesson.learned, lesson.shelf, lesson.classes, network.clip_len, lesson.mirror, plan.seed)
        pictures, labels = draws.draw(0)
        tuner.half = is_half_faster(lambda half: tuner.try_step(pictures[:TRIED], labels[:TRIED], half), device)
        say(f"training on {device} in {'bfloat16' if tuner.half else 'float32'}")

        def save() -> None:
            archive.save_state(tuner, {})

        tune(tuner, draws, course, limits, examine=exam.take, keep=keep, save=save, notify=notify, clock=time.monotonic)
    verdict = exam.of(archive.checkpoint)
    return TrainingResult(archive.checkpoint, verdict, lesson.learned, lesson.skipped, folds, tuple(course.history))


def _open(archive: Archive, tuner: Tuner, plan: Plan, going_on: bool, say: Say) -> TrainingHistory:
    """What an earlier run did, if this one goes on from it."""
    if not going_on:
        return TrainingHistory(archive.history)
    archive.restore(tuner)
    # Without the checkpoint nobody has the best network any more.
    course = TrainingHistory(archive.history if archive.checkpoint.exists() else [])
    archive.history = course.history
    if tuner.elapsed >= plan.seconds:
        why = f"it has trained for {tuner.elapsed:.0f} of {plan.seconds:.0f} s"
        raise ConfigError(
            "there is no time left to train", why, "give more with --time: it counts from the very beginning"
        )
    if course.history and course.is_over(plan.patience):
        best, last = course.history[course.best]["epoch"], course.history[-1]["epoch"]
        why = f"epoch {best:g} was the best of {last:g}, at most {EPOCHS} are done"
        raise ConfigError("the training is at its end", why, "give more --patience, or start anew with --overwrite")
    say(f"going on from {archive.state}: step {tuner.step}, {tuner.elapsed:.0f} s")
    return course


def balance(examples: Sequence[Example], classes: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Weights of the classes [C] with which each counts the same; their mean over the examples is 1."""
    counts = Counter(example.label for example in examples)
    return np.array([len(examples) / len(classes) / counts[name] for name in classes])
