"""The data of a fine-tuning: clips read, embedded and split."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camreel.models.torch_recognizer import TorchRecognizer
from camreel.train.clip_cache import ClipCache, UnusableClip
from camreel.train.dataset import Dataset, LabeledClip, make_dataset, split_dataset
from camreel.train.embeddings import ClipEmbeddings, embed

SIDE_NAME = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)
"""Words in class names that forbid mirroring."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadProgress:
    """Progress of reading the clips."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Training clips and held-out clips, with pictures and embeddings of the backbone before the training."""

    classes: tuple[str, ...]
    train: tuple[LabeledClip, ...]
    held_out: tuple[LabeledClip, ...]
    embeddings: Mapping[LabeledClip, ClipEmbeddings]
    cache: ClipCache
    skipped: tuple[str, ...]
    """Clips that cannot be used, and why."""
    mirror: bool
    """Clips may be mirrored left to right."""

    @property
    def class_weights(self) -> NDArray[np.float64]:
        """Weights [C] with which each class counts the same in the loss."""
        return balance_classes(self.train, self.classes)


def read_training_data(
    dataset: Dataset,
    source: Path,
    network: TorchRecognizer,
    seed: int,
    device: str,
    on_progress: Callable[[ReadProgress], None],
) -> TrainingData:
    """Read all clips, compute their embeddings, and split them.

    Args:
        dataset: names and labels of the clips.
        source: where they come from, for error messages.
        network: the backbone, on the device.
        seed: seed of the split.
        device: device of the network.
        on_progress: called after each clip; may raise KeyboardInterrupt.

    Raises:
        InputError: too few clips can be used.
    """
    cache = ClipCache(network)
    embeddings, skipped = dict[LabeledClip, ClipEmbeddings](), list[str]()
    for number, clip in enumerate(dataset.clips):
        try:
            pictures = cache.pictures(clip)
            sides = (pictures, np.ascontiguousarray(pictures[:, :, ::-1]))
            plain, mirrored = (embed(side, network, lambda x: network.features(x).maps, device) for side in sides)
            embeddings[clip] = ClipEmbeddings(clip, plain, mirrored)
        except UnusableClip as error:
            skipped.append(f"{error.what}: {error.why}" if error.why else error.what)
            log.info("skipped: %s", skipped[-1])
        on_progress(ReadProgress(number + 1, len(dataset.clips)))
    usable = make_dataset(source, list(embeddings))
    train, held_out = split_dataset(usable, seed)
    mirror = not any(SIDE_NAME.search(name.replace("_", " ")) for name in usable.classes)
    if not mirror:
        log.info("clips are not mirrored: a class name says left or right")
    return TrainingData(usable.classes, train, held_out, embeddings, cache, tuple(skipped), mirror)


def balance_classes(clips: Sequence[LabeledClip], classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the weights [C] with which each class counts the same; their mean over the clips is 1."""
    counts = Counter(clip.label for clip in clips)
    return np.array([len(clips) / len(classes) / counts[name] for name in classes])
