"""Learning a user's own actions from labelled clips: everything put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import ConfigError, ModelError
from pipeline.learn.archive import prepare
from pipeline.learn.clips.catalog import Catalog, Example, checked, read_catalog
from pipeline.learn.clips.head import Head, choose_decay, fit_head, macro_f1, temperature
from pipeline.learn.clips.splits import split
from pipeline.learn.clips.vectors import Skipped, Vectors, vectors
from pipeline.models import load
from pipeline.models.checkpoint import save
from pipeline.models.split import SplitNetwork
from pipeline.recognize.backend import choose_device
from pipeline.structures import F32

BACKBONE = "figures"
SIDED = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)
RESAMPLES = 2000
"""Of the held-out groups, for the interval."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trained network makes of the clips held out."""

    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    scores: F32
    """[N, C] after softmax."""

    @property
    def truth(self) -> NDArray[np.int64]:
        """Class ids [N]."""
        return np.array([self.classes.index(example.label) for example in self.examples])

    @property
    def said(self) -> NDArray[np.int64]:
        """Class ids [N]."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)

    @property
    def macro_f1(self) -> float:
        """F1 of each class, averaged."""
        return macro_f1(self.said, self.truth, len(self.classes))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """How often a class (row) was taken for another (column) [C, C]."""
        found = np.zeros((len(self.classes), len(self.classes)), np.int64)
        np.add.at(found, (self.truth, self.said), 1)
        return found

    def interval(self, seed: int) -> tuple[float, float]:
        """Of the macro-F1, 95 %: whole groups are drawn again and again, as clips of one group are not independent."""
        groups = [[i for i, e in enumerate(self.examples) if e.group == name] for name in sorted({e.group for e in self.examples})]
        rng, truth, said = np.random.default_rng(seed), self.truth, self.said
        drawn = (np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))]) for _ in range(RESAMPLES))
        low, high = np.quantile([macro_f1(said[rows], truth[rows], len(self.classes)) for rows in drawn], (0.025, 0.975))
        return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Taught:
    """What came of the training."""

    checkpoint: Path
    verdict: Verdict
    skipped: tuple[str, ...]
    """Clips that could not be used, and why."""
    folds: float
    """Macro-F1 over folds of groups of the clips that were learned from."""


def train_clips(
    source: Path,
    output: Path,
    *,
    model: str = BACKBONE,
    weights: str = "default",
    overwrite: bool = False,
    seed: int = 0,
    device: str = "auto",
    notify: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda text: None,
) -> Taught:
    """Trains a new head for the actions in labelled clips, on a backbone that stays as it is.

    Args:
        source: folders of clips or a CSV file, see `read_catalog`.
        output: the checkpoint, FILE.safetensors.
        model: the backbone: a network whose head is average pooling and a linear layer, or a checkpoint of one.
        weights: of the backbone.
        overwrite: replace what exists.
        seed: of the split.
        device: auto, cpu, cuda or mps.
        notify: hears how many clips of how many are read; may interrupt with KeyboardInterrupt, and nothing is written.
        say: hears what was chosen, as sentences.

    Raises:
        ConfigError: the output exists, or the backbone has no linear head.
        InputError: there is too little to learn from.
        ModelError: the backbone cannot be had.
        OutputError: the output cannot be written.
    """
    prepare(output)
    if output.exists() and not overwrite:
        raise ConfigError(f"{output} already exists", todo="--overwrite replaces it")
    catalog = read_catalog(source)
    split(catalog, seed)  # refuses what it must before anything is read
    network = _backbone(model, weights)
    where = choose_device(device)
    network.to(where)
    read, skipped = _read(catalog, network, where, notify)
    for text in skipped:
        say(f"skipped: {text}")
    catalog = checked(source, [clip.example for clip in read])
    learned, held = split(catalog, seed)
    by_example = {clip.example: clip for clip in read}
    return _learn(
        catalog,
        [by_example[example] for example in learned],
        [by_example[example] for example in held],
        network,
        output,
        _command(source, model, seed),
        seed,
        tuple(skipped),
        say,
    )


def _backbone(model: str, weights: str) -> SplitNetwork:
    network = load(model, weights)
    if not isinstance(network, SplitNetwork) or network.linear is None:
        why = "its head is not average pooling and a linear layer, so a new one would not make exact maps"
        raise ConfigError(f"{model} cannot be trained on clips", why, f"take {BACKBONE}, mc3_18, r2plus1d_18 or their like")
    if network.weights == "random":
        raise ModelError(f"{model} has random weights", "a head on them would learn nothing", "name the file of real ones")
    return network


def _read(
    catalog: Catalog, network: SplitNetwork, device: str, notify: Callable[[int, int], None]
) -> tuple[list[Vectors], list[str]]:
    read, skipped = list[Vectors](), list[str]()
    for number, example in enumerate(catalog.examples):
        try:
            read.append(vectors(example, network, device))
        except Skipped as error:
            skipped.append(f"{error.what}: {error.why}" if error.why else error.what)
        notify(number + 1, len(catalog.examples))
    return read, skipped


def _learn(
    catalog: Catalog,
    learned: Sequence[Vectors],
    held: Sequence[Vectors],
    network: SplitNetwork,
    output: Path,
    command: str,
    seed: int,
    skipped: tuple[str, ...],
    say: Callable[[str], None],
) -> Taught:
    mirror = not any(SIDED.search(name.replace("_", " ")) for name in catalog.classes)
    if not mirror:
        say("clips are not mirrored: a class name says left or right")
    decay, folds = choose_decay(learned, catalog.classes, mirror, seed)
    head = fit_head(learned, catalog.classes, decay, mirror)
    logits = np.stack([head.logits(clip.plain).mean(axis=0) for clip in held])
    truth = np.array([catalog.classes.index(clip.example.label) for clip in held])
    head = head.scaled(1 / temperature(logits, truth))
    scores = torch.from_numpy(np.stack([head.logits(clip.plain).mean(axis=0) for clip in held])).softmax(dim=1).numpy()
    verdict = Verdict(catalog.classes, tuple(clip.example for clip in held), scores)
    low, high = verdict.interval(seed)
    metrics = {
        "macro_f1": round(verdict.macro_f1, 4),
        "macro_f1_interval": [round(low, 4), round(high, 4)],
        "folds_macro_f1": round(folds, 4),
        "clips": {"learned": len(learned), "held_out": len(held), "skipped": len(skipped)},
        "weight_decay": decay,
    }
    _save(output, network, head, catalog.classes, metrics, command)
    return Taught(output, verdict, skipped, folds)


def _save(output: Path, network: SplitNetwork, head: Head, classes: tuple[str, ...], metrics: dict[str, Any], command: str) -> None:
    layer = network.family.classifier
    tensors = dict(network.net.state_dict())
    old = tensors[f"{layer}.weight"]
    tensors[f"{layer}.weight"] = torch.from_numpy(head.weight).reshape(len(classes), *old.shape[1:])
    tensors[f"{layer}.bias"] = torch.from_numpy(head.bias)
    fields = {"classes": classes, "multilabel": False, "metrics": metrics, "source": command}
    save(output, tensors, network.metadata.model_copy(update=fields))


def _command(source: Path, model: str, seed: int) -> str:
    return f"camreel train {source.name} --model {model} --seed {seed}"
