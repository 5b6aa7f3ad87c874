"""The commands of `camreel` besides `process`, which have files of their own, and how the command line starts."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from camreel.config.schema import Config
from tests.command_line import CommandLine


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


def test_config_prints_the_origin_of_each_value(
    run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text("video:\n  crf: 30\n")
    outcome = run("config", "-c", "my.yaml", "--model", "s3d", "--no-audio", "--set", "link.gap=1")
    assert outcome.code == 0 and outcome.err == ""
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert {
        "name: s3d # --model",
        "crf: 30 # my.yaml:2",
        "audio: false # --no-audio",
        "gap: 1.0 # --set",
        "top_k: 3 # default",
    } <= set(lines)
    Path("again.yaml").write_text(outcome.out)
    again = run("config", "-c", "again.yaml")
    assert [line.split("#")[0].split() for line in again.out.splitlines()] == [
        line.split("#")[0].split() for line in outcome.out.splitlines()
    ]


def test_config_finds_the_shipped_files_from_an_empty_folder(
    run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("config", "-c", "fast")
    assert outcome.code == 0 and outcome.err == ""
    assert "name: ema" in outcome.out and "fast.yaml:3" in outcome.out
    unknown = run("config", "-c", "fsat")
    assert unknown.code == 2 and "accurate, default, demo, fast, webcam" in unknown.err


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    @dataclass
    class Card:
        name: str
        about: str = "a network"
        kind: str = "video"
        classes: int = 400
        weights: str = "V1"
        size_mb: float | None = 45.2
        cached: bool = True
        path: Path = Path("/cache/w.pth")
        url: str = "https://example.org/w.pth"

    module = types.ModuleType("camreel.models.catalog")
    module.__dict__["catalog"] = lambda: [Card("one"), Card("two", size_mb=None, cached=False)]
    monkeypatch.setitem(sys.modules, "camreel.models.catalog", module)
    yield


def test_models_prints_a_table_for_grep(catalog: None, run: CommandLine) -> None:
    outcome = run("models")
    assert outcome.code == 0
    assert [line.split() for line in outcome.out.splitlines()] == [
        ["name", "kind", "classes", "weights", "MB", "here", "about"],
        ["one", "video", "400", "V1", "45", "yes", "a", "network"],
        ["two", "video", "400", "V1", "?", "no", "a", "network"],
    ]
    assert "/cache/w.pth" in run("-v", "models").out


def test_schema_prints_json(run: CommandLine) -> None:
    outcome = run("schema")
    assert outcome.code == 0 and outcome.err == ""
    assert json.loads(outcome.out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_the_exit_code_of_doctor_is_1_if_a_check_fails(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch, status: str, code: int
) -> None:
    from camreel.cli import doctor

    monkeypatch.setattr(doctor, "run_checks", lambda: [doctor.Check("thing", status, "found [this]", "do that")])  # type: ignore[arg-type]
    outcome = run("doctor")
    assert outcome.code == code
    assert outcome.out.splitlines()[1].split() == ["thing", status, "found", "[this]", "do", "that"]


def test_bench_measures_with_the_flags_and_writes_the_report(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[Any, ...]] = []
    report = types.SimpleNamespace(to_dict=lambda: {"fps": 60})
    module = types.ModuleType("camreel.bench")

    def bench(clip: str, config: Config, *, against: str | None, frames: int | None) -> Any:
        asked.append((clip, config.model.name, against, frames))
        return report

    module.__dict__.update(bench=bench, render=lambda given: f"a report {given is report}")
    monkeypatch.setitem(sys.modules, "camreel.bench", module)
    monkeypatch.setattr("camreel.bench", module, raising=False)
    outcome = run(
        *(
            "bench",
            "c.mp4",
            "--model",
            "s3d",
            "--against",
            "grad-cam",
            "--frames",
            "64",
            "--json",
            str(tmp_path / "r.json"),
        )
    )
    assert outcome.code == 0 and outcome.out == "a report True\n"
    assert asked == [("c.mp4", "s3d", "grad-cam", 64)]
    assert json.loads((tmp_path / "r.json").read_text()) == {"fps": 60}


def test_the_version_is_printed(run: CommandLine) -> None:
    outcome = run("--version")
    assert outcome.code == 0 and outcome.out.startswith("camreel 0.")


def test_help_names_every_exit_code(run: CommandLine) -> None:
    text = run("process", "--help").out
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 130, 143):
        assert f" {code} " in " ".join(text.split())


@pytest.mark.parametrize("words", [["--help"], ["config"], ["schema"], ["process", "--help"]])
def test_no_heavy_package_is_imported_before_it_is_needed(words: list[str]) -> None:
    program = f"""
import sys
from camreel.cli.app import main
try:
    main({words!r})
except SystemExit as stop:
    assert not stop.code, stop.code
heavy = {{"torch", "torchvision", "cv2", "av", "numpy"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "camreel", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.startswith("camreel ")
