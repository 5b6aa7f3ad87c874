"""The records of live runs."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction

from camreel.records import LINE
from camreel.sinks.json_records import EventSink
from camreel.structures import Counts, Frame, Header, Localization, Segment, Summary, Tube, VideoInfo
from tests.make import MILLI, picture

INFO = VideoInfo("rtsp://camera/live", 160, 120, 0, Fraction(1, 1000), None, None, None, live=True)


def header() -> Header:
    return Header(INFO, "figures", "bundled", None, 12.0, ("wave", "clap"), "cam", (4, 5), "flow", 0.0, {})


def summary() -> Summary:
    return Summary(Counts(9, 4, 5, 0, 3), (), (), None, {}, ())


LIVE = {
    "shown": 4,
    "skipped": 0,
    "reconnects": 1,
    "rate": {"in": 30.0},
    "delay": {"p50": 0.01, "p95": 0.02, "max": 0.03},
    "age": {"p50": None, "p95": None, "max": None},
}


def test_gaps_connections_and_ended_segments_have_records(tmp_path):
    path = tmp_path / "events.jsonl"
    sink = EventSink(str(path), cameras=1)
    sink.begin(0, header())
    ends = (Segment(0, "wave", 0.0, 0.1, 0.9), Tube(3, 0, "wave", 0.0, 0.1, 0.8))
    shown = picture()
    for index, ended in ((0, ()), (1, ()), (5, ends)):
        sink.write(0, Localization(Frame(index, None, index / 10, MILLI, shown), (), ended))
    sink.connect(0, 1, dataclasses.replace(INFO, width=320), 0.7)
    sink.write(0, Localization(Frame(6, 17, 0.7, MILLI, shown), ()))
    sink.end(0, summary(), LIVE)
    assert not path.exists()
    sink.close()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        LINE.validate_python(record)
        assert "camera" not in record
    assert [r["type"] for r in records] == [
        "header", "frame", "frame", "gap", "frame", "segment", "track", "connection", "frame", "summary",
    ]  # fmt: skip
    assert records[3] == {"type": "gap", "first": 2, "count": 3, "start": 0.1, "end": 0.5}
    assert records[7]["source"]["width"] == 320


def test_records_of_several_cameras_have_the_number_of_their_camera(tmp_path):
    path = tmp_path / "events.jsonl"
    sink = EventSink(str(path), cameras=2)
    for camera in (1, 0):
        sink.begin(camera, header())
        sink.write(camera, Localization(Frame(camera, None, 0.0, MILLI, picture()), ()))
    sink.close()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(r["type"], r["camera"]) for r in records] == [
        ("header", 1),
        ("gap", 1),
        ("frame", 1),
        ("header", 0),
        ("frame", 0),
    ]
    for record in records:
        LINE.validate_python(record)
