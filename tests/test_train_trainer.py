"""The trainer: steps, the weight average, saving and resuming, early stopping, failures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from camreel.errors import ConfigError, ModelError, OutputError
from camreel.models.checkpoint import Metadata, read
from camreel.train.checkpointing import StateRecord, TrainingFiles
from camreel.train.loss import balanced_loss, normalize, window_logits
from camreel.train.optimizer import DecayedAdamW, MuonAdamW
from camreel.train.replay_buffer import FilmBatch
from camreel.train.schedule import EarlyStopping
from camreel.train.trainer import MAX_FAILED_STEPS, Trainer, TrainerOptions, TrainingProgress

CLASSES = 3


class Tiny(nn.Module):
    """One convolution with a norm, and a classifier."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(3, 4, (1, 4, 4), (1, 4, 4)), nn.BatchNorm3d(4), nn.ReLU())
        self.classifier = nn.Linear(4, classes)

    def features(self, x: Tensor) -> Tensor:
        maps: Tensor = self.body(x)
        return maps


class TinyTask:
    """A task whose batches depend on the step; its clock counts batches. The loss of some steps is not finite."""

    advice = "start again with another --seed"

    def __init__(self, failing: frozenset[int] = frozenset(), classes: int = CLASSES) -> None:
        torch.manual_seed(0)
        self.net: nn.Module = Tiny(classes).train()
        self.parameters = dict(self.net.named_parameters())
        self.optimizer = MuonAdamW(self.net)
        self.half = False
        self.failing = failing
        self.count = 0

    def clock(self) -> float:
        return float(self.count)

    @property
    def counters(self) -> Mapping[str, int]:
        return {"next": self.count}

    def restore_counters(self, counters: Mapping[str, int]) -> None:
        self.count = counters["next"]

    def draw(self, step: int, share: float) -> FilmBatch:
        self.count += 1
        rng = np.random.default_rng(step)
        windows = np.full((4, 2, 4), np.nan if step in self.failing else 0.25, np.float32)
        targets = rng.integers(0, 2, (4, 2, CLASSES)).astype(np.float32)
        pictures = rng.integers(0, 256, (4, 4, 8, 8, 3), np.uint8)
        pictures[..., 0] = 255 * targets[:, :1, None, :1]
        return FilmBatch(pictures, windows, targets, np.ones_like(targets))

    def epochs(self, step: int) -> float:
        return 1.5

    def loss(self, net: Any, batch: FilmBatch) -> Tensor:
        x, windows = normalize(torch.from_numpy(batch.pictures)), torch.from_numpy(batch.windows)
        labels = torch.from_numpy(batch.targets), torch.from_numpy(batch.weights)
        logits = window_logits(net, x, windows, "both", half=False)
        return torch.stack([balanced_loss(each, *labels) for each in logits]).mean()

    def validate(self, average: nn.Module, step: int, elapsed: float, loss: float) -> dict[str, float]:
        assert not average.training
        return {"map": 0.5, "step": step}

    def rank(self, entry: Mapping[str, float]) -> tuple[float, ...]:
        return (entry["step"],)

    def checkpoint(self, average: nn.Module, metrics: Mapping[str, float]) -> tuple[Mapping[str, Tensor], Metadata]:
        metadata = Metadata(
            arch="tiny",
            classes=("a", "b", "c"),
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            resize=(8,),
            crop=(8, 8),
            clip_len=4,
            frame_rate=12,
            multilabel=True,
            metrics=dict(metrics),
        )
        return average.state_dict(), metadata


def trainer_of(
    folder: Path,
    seconds: float = 12,
    task: TinyTask | None = None,
    save_seconds: float = 2,
    options: Mapping[str, str] | None = None,
) -> Trainer[FilmBatch]:
    task = task or TinyTask()
    settings = TrainerOptions(seconds, 2e-3, 0.998, 2.0, save_seconds=save_seconds, validate_seconds=4)
    files = TrainingFiles(folder / "tiny.safetensors", options or {"seed": "0"})
    return Trainer(task, settings, files, task.clock)


def stop_after(step: int) -> Callable[[TrainingProgress], None]:
    def on_progress(progress: TrainingProgress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return on_progress


def test_it_learns_from_the_pictures_and_reports_its_progress(tmp_path: Path):
    reported: list[TrainingProgress] = []
    trainer_of(tmp_path, 100, save_seconds=50).train(reported.append)
    assert [progress.step for progress in reported] == list(range(1, 101))
    first, last = reported[5].loss, reported[-1].loss
    assert first is not None and last is not None and last < 0.9 * first
    assert reported[-1].elapsed == reported[-1].budget == 100
    assert reported[-1].clips_per_second == 4
    assert reported[-1].scores == {"map": 0.5, "step": 100}
    assert reported[-1].epochs == 1.5
    assert reported[49].share == 0.49


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path: Path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = trainer_of(tmp_path / "whole")
    whole.train()
    for last in (5, 9):
        part = trainer_of(tmp_path / "parts")
        if part.files.state.exists():
            part.resume()
        with pytest.raises(KeyboardInterrupt):
            part.train(stop_after(last))
    part = trainer_of(tmp_path / "parts")
    part.resume()
    assert (part.step, part.elapsed) == (9, 9.0)
    part.train()
    assert part.step == whole.step == 12
    for name, tensor in whole.tensors().items():
        assert torch.allclose(tensor.float(), part.tensors()[name].float(), atol=1e-6), name
    # A resumed run starts its timer of validations anew.
    assert [entry["step"] for entry in part.history.entries] == [4, 9, 12]


def test_the_saved_checkpoint_is_the_average(tmp_path: Path):
    trainer = trainer_of(tmp_path, 6)
    trainer.train()
    tensors, metadata, _ = read(trainer.files.checkpoint)
    for name, tensor in trainer.average.state_dict().items():
        assert torch.equal(tensors[name], tensor), name
    assert not torch.equal(tensors["classifier.weight"], trainer.task.net.state_dict()["classifier.weight"])
    assert metadata.classes == ("a", "b", "c")
    assert metadata.metrics == {"map": 0.5, "step": 6, "elapsed": 6.0}
    _, record = trainer.files.read_state()
    assert (record.step, record.counters) == (6, {"next": 6})


def test_the_average_starts_fast_and_follows_the_batch_norms(tmp_path: Path):
    trainer = trainer_of(tmp_path)
    task, name = trainer.task, "body.1.running_mean"
    before = trainer.average.state_dict()[name].clone()
    trainer.train_step(task.draw(0, 0.0), 1e-3)
    now, net = trainer.average.state_dict()[name], task.net.state_dict()[name]
    assert torch.allclose(now, before + 0.9 * (net - before))


# --- failures


def test_a_step_whose_loss_is_not_finite_changes_nothing(tmp_path: Path):
    trainer = trainer_of(tmp_path, task=TinyTask(frozenset({0})))
    before = {name: tensor.clone() for name, tensor in trainer.tensors().items()}
    assert math.isnan(trainer.train_step(trainer.task.draw(0, 0.0), 1e-3))
    assert trainer.step == 1
    for name, tensor in trainer.tensors().items():
        if "num_batches" not in name:
            assert torch.equal(tensor, before[name]), name
    assert all(parameter.grad is None for parameter in trainer.task.net.parameters())


def test_a_few_failed_steps_are_skipped(tmp_path: Path):
    trainer = trainer_of(tmp_path, 20, TinyTask(frozenset(range(3, 3 + MAX_FAILED_STEPS))))
    trainer.train()
    assert trainer.step == 20
    assert all(bool(tensor.isfinite().all()) for tensor in trainer.tensors().values())


def test_too_many_failed_steps_end_the_run_and_keep_the_last_good_checkpoint(tmp_path: Path):
    trainer = trainer_of(tmp_path, 50, TinyTask(frozenset(range(4, 99))))
    with pytest.raises(ModelError, match="diverged") as caught:
        trainer.train()
    assert "--seed" in caught.value.todo
    assert trainer.step == 4 + MAX_FAILED_STEPS + 1
    tensors, metadata, _ = read(trainer.files.checkpoint)
    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())
    assert metadata.metrics["step"] >= 4


def test_a_full_disk_leaves_the_files_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trainer_of(tmp_path, 3).train()
    later = trainer_of(tmp_path, 9)
    files = later.files
    before = files.checkpoint.read_bytes(), files.state.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("camreel.models.checkpoint.save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        later.train()
    assert (files.checkpoint.read_bytes(), files.state.read_bytes()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.safetensors", "tiny.state.safetensors"]


def test_a_state_of_other_options_or_another_network_is_refused(tmp_path: Path):
    trainer_of(tmp_path, options={"inputs": "rgb"}).save()
    with pytest.raises(ConfigError, match="--inputs both") as caught:
        trainer_of(tmp_path, options={"inputs": "both"}).resume()
    assert "--inputs rgb" in caught.value.why
    with pytest.raises(ModelError, match="do not fit"):
        trainer_of(tmp_path, task=TinyTask(classes=5), options={"inputs": "rgb"}).resume()


def test_a_checkpoint_is_not_a_state(tmp_path: Path):
    trainer = trainer_of(tmp_path)
    trainer.save()
    trainer.files.checkpoint.replace(trainer.files.state)
    with pytest.raises(ModelError, match="no state"):
        trainer.resume()


def test_existing_files_are_kept_unless_told_otherwise(tmp_path: Path):
    trainer = trainer_of(tmp_path)
    files = trainer.files
    assert files.check(resume=False, overwrite=False) is False
    trainer.save()
    for resume, overwrite, found in ((True, False, True), (True, True, True), (False, True, False)):
        assert files.check(resume=resume, overwrite=overwrite) is found
    with pytest.raises(ConfigError, match=r"tiny\.safetensors already exists") as caught:
        files.check(resume=False, overwrite=False)
    assert "--resume" in caught.value.todo
    files.state.unlink()
    with pytest.raises(ConfigError, match="already exists"):
        files.check(resume=True, overwrite=False)


def test_an_impossible_output_is_refused_at_once(tmp_path: Path):
    with pytest.raises(ConfigError, match="does not end in"):
        TrainingFiles(tmp_path / "x.pt", {}).check(resume=False, overwrite=False)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make the folder"):
        TrainingFiles(tmp_path / "file" / "x.safetensors", {}).check(resume=False, overwrite=False)


# --- epochs and early stopping


@dataclass(frozen=True)
class Pictures:
    pictures: np.ndarray


class EpochTask:
    """A task of five steps an epoch whose validations are given; each step takes a second."""

    advice = "start again with another --seed"

    def __init__(self, scores: list[float], losses: Mapping[int, float] | None = None) -> None:
        self.net: nn.Module = nn.Linear(1, 1).eval()
        self.parameters = dict(self.net.named_parameters())
        self.optimizer = DecayedAdamW(self.parameters)
        self.half = False
        self.scores = iter(scores)
        self.losses = losses or {}
        self.steps = 0
        self.shares: list[float] = []
        self.kept: list[float] = []
        self.latest = math.nan

    def clock(self) -> float:
        return float(self.steps)

    counters: Mapping[str, int] = {}

    def restore_counters(self, counters: Mapping[str, int]) -> None: ...

    def draw(self, step: int, share: float) -> Pictures:
        self.steps += 1
        self.shares.append(share)
        return Pictures(np.zeros((2, 1, 1, 1, 3), np.uint8))

    def epochs(self, step: int) -> float:
        return step / 5

    def loss(self, net: Any, batch: Pictures) -> Tensor:
        return 0 * net.weight.sum() + self.losses.get(self.steps, 0.7)

    def validate(self, average: nn.Module, step: int, elapsed: float, loss: float) -> dict[str, float]:
        self.latest = next(self.scores)
        entry = {"epoch": self.epochs(step), "elapsed": elapsed, "loss": round(loss, 4), "macro_f1": self.latest}
        return {name: value for name, value in entry.items() if math.isfinite(value)}

    def rank(self, entry: Mapping[str, float]) -> tuple[float, ...]:
        return (entry["macro_f1"],)

    def checkpoint(self, average: nn.Module, metrics: Mapping[str, float]) -> tuple[Mapping[str, Tensor], Metadata]:
        self.kept.append(self.latest)
        return TinyTask().checkpoint(average, metrics)


EPOCHS = 12


def run_epochs(
    folder: Path,
    task: EpochTask,
    seconds: float,
    patience: int,
    on_progress: Callable[[TrainingProgress], None] = lambda progress: None,
) -> Trainer[Pictures]:
    options = TrainerOptions(seconds, 1e-3, 0.98, 1.0, EarlyStopping(5, EPOCHS, patience))
    trainer = Trainer(task, options, TrainingFiles(folder / "tiny.safetensors", {}), task.clock)
    trainer.validate()
    trainer.train(on_progress)
    return trainer


def saved_step(folder: Path) -> int:
    record: StateRecord = TrainingFiles(folder / "tiny.safetensors", {}).read_state()[1]
    return record.step


def test_it_ends_when_nothing_improves_and_only_better_networks_are_kept(tmp_path: Path):
    task = EpochTask([0.5, 0.6, 0.8, 0.7, 0.75, 0.8, 0.9])
    trainer = run_epochs(tmp_path, task, 1e9, 3)
    assert [entry["epoch"] for entry in trainer.history.entries] == [0, 1, 2, 3, 4, 5]
    assert trainer.history.best == 2
    assert task.kept == [0.5, 0.6, 0.8]
    assert saved_step(tmp_path) == 25


def test_all_epochs_are_the_maximum_and_the_learning_rate_has_fallen_by_then(tmp_path: Path):
    task = EpochTask([i / 40 for i in range(EPOCHS + 2)])
    trainer = run_epochs(tmp_path, task, 1e9, 99)
    assert trainer.history.entries[-1]["epoch"] == EPOCHS and trainer.step == 5 * EPOCHS
    assert task.shares == sorted(task.shares) and 0.98 < task.shares[-1] < 1


def test_when_the_time_is_up_the_epoch_is_cut_short_and_the_learning_rate_has_fallen(tmp_path: Path):
    task = EpochTask([0.5, 0.6, 0.7])
    trainer = run_epochs(tmp_path, task, 7.0, 99)
    assert [entry["epoch"] for entry in trainer.history.entries] == [0, 1, 1.4] and saved_step(tmp_path) == 7
    assert task.shares[-1] == pytest.approx(6 / 7)


def test_a_training_in_epochs_that_diverges_keeps_the_best_checkpoint(tmp_path: Path):
    task = EpochTask([0.5, 0.9, 0.9], dict.fromkeys(range(6, 99), math.nan))
    with pytest.raises(ModelError, match="diverged"):
        run_epochs(tmp_path, task, 1e9, 9)
    assert task.steps == 5 + MAX_FAILED_STEPS + 1 and task.kept == [0.5, 0.9]


def test_the_loss_of_single_failed_steps_is_left_out(tmp_path: Path):
    trainer = run_epochs(tmp_path, EpochTask([0.5, 0.6, 0.5], {3: math.nan}), 10.0, 1)
    assert trainer.history.entries[1]["loss"] == 0.7


def test_an_interrupt_saves_the_state_for_resuming(tmp_path: Path):
    def stop(progress: TrainingProgress) -> None:
        if progress.epochs > 1.5:
            raise KeyboardInterrupt

    task = EpochTask([0.5, 0.6, 0.7])
    with pytest.raises(KeyboardInterrupt):
        run_epochs(tmp_path, task, 1e9, 9, stop)
    assert task.steps == 8 and saved_step(tmp_path) == 8
