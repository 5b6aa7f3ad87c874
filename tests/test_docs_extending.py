"""The recipes of `camreel docs extending`: a file and a line each, executed as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.test_flow import make_clip

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "pipeline" / "camreel" / "docs" / "extending.md").read_text()
FILES = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", PAGE, re.DOTALL)
LINES = re.findall(r"```python\n# (\S+\.py), in (\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)

CHECKS = {
    "squeezenet1_1": "from camreel.models.loading import load; check_recognizer(load('squeezenet1_1', 'random'))",
    "positive": "from camreel.cams.maps import load_method; check_cam_method(load_method('positive'))",
    "median": "from camreel.stages.smooth.median import MedianSmoother; check_smoother(MedianSmoother)",
    "csv": "from camreel.sinks.csv_table import CsvSink; check_sink(CsvSink, Path.cwd(), '.csv')",
    "numpy": "from camreel.sources import open_source; check_source(lambda: open_source('npy:clip.npy'))",
}


@dataclass(frozen=True)
class Desk:
    """A folder of a user beside a copy of the package with all recipes in it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    clone, folder = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("desk")
    shutil.copytree(ROOT / "pipeline", clone / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "configs", clone / "configs")
    for path, text in FILES:
        place = clone / path if path.startswith("pipeline/") else folder / path
        assert not place.exists(), f"{path} exists already"
        place.write_text(text)
    for path, registry, line in LINES:
        text = (clone / path).read_text()
        opened = re.search(rf"^{registry}: .*\{{\n", text, re.MULTILINE)
        assert opened, f"{path} has no dict {registry}"
        (clone / path).write_text(text[: opened.end()] + line + text[opened.end() :])
    make_clip(folder / "clip.mp4", 40, (96, 64))
    np.save(folder / "clip.npy", np.full((30, 64, 96, 3), 128, np.uint8))
    binary = tmp_path_factory.mktemp("bin")
    for name, arguments in (("camreel", "-m camreel"), ("python", "")):
        (binary / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (binary / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{binary}:{os.environ['PATH']}", "PYTHONPATH": str(clone / "pipeline")}
    return Desk(folder, environment)


def test_there_is_a_recipe_for_every_registry():
    assert {registry for _, registry, _ in LINES} == {"ARCHITECTURES", "CAM_METHODS", "SMOOTHERS", "SINKS", "SOURCES"}
    assert len(FILES) >= len(LINES)


@pytest.mark.parametrize("command", COMMANDS, ids=[command.split()[-2] for command in COMMANDS])
def test_commands_run_with_the_recipe_in_place(command, desk):
    for old in desk.folder.glob("clip.camreel.*"):
        old.unlink()
    command = command.replace("PYTHONPATH=.", 'PYTHONPATH=".:$PYTHONPATH"')
    done = desk.run("bash", "-ec", command)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", CHECKS)
def test_the_contract_suite_accepts_the_recipe(name, desk):
    done = desk.run(sys.executable, "-c", f"from pathlib import Path; from camreel.testing import *; {CHECKS[name]}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "command"), [("median", "process"), ("positive", "process"), ("median", "live")])
def test_help_lists_the_new_name(name, command, desk):
    done = desk.run("camreel", command, "--help")
    assert name in done.stdout


def test_an_unknown_name_is_answered_with_the_new_one_nearby(desk):
    done = desk.run("camreel", "process", "clip.mp4", "--smooth", "medain")
    assert done.returncode == 2
    assert "median" in done.stderr
