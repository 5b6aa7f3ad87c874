"""The records of a result, as `camreel schema` tells them to other programs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

Score = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Rational = Annotated[tuple[int, Annotated[int, Field(gt=0)]], Field(description="numerator, denominator")]


class Record(BaseModel):
    """A JSON object without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LineRecord(Record):
    """A line; of several cameras in one file, each line says whose it is."""

    camera: Count | None = Field(default=None, description="number of the camera, where several share a file")


class SourceRecord(Record):
    """The video that was read."""

    uri: str = Field(description="as the user named it, without credentials")
    width: int = Field(gt=0, description="of the displayed picture, in pixels")
    height: int = Field(gt=0)
    rotation: Literal[0, 90, 180, 270] = Field(
        description="degrees counter-clockwise by which the stored picture was turned"
    )
    time_base: Rational = Field(description="seconds per unit of pts")
    average_rate: Rational | None = Field(description="frames per second as the container claims")
    frames: Count | None = Field(description="as the container claims")
    duration: float | None = Field(description="seconds, as the container claims")
    live: bool


class ModelRecord(Record):
    """The network that was run."""

    name: str
    weights: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None
    frame_rate: float | None = Field(description="samples per second that the network sees; null: every frame")
    classes: list[str] = Field(description="class_id is the position in this list")


class SmoothingRecord(Record):
    """The smoothing in time."""

    name: str
    lag: float = Field(ge=0, description="seconds that it looks ahead")


class HeaderRecord(LineRecord):
    """The first record."""

    type: Literal["header"]
    version: Literal["camreel.localization/1"] = Field(alias="schema")
    source: SourceRecord
    model: ModelRecord
    method: str = Field(description="how the maps were made")
    unit: Literal["logit"] = Field(description="of the maps that everything here comes from")
    grid: tuple[Count, Count] = Field(description="cells (rows, columns) of the network's maps")
    smoothing: SmoothingRecord
    config: dict[str, Any] = Field(description="every setting of the run")


class BoxRecord(Record):
    """Where on the picture."""

    xyxy: tuple[float, float, float, float] = Field(
        description="left, top, right, bottom in pixels of the displayed picture; x right, y down, half-open"
    )
    score: Score = Field(description="largest saliency inside times the action's score")
    track: Count | None = Field(description="the tube it belongs to")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        left, top, right, bottom = self.xyxy
        if not (0 <= left < right and 0 <= top < bottom):
            raise ValueError(f"{self.xyxy} is no box")
        return self


class ActionRecord(Record):
    """One class on one frame."""

    class_id: Count
    label: str
    score: Score
    logit: float
    peak: tuple[float, float] | None = Field(
        description="(x, y) of the strongest evidence on whoever acts, in pixels; null: there is none"
    )
    boxes: list[BoxRecord]


class FrameRecord(LineRecord):
    """One source frame; there is one for each, in order."""

    type: Literal["frame"]
    index: Count = Field(description="counted from 0, without gaps in files; live, those of dropped frames are missing")
    pts: int | None = Field(description="the source's, in its time_base; null: the source has none")
    time: float = Field(
        description="seconds from the source's zero; live, from the first frame of the first connection"
    )
    actions: list[ActionRecord] = Field(description="over the least score, best first; may be empty")


class SpanRecord(Record):
    """A class from one time to another."""

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


class TrackRecord(SpanRecord):
    """A tube: the boxes that carry its number."""

    track: Count


class CountsRecord(Record):
    """Frames, conserved: decoded = written + dropped."""

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
    """Live: frames come over another connection, or with another size."""

    type: Literal["connection"]
    part: Count = Field(description="number of the connection; the header is about 0")
    time: float = Field(description="of its first frame")
    source: SourceRecord


class GapRecord(LineRecord):
    """Live: frames without a record, because they came faster than the network follows."""

    type: Literal["gap"]
    first: Count = Field(description="index of the first one")
    count: Annotated[int, Field(gt=0)]
    start: float = Field(description="time of the frame before, in seconds")
    end: float = Field(description="time of the frame after")


class SegmentEndRecord(SpanRecord, LineRecord):
    """Live: a segment that has ended."""

    type: Literal["segment"]


class TrackEndRecord(TrackRecord, LineRecord):
    """Live: a tube that has ended."""

    type: Literal["track"]


class DelayRecord(Record):
    """Quantiles over the run, in seconds; null: nothing was measured."""

    p50: float | None
    p95: float | None
    max: float | None


class LiveRecord(Record):
    """How a live run went."""

    shown: Count = Field(description="frames that were on the screen")
    skipped: Count = Field(description="frames that were not, as a newer one was there")
    reconnects: Count
    rate: dict[str, float] = Field(description="frames per second: in, inferred, shown")
    delay: DelayRecord = Field(description="from capture to display")
    age: DelayRecord = Field(description="of the map on the picture")


class SummaryRecord(LineRecord):
    """The last record."""

    type: Literal["summary"]
    frames: CountsRecord
    segments: list[SpanRecord]
    tracks: list[TrackRecord]
    completeness_error: float | None = Field(
        description="largest |mean(map) + bias - logit| over max(1, |logit|); null: the method's maps do not add up by nature"
    )
    stages: dict[str, float] = Field(description="wall seconds that each stage was busy")
    fallbacks: list[str] = Field(description="what was done otherwise than asked for")
    live: LiveRecord | None = Field(
        default=None, description="of live runs; their segments and tracks are records of their own"
    )


class Document(Record):
    """The whole result as one `.json` file."""

    header: HeaderRecord
    frames: list[FrameRecord]
    summary: SummaryRecord | None = Field(default=None, description="absent where the run was cut short by an error")


Line = HeaderRecord | FrameRecord | ConnectionRecord | GapRecord | SegmentEndRecord | TrackEndRecord | SummaryRecord

LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="type")])
"""Reads one line of a `.jsonl` result: `LINE.validate_json(line)`."""


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a line of a `.jsonl` result, and of a whole `.json` result."""
    schema = TypeAdapter(Line | Document).json_schema(mode="validation", by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "camreel.localization/1",
        "title": "camreel result",
        "description": "A line of a .jsonl file (live ones also have connection, gap, segment, track), or a whole .json file.",
        "oneOf": schema["anyOf"],
        "$defs": schema["$defs"],
    }
