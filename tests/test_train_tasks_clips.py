"""Training on labeled clips: the task, and from videos to a checkpoint."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from camreel.cli.app import main
from camreel.cli.train_clips import make_page
from camreel.errors import ConfigError
from camreel.flow import localize
from camreel.metrics.classification_report import ClassificationReport
from camreel.models import checkpoint
from camreel.models.loading import load
from camreel.models.torch_recognizer import TorchRecognizer
from camreel.synthetic import ACTIONS
from camreel.train.batch_sampler import ClipBatch
from camreel.train.checkpointing import TrainingFiles, state_path
from camreel.train.linear_probe import LinearProbe, normalize, pool
from camreel.train.optimizer import Freeze, trained_parameters
from camreel.train.tasks import clips
from camreel.train.tasks.clips import ClipTask, ClipTrainingOptions, TrainingResult, train_clips
from camreel.train.trainer import Trainer, TrainerOptions, TrainingProgress
from camreel.train.training_data import ClipCache
from tests.labeled_clips import folder as folder

# --- the task

BATCH = ClipBatch(
    np.random.default_rng(2).integers(0, 255, (2, 6, 32, 40, 3), dtype=np.uint8), np.array([0, 1], np.int64)
)


def trainer_of(
    freeze: Freeze = "half", network: TorchRecognizer | None = None
) -> tuple[TorchRecognizer, ClipTask, Trainer[ClipBatch]]:
    network = network or cast(TorchRecognizer, load("figures"))
    network.to("cpu")
    assert network.linear is not None
    width = network.linear.weight.shape[1]
    probe = LinearProbe(np.random.default_rng(1).normal(0, 0.3, (2, width)).astype(np.float32), np.zeros(2, np.float32))
    data = cast(Any, SimpleNamespace(class_weights=np.ones(2)))
    task = ClipTask(network, probe, data, network.metadata, ClipTrainingOptions(freeze=freeze), "cpu")
    options = TrainerOptions(1e9, 1e-3, clips.AVERAGE_DECAY, clips.MAX_GRADIENT_NORM)
    return network, task, Trainer(task, options, TrainingFiles(Path("never written.safetensors"), {}))


@pytest.mark.parametrize(
    ("freeze", "first"),
    [("all", "classifier.weight"), ("half", "blocks.3.spatial.0.weight"), ("none", "stem.0.0.weight")],
)
def test_freezing_selects_the_parameters_that_learn(freeze: Freeze, first: str):
    net = cast(TorchRecognizer, load("figures")).net
    parameters = trained_parameters(net, "classifier", freeze)
    assert next(iter(parameters)) == first and "classifier.bias" in parameters


@pytest.mark.parametrize("name", ["r3d_18", "mobilenet_v2", "swin3d_t", "resnet18"])
def test_other_networks_have_a_later_half_too(name: str):
    network = cast(TorchRecognizer, load(name, "random", seed=1))
    freezes: tuple[Freeze, ...] = ("all", "half", "none")
    counts = [len(trained_parameters(network.net, network.architecture.classifier, freeze)) for freeze in freezes]
    assert counts[0] < counts[1] < counts[2] == len(list(network.net.parameters()))


def test_steps_change_the_later_half_and_its_average_and_nothing_else():
    source, task, trainer = trainer_of()
    before, original = copy.deepcopy(task.net.state_dict()), copy.deepcopy(source.net.state_dict())
    losses = [trainer.train_step(BATCH, 1e-3) for _ in range(8)]
    assert losses[-1] < losses[0]
    changed = {name for name, tensor in task.net.state_dict().items() if not torch.equal(tensor, before[name])}
    # The statistics of the batch norms stay as they are.
    assert changed and changed <= set(trained_parameters(source.net, "classifier", "half"))
    averages = trainer.average.state_dict()
    for name, tensor in task.net.state_dict().items():
        moved = not torch.equal(averages[name], before[name]) and not torch.equal(averages[name], tensor)
        assert moved if name in changed else torch.equal(averages[name], before[name]), name
    assert all(torch.equal(tensor, original[name]) for name, tensor in source.net.state_dict().items())


def test_the_state_holds_the_parameters_that_learn_and_nothing_else():
    _, task, trainer = trainer_of("all")
    trainer.train_step(BATCH, 1e-3)
    names = {name.partition(".")[2] for name in trainer.tensors()}
    assert names == {"classifier.weight", "classifier.bias"} == set(task.parameters)


def test_the_loss_is_computed_from_the_logits_of_the_network():
    source, task, _ = trainer_of()
    x = normalize(BATCH.pictures, source, "cpu")
    maps = source.architecture.features(task.net, x).maps
    linear = source.linear
    assert linear is not None
    layer = cast(Any, task.net).classifier
    logits = pool(maps, linear) @ layer.weight.T + layer.bias
    wanted = torch.nn.functional.cross_entropy(logits, torch.from_numpy(BATCH.labels), label_smoothing=0.1)
    assert task.loss(task.net, BATCH).item() == pytest.approx(wanted.item(), rel=1e-4)


def test_a_step_whose_loss_is_not_finite_changes_nothing():
    _, task, trainer = trainer_of()
    trainer.train_step(BATCH, 1e-3)
    before = copy.deepcopy(task.net.state_dict())
    task._class_weights = torch.tensor([math.inf, 1.0])
    assert math.isnan(trainer.train_step(BATCH, 1e-3))
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.net.state_dict().items())


def test_a_restored_trainer_takes_the_same_steps():
    (_, _, whole), (_, _, first), (_, _, second) = trainer_of(), trainer_of(), trainer_of()
    for step in range(4):
        whole.train_step(BATCH, 1e-4 * step)
    for step in range(2):
        first.train_step(BATCH, 1e-4 * step)
    second._restore({name: tensor.detach().clone() for name, tensor in first.tensors().items()})
    second.step = first.step
    for step in (2, 3):
        second.train_step(BATCH, 1e-4 * step)
    torch.testing.assert_close(whole.task.net.state_dict(), second.task.net.state_dict())
    torch.testing.assert_close(whole.average.state_dict(), second.average.state_dict())


# --- from videos to a checkpoint, with a new head alone

HEAD_ONLY = ClipTrainingOptions(freeze="all")


@pytest.fixture(scope="module")
def head_result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return train_clips(folder, tmp_path_factory.mktemp("out") / "mine.safetensors", HEAD_ONLY)


def test_it_learns_to_tell_the_classes_apart(head_result):
    assert head_result.held_out.macro_f1 == 1 and head_result.skipped == ()
    _, metadata, _ = checkpoint.read(head_result.checkpoint)
    assert metadata.classes == ("along", "up") and not metadata.multilabel and metadata.arch == "figures"
    assert metadata.metrics["macro_f1"] == 1
    assert metadata.metrics["clips"] == {"learned": 10, "held_out": 2, "skipped": 0}


def test_the_maps_of_the_checkpoint_add_up_to_its_logits(head_result, folder):
    network = load(str(head_result.checkpoint))
    assert network.linear is not None and network.linear.weight.shape[0] == 2
    shown = list(localize(str(folder / "up" / "up0.mp4"), recognizer=network))
    assert len(shown) == 30
    best = [max(one.actions, key=lambda action: action.score).label for one in shown[5:-5]]
    assert best.count("up") > 0.9 * len(best)
    assert all(sum(action.score for action in one.actions) <= 1 + 1e-4 for one in shown)


def test_the_same_clips_make_the_same_network(head_result, folder, tmp_path):
    again = train_clips(folder, tmp_path / "again.safetensors", HEAD_ONLY)
    one, two = (checkpoint.read(path)[0] for path in (head_result.checkpoint, again.checkpoint))
    torch.testing.assert_close(one["classifier.weight"], two["classifier.weight"])


def test_clips_that_cannot_be_read_are_skipped_and_named(folder, tmp_path, caplog):
    caplog.set_level(logging.INFO, "camreel")
    shutil.copytree(folder, tmp_path / "in")
    (tmp_path / "in/up/broken.mp4").write_bytes(b"nonsense")
    result = train_clips(tmp_path / "in", tmp_path / "x.safetensors", HEAD_ONLY)
    assert len(result.skipped) == 1 and "broken.mp4" in result.skipped[0]
    assert any("broken" in message for message in caplog.messages)


def test_nothing_is_mirrored_where_class_names_have_sides(folder, tmp_path, caplog):
    caplog.set_level(logging.INFO, "camreel")
    for path in folder.rglob("*.mp4"):
        place = tmp_path / "in" / ("wave_left" if path.parent.name == "up" else "along")
        place.mkdir(parents=True, exist_ok=True)
        (place / path.name).write_bytes(path.read_bytes())
    train_clips(tmp_path / "in", tmp_path / "x.safetensors", HEAD_ONLY)
    assert any("not mirrored" in message for message in caplog.messages)


def test_existing_files_are_kept(folder, head_result, tmp_path):
    before = head_result.checkpoint.read_bytes()
    with pytest.raises(ConfigError, match="already exists"):
        train_clips(folder, head_result.checkpoint)
    assert head_result.checkpoint.read_bytes() == before
    with pytest.raises(ConfigError, match="safetensors"):
        train_clips(folder, tmp_path / "x.pt")


def test_without_scikit_learn_nothing_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("camreel.metrics.classification_report.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="scikit-learn") as caught:
        train_clips(tmp_path / "does not exist", tmp_path / "x.safetensors")
    assert caught.value.todo == 'pip install "camreel[train]"'


@pytest.mark.parametrize("model", ["mvit_v1_b", "convnext_tiny"])
def test_a_backbone_without_a_linear_head_is_refused(folder, tmp_path, model, monkeypatch):
    monkeypatch.setattr(clips, "load", lambda *_: load(model, "random", seed=1))
    with pytest.raises(ConfigError, match="cannot be trained on clips"):
        train_clips(folder, tmp_path / "x.safetensors", ClipTrainingOptions(model))


def test_the_actions_of_the_bundled_network_stay_out_of_the_new_one(head_result):
    assert not set(ACTIONS) & set(load(str(head_result.checkpoint)).classes)


# --- with the backbone


@pytest.fixture(scope="module")
def full_result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, Path]:
    output = tmp_path_factory.mktemp("tuned") / "mine.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "MAX_EPOCHS", 2)
        return train_clips(folder, output), output


def test_the_checkpoint_is_the_best_epoch_and_holds_its_metrics(full_result, folder):
    result, output = full_result
    assert [entry["epoch"] for entry in result.history] == [0, 1, 2]
    best = max(entry["macro_f1"] for entry in result.history)
    assert result.held_out.macro_f1 == pytest.approx(best)
    _, metadata, _ = checkpoint.read(output)
    assert metadata.metrics["macro_f1"] == pytest.approx(best, abs=1e-4) and metadata.threshold is None
    assert load(str(output)).classes == ("along", "up")


def test_an_interrupted_and_resumed_run_makes_the_same_network(full_result, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "MAX_EPOCHS", 2)
    output = tmp_path / "again.safetensors"

    def stop(progress: Any) -> None:
        if isinstance(progress, TrainingProgress) and progress.epochs >= 1.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_clips(folder, output, on_progress=stop)
    assert output.exists() and state_path(output).exists()
    with pytest.raises(ConfigError, match="--freeze none"):
        train_clips(folder, output, ClipTrainingOptions(freeze="none"), resume=True)
    result = train_clips(folder, output, resume=True)
    assert [entry["epoch"] for entry in result.history] == [0, 1, 2]
    for name, tensor in checkpoint.read(full_result[1])[0].items():
        torch.testing.assert_close(checkpoint.read(output)[0][name], tensor, rtol=1e-3, atol=1e-4)
    with pytest.raises(ConfigError, match="at its end"):
        train_clips(folder, output, resume=True)
    with pytest.raises(ConfigError, match="no time left"):
        train_clips(folder, output, ClipTrainingOptions(seconds=0.001), resume=True)


def test_the_page_shows_the_training_and_needs_no_other_file(full_result):
    result, _ = full_result
    wrong = np.eye(2, dtype=np.float32)[1 - result.held_out.truth]
    report = ClassificationReport(("along", "up"), result.held_out.examples, wrong)
    page = make_page(dataclasses.replace(result, held_out=report), ["camreel", "train", "<x>"], "1")
    assert "macro-F1 0.000" in page and "taken for up 1.00" in page and "&lt;x&gt;" in page
    assert page.count("data:image/jpeg;base64,") == 2 * len(result.held_out.examples)
    assert page.count("<svg") == 2 and "http" not in page and "<script" not in page
    assert "every held-out clip was classified correctly" in make_page(result, ["camreel"], "1")


# --- the command


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["train", *words])
    written = capsys.readouterr()
    return int(caught.value.code or 0), written.out, written.err


def test_the_command_prints_a_table_and_the_next_command(folder, tmp_path, capsys):
    output = tmp_path / "mine.safetensors"
    code, out, err = call(capsys, str(folder), "-o", str(output), "--freeze", "all")
    assert code == 0 and output.exists()
    assert "macro-F1 1.000 on 2 clips held out" in out and "precision" in out
    assert "the head alone: macro-F1 1.000" in err
    assert f"camreel process VIDEO --model {output}" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["DIR", "--figures", "-o", "x.safetensors"], "exclude each other"),
        (["-o", "x.safetensors"], "nothing to learn from"),
        (["DIR"], "no place for the checkpoint"),
        (["DIR", "-o", "x.safetensors", "--inputs", "rgb"], "--inputs is for `camreel train --figures` only"),
        (["DIR", "-o", "x.safetensors", "--freeze", "most"], "all, half, none"),
        (["DIR", "-o", "x.safetensors", "--time", "0s"], "--time 0"),
        (["--figures", "-o", "x.safetensors", "--patience", "3"], "--patience is for `camreel train DIR` only"),
        (["--figures", "-o", "x.safetensors", "--model", "mc3_18"], "--model is for `camreel train DIR` only"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(folder, words, message, capsys):
    code, _, err = call(capsys, *(str(folder) if word == "DIR" else word for word in words))
    assert code == 2 and message in err


def test_ctrl_c_while_clips_are_read_writes_nothing(folder, tmp_path, capsys, monkeypatch):
    read = ClipCache.pictures

    def interrupted(self, clip):
        signal.raise_signal(signal.SIGINT)
        return read(self, clip)

    monkeypatch.setattr(ClipCache, "pictures", interrupted)
    code, _, err = call(capsys, str(folder), "-o", str(tmp_path / "x.safetensors"))
    assert code == 130 and "nothing is written" in err and not list(tmp_path.iterdir())


def test_ctrl_c_while_it_trains_leaves_the_best_network_and_says_how_to_resume(folder, tmp_path, capsys, monkeypatch):
    step = Trainer.train_step

    def interrupted(self: Trainer[Any], *arguments: Any) -> float:
        signal.raise_signal(signal.SIGINT)
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "train_step", interrupted)
    output = tmp_path / "mine.safetensors"
    shutil.copytree(folder, tmp_path / "clips")
    code, _, err = call(capsys, str(tmp_path / "clips"), "-o", str(output))
    assert code == 130 and "holds the best network so far; --resume goes on" in err
    assert load(str(output)).classes == ("along", "up") and state_path(output).exists()
    assert not output.with_suffix(".html").exists() and not list(tmp_path.glob("*.partial*"))
