"""Training on films from beginning to end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_films
import pytest

from camreel.errors import ConfigError, DeviceError, OutputError
from camreel.models.checkpoint import read
from camreel.synthetic import ACTIONS
from camreel.train import precision
from camreel.train.checkpointing import TrainingFiles, state_path
from camreel.train.tasks import films
from camreel.train.tasks.films import FilmTrainingOptions, FilmTrainingResult, train_figures
from camreel.train.trainer import TrainingProgress


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing may be rendered")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few films, and no measuring of number formats."""
    monkeypatch.setattr(films, "VALIDATION_FILMS", 2)
    monkeypatch.setattr(films, "INITIAL_FILMS", 3)
    monkeypatch.setattr(precision, "is_bfloat16_faster", lambda step, device: False)


def start(
    path: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[TrainingProgress], None] = lambda progress: None,
    render: Any = fake_films.plain,
    **options: Any,
) -> FilmTrainingResult:
    chosen = FilmTrainingOptions(batch_size=1, workers=1, device="cpu", **options)
    return train_figures(path, chosen, resume=resume, overwrite=overwrite, on_progress=on_progress, render=render)


def saved_counters(path: Path, options: FilmTrainingOptions) -> dict[str, int]:
    return TrainingFiles(path, options.fixed).read_state()[1].counters


def test_training_gives_a_checkpoint_and_resumes_from_it(tmp_path: Path, quick: None, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "camreel")
    path, reported = tmp_path / "out" / "f.safetensors", list[TrainingProgress]()
    result = start(path, seconds=0.5, resume=True, on_progress=reported.append)
    assert caplog.messages[0].startswith("nothing to resume")
    assert caplog.messages[1] == "training on cpu in float32"
    assert [progress.activity for progress in reported][:2] == ["film 1 of 5", "film 2 of 5"]
    tensors, metadata, _ = read(path)
    assert (metadata.arch, metadata.classes, metadata.multilabel) == ("figures", ACTIONS, True)
    assert metadata.threshold is None
    assert (metadata.clip_len, metadata.frame_rate, metadata.resize, metadata.crop) == (32, 12.0, (112,), (112, 112))
    assert "--seed 0" in metadata.source
    assert set(result.scores) == {"step", "elapsed", "map", "top1", "loss"}
    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())

    with pytest.raises(ConfigError, match="no time left"):
        start(path, seconds=0.5, resume=True, render=never)
    with pytest.raises(ConfigError, match="already exists"):
        start(path, seconds=9, render=never)
    with pytest.raises(ConfigError, match="--pooling top"):
        start(path, seconds=9, resume=True, pooling="top", render=never)
    taken = saved_counters(path, FilmTrainingOptions())["next"]
    longer = start(path, seconds=result.elapsed + 0.3, resume=True)
    assert any(message.startswith("going on from") for message in caplog.messages)
    assert longer.steps > result.steps
    assert longer.elapsed >= result.elapsed + 0.3
    assert saved_counters(path, FilmTrainingOptions())["next"] > taken


def test_an_output_that_cannot_be_written_is_an_error_before_anything_is_rendered(tmp_path: Path, quick: None):
    state_path(tmp_path / "f.safetensors").mkdir()
    with pytest.raises(OutputError):
        start(tmp_path / "f.safetensors", overwrite=True, render=never)


def test_without_scikit_learn_nothing_is_rendered_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("camreel.metrics.classification_report.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="scikit-learn"):
        start(tmp_path / "f.safetensors", render=never)
    assert not list(tmp_path.iterdir())


def test_a_process_that_dies_ends_the_training(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(films, "INITIAL_FILMS", 30)
    monkeypatch.setattr(films, "VALIDATION_FILMS", 1)
    with pytest.raises(DeviceError, match="died"):
        start(tmp_path / "f.safetensors", render=fake_films.dying)


def test_an_interrupt_keeps_the_network_so_far(tmp_path: Path, quick: None):
    path = tmp_path / "f.safetensors"

    def stop(progress: TrainingProgress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(path, seconds=500, on_progress=stop)
    record = TrainingFiles(path, FilmTrainingOptions().fixed).read_state()[1]
    assert read(path)[1].metrics["step"] == record.step == 2
