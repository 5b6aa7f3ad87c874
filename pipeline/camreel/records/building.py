"""Records built from the structures of a run, and written as JSON. Numbers are rounded here, and nowhere else.

The values come from the program itself and are not validated: a record must never stop a run. Tests check that what is
written matches the schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import orjson

from camreel.records.schema import (
    VERSION,
    ActionRecord,
    BaseRecord,
    BoxRecord,
    ConnectionRecord,
    CountsRecord,
    DelayRecord,
    FrameRecord,
    GapRecord,
    HeaderRecord,
    LiveRecord,
    ModelRecord,
    SegmentEndRecord,
    SmoothingRecord,
    SourceRecord,
    SpanRecord,
    SummaryRecord,
    TrackEndRecord,
    TrackRecord,
)
from camreel.structures import Action, Box, Frame, Header, Localization, Segment, Summary, Tube, VideoInfo

TIME_DIGITS = 9
"""Decimals of a frame's time in seconds."""
SCORE_DIGITS = 5
"""Decimals of scores, and of the limits of segments and tubes in seconds."""
LOGIT_DIGITS = 4
PIXEL_DIGITS = 2
"""Decimals of coordinates in pixels."""
BUSY_DIGITS = 3
"""Decimals of the busy seconds of stages."""


def to_json(record: BaseRecord) -> bytes:
    """Return a record as one line of JSON, without a line break.

    Keys that were not set when the record was built (`camera`, `live`) are left out.

    Example:
        >>> to_json(frame_record(localization))
        b'{"type":"frame","index":0,"pts":0,"time":0.0,"actions":[]}'
    """
    values = record.model_dump(by_alias=True, exclude_unset=True, warnings=False)
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)


def header_record(header: Header) -> HeaderRecord:
    """Return the first record of a result."""
    return HeaderRecord.model_construct(
        type="header",
        schema=VERSION,
        source=source_record(header.source),
        model=ModelRecord.model_construct(
            name=header.model,
            weights=header.weights,
            sha256=header.sha256,
            frame_rate=header.frame_rate,
            classes=list(header.classes),
        ),
        method=header.method,
        unit="logit",
        grid=header.grid,
        smoothing=SmoothingRecord.model_construct(name=header.smoothing, lag=header.lag),
        config=dict(header.config),
    )


def source_record(info: VideoInfo) -> SourceRecord:
    """Return the description of a source."""
    return SourceRecord.model_construct(
        uri=info.uri,
        width=info.width,
        height=info.height,
        rotation=info.rotation,
        time_base=_rational(info.time_base),
        average_rate=None if info.average_rate is None else _rational(info.average_rate),
        frames=info.frames,
        duration=info.duration,
        live=info.live,
    )


def _rational(value: Fraction) -> tuple[int, int]:
    return value.numerator, value.denominator


def frame_record(localization: Localization) -> FrameRecord:
    """Return the record of one frame."""
    frame = localization.frame
    return FrameRecord.model_construct(
        type="frame",
        index=frame.index,
        pts=frame.pts,
        time=round(frame.time, TIME_DIGITS),
        actions=[_action_record(action) for action in localization.actions],
    )


def _action_record(action: Action) -> ActionRecord:
    return ActionRecord.model_construct(
        class_id=action.class_id,
        label=action.label,
        score=round(action.score, SCORE_DIGITS),
        logit=round(action.logit, LOGIT_DIGITS),
        peak=None if action.peak is None else _pixels(action.peak),
        boxes=[_box_record(box) for box in action.boxes],
    )


def _box_record(box: Box) -> BoxRecord:
    return BoxRecord.model_construct(
        xyxy=_pixels(box.xyxy),
        score=round(box.score, SCORE_DIGITS),
        track=box.track,
    )


def _pixels(values: Sequence[float]) -> tuple[float, ...]:
    return tuple([round(value, PIXEL_DIGITS) for value in values])


def connection_record(part: int, info: VideoInfo, time: float) -> ConnectionRecord:
    """Return the record of a new connection.

    Args:
        part: number of the connection.
        info: properties of its source.
        time: time of its first frame in seconds.
    """
    return ConnectionRecord.model_construct(
        type="connection", part=part, time=round(time, TIME_DIGITS), source=source_record(info)
    )


def gap_record(before: Frame | None, after: Frame) -> GapRecord | None:
    """Return the record of the frames that are missing between two answered frames; None: no frame is missing.

    Args:
        before: the last answered frame; None: `after` is the first.
        after: the next answered frame.
    """
    first = before.index + 1 if before else 0
    if after.index == first:
        return None
    return GapRecord.model_construct(
        type="gap",
        first=first,
        count=after.index - first,
        start=round(before.time if before else 0.0, TIME_DIGITS),
        end=round(after.time, TIME_DIGITS),
    )


def ended_record(ended: Segment | Tube) -> SegmentEndRecord | TrackEndRecord:
    """Return the record of a segment or tube that has ended in a live run."""
    if isinstance(ended, Segment):
        return SegmentEndRecord.model_construct(type="segment", **_span(ended))
    return TrackEndRecord.model_construct(type="track", **_span(ended))


def _span(item: Segment | Tube) -> dict[str, Any]:
    # The fields of the structures and of the records have the same names.
    return {
        key: round(value, SCORE_DIGITS) if isinstance(value, float) else value for key, value in asdict(item).items()
    }


def summary_record(summary: Summary, live: Mapping[str, Any] | None = None) -> SummaryRecord:
    """Return the last record of a result.

    Args:
        summary: summary of the run.
        live: statistics of a live run by the names of `LiveRecord`; None: the run was not live.
    """
    extra: dict[str, Any] = {} if live is None else {"live": _live_record(live)}
    return SummaryRecord.model_construct(
        type="summary",
        frames=CountsRecord.model_construct(**asdict(summary.frames)),
        segments=[SpanRecord.model_construct(**_span(segment)) for segment in summary.segments],
        tracks=[TrackRecord.model_construct(**_span(tube)) for tube in summary.tracks],
        completeness_error=summary.completeness_error,
        stages={name: round(seconds, BUSY_DIGITS) for name, seconds in summary.stages.items()},
        fallbacks=list(summary.fallbacks),
        **extra,
    )


def _live_record(live: Mapping[str, Any]) -> LiveRecord:
    delays = {name: DelayRecord.model_construct(**live[name]) for name in ("delay", "age")}
    return LiveRecord.model_construct(**{**live, **delays})
