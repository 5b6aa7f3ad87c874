"""`camreel train`: its flags, what it says, how it ends."""

from __future__ import annotations

import io
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camreel.cli.app import main
from camreel.cli.progress import LineReporter
from camreel.cli.train import describe, view
from camreel.evaluate import Calibration
from camreel.options import parse_length
from camreel.train import Outcome, Progress

TRAINING = Progress("training", 31, 42.5, 5400.0, 0.4123, 8.21, 1.9e-3, 1.44, {"map": 0.31, "top1": 0.25, "loss": 0.5})
OUTCOME = Outcome(Path("f.safetensors"), Path("f.state.safetensors"), 31, 5401.0, {"map": 0.31, "top1": 0.25, "loss": 0.5})


class Training:
    """Stands for `train_figures`; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.signal: int | None = None

    def __call__(self, output: Path, *, notify: Any, say: Any, **options: Any) -> Outcome:
        self.asked = {"output": output, **options}
        say("training on cpu in float32")
        notify(TRAINING)
        if self.signal is not None:
            signal.raise_signal(self.signal)
        notify(TRAINING)
        return OUTCOME


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training:
    fake = Training()
    monkeypatch.setattr("camreel.train.films.train_figures", fake)
    monkeypatch.setattr("camreel.evaluate.calibrate", calibrated)
    return fake


def calibrated(path: Path, *, on_progress: Any) -> Calibration:
    assert path == OUTCOME.checkpoint
    return Calibration(np.ones(15, np.float32), np.zeros(15, np.float32), 0.35, {"frame_f1": 0.71, "false_signal": 0.01})


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["train", *words])
    return int(caught.value.code or 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("1h30m", 5400), ("5400s", 5400), ("5400", 5400), ("1.5h", 5400), ("1m30", 90), (" 2h ", 7200)],
)
def test_lengths_of_time_are_read_as_people_write_them(text: str, seconds: float):
    assert parse_length(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "x", "90 m", "-5m", "m", "30m1h", "1:30", "nan", "."])
def test_what_is_no_length_of_time_is_refused(text: str):
    with pytest.raises(ValueError):
        parse_length(text)


def test_flags_arrive_and_standard_output_stays_empty(training: Training, capsys: pytest.CaptureFixture[str]):
    words = "--figures -o f.safetensors --time 1h --resume --seed 3 --device cpu --inputs rgb --pooling top --overwrite"
    assert call(*words.split()) == 0
    assert training.asked == {
        "output": Path("f.safetensors"), "seconds": 3600.0, "resume": True, "overwrite": True, "seed": 3, "device": "cpu",
        "inputs": "rgb", "pooling": "top",
    }  # fmt: skip
    out, err = capsys.readouterr()
    assert out == ""
    assert "training on cpu in float32" in err
    assert "31 steps in 1:30:01: mAP 0.310, top-1 0.250" in err
    assert "calibrated (boxes from saliency 0.35): frame F1 0.710, false signals 0.010" in err
    assert "-> f.safetensors" in err


def test_quiet_says_nothing(training: Training, capsys: pytest.CaptureFixture[str]):
    assert call("-q", "--figures", "-o", "f.safetensors") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_after_the_step_and_says_how_to_go_on(
    training: Training, capsys: pytest.CaptureFixture[str], number: int, code: int
):
    training.signal = number
    assert call("--figures", "-o", "f.safetensors") == code
    assert "go on with: camreel train --figures -o f.safetensors --resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-o f.safetensors", "--figures"),
        ("--figures", "-o FILE.safetensors"),
        ("--figures -o f.safetensors --time soon", "--time soon"),
        ("--figures -o f.safetensors --time 0", "--time 0"),
        ("--figures -o f.safetensors --inputs rbg", "did you mean 'rgb'?"),
        ("--figures -o f.safetensors --pooling max", "mean, top"),
        ("--figures -o f.safetensors --device tpu", "auto, cpu"),
    ],
)
def test_what_cannot_be_is_said_at_once(training: Training, capsys: pytest.CaptureFixture[str], words: str, said: str):
    assert call(*words.split()) == 2
    assert said in capsys.readouterr().err
    assert not training.asked


def test_progress_in_words():
    assert describe(TRAINING) == (
        "00:42 of 1:30:00, step 31, loss 0.412, 8.2 clips/s, each 1.4 times, rate 1.9e-03, "
        "mAP 0.310, top-1 0.250, held-out loss 0.500"
    )
    assert describe(Progress("film 3 of 384", 0, 0.0, 90.0)) == "film 3 of 384: 00:00 of 01:30"
    assert view(TRAINING)[:2] == ("training", pytest.approx(42.5 / 5400))


def test_a_log_has_a_line_now_and_then():
    now, stream = [0.0], io.StringIO()
    lines = LineReporter(stream, lambda: now[0], describe, 30.0)
    for second in range(0, 61, 5):
        now[0] = float(second)
        lines.update(TRAINING)
    lines.close()
    assert stream.getvalue().count("\n") == 3
