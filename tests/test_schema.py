"""The records as other programs see them: the JSON Schema and the models say the same."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from camreel.records import LINE, Document, json_schema
from jsonschema import Draft202012Validator
from pydantic import ValidationError

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
def test_good_records_pass_both(record: Record, validator: Draft202012Validator) -> None:
    validator.validate(record)
    assert LINE.validate_json(json.dumps(record)).model_dump(mode="json", by_alias=True, exclude_unset=True) == record


@pytest.mark.parametrize("record", BAD)
def test_bad_records_pass_neither(record: Record, validator: Draft202012Validator) -> None:
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
def test_the_models_also_know_what_adds_up(record: Record) -> None:
    with pytest.raises(ValidationError):
        LINE.validate_json(json.dumps(record))


def test_a_document_holds_the_same_records(validator: Draft202012Validator) -> None:
    document = {"header": HEADER, "frames": [FRAME, FRAME], "summary": SUMMARY}
    validator.validate(document)
    assert len(Document.model_validate_json(json.dumps(document)).frames) == 2
    del document["summary"]
    validator.validate(document)
    assert Document.model_validate_json(json.dumps(document)).summary is None


def test_every_required_key_is_missed(validator: Draft202012Validator) -> None:
    for record in (HEADER, FRAME, SUMMARY):
        for key in record:
            without = {name: value for name, value in record.items() if name != key}
            assert not validator.is_valid(without), f"a {record['type']} without {key} passes"
