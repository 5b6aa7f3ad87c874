"""`camreel live` in the browser: the command in a process of its own, headless Chromium, real clicks."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from tests.browser import Browser, browser, film

ORANGE = (230, 120, 20)
ROOT = Path(__file__).resolve().parents[1]
FILM = ROOT / "sample_videos" / "pair-0012.mp4"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("chromium")
    with browser(folder, film(folder / "film.mjpeg", ORANGE)) as program:
        yield program


def repeat(path: Path, times: int) -> Path:
    """Write the video several times in a row, so that it outlasts the clicks."""
    with av.open(str(path), "w") as out:
        stream, shift = None, 0
        for _ in range(times):
            with av.open(str(FILM)) as source:
                video = source.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                last = 0
                for packet in source.demux(video):
                    if packet.dts is None:
                        continue
                    last = max(last, packet.pts + packet.duration)
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                    out.mux(packet)
                shift += last
    return path


@contextmanager
def live(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command; yield its process and the address of the page; end it with Ctrl-C."""
    command = [sys.executable, "-m", "camreel", "live", *arguments, "--serve", "127.0.0.1:0", "--model", "figures"]
    environment = {"PYTHONPATH": str(ROOT / "pipeline"), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if match := re.match(r"open (http://\S+)", line):
                yield process, match[1]
                break
        else:
            pytest.fail("it does not serve a page")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        finally:
            process.kill()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_video_is_shown_with_heat_and_clicks_are_obeyed(chromium, tmp_path):
    arguments = (str(repeat(tmp_path / "film.mp4", 6)), "--record", "kept.mp4", "--json", "events.jsonl")
    with live(tmp_path, *arguments) as (process, url), chromium.tab(url) as tab:
        tab.until("document.getElementById('link').textContent === 'Live'", 30)
        tab.until("document.querySelectorAll('#scores li').length > 0", 60)
        tab.until("/ms|s/.test(document.getElementById('p50').textContent)", 30)
        # The list of actions is dark before the bright sky; without actions there is none.
        green = "document.getElementById('picture').getContext('2d').getImageData(10, 12, 1, 1).data[1]"
        tab.until(f"{green} < 150", 30)
        tab.get("least.value = 1, least.dispatchEvent(new Event('input', {bubbles: true}))")
        tab.until(f"{green} > 180", 30)
        tab.click("#record")
        until((tmp_path / "kept.mp4").exists)  # finished, while the rest goes on
        with urllib.request.urlopen(f"{url}metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        captured = re.search(r"camreel_frames_captured_total\{[^}]*\} (\d+)", metrics)
        assert captured is not None and int(captured[1]) > 0
        assert "camreel_delay_seconds{" in metrics
        assert tab.errors() == []
    assert process.returncode == 130
    records = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert records[-1]["type"] == "summary"
    labels = {action["label"] for r in records if r["type"] == "frame" for action in r["actions"]}
    assert {"jumping jack", "throw"} & labels
    assert records[-1]["live"]["delay"]["p95"] < 1.0
    with av.open(str(tmp_path / "kept.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 5


def test_the_visitors_camera_is_localized_and_shown(chromium, tmp_path):
    with (
        live(tmp_path, "--browser", "--json", "events.jsonl") as (process, url),
        chromium.tab(url, (390, 844), phone=True) as tab,
    ):
        tab.until("document.getElementById('link').textContent === 'Live'", 30)
        # Beside the panels, and where heat would be drawn if there were any.
        tab.get("least.value = 1, least.dispatchEvent(new Event('input', {bubbles: true}))")
        pixel = "[...document.getElementById('picture').getContext('2d').getImageData(300, 200, 1, 1).data]"
        # Chromium's fake camera takes the film's full range for the limited one.
        tab.until(f"{list(ORANGE)}.every((level, n) => Math.abs({pixel}[n] - level) < 30)", 60)
        tab.until("/\\d/.test(document.getElementById('age').textContent)", 60)
        assert tab.errors() == []
    assert process.returncode == 130
    records = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert records[0]["source"]["uri"] == "the visitor's camera"
    assert sum(r["type"] == "frame" for r in records) > 3


def test_a_taken_port_is_an_error_at_once(tmp_path):
    with live(tmp_path, "test:") as (_, url):
        port = url.rsplit(":", 1)[1].strip("/")
        command = [sys.executable, "-m", "camreel", "live", "test:", "--serve", f"127.0.0.1:{port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 5
    assert "--serve" in done.stderr
    assert "Traceback" not in done.stderr
