"""The registry of sinks: a new kind of output is one class and one line in `SINKS`."""

from __future__ import annotations

import csv
import inspect
from pathlib import Path
from typing import Any

import pytest

import camreel
from camreel.cli.app import main
from camreel.cli.outputs import plan_outputs
from camreel.config.schema import Config
from camreel.errors import ConfigError
from camreel.interfaces import DisplaySink
from camreel.sinks import SINKS, SinkType, check_suffix, suffixes
from camreel.sinks.publish.publisher import Publisher
from camreel.sinks.video.recorder import Recorder
from camreel.sinks.window import Window
from camreel.structures import Header, Localization, Summary
from tests.make import TinyRecognizer

CLIP = Path(__file__).resolve().parents[1] / "sample_videos" / "single-0007.mp4"
SHORT = Config().changed(localize={"min_score": 0.0}, end=0.4)


class CsvSink:
    """One row per action: frame, time, label, score."""

    def __init__(self, path: Path, header: Header, options: None = None) -> None:
        self.notes: list[str] = []
        self._file = path.open("w", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(("frame", "time", "label", "score"))

    def write(self, localization: Localization) -> None:
        frame = localization.frame
        for action in localization.actions:
            self._rows.writerow((frame.index, f"{frame.time:.3f}", action.label, f"{action.score:.4f}"))

    def close(self, summary: Summary) -> None:
        self._file.close()

    def abandon(self) -> None:
        self._file.close()


@pytest.fixture
def csv_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SINKS, "csv", SinkType(f"{__name__}:CsvSink", (".csv",), "records"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_process_writes_with_a_new_sink(csv_sink: None, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    summary = camreel.process(str(CLIP), SHORT, records=path, recognizer=TinyRecognizer())
    found = rows(path)
    assert list(found[0]) == ["frame", "time", "label", "score"]
    assert len({row["frame"] for row in found}) == summary.frames.written
    assert "csv" in summary.stages  # the time that a sink takes stands under its name


def test_the_command_line_writes_with_a_new_sink(
    csv_sink: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.csv"
    monkeypatch.setattr("camreel.flow.load_recognizer", lambda config: TinyRecognizer())
    words = ["process", str(CLIP), "--json", str(path), "--no-video", "--end", "0.4", "--min-score", "0"]
    with pytest.raises(SystemExit) as ended:
        main(["--quiet", *words])
    assert not ended.value.code
    assert rows(path)[0]["frame"] == "0"


def test_the_command_line_knows_the_endings_of_all_sinks(csv_sink: None) -> None:
    assert plan_outputs(["clip.mp4"], None, "out.csv")[0].records == Path("out.csv")
    with pytest.raises(ConfigError, match=r"does not end in \.csv, \.json or \.jsonl"):
        plan_outputs(["clip.mp4"], None, "out.xml")
    with pytest.raises(ConfigError, match="for the records write --json out.csv"):
        plan_outputs(["clip.mp4"], "out.csv", None)


def test_without_the_new_sink_its_ending_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"does not end in \.json or \.jsonl\n") as caught:
        plan_outputs(["clip.mp4"], None, "out.csv")
    assert "folder" in caught.value.todo


def test_an_unknown_video_container_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown video file type '\.wmv'") as caught:
        check_suffix(".wmv", "video", suffixes("video"))
    assert caught.value.todo == "use one of .mp4, .m4v, .mov, .mkv, .webm"


@pytest.mark.parametrize("kind", list(SINKS.values()), ids=list(SINKS))
def test_endings_are_lower_case_and_belong_to_one_sink(kind: SinkType) -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in kind.suffixes)
    every = [suffix for other in SINKS.values() for suffix in other.suffixes]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("kind", [Window, Recorder, Publisher])
def test_display_sinks_have_one_shape(kind: Any, tmp_path: Path) -> None:
    arguments = {Window: ("title",), Recorder: (tmp_path / "out.mp4",), Publisher: ("udp://127.0.0.1:9",)}[kind]
    sink: DisplaySink = kind(*arguments)
    for name in ("show", "close", "abandon"):
        shape = inspect.signature(getattr(kind, name))
        assert list(shape.parameters) == list(inspect.signature(getattr(DisplaySink, name)).parameters)
    assert sink.notes == []
    sink.close()
    sink.close()
    sink.abandon()
