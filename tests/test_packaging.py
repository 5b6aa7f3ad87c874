"""The wheel: it has the configurations, sample videos, weights and pages, and works outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pipeline" / "camreel"
SHIPPED = {
    "camreel.configs": ROOT / "configs",
    "camreel.sample_videos": ROOT / "sample_videos",
}
"""Package -> folder at the top level that the wheel has inside the package."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that the build leaves nothing in the checkout."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pipeline", "configs", "sample_videos"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip(source, "wheel", "--no-build-isolation", "--wheel-dir", str(target), ".")
    (path,) = target.glob("*.whl")
    return path


def pip(folder: Path, command: str, *words: str) -> None:
    options = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, *options, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_list_of_packages_is_complete() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py")}
    assert sorted(settings["packages"]) == sorted(found | SHIPPED.keys())


def test_the_wheel_has_every_file_of_the_package_and_the_shipped_folders(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {f"camreel/{name}" for name in files(PACKAGE)}
    for package, folder in SHIPPED.items():
        expected |= {f"{package.replace('.', '/')}/{name}" for name in files(folder)}
    assert names == expected
    assert {"camreel/configs/fast.yaml", "camreel/sample_videos/pair-0012.mp4", "camreel/docs/glossary.md"} <= names


@pytest.mark.slow
def test_the_installed_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site, folder = tmp_path / "site", tmp_path / "empty"
    folder.mkdir()
    pip(tmp_path, "install", "--target", str(site), str(wheel))

    def camreel(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "camreel", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "--overwrite" in camreel("demo", "--help")
    assert f"{site}/camreel/configs/fast.yaml:3" in camreel("config", "-c", "fast")
    assert "Words of the code, the records" in camreel("docs")
    camreel("demo", "-q")
    assert files(folder) == {"demo/pair-0012.camreel.mp4", "demo/pair-0012.camreel.jsonl"}
