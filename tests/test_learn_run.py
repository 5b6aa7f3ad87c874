"""Training: steps, going on where one stopped, faults, and the files that come of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_films
import numpy as np
import pytest
import torch
from torch import nn

from camreel.errors import ConfigError, DeviceError, ModelError, OutputError
from camreel.models.checkpoint import Metadata, read
from camreel.synthetic import ACTIONS
from camreel.train import Outcome, Progress, replay, run, train_figures
from camreel.train.checkpointing import Archive
from camreel.train.film_learner import Learner
from camreel.train.film_loop import BAD_STEPS, Plan, train
from camreel.train.interfaces import Batch
from camreel.train.state_file import read_state, state_path

CLASSES = 3


class Tiny(nn.Module):
    """One convolution with a norm, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(3, 4, (1, 4, 4), (1, 4, 4)), nn.BatchNorm3d(4), nn.ReLU())
        self.classifier = nn.Linear(4, CLASSES)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.body(x)
        return maps


class Tape:
    """Batches that depend on the step; the clock stands on how many were drawn. Some steps have no value."""

    def __init__(self, bad: frozenset[int] = frozenset()) -> None:
        self.count = 0
        self.bad = bad
        self.reuse = 1.0

    @property
    def counters(self) -> dict[str, int]:
        return {"next": self.count}

    def clock(self) -> float:
        return float(self.count)

    def draw(self, step: int, share: float) -> Batch:
        self.count += 1
        rng = np.random.default_rng(step)
        windows = np.full((4, 2, 4), np.nan if step in self.bad else 0.25, np.float32)
        targets = rng.integers(0, 2, (4, 2, CLASSES)).astype(np.float32)
        pictures = rng.integers(0, 256, (4, 4, 8, 8, 3), np.uint8)
        pictures[..., 0] = 255 * targets[:, :1, None, :1]
        return Batch(pictures, windows, targets, np.ones_like(targets))


def learner() -> Learner:
    torch.manual_seed(0)
    return Learner(Tiny())


def archive(folder: Path, **options: str) -> Archive:
    blank = Metadata(
        arch="tiny", classes=("a", "b", "c"), mean=(0.5,) * 3, std=(0.5,) * 3, resize=(8,), crop=(8, 8), clip_len=4,
        frame_rate=12, multilabel=True,
    )  # fmt: skip
    return Archive(folder / "tiny.safetensors", blank, options or {"seed": "0"})


def silent(progress: Progress) -> None:
    """Hears nothing."""


def go(one: Learner, tape: Tape, steps: int, files: Archive, notify: Any = silent, save_every: float = 2) -> None:
    def examine() -> dict[str, float]:
        files.history.append({"map": 0.5, "step": one.step})
        return files.history[-1]

    plan = Plan(steps, save_every=save_every, exam_every=4)
    train(one, tape, plan, examine=examine, save=lambda: files.save(one, tape.counters), notify=notify, clock=tape.clock)


def stop_after(step: int) -> Callable[[Progress], None]:
    def notify(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return notify


def test_it_learns_what_the_picture_tells(tmp_path: Path):
    told: list[Progress] = []
    one = learner()
    go(one, Tape(), 100, archive(tmp_path), told.append, save_every=50)
    assert [progress.step for progress in told] == list(range(1, 101))
    assert told[-1].loss < 0.9 * told[5].loss
    assert told[-1].elapsed == told[-1].budget == 100
    assert told[-1].clips_per_second == 4
    assert told[-1].scores == {"map": 0.5, "step": 100}


def test_a_run_that_goes_on_ends_like_one_that_was_not_stopped(tmp_path: Path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = learner()
    go(whole, Tape(), 12, archive(tmp_path / "whole"))
    for last in (5, 9):
        part, files = learner(), archive(tmp_path / "parts")
        if files.state.exists():
            files.restore(part)
        with pytest.raises(KeyboardInterrupt):
            go(part, Tape(), 12, files, stop_after(last))
    part, files = learner(), archive(tmp_path / "parts")
    files.restore(part)
    assert (part.step, part.elapsed) == (9, 9.0)
    go(part, Tape(), 12, files)
    assert part.step == whole.step == 12
    for name, tensor in whole.tensors().items():
        assert torch.allclose(tensor.float(), part.tensors()[name].float(), atol=1e-6), name
    assert [entry["step"] for entry in files.history] == [4, 9, 12]  # a run begins to wait for its next exam anew


def test_what_is_saved_is_the_average_and_comes_back(tmp_path: Path):
    one, files = learner(), archive(tmp_path)
    go(one, Tape(), 6, files)
    tensors, metadata, _ = read(files.checkpoint)
    for name, tensor in one.average.state_dict().items():
        assert torch.equal(tensors[name], tensor), name
    assert not torch.equal(tensors["classifier.weight"], one.net.classifier.weight)
    assert metadata.classes == ("a", "b", "c")
    assert metadata.metrics == {"map": 0.5, "step": 6, "elapsed": 6.0}
    _, record = read_state(files.state)
    assert (record.step, record.counters) == (6, {"next": 6})


def test_the_average_starts_fast_and_follows_the_norms(tmp_path: Path):
    one = learner()
    before = one.average.state_dict()["body.1.running_mean"].clone()
    one.learn(Tape().draw(0, 0.0), 1e-3)
    now, net = one.average.state_dict()["body.1.running_mean"], one.net.state_dict()["body.1.running_mean"]
    assert torch.allclose(now, before + 0.9 * (net - before))


# --- faults


def test_a_step_without_a_value_teaches_nothing(tmp_path: Path):
    one = learner()
    before = {name: tensor.clone() for name, tensor in one.tensors().items()}
    assert np.isnan(one.learn(Tape(frozenset({0})).draw(0, 0.0), 1e-3))
    assert one.step == 1
    for name, tensor in one.tensors().items():
        if "num_batches" not in name:
            assert torch.equal(tensor, before[name]), name
    assert all(parameter.grad is None for parameter in one.net.parameters())


def test_a_few_steps_without_a_value_are_passed_over(tmp_path: Path):
    one = learner()
    go(one, Tape(frozenset(range(3, 3 + BAD_STEPS))), 20, archive(tmp_path))
    assert one.step == 20
    assert all(bool(tensor.isfinite().all()) for tensor in one.tensors().values())


def test_too_many_of_them_end_the_run_and_leave_the_last_good_checkpoint(tmp_path: Path):
    one, files = learner(), archive(tmp_path)
    with pytest.raises(ModelError, match="diverged") as caught:
        go(one, Tape(frozenset(range(4, 99))), 50, files)
    assert "--seed" in caught.value.todo
    assert one.step == 4 + BAD_STEPS + 1
    tensors, metadata, _ = read(files.checkpoint)
    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())
    assert metadata.metrics["step"] >= 4


def test_a_disk_that_is_full_leaves_the_files_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one, files = learner(), archive(tmp_path)
    go(one, Tape(), 3, files)
    before = files.checkpoint.read_bytes(), files.state.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("camreel.models.checkpoint.save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        go(one, Tape(), 9, files)
    assert (files.checkpoint.read_bytes(), files.state.read_bytes()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.safetensors", "tiny.state.safetensors"]


def test_a_state_of_other_options_or_another_network_is_refused(tmp_path: Path):
    one, files = learner(), archive(tmp_path, inputs="rgb")
    files.save_state(one, {})
    with pytest.raises(ConfigError, match="--inputs both") as caught:
        archive(tmp_path, inputs="both").restore(one)
    assert "--inputs rgb" in caught.value.why
    other = Tiny()
    other.classifier = nn.Linear(4, 5)
    with pytest.raises(ModelError, match="do not fit"):
        archive(tmp_path, inputs="rgb").restore(Learner(other))


def test_a_checkpoint_is_no_state(tmp_path: Path):
    files = archive(tmp_path)
    files.save(learner(), {})
    files.checkpoint.replace(files.state)
    with pytest.raises(ModelError, match="no state"):
        files.restore(learner())


def test_nothing_is_replaced_unasked(tmp_path: Path):
    files = archive(tmp_path)
    assert files.check(resume=False, overwrite=False) is False
    files.save(learner(), {})
    for resume, overwrite, found in ((True, False, True), (True, True, True), (False, True, False)):
        assert files.check(resume=resume, overwrite=overwrite) is found
    with pytest.raises(ConfigError, match=r"tiny\.safetensors already exists") as caught:
        files.check(resume=False, overwrite=False)
    assert "--resume" in caught.value.todo
    files.state.unlink()
    with pytest.raises(ConfigError, match="already exists"):
        files.check(resume=True, overwrite=False)


def test_a_place_that_cannot_be_is_known_at_once(tmp_path: Path):
    with pytest.raises(ConfigError, match="does not end in"):
        Archive(tmp_path / "x.pt", archive(tmp_path).metadata, {}).check(resume=False, overwrite=False)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make the folder"):
        archive(tmp_path / "file").check(resume=False, overwrite=False)


# --- the whole


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing may be rendered")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few films, and no measuring."""
    monkeypatch.setattr(run, "EXAM_FILMS", 2)
    monkeypatch.setattr(replay, "START", 3)
    monkeypatch.setattr(run, "START", 3)
    monkeypatch.setattr(run, "is_half_faster", lambda step, device: False)


def start(path: Path, **options: Any) -> Outcome:
    return train_figures(path, clips=1, workers=1, device="cpu", **{"render": fake_films.plain, **options})


def test_training_gives_a_checkpoint_and_goes_on_from_it(tmp_path: Path, quick: None):
    path, said, told = tmp_path / "out" / "f.safetensors", list[str](), list[Progress]()
    outcome = start(path, seconds=0.5, resume=True, say=said.append, notify=told.append)
    assert said[0].startswith("nothing to resume")
    assert [progress.doing for progress in told][:2] == ["film 1 of 5", "film 2 of 5"]
    tensors, metadata, _ = read(path)
    assert (metadata.arch, metadata.classes, metadata.multilabel, metadata.threshold) == ("figures", ACTIONS, True, None)
    assert (metadata.clip_len, metadata.frame_rate, metadata.resize, metadata.crop) == (32, 12.0, (112,), (112, 112))
    assert "--seed 0" in metadata.source
    assert set(outcome.scores) == {"step", "elapsed", "map", "top1", "loss"}
    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())

    with pytest.raises(ConfigError, match="no time left"):
        start(path, seconds=0.5, resume=True, render=never)
    with pytest.raises(ConfigError, match="already exists"):
        start(path, seconds=9, render=never)
    with pytest.raises(ConfigError, match="--pooling top"):
        start(path, seconds=9, resume=True, pooling="top", render=never)
    films = read_state(state_path(path))[1].counters["next"]
    longer = start(path, seconds=outcome.elapsed + 0.3, resume=True)
    assert longer.steps > outcome.steps
    assert longer.elapsed >= outcome.elapsed + 0.3
    assert read_state(state_path(path))[1].counters["next"] > films


def test_an_output_that_cannot_be_written_is_known_before_anything_is_rendered(tmp_path: Path, quick: None):
    state_path(tmp_path / "f.safetensors").mkdir()
    with pytest.raises(OutputError):
        start(tmp_path / "f.safetensors", overwrite=True, render=never)


def test_a_process_that_dies_ends_the_training(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replay, "START", 30)
    monkeypatch.setattr(run, "EXAM_FILMS", 1)
    with pytest.raises(DeviceError, match="died"):
        start(tmp_path / "f.safetensors", render=fake_films.dying)


def test_stopping_keeps_what_was_learned(tmp_path: Path, quick: None):
    path = tmp_path / "f.safetensors"
    with pytest.raises(KeyboardInterrupt):
        start(path, seconds=500, notify=stop_after(2))
    assert read(path)[1].metrics["step"] == read_state(state_path(path))[1].step == 2
