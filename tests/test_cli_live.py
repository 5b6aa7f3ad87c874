"""The command `camreel live`: arguments, messages, exit codes, signals, and the keys of the window."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from camreel.cli.app import app
from camreel.cli.live import live_defaults
from camreel.cli.terminal import Terminal
from camreel.errors import ConfigError, InputError
from camreel.records import LINE

ROOT = Path(__file__).resolve().parents[1]
PYTHONPATH = os.pathsep.join((str(ROOT / "pipeline"), str(ROOT)))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "camreel", "live", *arguments]


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, without a screen."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env={**kept, "PYTHONPATH": PYTHONPATH, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def until(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 90.0) -> None:
    """Wait until a condition is true while a process runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["no source", "--browser"]),
        (["--browser", "0"], ["--browser is a source itself"]),
        (["test:", "--show", "wndow"], ["--show wndow", "did you mean 'window'"]),
        (["test:", "--duration", "soon", "--show", "none"], ["--duration soon", "30s"]),
        (["test:", "--segment", "0", "--show", "none"], ["--segment 0"]),
        (["test:", "--json", "a.json", "--show", "none"], ["JSON Lines", ".jsonl"]),
        (["test:", "--policy", "latst", "--show", "none"], ["did you mean 'latest'"]),
        (["test:", "--max-latency", "-1", "--show", "none"], ["--max-latency -1"]),
        (["test:", "--show", "window"], ["no screen", "--show web"]),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_loaded(arguments, words, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(app, ["live", *arguments], obj=Terminal())
    assert isinstance(result.exception, ConfigError)
    for word in words:
        assert word in str(result.exception)


def test_a_missing_file_is_an_input_error():
    result = CliRunner().invoke(app, ["live", "nothing.mp4", "--show", "none"], obj=Terminal())
    assert isinstance(result.exception, InputError)


def test_existing_files_are_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source, flag in (
        ("test:", "--record"),
        ("test:", "--json"),
        ("--browser", "--record"),
        ("--browser", "--json"),
    ):
        Path("a.mp4").write_text("mine")
        result = CliRunner().invoke(app, ["live", source, "--show", "none", flag, "a.mp4"], obj=Terminal())
        assert isinstance(result.exception, ConfigError)
        assert "a.mp4 already exists" in str(result.exception)
        assert Path("a.mp4").read_text() == "mine"


def test_test_patterns_use_the_bundled_network_and_other_sources_the_configured_one():
    def values(sources: Sequence[str]) -> dict[str, object]:
        return {setting.key: setting.value for setting in live_defaults(sources)}

    assert values(["test:"])["model.name"] == "figures"
    assert values(["test:size=64x64", "test:"])["model.name"] == "figures"
    assert "model.name" not in values(["test:", "0"])
    assert values(["0"])["causal"] is True


def test_standard_output_has_only_records(tmp_path):
    done = run(tmp_path, "test:size=160x120", "--max-frames", "25", "--show", "none", "--json", "-")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    for record in records:
        LINE.validate_python(record)
    assert records[0]["type"] == "header" and records[0]["source"]["live"]
    assert records[-1]["type"] == "summary"
    assert "capture to display" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_webcam_is_an_error_with_advice(tmp_path):
    if Path("/dev/video9").exists():
        pytest.skip("there is such a webcam")
    done = run(tmp_path, "9", "--show", "none", "--model", "figures")
    assert done.returncode == 4
    assert "no such webcam" in done.stderr
    assert "test:" in done.stderr
    assert done.stderr.count("no such webcam") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_all_outputs(tmp_path, number, code):
    arguments = [
        "test:size=160x120",
        "--show",
        "none",
        "--record",
        "kept.mp4",
        "--json",
        "events.jsonl",
        "--segment",
        "1s",
    ]
    process = subprocess.Popen(
        command(*arguments),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        stderr=subprocess.PIPE,
        text=True,
    )
    growing = tmp_path / "events.partial.jsonl"
    until(lambda: growing.exists() and growing.read_text().count('"frame"') > 60, process)
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == code, messages
    assert "Traceback" not in messages
    assert json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])["type"] == "summary"
    kept = sorted(tmp_path.glob("kept*.mp4"))
    assert len(kept) >= 2
    assert [path for path in tmp_path.iterdir() if ".partial." in path.name] == []
    for path in kept:
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) > 0


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    if not (shutil.which("Xvfb") and shutil.which("xdotool")):
        pytest.skip("Xvfb and xdotool are not installed")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as display:
        yield f":{display.readline().strip()}"
    server.terminate()
    server.wait(10)


def test_the_keys_of_the_window_are_obeyed(screen, tmp_path):
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "DISPLAY": screen}
    process = subprocess.Popen(
        command("test:", "test:", "--json", "events.jsonl"),
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    growing = tmp_path / "events.partial.jsonl"

    def press(key: str) -> None:
        found = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", "^camreel"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        subprocess.run(
            ["xdotool", "key", "--window", found.stdout.split()[-1], key], env=environment, check=True, timeout=20
        )

    try:
        # Before that it may be the window by which the screen is tried.
        until(lambda: growing.exists() and '"frame"' in growing.read_text(), process)
        press("s")
        until(lambda: list(tmp_path.glob("camreel-*.png")), process)
        press("c")
        # Of keys that come between two pictures Qt keeps the last one.
        seen = growing.read_text().count('"frame"')
        until(lambda: growing.read_text().count('"frame"') > seen + 30, process)
        press("q")
        _, messages = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, messages
    assert re.search(r"shows wave one hand", messages)
    assert "kept camreel-" in messages
    assert (tmp_path / "events.jsonl").exists()
