"""Signals: the first stops a run in order between two frames, the second at once; with the real flow at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2  # noqa: F401 - before av
import pytest

import av  # isort: skip

from camreel.cli.batch import StopRequest, Terminated, exit_code, stop_signals
from camreel.errors import CamreelError, DeviceError, OutputError
from camreel.records import LINE, SummaryRecord

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

SIGNALS = [(signal.SIGINT, KeyboardInterrupt, 130), (signal.SIGTERM, Terminated, 143)]


@pytest.mark.parametrize(("number", "kind", "code"), SIGNALS)
def test_a_signal_raises_an_exception_and_the_handlers_are_restored(
    number: signal.Signals, kind: type[BaseException], code: int
) -> None:
    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(each) for each in heard]
    with pytest.raises(KeyboardInterrupt) as caught, stop_signals():
        signal.raise_signal(number)
    assert caught.type is kind
    assert exit_code(caught.value) == code
    assert [signal.getsignal(each) for each in heard] == before


@pytest.mark.parametrize(
    ("error", "code"), [(CamreelError("x"), 1), (ValueError(), 1), (OutputError("x"), 5), (DeviceError("x"), 7)]
)
def test_errors_have_their_exit_codes(error: Exception, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize(("number", "kind", "code"), SIGNALS)
def test_a_signal_during_a_frame_waits_for_its_end(
    number: signal.Signals, kind: type[BaseException], code: int
) -> None:
    outputs: list[str] = []

    def write_frame(stop: StopRequest) -> None:
        outputs.append("records")
        signal.raise_signal(number)
        outputs.append("video")
        stop.check()
        outputs.append("next frame")

    with pytest.raises(KeyboardInterrupt) as caught, stop_signals() as stop, stop.between_frames():
        write_frame(stop)
    assert caught.type is kind
    assert outputs == ["records", "video"]
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_signal_during_the_last_frame_stops_before_the_next_input() -> None:
    begun = []
    with pytest.raises(KeyboardInterrupt), stop_signals() as stop:
        for name in "ab":
            with stop.between_frames():
                begun.append(name)
                signal.raise_signal(signal.SIGINT)
    assert begun == ["a"]


def test_a_signal_before_an_error_still_stops_before_the_next_input() -> None:
    with pytest.raises(KeyboardInterrupt), stop_signals() as stop:
        with pytest.raises(OutputError), stop.between_frames():
            signal.raise_signal(signal.SIGINT)
            raise OutputError("disk full")
        with stop.between_frames():
            pytest.fail("the next input was begun")


def test_a_duplicate_of_a_signal_is_ignored() -> None:
    finished = False
    with pytest.raises(KeyboardInterrupt), stop_signals():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            finished = True
    assert finished


def run_program(program: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def test_a_second_signal_ends_the_process_at_once() -> None:
    program = """
import signal
from camreel.cli import batch
batch.DUPLICATE_SECONDS = -1.0
with batch.stop_signals():
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.raise_signal(signal.SIGINT)
        print("still here")
"""
    assert run_program(program) == (130, "")


def test_a_signal_waits_only_so_long_for_a_frame() -> None:
    program = """
import signal, threading
from camreel.cli import batch
batch.MAX_WAIT_SECONDS = 0.05
try:
    with batch.stop_signals() as stop, stop.between_frames():
        signal.raise_signal(signal.SIGTERM)
        threading.Event().wait(50)
except batch.Terminated:
    print("stopped")
"""
    assert run_program(program) == (0, "stopped\n")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that is long enough to be stopped before its end."""
    path = tmp_path_factory.mktemp("stop") / "clip.mp4"
    with av.open("testsrc2=size=128x96:rate=25:duration=60", format="lavfi") as source, av.open(str(path), "w") as sink:
        stream = sink.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for frame in source.decode(video=0):
            frame.pts = None
            sink.mux(stream.encode(frame.reformat(format="yuv420p")))
        sink.mux(stream.encode(None))
    return path


def start(clip: Path, *words: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "camreel",
        "process",
        str(clip),
        "--model",
        "mobilenet_v2",
        "--weights",
        "random",
        *words,
    ]
    return subprocess.Popen([*command, "--progress", "json"], stderr=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], wanted: Callable[[dict[str, float]], bool]) -> None:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("{") and wanted(json.loads(line)):
            return
    pytest.fail(f"the run ended before it could be stopped: {''.join(lines)}")


@pytest.mark.parametrize(("number", "kind", "code"), SIGNALS)
def test_a_stopped_run_leaves_complete_outputs(
    clip: Path, tmp_path: Path, number: signal.Signals, kind: type, code: int
) -> None:
    with start(clip, "-o", f"{tmp_path}/") as process:
        try:
            wait_for(process, lambda progress: progress["frames"] >= 2)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code
    assert "stopped at " in said and "clip.camreel.mp4" in said and "Traceback" not in said
    records = [LINE.validate_json(line) for line in (tmp_path / "clip.camreel.jsonl").read_text().splitlines()]
    summary = records[-1]
    assert isinstance(summary, SummaryRecord)
    assert 2 <= summary.frames.written < 1500
    assert len(records) == summary.frames.written + 2
    with av.open(str(tmp_path / "clip.camreel.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == summary.frames.written
    assert {path.name for path in tmp_path.iterdir()} == {"clip.camreel.mp4", "clip.camreel.jsonl"}
