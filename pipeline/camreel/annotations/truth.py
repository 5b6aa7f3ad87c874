"""The ground truth of a video: as arrays (`Truth`), and as the JSON document of its file (`TruthRecord`, `to_json`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from camreel.errors import InputError
from camreel.structures import F32, U8, VideoInfo

NO_ACTION = -1
"""In place of a class id: the actor performs none of the classes."""
SCHEMA = "camreel.truth/1"


@dataclass(frozen=True, slots=True)
class Truth:
    """Actions, boxes and masks of P actors in T frames. An actor p performs class c in frame t if actions[t, p] == c.

    Raises:
        ValueError: the parts do not fit together.
    """

    classes: tuple[str, ...]
    """Class names; class_id is the position."""
    width: int
    """Width of the picture in pixels."""
    height: int
    """Height of the picture in pixels."""
    times: NDArray[np.float64]
    """Time of each frame in seconds [T], increasing."""
    actions: NDArray[np.int16]
    """Class id of the action of each actor [T, P]; `NO_ACTION`: none of the classes."""
    boxes: F32
    """Visible part of each actor [T, P, 4]: left, top, right, bottom in pixels, half-open; NaN: not visible."""
    masks: U8 | None = None
    """Instance masks [T, H, W]: 0 background, p + 1 visible part of actor p; None: not known, or not read."""

    def __post_init__(self) -> None:
        _check_shapes(self)
        if not np.all(np.diff(self.times) > 0):
            raise ValueError("the times do not increase")
        if np.any((self.actions < NO_ACTION) | (self.actions >= len(self.classes))):
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
    visible = boxes[~np.isnan(boxes).all(-1)]
    left, top, right, bottom = visible.T
    good = (left >= 0) & (left < right) & (right <= width) & (top >= 0) & (top < bottom) & (bottom <= height)
    if not good.all():
        raise ValueError(f"{visible[~good][0].tolist()} is no box in a picture of {width}x{height}")


def action_runs(actions: NDArray[np.int16]) -> Iterator[tuple[int, int, int]]:
    """Yield the runs of equal class ids of one actor, without those of `NO_ACTION`.

    Args:
        actions: class ids [T].

    Returns:
        Class id, first frame, and frame after the last.

    Example:
        >>> list(action_runs(np.array([-1, 1, 1, 0], np.int16)))
        [(1, 1, 3), (0, 3, 4)]
    """
    edges = (np.flatnonzero(np.diff(actions)) + 1).tolist()
    for start, end in zip([0, *edges], [*edges, len(actions)], strict=True):
        if start < end and actions[start] != NO_ACTION:
            yield int(actions[start]), start, end


def check_truth(truth: Truth, info: VideoInfo) -> None:
    """Check that a truth can belong to a video: the picture size, and the number of frames if the container tells it.

    Raises:
        InputError: it cannot.
    """
    frames = len(truth.times)
    what = f"the truth of {info.uri} does not fit"
    todo = (
        "the two files belong to different videos, or the video was cut or scaled: "
        "use the video that the truth was made with"
    )
    if (truth.width, truth.height) != (info.width, info.height):
        why = f"the video is {info.width}x{info.height}, the truth is of {truth.width}x{truth.height}"
        raise InputError(what, why, todo)
    if info.frames not in (None, frames):
        raise InputError(what, f"the video has {info.frames} frames, the truth {frames}", todo)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SegmentRecord(_Record):
    """One action of an actor."""

    class_id: int = Field(ge=0)
    label: str
    start_frame: int = Field(ge=0)
    end_frame: int = Field(description="exclusive")


class ActorRecord(_Record):
    """One actor."""

    actions: list[SegmentRecord]
    boxes: list[tuple[float, float, float, float] | None] = Field(
        description="of every frame: left, top, right, bottom in pixels, half-open; null: not visible"
    )


class TruthRecord(_Record):
    """The JSON document of a truth."""

    version: Literal["camreel.truth/1"] = Field(alias="schema")
    video: str = Field(description="file name; it lies in the same folder")
    width: int = Field(gt=0, description="of the picture, in pixels")
    height: int = Field(gt=0)
    frames: int = Field(ge=0)
    seed: int
    split: str
    masks: str | None = Field(
        pattern=r"^[^/\\]+$", description="file name; it lies in the same folder. null: there are none"
    )
    classes: list[str] = Field(description="class_id is the position in this list")
    actors: list[ActorRecord]
    times: list[float] = Field(description="of the frames, in seconds")

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if len(self.times) != self.frames:
            raise ValueError(f"there are {len(self.times)} times for {self.frames} frames")
        for number, actor in enumerate(self.actors):
            if len(actor.boxes) != self.frames:
                raise ValueError(f"actor {number} has {len(actor.boxes)} boxes for {self.frames} frames")
            for segment in actor.actions:
                self._check_segment(number, segment)
        return self

    def _check_segment(self, number: int, segment: SegmentRecord) -> None:
        start, end = segment.start_frame, segment.end_frame
        if not start < end <= self.frames:
            raise ValueError(f"actor {number} does something from frame {start} to {end} of {self.frames}")
        if segment.class_id >= len(self.classes) or segment.label != self.classes[segment.class_id]:
            raise ValueError(f"actor {number} does '{segment.label}', which is not class {segment.class_id}")

    def to_truth(self) -> Truth:
        """Convert the document to arrays, without masks.

        Raises:
            ValueError: its parts do not fit together.
        """
        shape = self.frames, len(self.actors)
        actions, boxes = np.full(shape, NO_ACTION, np.int16), np.full((*shape, 4), np.nan, np.float32)
        for number, actor in enumerate(self.actors):
            for segment in actor.actions:
                actions[segment.start_frame : segment.end_frame, number] = segment.class_id
            for frame, box in enumerate(actor.boxes):
                if box is not None:
                    boxes[frame, number] = box
        return Truth(tuple(self.classes), self.width, self.height, np.array(self.times), actions, boxes)


def to_json(truth: Truth, *, video: str, seed: int, split: str, masks: str | None) -> bytes:
    """Return the JSON document of a truth: one line per field, boxes rounded to 0.1 pixels and times to a microsecond.

    Args:
        truth: the arrays.
        video: file name of the video.
        seed: see `Origin`.
        split: see `Origin`.
        masks: file name of the masks; None: there are none.
    """
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "video": video,
        "width": truth.width,
        "height": truth.height,
        "frames": len(truth.times),
        "seed": seed,
        "split": split,
        "masks": masks,
        "classes": truth.classes,
        "actors": [_actor_record(truth, number) for number in range(truth.actions.shape[1])],
        "times": np.round(truth.times, 6).tolist(),
    }
    lines = [orjson.dumps(name) + b": " + orjson.dumps(value) for name, value in fields.items()]
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def _actor_record(truth: Truth, number: int) -> dict[str, Any]:
    segments = [
        {"class_id": class_id, "label": truth.classes[class_id], "start_frame": start, "end_frame": end}
        for class_id, start, end in action_runs(truth.actions[:, number])
    ]
    # Rounded in double precision: in single precision JSON would hold 10.100000381.
    boxes = np.round(truth.boxes[:, number].astype(np.float64), 1)
    return {"actions": segments, "boxes": [None if np.isnan(box).any() else box.tolist() for box in boxes]}
