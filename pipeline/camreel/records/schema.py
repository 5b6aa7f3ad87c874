"""The fields of every record, with their types, bounds and meanings: the only description of the format.

Files are written from these models (`camreel.records.building`), read with them (`LINE`), and described by them to
other programs (`json_schema`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

VERSION = "camreel.localization/1"
"""Name of the format. A change that breaks readers gets another number."""

Score = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Rational = Annotated[tuple[int, Annotated[int, Field(gt=0)]], Field(description="numerator, denominator")]


class BaseRecord(BaseModel):
    """A JSON object without unknown keys. Keys have the order of the fields, those of base classes first."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LineRecord(BaseRecord):
    """One line of a file."""

    type: str
    camera: Count | None = Field(
        default=None,
        description="number of the camera that the line is about; absent unless several cameras share a file",
    )


class SourceRecord(BaseRecord):
    """The video that was read."""

    uri: str = Field(description="path or address as the user gave it, without credentials")
    width: int = Field(gt=0, description="width of the displayed picture in pixels")
    height: int = Field(gt=0, description="height of the displayed picture in pixels")
    rotation: Literal[0, 90, 180, 270] = Field(
        description="degrees counter-clockwise by which the stored picture was turned for display"
    )
    time_base: Rational = Field(description="seconds per unit of pts")
    average_rate: Rational | None = Field(description="frames per second according to the container")
    frames: Count | None = Field(description="number of frames according to the container")
    duration: float | None = Field(description="duration in seconds according to the container")
    live: bool


class ModelRecord(BaseRecord):
    """The network that was run."""

    name: str
    weights: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None
    frame_rate: float | None = Field(description="samples per second that the network sees; null: every frame")
    classes: list[str] = Field(description="class names; class_id is the position in this list")


class SmoothingRecord(BaseRecord):
    """The temporal smoothing of the maps."""

    name: str
    lag: float = Field(ge=0, description="seconds that the smoothing looks ahead")


class HeaderRecord(LineRecord):
    """The first record: facts that are known before the first frame."""

    type: Literal["header"]
    version: Literal["camreel.localization/1"] = Field(alias="schema")
    source: SourceRecord
    model: ModelRecord
    method: str = Field(description="CAM method")
    unit: Literal["logit"] = Field(description="unit of the activation maps from which peaks and boxes are computed")
    grid: tuple[Count, Count] = Field(description="cells (rows, columns) of the network's maps")
    smoothing: SmoothingRecord
    config: dict[str, Any] = Field(description="all settings of the run")


class BoxRecord(BaseRecord):
    """A bounding box on one frame."""

    xyxy: tuple[float, float, float, float] = Field(
        description="left, top, right, bottom in pixels of the displayed picture; x right, y down, half-open"
    )
    score: Score = Field(description="largest saliency inside the box times the score of the action")
    track: Count | None = Field(description="id of the tube that the box belongs to")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        left, top, right, bottom = self.xyxy
        if not (0 <= left < right and 0 <= top < bottom):
            raise ValueError(f"{self.xyxy} is no box")
        return self


class ActionRecord(BaseRecord):
    """One class on one frame."""

    class_id: Count
    label: str
    score: Score
    logit: float
    peak: tuple[float, float] | None = Field(
        description="(x, y) of the strongest evidence on the actor, in pixels; null: no evidence"
    )
    boxes: list[BoxRecord]


class FrameRecord(LineRecord):
    """One source frame; every frame has a record, in order."""

    type: Literal["frame"]
    index: Count = Field(
        description="position of the frame counted from 0; without gaps in files; live runs lack dropped frames"
    )
    pts: int | None = Field(description="timestamp of the source in its time_base; null: the source has none")
    time: float = Field(
        description="seconds from the source's zero; in live runs from the first frame of the first connection"
    )
    actions: list[ActionRecord] = Field(
        description="the best classes with at least the minimum score, best first; may be empty"
    )


class SpanRecord(BaseRecord):
    """A class in an interval of time."""

    class_id: Count
    label: str
    start: float = Field(description="seconds")
    end: float = Field(description="seconds, exclusive")
    score: Score

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"the span ends at {self.end}, before it starts at {self.start}")
        return self


class TrackId(BaseRecord):
    """The id of a tube. A class of its own, so that the key is written before those of `SpanRecord`."""

    track: Count


class TrackRecord(SpanRecord, TrackId):
    """A tube: all boxes that carry its id."""


class CountsRecord(BaseRecord):
    """Frame counts: decoded = written + dropped."""

    decoded: Count
    written: Count
    dropped: Count
    corrupt: Count = Field(description="packets that could not be decoded")
    inferred: Count = Field(description="frames that the network saw")

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if self.decoded != self.written + self.dropped:
            raise ValueError(
                f"{self.decoded} decoded frames are not {self.written} written and {self.dropped} dropped ones"
            )
        return self


class ConnectionRecord(LineRecord):
    """Live runs: from here on frames come over another connection, possibly with another picture size."""

    type: Literal["connection"]
    part: Count = Field(description="number of the connection; the header describes connection 0")
    time: float = Field(description="time of its first frame in seconds")
    source: SourceRecord


class GapRecord(LineRecord):
    """Live runs: frames without a record, because they came faster than the network follows."""

    type: Literal["gap"]
    first: Count = Field(description="index of the first missing frame")
    count: Annotated[int, Field(gt=0)]
    start: float = Field(description="time of the frame before the gap in seconds")
    end: float = Field(description="time of the frame after the gap in seconds")


class SegmentEndRecord(SpanRecord, LineRecord):
    """Live runs: a segment that has ended."""

    type: Literal["segment"]


class TrackEndRecord(TrackRecord, LineRecord):
    """Live runs: a tube that has ended."""

    type: Literal["track"]


class DelayRecord(BaseRecord):
    """Quantiles over the run in seconds; null: nothing was measured."""

    p50: float | None
    p95: float | None
    max: float | None


class LiveRecord(BaseRecord):
    """Statistics of a live run."""

    shown: Count = Field(description="frames that were displayed")
    skipped: Count = Field(description="frames that were not displayed, because a newer one was there")
    reconnects: Count
    rate: dict[str, float] = Field(description="frames per second: in, inferred, shown")
    delay: DelayRecord = Field(description="delay from capture to display")
    age: DelayRecord = Field(description="age of the map on the displayed picture")


class SummaryRecord(LineRecord):
    """The last record: facts that are known after the last frame."""

    type: Literal["summary"]
    frames: CountsRecord
    segments: list[SpanRecord]
    tracks: list[TrackRecord]
    completeness_error: float | None = Field(
        description="largest |mean(map) + bias - logit| over max(1, |logit|); null: by definition, the maps of the "
        "method do not add up to the logit"
    )
    stages: dict[str, float] = Field(description="busy wall-clock seconds of each stage")
    fallbacks: list[str] = Field(description="run notes: everything that was done differently from the request")
    live: LiveRecord | None = Field(
        default=None,
        description="statistics of a live run, whose segments and tracks are records of their own; absent for files",
    )


class Document(BaseRecord):
    """The whole result as one `.json` file."""

    header: HeaderRecord
    frames: list[FrameRecord]
    summary: SummaryRecord | None = Field(default=None, description="absent if the run was cut short by an error")


Line = HeaderRecord | FrameRecord | ConnectionRecord | GapRecord | SegmentEndRecord | TrackEndRecord | SummaryRecord

LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="type")])
"""Parser of one line of a `.jsonl` result: `LINE.validate_json(line)`."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a line of a `.jsonl` result, and of a whole `.json` result.

    Example:
        >>> jsonschema.validate(json.loads(line), json_schema())
    """
    schema = TypeAdapter(Line | Document).json_schema(mode="validation", by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": VERSION,
        "title": "camreel result",
        "description": (
            "A line of a .jsonl file (live ones also have connection, gap, segment, track), or a whole .json file."
        ),
        "oneOf": schema["anyOf"],
        "$defs": schema["$defs"],
    }
