"""The pictures of labeled clips, sampled and sized as the backbone sees them in use, kept in memory."""

from __future__ import annotations

import numpy as np

from camreel.errors import CamreelError, InputError
from camreel.interfaces import Recognizer
from camreel.sources import open_source
from camreel.stages.sample import Sampling, network_input_size, sample
from camreel.structures import U8
from camreel.train.dataset import LabeledClip

MAX_SAMPLES = 512
"""Maximum number of samples that are read of a clip."""
MIN_SAMPLES = 4
"""Minimum number of samples of a clip."""
CAPACITY_BYTES = 4 << 30
"""Maximum size of the pictures that are kept."""


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
