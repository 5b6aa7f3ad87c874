"""What training is fed with: labels, variants, films, batches; and its schedule, loss and exam."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_films
import numpy as np
import pytest
import torch

from camreel.errors import CamreelError, DeviceError
from camreel.train import augment, films, replay
from camreel.train.film_validator import first, mean_average_precision
from camreel.train.interfaces import Batch
from camreel.train.loss import balanced_loss, normalise, window_logits
from camreel.train.render_pool import EASY, TRAINING, Shot, Studio, shoot
from camreel.train.replay_buffer import Replay, canvas, held_out
from camreel.train.schedule import Due, learning_rate
from camreel.train.window_labels import label, split


def rows(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


# --- labels


def actions(*counts: int, frames: int = 20) -> np.ndarray:
    """One actor for each class, who does it in the first so many frames."""
    table = np.full((frames, len(counts)), -1, np.int16)
    for actor, count in enumerate(counts):
        table[:count, actor] = actor
    return table


def test_a_class_counts_from_40_percent_is_unclear_from_10_and_absent_below():
    whole = np.full((1, 20), 1 / 20, np.float32)
    targets, weights = label(actions(8, 7, 2, 1, 0), whole, 5)
    assert targets.tolist() == [[1, 0, 0, 0, 0]]
    assert weights.tolist() == [[1, 0, 0, 1, 1]]


def test_each_window_is_judged_by_its_own_frames():
    targets, weights = label(actions(14, 12, frames=32), split(32, 12), 2)
    assert targets.tolist() == [[1, 1], [0, 0]]
    assert weights.tolist() == [[1, 1], [0, 1]]  # 2 of 20 frames are 10 percent


def test_actors_share_a_class_and_a_frame_counts_once():
    table = np.full((10, 3), -1, np.int16)
    table[:2, 0] = table[2:4, 1] = table[:2, 2] = 1
    targets, _ = label(table, np.full((1, 10), 0.1, np.float32), 2)
    assert targets.tolist() == [[0, 1]]
    table[3, 1] = -1
    assert label(table, np.full((1, 10), 0.1, np.float32), 2)[1].tolist() == [[1, 0]]


def test_windows_share_the_frames_among_them():
    shares = split(32, 12)
    assert shares.sum(axis=1) == pytest.approx([1, 1])
    assert ((shares > 0).sum(axis=0) == 1).all()
    assert (shares[0] > 0).sum() == 12


# --- variants


def clip(frames: int = 6, height: int = 136, width: int = 136) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (frames, height, width, 3), np.uint8)


def test_variants_have_the_size_asked_for_and_depend_on_the_seed_alone():
    one, same, other = (augment.vary(clip(), (80, 80), np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert (one.shape, one.dtype) == ((6, 80, 80, 3), np.uint8)
    assert (one == same).all()
    assert (one != other).any()


def test_variants_do_not_change_the_film():
    source = clip()
    before = source.copy()
    for seed in range(5):
        augment.vary(source, (112, 112), np.random.default_rng(seed))
    assert (source == before).all()


@pytest.mark.parametrize("shape", films.SHAPES)
def test_crops_keep_most_of_the_picture(shape: tuple[int, int]):
    rng = np.random.default_rng(0)
    for _ in range(300):
        top, left, height, width = augment._crop(shape, rng)
        assert height * width >= augment.KEPT * shape[0] * shape[1]
        assert 0 <= top <= top + height <= shape[0]
        assert 0 <= left <= left + width <= shape[1]


def test_variants_are_mirrored_gray_and_noisy_at_times():
    ramp = np.broadcast_to(np.linspace(0, 255, 136).astype(np.uint8)[None, None, :, None], (2, 136, 136, 3))
    mirrored = gray = noisy = 0
    for seed in range(60):
        result = augment.vary(ramp, (80, 80), np.random.default_rng(seed)).astype(int)
        mirrored += result[..., :10, :].mean() > result[..., -10:, :].mean()
        gray += bool((np.ptp(result, axis=3) == 0).all())
        noisy += bool((result[0] != result[1]).any())
    assert 15 < mirrored < 45
    assert 1 <= gray < 20
    assert 10 < noisy < 40


def test_all_frames_of_a_clip_are_changed_alike():
    still = np.repeat(clip(1), 4, axis=0)
    results = [augment.vary(still, (80, 80), np.random.default_rng(seed)).astype(float) for seed in range(8)]
    quiet = [result for result in results if (result[0] == result[1]).all()]
    assert quiet
    for result in quiet:
        assert (result == result[:1]).all()


# --- films


def test_training_never_sees_a_film_held_out_or_one_of_another_run():
    starts = [films.first_seed(run) for run in (0, 1, 2, films.RUNS - 1)]
    assert starts == sorted(set(starts))
    assert min(np.diff(starts)) >= films.RUN
    assert starts[-1] + films.RUN <= films.HELD_OUT


@pytest.fixture
def studio() -> Iterator[Any]:
    opened: list[Studio] = []

    def make(*arguments: Any) -> Studio:
        opened.append(Studio(*arguments))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_processes_share_the_films_and_send_them_whole(studio: Any):
    shots = studio(fake_films.plain, 3, 5, 2).take(8, 20.0)
    assert len(shots) == 8
    assert len({shot.number for shot in shots}) == 8
    assert min(shot.number for shot in shots) >= 5
    for shot in shots:
        wanted = shoot(fake_films.plain, shot.number, films.first_seed(3))
        assert (shot.pictures == wanted.pictures).all()
        assert (shot.actions == wanted.actions).all()


def test_a_film_that_fails_is_told_and_those_before_it_come(studio: Any):
    crew = studio(fake_films.failing, 0, 0, 1)
    assert [shot.number for shot in crew.take(3, 20.0)] == [0, 1, 2]
    with pytest.raises(CamreelError, match="no paint left") as caught:
        crew.take(1, 20.0)
    assert caught.value.exit_code == 1


def test_a_process_that_dies_is_an_error_and_no_wait(studio: Any):
    crew = studio(fake_films.dying, 0, 0, 1)
    begin = time.monotonic()
    with pytest.raises(DeviceError, match="exit code is 9"):
        crew.take(100, 60.0)
    assert time.monotonic() - begin < 50


def test_processes_end_when_they_are_no_longer_needed(studio: Any):
    crew = studio(fake_films.plain, 0, 0, 1)
    crew.take(1, 20.0)
    process = next(iter(crew._crew.values()))
    crew.close()
    assert not process.is_alive()


def test_processes_that_render_do_without_torch():
    code = "import sys, fake_films, camreel.train.render_pool; print('torch' in sys.modules)"
    path = str(Path(__file__).parent)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path})
    assert result.stdout == "False\n"


# --- batches


class Ready:
    """Films that are always there."""

    def __init__(self) -> None:
        self.number = 0

    def take(self, limit: int, patience: float) -> list[Shot]:
        shots = [shoot(fake_films.plain, self.number + index, 0) for index in range(limit)]
        self.number += limit
        return shots


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "START", 6)


def filled(counters: dict[str, int] | None = None) -> Replay:
    result = Replay(Ready(), 15, 3, 7, counters or {})
    result.fill(lambda films: None)
    return result


def test_batches_depend_on_the_step_and_have_labels_for_two_windows(few: None):
    one, same = filled(), filled()
    for step in range(3):
        a, b = one.draw(step, 0.9), same.draw(step, 0.9)
        assert (a.pictures == b.pictures).all()
    frames, size = a.pictures.shape[1], a.pictures.shape[2:4]
    assert frames == 32
    assert size in replay.CANVASES
    assert a.windows.shape == (3, 2, 32)
    assert a.targets.shape == a.weights.shape == (3, 2, 15)
    assert a.windows.sum(axis=2) == pytest.approx(np.ones((3, 2)))
    lengths = (a.windows > 0).sum(axis=2)
    assert lengths.min() >= 12
    assert lengths.max() <= 20


def test_films_are_easy_at_first():
    kinds = []

    def note(seed: int, *, split: str, **asked: Any) -> Any:
        kinds.append((seed - TRAINING, split))
        return fake_films.plain(seed, split=split, **asked)

    for number in (0, EASY - 1, EASY):
        shoot(note, number, TRAINING)
    assert kinds == [(0, "easy"), (EASY - 1, "easy"), (EASY, "train")]


def test_clips_are_small_at_first():
    assert canvas(0, 0.0) == (64, 64)
    assert canvas(1, 0.49) == (56, 80)
    assert canvas(1, 0.51) == (72, 112)
    assert [canvas(shape, 0.76) for shape in range(3)] == [canvas(shape, 1.0) for shape in range(3)] == list(replay.CANVASES)
    assert all(side % 8 == 0 for shape in range(3) for side in canvas(shape, 0.1))


def test_new_films_come_as_old_ones_are_used_up(few: None):
    source = filled()
    start = source.counters["films"]
    for step in range(40):
        source.draw(step, 0.0)
    assert source.counters["drawn"] == 120
    assert source.counters["films"] - start == pytest.approx(120 / replay.REUSE, abs=2)
    assert source.reuse == 120 / source.counters["films"]


def test_the_pools_are_bounded(monkeypatch: pytest.MonkeyPatch, few: None):
    monkeypatch.setattr(replay, "CAPACITY", 9)
    source = filled()
    for step in range(40):
        source.draw(step, 0.0)
    assert [len(pool) for pool in source._pools] == [3, 3, 3]
    assert min(shot.number for pool in source._pools for shot in pool) > 12


def test_a_run_that_goes_on_knows_which_films_were_seen(few: None):
    source = filled()
    for step in range(9):
        source.draw(step, 0.0)
    later = filled(dict(source.counters))
    assert source.counters["next"] == source.counters["films"]
    before = later.counters["films"]
    later.draw(9, 0.0)
    assert later.counters["drawn"] == 30
    assert later.counters["films"] - before <= 1


def test_films_held_out_stay_as_they_are():
    shot = shoot(fake_films.plain, 4, 0)
    batch = held_out(shot, 15)
    assert batch.pictures.shape == (1, 32, 96, 144, 3)
    assert batch.windows[0, 0, :16] == pytest.approx(1 / 16)
    assert np.flatnonzero(batch.targets[0, 0]).tolist() == [4]
    assert not batch.targets[0, 1].any()


# --- loss and schedule


def test_the_loss_weighs_positives_windows_and_classes():
    logits = torch.zeros(1, 2, 2)
    targets, weights = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    half = math.log(2)
    # Class 0: (3 + 1) / 2 windows; class 1: one window.
    assert balanced_loss(logits, targets, weights).item() == pytest.approx((2 * half + half) / 2)


def test_windows_in_doubt_teach_nothing():
    logits = torch.zeros(1, 1, 2, requires_grad=True)
    balanced_loss(logits, torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.0, 1.0]]])).backward()
    assert logits.grad[0, 0, 0] == 0
    assert logits.grad[0, 0, 1] != 0


class Identity(torch.nn.Module):
    """The picture's red is the one feature and the one logit."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = torch.nn.Linear(1, 1)
        torch.nn.init.ones_(self.classifier.weight)
        torch.nn.init.zeros_(self.classifier.bias)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1]


def test_a_window_has_the_mean_of_its_frames_or_of_their_highest_cells():
    x = torch.zeros(1, 3, 4, 2, 5)
    x[0, 0, 0, 0, :2] = torch.tensor([6.0, 4.0])
    x[0, 0, 3, 1, 0] = 8.0
    windows = torch.from_numpy(split(4, 2))[None]
    (mean,) = window_logits(Identity(), x, windows, "mean", half=False)
    (top,) = window_logits(Identity(), x, windows, "top", half=False)
    assert mean.flatten().tolist() == pytest.approx([0.5, 0.4])
    assert top.flatten().tolist() == pytest.approx([0.3, 0.4])  # the highest of 10 cells, over all 10
    both = window_logits(Identity(), x, windows, "both", half=False)
    assert torch.equal(torch.stack(both), torch.stack([mean, top]))


def test_pictures_are_normalised_as_the_checkpoint_says():
    from camreel.models.figures import BUNDLE

    pictures = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 1, 1, 3)[None]
    blank = BUNDLE.blank
    wanted = [(value - blank.mean[0]) / blank.std[0] for value in (0, 1)]
    assert normalise(pictures)[0, 0, :, 0, 0].tolist() == pytest.approx(wanted)
    assert len({*blank.mean}) == len({*blank.std}) == 1


def test_the_rate_rises_and_falls_to_nothing():
    assert learning_rate(0.0, 1.0) == pytest.approx(0.1)
    assert learning_rate(0.05, 1.0) == 1.0
    assert learning_rate(0.525, 1.0) == pytest.approx(0.5)
    assert learning_rate(1.0, 1.0) == learning_rate(1.1, 1.0) == 0.0


def test_what_takes_long_is_done_less_often():
    due = Due(10, 0, cost=0.1)
    assert not due.now(9.9)
    assert due.now(10)
    due.done(10, 10.5)
    assert due.now(20.5)
    due.done(20, 25)
    assert not due.now(74.9)
    assert due.now(75)


# --- exam


def test_average_precision_is_the_mean_over_classes_that_occur():
    logits = rows([3, 0, 0], [2, 1, 0], [1, 2, 0], [0, 3, 0])
    targets = rows([1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0])
    everything = np.ones((4, 3), np.float32)
    # Class 0: hits at ranks 1 and 3; class 1 at rank 4.
    assert mean_average_precision(logits, targets, everything) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 4) / 2)
    everything[3, 1] = 0
    assert mean_average_precision(logits, targets, everything) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3) / 2)


def test_the_first_class_counts_where_there_is_one_and_no_doubt():
    logits = rows([3, 0], [0, 1], [1, 0], [0, 1])
    targets = rows([1, 0], [1, 0], [1, 1], [0, 1])
    weights = rows([1, 1], [1, 1], [1, 1], [0, 1])
    assert first(logits, targets, weights) == 0.5
    assert first(logits, np.zeros_like(targets), weights) == 0.0


def test_batches_are_joined_in_order():
    parts = [held_out(shoot(fake_films.plain, number, 0), 15) for number in (0, 3)]
    whole: Batch = replay.join(parts)
    assert len(whole.pictures) == 2
    assert (whole.targets[1] == parts[1].targets[0]).all()
