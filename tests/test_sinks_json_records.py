from __future__ import annotations

import json
from fractions import Fraction

import pytest
from camreel.errors import OutputError
from camreel.runtime.files import STDOUT
from camreel.sinks.json_records import JsonSink
from camreel.structures import Action, Box, Counts, Grid, Header, Localization, Segment, Summary, Tube, VideoInfo

from tests.make import frames

INFO = VideoInfo("clip.mp4", 64, 48, 0, Fraction(1, 1000), Fraction(30), None, None)
HEADER = Header(INFO, "mc3_18", "random", None, 15.0, ("a", "b"), "cam", (7, 12), "flow", 1.2, {"top_k": 3})
SUMMARY = Summary(
    Counts(2, 2, 0, 0, 1),
    (Segment(0, "a", 0.0, 1.0, 0.5),),
    (Tube(0, 0, "a", 0.0, 1.0, 0.5),),
    1e-7,
    {"decode": 0.5},
    ("x",),
)


def localizations(count=2):
    action = Action(
        0, "a", 0.75, 3.0, None, 2.0, Grid((0, 0), (1, 1)), (3.0, 4.5), (Box((0.0, 0.0, 8.123456, 9.0), 0.5, 7),)
    )
    return [Localization(f, (action,)) for f in frames([i / 30 for i in range(count)])]


def written(path, count=2):
    sink = JsonSink(path, HEADER)
    for localization in localizations(count):
        sink.write(localization)
    return sink


def test_one_record_per_line_and_the_final_name_at_the_end(tmp_path):
    path = tmp_path / "new" / "out.jsonl"
    sink = written(path)
    assert not path.exists()
    partial = tmp_path / "new" / "out.partial.jsonl"
    assert len(partial.read_text().splitlines()) == 3  # readable while it runs
    sink.close(SUMMARY)
    assert not partial.exists()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [r["type"] for r in records] == ["header", "frame", "frame", "summary"]
    assert records[0]["source"]["time_base"] == [1, 1000]
    assert records[1]["actions"][0]["boxes"] == [{"xyxy": [0.0, 0.0, 8.12, 9.0], "score": 0.5, "track": 7}]
    assert records[3]["frames"] == {"decoded": 2, "written": 2, "dropped": 0, "corrupt": 0, "inferred": 1}
    assert records[3]["tracks"][0]["track"] == 0


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_json_name_gets_one_document_with_the_same_records(tmp_path, count):
    path = tmp_path / "out.json"
    written(path, count).close(SUMMARY)
    document = json.loads(path.read_text())
    assert list(document) == ["header", "frames", "summary"]
    assert [f["index"] for f in document["frames"]] == list(range(count))


@pytest.mark.parametrize("name", ["out.jsonl", "out.json"])
def test_abandoned_records_are_valid_under_the_partial_name(tmp_path, name):
    path = tmp_path / name
    written(path).abandon()
    assert not path.exists()
    text = (tmp_path / name.replace(".", ".partial.")).read_text()
    if name.endswith("l"):
        assert [json.loads(line)["type"] for line in text.splitlines()] == ["header", "frame", "frame"]
    else:
        assert len(json.loads(text)["frames"]) == 2


def test_abandoning_after_closing_changes_nothing(tmp_path):
    sink = written(tmp_path / "out.jsonl")
    sink.close(SUMMARY)
    sink.abandon()
    assert (tmp_path / "out.jsonl").exists()


def test_a_dash_is_standard_output(capsysbinary):
    sink = written(STDOUT)
    sink.close(SUMMARY)
    assert [json.loads(line)["type"] for line in capsysbinary.readouterr().out.splitlines()] == [
        "header",
        "frame",
        "frame",
        "summary",
    ]


def test_a_path_that_cannot_be_written_is_an_error_with_the_path(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="out.jsonl") as caught:
        JsonSink(tmp_path / "file" / "out.jsonl", HEADER)
    assert "--json" in caught.value.todo


def test_a_folder_with_the_name_of_the_file_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "out.jsonl").mkdir()
    with pytest.raises(OutputError, match="a folder has this name"):
        JsonSink(tmp_path / "out.jsonl", HEADER)
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_full_disk_is_an_output_error(monkeypatch, tmp_path):
    sink = JsonSink(tmp_path / "out.jsonl", HEADER)
    sink._output._file.close()
    sink._output._file = open("/dev/full", "wb")  # noqa: SIM115
    with pytest.raises(OutputError, match="No space"):
        sink.write(localizations()[0])
    sink.abandon()
