"""The README says what works: its commands and its Python run as they stand, in a directory of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from camreel.models.catalog import catalog
from camreel.models.loading import load
from tests.test_flow import make_clip

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


COMMANDS = [
    line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines() if line.startswith("camreel ")
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A user's folder with some videos, and a torch hub cache with made weights under the real names."""
    folder = tmp_path_factory.mktemp("desk")
    make_clip(folder / "clip.mp4", 84, (96, 64))
    for name in ("videos/first.mp4", "videos/second.mp4", "more/third.mkv"):
        (folder / name).parent.mkdir(exist_ok=True)
        make_clip(folder / name, 20, (96, 64))
    hub = tmp_path_factory.mktemp("hub")
    for card in catalog():
        if card.name in {"mc3_18", "r2plus1d_18"}:
            path = hub / "hub" / "checkpoints" / Path(card.path).name
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(load(card.name, "random").net.state_dict(), path)
    return folder, {**os.environ, "TORCH_HOME": str(hub), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_there_are_commands_to_run():
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run_as_they_stand(command, desk):
    folder, environment = desk
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    for old in [*folder.glob("*.camreel.*"), folder / "out.json", folder / "part.mp4", folder / "part.jsonl"]:
        old.unlink(missing_ok=True)
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for line in done.stderr.splitlines():
        assert not line.startswith("error"), done.stderr


@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs_as_it_stands(code, desk):
    folder, environment = desk
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not [path for path in folder.iterdir() if ".partial." in path.name]


def test_the_readme_is_short():
    assert len(README.split()) <= 1400


def test_links_lead_to_files():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    assert not [target for target in targets if "://" not in target and not (ROOT / target).is_file()]


def test_the_pages_of_the_documentation_are_linked():
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pipeline" / "camreel" / "docs").glob("*.md")}
    assert pages == {target for target in re.findall(r"\]\(([^)]+)\)", README) if target.startswith("pipeline/")}


def test_the_architecture_page_names_every_room():
    page = (ROOT / "pipeline" / "camreel" / "docs" / "architecture.md").read_text()
    table = page[page.index("## Rooms") :]
    named = set(
        re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `")))
    )
    rooms = {path.stem for path in (ROOT / "pipeline" / "camreel").iterdir() if not path.name.startswith(("__", "py."))}
    assert named == rooms - {"docs"}
