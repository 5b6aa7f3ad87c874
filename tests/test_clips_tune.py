"""The second part of learning from clips: what learns, what is kept, when it ends, and that it can be gone on with."""

from __future__ import annotations

import copy
import dataclasses
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
from camreel.cli.training_page import make_page
from camreel.errors import ConfigError, ModelError
from camreel.models import checkpoint
from camreel.models.loading import load
from camreel.models.torch_recognizer import TorchRecognizer
from camreel.train.augment import vary
from camreel.train.clips import ClassificationReport, Example, Plan, TrainingResult, Tuning, train_clips
from camreel.train.clips.batch_sampler import BATCH, Draws, part
from camreel.train.clips.embeddings import normalised, pooled
from camreel.train.clips.fine_tune import EPOCHS, EarlyStopping, TrainingHistory, tune
from camreel.train.clips.fine_tuner import Tuner, learning_parameters
from camreel.train.clips.linear_probe import Head
from camreel.train.clips.task import balance
from camreel.train.film_loop import BAD_STEPS
from camreel.train.state_file import state_path
from tests.networks import network
from tests.test_clips import folder as folder

RNG = np.random.default_rng(0)


# --- batches ---


class Pictures:
    """Stands for a shelf: clips whose pictures say which clip and which sample they are."""

    def __init__(self, lengths: list[int], sizes: list[tuple[int, int]]) -> None:
        self.of = {
            example(i): np.stack([np.full((*size, 3), 10 * i + t, np.uint8) for t in range(length)])
            for i, (length, size) in enumerate(zip(lengths, sizes, strict=True))
        }

    def pictures(self, one: Example) -> np.ndarray:
        return self.of[one]


def example(i: int) -> Example:
    return Example(Path(f"{i}.mp4"), "ab"[i % 2], str(i))


def drawn(shelf: Pictures, seed: int = 0, mirror: bool = True) -> Draws:
    return Draws(list(shelf.of), cast(Any, shelf), ("a", "b"), 8, mirror, seed)


def test_an_epoch_shows_every_clip_once_in_batches_of_about_one_shape(monkeypatch):
    monkeypatch.setattr("camreel.train.clips.batch_sampler.vary", lambda pictures, size, rng, mirror: pictures[:, :2, :2])
    shelf = Pictures([8] * 20, [(12, 12), (12, 24)] * 10)
    draws = drawn(shelf)
    assert draws.per_epoch == math.ceil(20 / BATCH)
    batches = [draws.draw(step) for step in range(draws.per_epoch)]
    clips = [sorted({int(clip.min()) // 10 for clip in pictures}) for pictures, _ in batches]
    assert sorted(i for batch in clips for i in batch) == list(range(20))
    assert sum(len({i % 2 for i in batch}) > 1 for batch in clips) <= 1, "at most one batch is on the border of two shapes"
    for rows, (_, labels) in zip(clips, batches, strict=True):
        assert sorted(labels.tolist()) == sorted(i % 2 for i in rows)


def test_a_step_depends_on_the_seed_and_its_number_only():
    shelf = Pictures([9, 12, 10, 8], [(16, 24)] * 4)
    one, two, other = drawn(shelf).draw(3), drawn(shelf).draw(3), drawn(shelf, seed=1).draw(3)
    np.testing.assert_array_equal(one[0], two[0])
    assert one[0].shape == (4, 8, 16, 24, 3) and not np.array_equal(one[0], other[0])


def test_a_part_stays_in_order_and_holds_the_last_sample_of_a_short_clip():
    clip = np.arange(20, dtype=np.uint8)[:, None, None, None]
    for _ in range(50):
        at = part(clip, 10, RNG).ravel().astype(int)
        assert len(at) == 10 and (np.diff(at) >= 0).all() and np.diff(at).max() <= 2
    assert part(clip[:3], 6, RNG).ravel()[-1] == 2


def test_nothing_is_mirrored_that_must_not_be():
    ramp = np.repeat(np.arange(48, dtype=np.uint8)[None, None, :, None] * 5, 3, axis=3).repeat(24, axis=1)
    ways = [vary(ramp, (24, 48), np.random.default_rng(i), mirror=False)[0, 12].astype(int).sum(axis=1) for i in range(30)]
    assert all(way[40] > way[8] for way in ways)


def test_classes_count_the_same_whatever_the_clips():
    weights = balance([example(0), example(1), example(3), example(5)], ("a", "b"))
    np.testing.assert_allclose(weights, [2.0, 2 / 3])


# --- the network ---


def tuner_of(freeze: str = "half", net: TorchRecognizer | None = None) -> tuple[TorchRecognizer, Tuner]:
    net = net or cast(TorchRecognizer, load("figures"))
    net.to("cpu")
    assert net.linear is not None
    width = net.linear.weight.shape[1]
    head = Head(np.random.default_rng(1).normal(0, 0.3, (2, width)).astype(np.float32), np.zeros(2, np.float32))
    return net, Tuner(net, head, np.ones(2), cast(Any, freeze), "cpu")


CLIPS = np.random.default_rng(2).integers(0, 255, (2, 6, 32, 40, 3), dtype=np.uint8)
LABELS = np.array([0, 1])


@pytest.mark.parametrize(
    ("freeze", "first"), [("all", "classifier.weight"), ("half", "blocks.3.spatial.0.weight"), ("none", "stem.0.0.weight")]
)
def test_what_learns(freeze, first):
    net = cast(TorchRecognizer, load("figures")).net
    learning = learning_parameters(net, "classifier", freeze)
    assert next(iter(learning)) == first and "classifier.bias" in learning


@pytest.mark.parametrize("name", ["r3d_18", "mobilenet_v2", "swin3d_t", "resnet18"])
def test_the_later_half_of_other_networks(name):
    net = network(name)
    share = [len(learning_parameters(net.net, net.family.classifier, freeze)) for freeze in ("all", "half", "none")]
    assert share[0] < share[1] < share[2] == len(list(net.net.parameters()))


def test_steps_change_the_later_half_and_its_average_and_nothing_else():
    source, tuner = tuner_of()
    before, original = copy.deepcopy(tuner.net.state_dict()), copy.deepcopy(source.net.state_dict())
    losses = [tuner.learn(CLIPS, LABELS, 0.1) for _ in range(8)]
    assert losses[-1] < losses[0]
    changed = {name for name, tensor in tuner.net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed and changed <= set(learning_parameters(source.net, "classifier", "half")), "statistics of norms stay, too"
    for name in changed:
        old, average, new = before[name], tuner.average.state_dict()[name], tuner.net.state_dict()[name]
        assert not torch.equal(average, old) and not torch.equal(average, new)
    assert all(torch.equal(tensor, original[name]) for name, tensor in source.net.state_dict().items())


def test_the_loss_is_the_one_of_the_networks_own_logits():
    source, tuner = tuner_of()
    x = normalised(CLIPS, source, "cpu")
    assert source.linear is not None
    logits = tuner.head.logits(pooled(tuner.backbone(x), source.linear).numpy())
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(LABELS), label_smoothing=0.1)
    assert tuner.learn(CLIPS, LABELS, 0.0) == pytest.approx(expected.item(), rel=1e-4)


def test_a_loss_that_is_no_number_teaches_nothing():
    _, tuner = tuner_of()
    tuner.learn(CLIPS, LABELS, 0.1)
    before = copy.deepcopy(tuner.net.state_dict())
    tuner._weights = torch.tensor([math.inf, 1.0])
    assert math.isnan(tuner.learn(CLIPS, LABELS, 0.1))
    assert all(torch.equal(tensor, before[name]) for name, tensor in tuner.net.state_dict().items())


def test_what_is_put_aside_goes_on_as_if_nothing_had_happened():
    _, whole = tuner_of()
    _, first = tuner_of()
    _, second = tuner_of()
    for step in range(4):
        whole.learn(CLIPS, LABELS, step / 10)
    for step in range(2):
        first.learn(CLIPS, LABELS, step / 10)
    second.restore({name: tensor.detach().clone() for name, tensor in first.tensors().items()})
    second.step = first.step
    for step in (2, 3):
        second.learn(CLIPS, LABELS, step / 10)
    for one, two in ((whole.net, second.net), (whole.average, second.average)):
        torch.testing.assert_close(one.state_dict(), two.state_dict())


# --- the course ---


def verdict(macro: float, loss: float = 0.5) -> ClassificationReport:
    """One with a given share of right answers, surer for a lower loss."""
    right = round(macro * 20)
    scores = np.full((20, 2), 0.0, np.float32)
    sure = math.exp(-loss)
    for i in range(20):
        scores[i, i % 2 if i < right else 1 - i % 2] = sure
        scores[i] += (1 - scores[i].sum()) * (scores[i] == 0)
    return ClassificationReport(("a", "b"), tuple(example(i) for i in range(20)), scores)


class Student:
    """Stands for a tuner that takes a second for each step."""

    def __init__(self, losses: dict[int, float] | None = None) -> None:
        self.step, self.elapsed, self.losses = 0, 0.0, losses or {}
        self.shares: list[float] = []

    def learn(self, pictures: Any, labels: Any, share: float) -> float:
        self.step += 1
        self.shares.append(share)
        return self.losses.get(self.step, 0.7)


def go(
    student: Student, exams: list[float], limits: EarlyStopping, notify: Any = lambda _: None, saved: list[int] | None = None
) -> tuple[TrainingHistory, list[float], list[int]]:
    """Runs a course with five steps an epoch and these results; what was kept, and when the state was saved."""
    kept: list[float] = []
    saved = [] if saved is None else saved
    course = TrainingHistory()
    course.add(0.0, 0.0, math.nan, verdict(exams[0]))
    results = iter(exams[1:])
    draws = SimpleNamespace(per_epoch=5, draw=lambda step: (None, None))
    tune(
        cast(Any, student), cast(Any, draws), course, limits,
        examine=lambda: verdict(next(results)), keep=lambda v: kept.append(v.macro_f1), save=lambda: saved.append(student.step),
        notify=notify, clock=lambda: float(student.step),
    )  # fmt: skip
    return course, kept, saved


def test_it_ends_when_nothing_gets_better_and_only_better_networks_are_kept():
    course, kept, saved = go(Student(), [0.5, 0.6, 0.8, 0.7, 0.75, 0.8, 0.9], EarlyStopping(1e9, 3))
    assert [entry["epoch"] for entry in course.history] == [0, 1, 2, 3, 4, 5] and course.best == 2
    assert kept == [pytest.approx(x, abs=0.01) for x in (0.6, 0.8)] and saved[-1] == 25


def test_among_equals_the_one_with_less_loss_is_the_best():
    course = TrainingHistory()
    for epoch, loss in enumerate((0.5, 0.3, 0.4)):
        course.add(epoch, 0.0, 0.1, verdict(0.8, loss))
    assert course.best == 1


def test_all_epochs_are_the_most_and_the_rate_has_fallen_by_then():
    student = Student()
    course, _, _ = go(student, [i / 40 for i in range(EPOCHS + 2)], EarlyStopping(1e9, 99))
    assert course.history[-1]["epoch"] == EPOCHS and student.step == 5 * EPOCHS
    assert student.shares == sorted(student.shares) and 0.98 < student.shares[-1] < 1


def test_when_the_time_is_up_the_rest_of_the_epoch_is_left_out_and_the_rate_has_fallen():
    student = Student()
    course, _, saved = go(student, [0.5, 0.6, 0.7], EarlyStopping(7.0, 99))
    assert [entry["epoch"] for entry in course.history] == [0, 1, 1.4] and saved[-1] == 7
    assert student.shares[-1] == pytest.approx(6 / 7)


def test_a_training_that_diverges_says_so_and_keeps_what_was_good():
    student = Student(dict.fromkeys(range(6, 99), math.nan))
    with pytest.raises(ModelError, match="diverged"):
        go(student, [0.5, 0.9, 0.9], EarlyStopping(1e9, 9))
    assert student.step == 5 + BAD_STEPS + 1


def test_single_bad_steps_are_left_out():
    course, _, _ = go(Student({3: math.nan}), [0.5, 0.6, 0.5], EarlyStopping(10.0, 1))
    assert course.history[1]["loss"] == 0.7


def test_an_interrupt_saves_what_is_needed_to_go_on():
    saved: list[int] = []

    def stop(progress: Tuning) -> None:
        if progress.epoch > 1.5:
            raise KeyboardInterrupt

    student = Student()
    with pytest.raises(KeyboardInterrupt):
        go(student, [0.5, 0.6, 0.7], EarlyStopping(1e9, 9), stop, saved)
    assert student.step == 8 and saved == [8]


# --- all of it ---


@pytest.fixture(scope="module")
def tuned(folder, tmp_path_factory) -> tuple[TrainingResult, Path]:
    output = tmp_path_factory.mktemp("tuned") / "mine.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("camreel.train.clips.fine_tune.EPOCHS", 2)
        return train_clips(folder, output), output


def test_the_checkpoint_is_the_best_epoch_and_says_what_it_measured(tuned, folder):
    taught, output = tuned
    assert [entry["epoch"] for entry in taught.history] == [0, 1, 2]
    best = max(entry["macro_f1"] for entry in taught.history)
    assert taught.verdict.macro_f1 == pytest.approx(best)
    _, metadata, _ = checkpoint.read(output)
    assert metadata.metrics["macro_f1"] == pytest.approx(best, abs=1e-4) and metadata.threshold is None
    assert load(str(output)).classes == ("along", "up")


def test_a_run_that_is_interrupted_and_gone_on_with_makes_the_same_network(tuned, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("camreel.train.clips.fine_tune.EPOCHS", 2)
    output = tmp_path / "again.safetensors"

    def stop(progress: Any) -> None:
        if isinstance(progress, Tuning) and progress.epoch >= 1.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_clips(folder, output, notify=stop)
    assert output.exists() and state_path(output).exists()
    with pytest.raises(ConfigError, match="--freeze none"):
        train_clips(folder, output, Plan(freeze="none"), resume=True)
    taught = train_clips(folder, output, resume=True)
    assert [entry["epoch"] for entry in taught.history] == [0, 1, 2]
    for name, tensor in checkpoint.read(tuned[1])[0].items():
        torch.testing.assert_close(checkpoint.read(output)[0][name], tensor, rtol=1e-3, atol=1e-4)
    with pytest.raises(ConfigError, match="at its end"):
        train_clips(folder, output, resume=True)
    with pytest.raises(ConfigError, match="no time left"):
        train_clips(folder, output, Plan(seconds=0.001), resume=True)


def test_the_page_shows_how_it_went_and_needs_nothing_else(tuned):
    taught, _ = tuned
    wrong = np.eye(2, dtype=np.float32)[1 - taught.verdict.truth]
    all_wrong = dataclasses.replace(taught, verdict=ClassificationReport(("along", "up"), taught.verdict.examples, wrong))
    page = make_page(all_wrong, ["camreel", "train", "<x>"], "1")
    assert "macro-F1 0.000" in page and "taken for up 1.00" in page and "&lt;x&gt;" in page
    assert page.count("data:image/jpeg;base64,") == 2 * len(taught.verdict.examples)
    assert page.count("<svg") == 2 and "http" not in page and "<script" not in page
    assert "every held-out clip was classified correctly" in make_page(taught, ["camreel"], "1")


def test_ctrl_c_while_it_learns_leaves_the_best_network_and_says_how_to_go_on(folder, tmp_path, capsys, monkeypatch):
    step = Tuner.learn

    def interrupted(self: Tuner, *arguments: Any) -> float:
        signal.raise_signal(signal.SIGINT)
        return step(self, *arguments)

    monkeypatch.setattr(Tuner, "learn", interrupted)
    output = tmp_path / "mine.safetensors"
    shutil.copytree(folder, tmp_path / "clips")
    with pytest.raises(SystemExit) as caught:
        main(["train", str(tmp_path / "clips"), "-o", str(output)])
    assert caught.value.code == 130 and "holds the best network so far; --resume goes on" in capsys.readouterr().err
    assert load(str(output)).classes == ("along", "up") and state_path(output).exists()
    assert not output.with_suffix(".html").exists() and not list(tmp_path.glob("*.partial*"))
