"""The pictures of an example, as the backbone sees them in use."""

from __future__ import annotations

import numpy as np

from camreel.errors import CamreelError, InputError
from camreel.interfaces import Recognizer
from camreel.sources import open_source
from camreel.stages.sample import Sampling, network_input_size, sample
from camreel.structures import U8
from camreel.train.clips.dataset import Example

LONGEST = 512
"""Samples that are read of an example."""
LEAST = 4
"""Samples of which a window is made at least."""
ROOM = 4 << 30
"""Bytes of pictures that are kept."""


class Skipped(CamreelError):
    """An example that cannot be used; the reason is for people."""


class Shelf:
    """The pictures of examples: as many as there is room for are kept, the others are read whenever they are asked for.

    Args:
        network: at whose clock and size they are taken.
        room: bytes.
    """

    def __init__(self, network: Recognizer, room: int = ROOM) -> None:
        self._network = network
        self._room = room
        self._kept: dict[Example, U8] = {}

    def pictures(self, example: Example) -> U8:
        """RGB [T, H, W, 3].

        Raises:
            Skipped: it cannot be read, or is too short.
        """
        kept = self._kept.get(example)
        if kept is not None:
            return kept
        pictures = _read(example, self._network)
        if pictures.nbytes <= self._room:
            self._kept[example] = pictures
            self._room -= pictures.nbytes
        return pictures


def _read(example: Example, network: Recognizer) -> U8:
    try:
        pictures = _sampled(example, network)
    except InputError as error:
        raise Skipped(error.what, error.why) from None
    if len(pictures) < min(LEAST, network.clip_len):
        raise Skipped(f"{example.path} is too short", f"it has {len(pictures)} of at least {LEAST} samples")
    return pictures


def _sampled(example: Example, network: Recognizer) -> U8:
    taken: list[U8] = []
    with open_source(str(example.path), start=example.start, end=example.end, audio=False) as source:
        info = source.info
        size = network_input_size(info, network, network.size)
        interval = 1 / float(info.average_rate) if info.average_rate else None
        for frame in sample(source, Sampling((size,), network.frame_rate, interval)):
            taken += list(frame.inputs) * frame.samples
            if len(taken) >= LONGEST:
                break
    return np.stack(taken[:LONGEST]) if taken else np.zeros((0, 1, 1, 3), np.uint8)
