"""`camreel demo`: a sample video through the bundled network, in any folder and without a network connection."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from camreel.cli.process import DEMO_VIDEO
from camreel.runtime.files import shipped
from tests.command_line import CommandLine

MAKEFILE = (Path(__file__).resolve().parents[1] / "Makefile").read_text()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys)


def test_the_demo_finds_the_actions_of_the_sample_video(run: CommandLine) -> None:
    outcome = run("demo")
    assert outcome.code == 0, outcome.err
    stem = Path(DEMO_VIDEO).stem
    assert {path.name for path in Path("demo").iterdir()} == {f"{stem}.camreel.mp4", f"{stem}.camreel.jsonl"}
    last = outcome.err.splitlines()[-1]
    assert last.startswith(f"now open demo/{stem}.camreel.mp4") and f"demo/{stem}.camreel.jsonl" in last
    records = [json.loads(line) for line in Path(f"demo/{stem}.camreel.jsonl").read_text().splitlines()]
    assert records[0]["model"]["name"] == "figures"
    truth = json.loads((shipped("sample_videos") / f"{stem}.truth.json").read_text())
    acted = {action["label"] for actor in truth["actors"] for action in actor["actions"]}
    assert acted <= {segment["label"] for segment in records[-1]["segments"]}


def test_the_demo_overwrites_only_on_request(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("some/where")
    folder.mkdir(parents=True)
    (folder / "pair-0012.camreel.jsonl").write_text("mine")
    outcome = run("demo", folder)
    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        "error: some/where/pair-0012.camreel.jsonl already exists",
        "       --overwrite replaces outputs, or name another folder",
    ]
    monkeypatch.setattr("camreel.cli.process._process_jobs", lambda jobs, *rest: 0)
    assert run("demo", folder, "--overwrite").code == 0


def test_a_folder_that_cannot_be_created_is_an_output_error(run: CommandLine) -> None:
    Path("file").write_text("")
    outcome = run("demo", "file/out")
    assert outcome.code == 5 and "cannot make the folder file/out" in outcome.err


def test_a_stopped_demo_does_not_say_what_to_open(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camreel.cli.process._process_jobs", lambda jobs, *rest: 130)
    outcome = run("demo")
    assert outcome.code == 130 and "open" not in outcome.err


def test_make_demo_is_the_same_command() -> None:
    assert re.search(r"^demo: install .*\n\t\$\(BIN\)/camreel demo --overwrite$", MAKEFILE, re.MULTILINE)
