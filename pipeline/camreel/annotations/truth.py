"""The truth of a video as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camreel.errors import InputError
from camreel.structures import F32, U8, VideoInfo

NONE = -1
"""In place of a class id: no action."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Who does what, when and where. T frames, P actors; the actors of class c in frame t are those with actions[t, p] == c.

    Raises:
        ValueError: the parts do not fit together.
    """

    classes: tuple[str, ...]
    """class_id is the position in this list."""
    width: int
    """Of the picture, in pixels."""
    height: int
    times: NDArray[np.float64]
    """Of the frames [T], in seconds, increasing."""
    actions: NDArray[np.int16]
    """Class id of what each actor does [T, P]; -1: none of the classes."""
    boxes: F32
    """Of what is visible of each actor [T, P, 4]: left, top, right, bottom in pixels, half-open; NaN where nothing is visible."""
    masks: U8 | None = None
    """[T, H, W]: 0 background, p + 1 where actor p is seen; None: not known, or not read."""

    def __post_init__(self) -> None:
        _check_shapes(self)
        if not np.all(np.diff(self.times) > 0):
            raise ValueError("the times do not increase")
        if np.any((self.actions < NONE) | (self.actions >= len(self.classes))):
            raise ValueError(f"an action is none of the {len(self.classes)} classes")
        _check_boxes(self.boxes, self.width, self.height)


def _check_shapes(truth: Truth) -> None:
    frames, actors = len(truth.times), truth.actions.shape[-1]
    shapes = {"times": (frames,), "actions": (frames, actors), "boxes": (frames, actors, 4)}
    if truth.masks is not None:
        shapes["masks"] = (frames, truth.height, truth.width)
    for name, shape in shapes.items():
        if getattr(truth, name).shape != shape:
            raise ValueError(f"{name} has the shape {getattr(truth, name).shape}, not {shape}")
    if truth.masks is not None and truth.masks.max(initial=0) > actors:
        raise ValueError(f"the masks name actor {truth.masks.max() - 1}, but there are {actors} actors")


def _check_boxes(boxes: F32, width: int, height: int) -> None:
    seen = boxes[~np.isnan(boxes).all(-1)]
    left, top, right, bottom = seen.T
    good = (left >= 0) & (left < right) & (right <= width) & (top >= 0) & (top < bottom) & (bottom <= height)
    if not good.all():
        raise ValueError(f"{seen[~good][0].tolist()} is no box in a picture of {width}x{height}")


def runs(actions: NDArray[np.int16]) -> Iterator[tuple[int, int, int]]:
    """Runs of one class in what one actor does [T]: class id, first frame, frame after the last. No action is no run."""
    edges = (np.flatnonzero(np.diff(actions)) + 1).tolist()
    for start, end in zip([0, *edges], [*edges, len(actions)], strict=True):
        if start < end and actions[start] != NONE:
            yield int(actions[start]), start, end


def check_truth(truth: Truth, info: VideoInfo) -> None:
    """Checks that a truth can be that of a video: the size, and the number of frames where the video tells it.

    Raises:
        InputError: it cannot.
    """
    frames = len(truth.times)
    todo = "the two files belong to different videos, or the video was cut or scaled: use the video that the truth was made with"
    if (truth.width, truth.height) != (info.width, info.height):
        why = f"the video is {info.width}x{info.height}, the truth is of {truth.width}x{truth.height}"
        raise InputError(f"the truth of {info.uri} does not fit", why, todo)
    if info.frames not in (None, frames):
        raise InputError(
            f"the truth of {info.uri} does not fit", f"the video has {info.frames} frames, the truth {frames}", todo
        )
