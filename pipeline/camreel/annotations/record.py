"""The JSON file of a truth."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from camreel.annotations.truth import NONE, Truth, runs

SCHEMA = "camreel.truth/1"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SegmentRecord(_Record):
    """What an actor does from one frame to another."""

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
    """The whole file."""

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
    def _check_fit(self) -> Self:
        if len(self.times) != self.frames:
            raise ValueError(f"there are {len(self.times)} times for {self.frames} frames")
        for number, actor in enumerate(self.actors):
            if len(actor.boxes) != self.frames:
                raise ValueError(f"actor {number} has {len(actor.boxes)} boxes for {self.frames} frames")
            for span in actor.actions:
                self._check_span(number, span)
        return self

    def _check_span(self, number: int, span: SegmentRecord) -> None:
        if not span.start_frame < span.end_frame <= self.frames:
            raise ValueError(
                f"actor {number} does something from frame {span.start_frame} to {span.end_frame} of {self.frames}"
            )
        if span.class_id >= len(self.classes) or span.label != self.classes[span.class_id]:
            raise ValueError(f"actor {number} does '{span.label}', which is not class {span.class_id}")

    def truth(self) -> Truth:
        """The truth, without masks.

        Raises:
            ValueError: its parts do not fit together.
        """
        shape = self.frames, len(self.actors)
        actions, boxes = np.full(shape, NONE, np.int16), np.full((*shape, 4), np.nan, np.float32)
        for number, actor in enumerate(self.actors):
            for span in actor.actions:
                actions[span.start_frame : span.end_frame, number] = span.class_id
            for frame, box in enumerate(actor.boxes):
                if box is not None:
                    boxes[frame, number] = box
        return Truth(tuple(self.classes), self.width, self.height, np.array(self.times), actions, boxes)


def dump(truth: Truth, *, video: str, seed: int, split: str, masks: str | None) -> bytes:
    """A truth as the text of its JSON file: one line per field, boxes rounded to 0.1 pixels and times to a microsecond."""
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
        "actors": [_actor(truth, number) for number in range(truth.actions.shape[1])],
        "times": np.round(truth.times, 6).tolist(),
    }
    return (
        b"{\n"
        + b",\n".join(orjson.dumps(name) + b": " + orjson.dumps(value) for name, value in fields.items())
        + b"\n}\n"
    )


def _actor(truth: Truth, number: int) -> dict[str, Any]:
    spans = [
        {"class_id": class_id, "label": truth.classes[class_id], "start_frame": start, "end_frame": end}
        for class_id, start, end in runs(truth.actions[:, number])
    ]
    # Rounded in double precision: in single precision JSON would say 10.100000381.
    boxes = np.round(truth.boxes[:, number].astype(np.float64), 1)
    return {"actions": spans, "boxes": [None if np.isnan(box).any() else box.tolist() for box in boxes]}
