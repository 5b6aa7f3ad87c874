"""`camreel doctor` reports missing and broken packages, and never crashes."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from camreel.cli import doctor
from camreel.cli.doctor import Check, run_checks

HEAVY = ("torch", "torchvision", "cv2", "av")
OWNERS = {"torch": "torch", "torchvision": "torchvision", "cv2": "opencv", "av": "av"}


def found(checks: list[Check], name: str) -> Check:
    (check,) = [check for check in checks if check.name == name]
    return check


def break_import(monkeypatch: pytest.MonkeyPatch, broken: str, error: Exception) -> None:
    real: Callable[..., Any] = importlib.import_module

    def fake(name: str, *rest: Any) -> Any:
        if name == broken:
            raise error
        return real(name, *rest)

    monkeypatch.setattr(doctor.importlib, "import_module", fake)


def test_no_check_fails_on_this_machine() -> None:
    checks = run_checks()
    assert [check for check in checks if check.status == "fail"] == []
    assert {"python", "torch", "accelerator", "opencv", "av", "decoders", "encoder", "display", "disk"} <= {
        check.name for check in checks
    }
    assert "h264" in found(checks, "decoders").found
    assert all(check.todo for check in checks if check.status != "ok"), "a warning has advice"


@pytest.mark.parametrize("module", HEAVY)
@pytest.mark.parametrize(
    "error", [ImportError("no such thing"), OSError("cannot load"), RuntimeError("half installed\nsecond line")]
)
def test_a_broken_package_is_a_finding_and_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, module: str, error: Exception
) -> None:
    break_import(monkeypatch, module, error)
    checks = run_checks()
    check = found(checks, OWNERS[module])
    assert check.status == "fail"
    assert str(error).splitlines()[0] in check.found and "\n" not in check.found
    assert "pip install" in check.todo
    assert [other.name for other in checks if other.status == "fail"] == [OWNERS[module]], (
        "the others are still checked"
    )


def test_a_missing_libgl_has_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    break_import(
        monkeypatch, "cv2", ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
    )
    check = found(run_checks(), "opencv")
    assert "libGL.so.1" in check.todo and "libgl1" in check.todo and "headless" in check.todo


def test_torchvision_of_another_torch_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    break_import(monkeypatch, "torchvision", RuntimeError("operator torchvision::nms does not exist"))
    assert "torch and torchvision do not belong together" in found(run_checks(), "torchvision").todo


@pytest.mark.parametrize(
    ("names", "warns"),
    [
        (["opencv-python"], False),
        (["opencv-python", "opencv-python-headless"], True),
        (["Opencv-Contrib-Python", "opencv-python"], True),
        ([], False),
    ],
)
def test_opencv_packages_that_overwrite_each_other_are_reported(
    monkeypatch: pytest.MonkeyPatch, names: list[str], warns: bool
) -> None:
    class Installed:
        def __init__(self, name: str) -> None:
            self.metadata = {"Name": name}

    monkeypatch.setattr(
        doctor.importlib.metadata, "distributions", lambda: [Installed(name) for name in (*names, "numpy")]
    )
    checks = list(doctor._check_opencv_packages())
    assert [check.status for check in checks] == (["warn"] if warns else [])
    assert all(name.lower() in checks[0].todo for name in names) if warns else True


def test_a_display_is_found_without_opening_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "none" in next(doctor._check_display()).found
    monkeypatch.setenv("DISPLAY", ":0")
    assert next(doctor._check_display()).found == "DISPLAY"


def test_a_cache_that_cannot_be_written_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    check = next(doctor._check_cache())
    assert check.status == "warn" and "TORCH_HOME" in check.todo
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "new"))
    assert next(doctor._check_cache()).status == "ok"
    assert not (tmp_path / "new").exists(), "the check creates nothing"


def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**20})())
    assert [check.status for check in doctor._check_folder()] == ["ok", "warn"]


def test_an_av_without_libx264_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_has_codec", lambda av, name, mode: name not in ("libx264", "av1"))
    checks = list(doctor._check_av())
    assert found(checks, "encoder").status == "fail"
    assert found(checks, "decoders").status == "warn" and "av1" in found(checks, "decoders").todo


def test_missing_packages_of_the_web_page_have_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "WEB_PACKAGES", ("starlette", "no_such_package"))
    check = found(run_checks(), "live page")
    assert check.status == "warn"
    assert "no_such_package" in check.found
    assert "camreel[web]" in check.todo
