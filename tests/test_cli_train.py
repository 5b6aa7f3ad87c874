"""`camreel train`: its flags, messages and exit codes."""

from __future__ import annotations

import io
import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camreel.cli.app import main
from camreel.cli.progress import LineReporter
from camreel.cli.train import describe, view
from camreel.evaluate.calibration import Calibration
from camreel.options import parse_length
from camreel.train.tasks.films import FilmTrainingOptions, FilmTrainingResult
from camreel.train.trainer import TrainingProgress

SCORES = {"map": 0.31, "top1": 0.25, "loss": 0.5}
TRAINING = TrainingProgress("training", 31, 42.5, 5400.0, 0.008, 1.44, 0.4123, 8.21, 1.9e-3, SCORES)
RESULT = FilmTrainingResult(Path("f.safetensors"), Path("f.state.safetensors"), 31, 5401.0, SCORES)


class Training:
    """Stands for `train_figures`; remembers its arguments."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.signal: int | None = None

    def __call__(
        self, output: Path, options: FilmTrainingOptions, *, on_progress: Any, **flags: bool
    ) -> FilmTrainingResult:
        self.asked = {"output": output, "options": options, **flags}
        logging.getLogger("camreel.train").info("training on cpu in float32")
        on_progress(TRAINING)
        if self.signal is not None:
            signal.raise_signal(self.signal)
        on_progress(TRAINING)
        return RESULT


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training:
    fake = Training()
    monkeypatch.setattr("camreel.train.tasks.films.train_figures", fake)
    monkeypatch.setattr("camreel.evaluate.calibration.calibrate", calibrated)
    return fake


def calibrated(path: Path, *, on_progress: Any) -> Calibration:
    assert path == RESULT.checkpoint
    return Calibration(
        np.ones(15, np.float32), np.zeros(15, np.float32), 0.35, {"frame_f1": 0.71, "false_signal": 0.01}
    )


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
def test_other_texts_are_no_lengths_of_time(text: str):
    with pytest.raises(ValueError):
        parse_length(text)


def test_flags_arrive_and_standard_output_stays_empty(training: Training, capsys: pytest.CaptureFixture[str]):
    words = "--figures -o f.safetensors --time 1h --resume --seed 3 --device cpu --inputs rgb --pooling top --overwrite"
    assert call(*words.split()) == 0
    assert training.asked == {
        "output": Path("f.safetensors"),
        "options": FilmTrainingOptions(3600.0, seed=3, device="cpu", inputs="rgb", pooling="top"),
        "resume": True,
        "overwrite": True,
    }
    out, err = capsys.readouterr()
    assert out == ""
    assert "training on cpu in float32" in err
    assert "31 steps in 1:30:01: mAP 0.310, top-1 0.250" in err
    assert "calibrated (boxes from saliency 0.35): frame F1 0.710, false signals 0.010" in err
    assert "-> f.safetensors" in err


def test_help_imports_neither_torch_nor_scikit_learn():
    code = (
        "import sys\nfrom camreel.cli.app import main\ntry:\n    main(['train', '--help'])\n"
        "except SystemExit:\n    print([name for name in ('torch', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--figures" in done.stdout and done.stdout.endswith("[]\n")


def test_quiet_writes_nothing(training: Training, capsys: pytest.CaptureFixture[str]):
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
    ("words", "message"),
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
def test_impossible_flags_are_refused_at_once(
    training: Training, capsys: pytest.CaptureFixture[str], words: str, message: str
):
    assert call(*words.split()) == 2
    assert message in capsys.readouterr().err
    assert not training.asked


def test_progress_in_words():
    assert describe(TRAINING) == (
        "00:42 of 1:30:00, step 31, loss 0.412, 8.2 clips/s, each 1.4 times, rate 1.9e-03, "
        "mAP 0.310, top-1 0.250, held-out loss 0.500"
    )
    assert describe(TrainingProgress("film 3 of 384", 0, 0.0, 90.0)) == "film 3 of 384: 00:00 of 01:30"
    assert view(TRAINING)[:2] == ("training", pytest.approx(42.5 / 5400))


def test_a_log_has_a_line_now_and_then():
    now, stream = [0.0], io.StringIO()
    lines = LineReporter(stream, lambda: now[0], describe, 30.0)
    for second in range(0, 61, 5):
        now[0] = float(second)
        lines.update(TRAINING)
    lines.close()
    assert stream.getvalue().count("\n") == 3
