"""The records as other programs see them: the JSON Schema, the models and the written lines agree."""

from __future__ import annotations

import copy
import json
from fractions import Fraction
from typing import Any

import pytest
from camreel.records import LINE, Document, json_schema
from camreel.records.building import (
    connection_record,
    ended_record,
    frame_record,
    gap_record,
    header_record,
    summary_record,
    to_json,
)
from camreel.structures import (
    Action,
    Box,
    Counts,
    Frame,
    Grid,
    Header,
    Localization,
    Segment,
    Summary,
    Tube,
    VideoInfo,
)
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from tests.make import picture

Record = dict[str, Any]

HEADER: Record = {
    "type": "header",
    "schema": "camreel.localization/1",
    "source": {
        "uri": "clip.mp4",
        "width": 640,
        "height": 360,
        "rotation": 0,
        "time_base": [1, 15360],
        "average_rate": [30000, 1001],
        "frames": 90,
        "duration": 3.003,
        "live": False,
    },
    "model": {
        "name": "mc3_18",
        "weights": "KINETICS400_V1",
        "sha256": "a" * 64,
        "frame_rate": 15.0,
        "classes": ["abseiling", "air drumming"],
    },
    "method": "cam",
    "unit": "logit",
    "grid": [7, 12],
    "smoothing": {"name": "flow", "lag": 0.4},
    "config": {"model": {"name": "mc3_18"}},
}
FRAME: Record = {
    "type": "frame",
    "index": 0,
    "pts": 0,
    "time": 0.0,
    "actions": [
        {
            "class_id": 1,
            "label": "air drumming",
            "score": 0.75,
            "logit": 8.5,
            "peak": [12.0, 40.5],
            "boxes": [{"xyxy": [1.0, 2.0, 30.0, 40.0], "score": 0.5, "track": 0}],
        }
    ],
}
SUMMARY: Record = {
    "type": "summary",
    "frames": {"decoded": 90, "written": 90, "dropped": 0, "corrupt": 0, "inferred": 45},
    "segments": [{"class_id": 1, "label": "air drumming", "start": 0.0, "end": 3.0, "score": 0.8}],
    "tracks": [{"track": 0, "class_id": 1, "label": "air drumming", "start": 0.0, "end": 3.0, "score": 0.8}],
    "completeness_error": 1e-6,
    "stages": {"decode": 0.5},
    "fallbacks": ["audio is left out"],
}


def changed(record: Record, path: str, value: Any) -> Record:
    """A copy with the value at a dotted path replaced."""
    result = copy.deepcopy(record)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    node: Any = result
    for part in parents:
        node = node[part]
    node[last] = value
    return result


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(json.loads(json.dumps(schema)))


GOOD = [
    HEADER,
    FRAME,
    SUMMARY,
    changed(HEADER, "source.average_rate", None),
    changed(HEADER, "source.frames", None),
    changed(HEADER, "source.duration", None),
    changed(HEADER, "model.sha256", None),
    changed(HEADER, "model.frame_rate", None),
    changed(FRAME, "pts", None),
    changed(FRAME, "pts", -512),
    changed(FRAME, "actions", []),
    changed(FRAME, "actions.0.peak", None),
    changed(FRAME, "actions.0.boxes", []),
    changed(FRAME, "actions.0.boxes.0.track", None),
    changed(SUMMARY, "completeness_error", None),
    changed(SUMMARY, "segments", []),
]
BAD = [
    changed(HEADER, "schema", "camreel.localization/2"),
    changed(HEADER, "unit", "percent"),
    changed(HEADER, "source.rotation", 45),
    changed(HEADER, "source.width", 0),
    changed(HEADER, "source.time_base", [1, 0]),
    changed(HEADER, "source.time_base", [1]),
    changed(HEADER, "extra", 1),
    changed(HEADER, "model.sha256", "abc"),
    changed(FRAME, "index", -1),
    changed(FRAME, "pts", 0.5),
    changed(FRAME, "time", None),
    changed(FRAME, "actions.0.score", 1.5),
    changed(FRAME, "actions.0.peak", [1.0]),
    changed(FRAME, "actions.0.boxes.0.xyxy", [1, 2, 3]),
    changed(FRAME, "actions.0.boxes.0.extra", 1),
    changed(SUMMARY, "frames.decoded", -1),
    changed(SUMMARY, "fallbacks", "none"),
    changed(SUMMARY, "type", "end"),
    {"type": "frame"},
    {},
]


@pytest.mark.parametrize("record", GOOD)
def test_valid_records_pass_the_schema_and_the_models(record: Record, validator: Draft202012Validator) -> None:
    validator.validate(record)
    assert LINE.validate_json(json.dumps(record)).model_dump(mode="json", by_alias=True, exclude_unset=True) == record


@pytest.mark.parametrize("record", BAD)
def test_invalid_records_pass_neither_the_schema_nor_the_models(
    record: Record, validator: Draft202012Validator
) -> None:
    assert not validator.is_valid(record)
    with pytest.raises(ValidationError):
        LINE.validate_json(json.dumps(record))


@pytest.mark.parametrize(
    "record",
    [
        changed(SUMMARY, "frames.written", 89),
        changed(SUMMARY, "segments.0.end", -1.0),
        changed(FRAME, "actions.0.boxes.0.xyxy", [5.0, 2.0, 5.0, 9.0]),
        changed(FRAME, "actions.0.boxes.0.xyxy", [-1.0, 2.0, 5.0, 9.0]),
    ],
)
def test_the_models_check_sums_and_orders(record: Record) -> None:
    with pytest.raises(ValidationError):
        LINE.validate_json(json.dumps(record))


def test_a_document_holds_the_same_records(validator: Draft202012Validator) -> None:
    document = {"header": HEADER, "frames": [FRAME, FRAME], "summary": SUMMARY}
    validator.validate(document)
    assert len(Document.model_validate_json(json.dumps(document)).frames) == 2
    del document["summary"]
    validator.validate(document)
    assert Document.model_validate_json(json.dumps(document)).summary is None


def test_a_record_without_a_required_key_is_invalid(validator: Draft202012Validator) -> None:
    for record in (HEADER, FRAME, SUMMARY):
        for key in record:
            without = {name: value for name, value in record.items() if name != key}
            assert not validator.is_valid(without), f"a {record['type']} without {key} passes"


# The records that are built from structures

INFO = VideoInfo("clip.mp4", 640, 360, 90, Fraction(1, 15360), Fraction(30000, 1001), 90, 3.003)
SEGMENT, TUBE = Segment(1, "b", 0.123456789, 1.0, 0.87654321), Tube(4, 1, "b", 0.0, 1.0, 0.5)
LIVE = {
    "shown": 4,
    "skipped": 0,
    "reconnects": 1,
    "rate": {"in": 30.0},
    "delay": {"p50": 0.01, "p95": 0.02, "max": 0.03},
    "age": {"p50": None, "p95": None, "max": None},
}


def frame(index: int, time: float) -> Frame:
    return Frame(index, 512 * index, time, INFO.time_base, picture())


def localization() -> Localization:
    boxes = (Box((0.0, 1.23456, 8.123456, 9.0), 0.1234567, 7), Box((1.0, 2.0, 3.0, 4.0), 0.5))
    action = Action(1, "b", 0.98765432, 3.00009, None, 2.0, Grid((0, 0), (1, 1)), (3.14159, 4.5), boxes)
    return Localization(frame(5, 1 / 3), (action, Action(0, "a", 0.5, -1.0, None, 2.0, Grid((0, 0), (1, 1)), None, ())))


def summary() -> Summary:
    return Summary(Counts(3, 2, 1, 0, 1), (SEGMENT,), (TUBE,), 1e-7, {"decode": 0.12345}, ("no audio",))


def built() -> list[Any]:
    header = Header(
        INFO, "mc3_18", "random", None, None, ("a", "b"), "cam", (7, 12), "flow", 1.2, {"localize": {"top_k": 3}}
    )
    return [
        header_record(header),
        frame_record(localization()),
        connection_record(1, INFO, 2 / 3),
        gap_record(None, frame(3, 0.1)),
        ended_record(SEGMENT),
        ended_record(TUBE),
        summary_record(summary()),
        summary_record(summary(), LIVE),
    ]


@pytest.mark.parametrize("record", built(), ids=lambda record: record.type)
def test_built_records_follow_the_schema(record: Any, validator: Draft202012Validator) -> None:
    line = to_json(record)
    validator.validate(json.loads(line))
    assert LINE.validate_json(line).type == record.type
    assert "camera" not in json.loads(line)


@pytest.mark.parametrize("record", built(), ids=lambda record: record.type)
def test_the_number_of_the_camera_stands_after_the_type(record: Any, validator: Draft202012Validator) -> None:
    numbered = json.loads(to_json(record.model_copy(update={"camera": 2})))
    validator.validate(numbered)
    assert list(numbered)[:2] == ["type", "camera"]
    del numbered["camera"]
    assert numbered == json.loads(to_json(record))


def test_numbers_are_rounded_and_keys_are_in_order() -> None:
    assert to_json(frame_record(localization())) == (
        b'{"type":"frame","index":5,"pts":2560,"time":0.333333333,"actions":['
        b'{"class_id":1,"label":"b","score":0.98765,"logit":3.0001,"peak":[3.14,4.5],"boxes":['
        b'{"xyxy":[0.0,1.23,8.12,9.0],"score":0.12346,"track":7},{"xyxy":[1.0,2.0,3.0,4.0],"score":0.5,"track":null}]},'
        b'{"class_id":0,"label":"a","score":0.5,"logit":-1.0,"peak":null,"boxes":[]}]}'
    )
    assert to_json(ended_record(TUBE)) == (
        b'{"type":"track","track":4,"class_id":1,"label":"b","start":0.0,"end":1.0,"score":0.5}'
    )
    assert to_json(ended_record(SEGMENT)) == (
        b'{"type":"segment","class_id":1,"label":"b","start":0.12346,"end":1.0,"score":0.87654}'
    )
    assert list(json.loads(to_json(summary_record(summary())))) == [
        "type", "frames", "segments", "tracks", "completeness_error", "stages", "fallbacks",
    ]  # fmt: skip


def test_only_live_runs_have_live_statistics() -> None:
    assert "live" not in json.loads(to_json(summary_record(summary())))
    assert json.loads(to_json(summary_record(summary(), LIVE)))["live"] == LIVE


def test_a_gap_names_the_frames_between_two_answers() -> None:
    assert gap_record(frame(4, 0.4), frame(5, 0.5)) is None
    assert gap_record(None, frame(0, 0.0)) is None
    gap = gap_record(frame(4, 0.4), frame(7, 0.7))
    assert gap is not None
    assert to_json(gap) == b'{"type":"gap","first":5,"count":2,"start":0.4,"end":0.7}'


def test_values_outside_the_schema_are_written_and_stop_no_run() -> None:
    box = Box((5.001, 2.0, 5.004, 9.0), 0.5)
    action = Action(0, "a", float("nan"), 1.0, None, 1.0, Grid((0, 0), (1, 1)), None, (box,))
    written = json.loads(to_json(frame_record(Localization(frame(0, 0.0), (action,)))))
    assert written["actions"][0]["score"] is None
    assert written["actions"][0]["boxes"][0]["xyxy"] == [5.0, 2.0, 5.0, 9.0]
