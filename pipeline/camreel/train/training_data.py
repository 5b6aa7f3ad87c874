"""The data of a fine-tuning: clips read once and kept in memory, embedded, and split."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camreel.errors import CamreelError, InputError
from camreel.interfaces import Recognizer
from camreel.models.torch_recognizer import TorchRecognizer
from camreel.sources import open_source
from camreel.stages.sample import Sampling, network_input_size, sample
from camreel.structures import U8
from camreel.train.dataset import Dataset, LabeledClip, make_dataset, split_dataset
from camreel.train.linear_probe import ClipEmbeddings, embed

SIDE_NAME = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)
"""Words in class names that forbid mirroring."""

log = logging.getLogger(__name__)


MAX_SAMPLES = 512
"""Maximum number of samples that are read of a clip."""
MIN_SAMPLES = 4
"""Minimum number of samples of a clip."""
CAPACITY_BYTES = 4 << 30
"""Maximum size of the pictures that are kept."""


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


class UnusableClip(CamreelError):
    """A clip that is skipped, with the reason for people."""


class ClipCache:
    """Pictures of clips: as many as fit are kept, the others are read whenever they are needed.

    Args:
        network: network whose frame rate and size are used.
        capacity: maximum size in bytes.

    Example:
        >>> cache = ClipCache(load("figures"))
        >>> cache.pictures(LabeledClip(Path("jump.mp4"), "jump", "jump.mp4")).shape
        (48, 112, 199, 3)
    """

    def __init__(self, network: Recognizer, capacity: int = CAPACITY_BYTES) -> None:
        self._network = network
        self._room = capacity
        self._kept: dict[LabeledClip, U8] = {}

    def pictures(self, clip: LabeledClip) -> U8:
        """Return the pictures of a clip, RGB [T, H, W, 3].

        Raises:
            UnusableClip: it cannot be read, or is too short.
        """
        kept = self._kept.get(clip)
        if kept is not None:
            return kept
        pictures = _read(clip, self._network)
        if pictures.nbytes <= self._room:
            self._kept[clip] = pictures
            self._room -= pictures.nbytes
        return pictures


def _read(clip: LabeledClip, network: Recognizer) -> U8:
    try:
        pictures = _sample(clip, network)
    except InputError as error:
        raise UnusableClip(error.what, error.why) from None
    if len(pictures) < min(MIN_SAMPLES, network.clip_len):
        why = f"it has {len(pictures)} of at least {MIN_SAMPLES} samples"
        raise UnusableClip(f"{clip.path} is too short", why)
    return pictures


def _sample(clip: LabeledClip, network: Recognizer) -> U8:
    taken: list[U8] = []
    with open_source(str(clip.path), start=clip.start, end=clip.end, audio=False) as source:
        info = source.info
        size = network_input_size(info, network, network.size)
        interval = 1 / float(info.average_rate) if info.average_rate else None
        for frame in sample(source, Sampling((size,), network.frame_rate, interval)):
            taken += list(frame.inputs) * frame.samples
            if len(taken) >= MAX_SAMPLES:
                break
    return np.stack(taken[:MAX_SAMPLES]) if taken else np.zeros((0, 1, 1, 3), np.uint8)
