"""Batches of films: labels of windows, sizes, and how films come and go."""

from __future__ import annotations

import fake_films
import numpy as np
import pytest

from camreel.train import replay_buffer
from camreel.train.render_pool import SyntheticClip, render_clip
from camreel.train.replay_buffer import (
    CLIP_SIZES,
    DRAWS_PER_FILM,
    FilmBatch,
    ReplayBuffer,
    clip_size,
    held_out_batch,
    label_windows,
    split_windows,
)

# --- labels


def actions(*counts: int, frames: int = 20) -> np.ndarray:
    """One actor for each class, who performs it in the first so many frames."""
    table = np.full((frames, len(counts)), -1, np.int16)
    for actor, count in enumerate(counts):
        table[:count, actor] = actor
    return table


def test_a_class_counts_from_40_percent_is_unclear_from_10_and_absent_below():
    whole = np.full((1, 20), 1 / 20, np.float32)
    targets, weights = label_windows(actions(8, 7, 2, 1, 0), whole, 5)
    assert targets.tolist() == [[1, 0, 0, 0, 0]]
    assert weights.tolist() == [[1, 0, 0, 1, 1]]


def test_each_window_is_labeled_by_its_own_frames():
    targets, weights = label_windows(actions(14, 12, frames=32), split_windows(32, 12), 2)
    assert targets.tolist() == [[1, 1], [0, 0]]
    assert weights.tolist() == [[1, 1], [0, 1]]  # 2 of 20 frames are 10 percent


def test_actors_may_share_a_class_and_a_frame_counts_once():
    table = np.full((10, 3), -1, np.int16)
    table[:2, 0] = table[2:4, 1] = table[:2, 2] = 1
    targets, _ = label_windows(table, np.full((1, 10), 0.1, np.float32), 2)
    assert targets.tolist() == [[0, 1]]
    table[3, 1] = -1
    assert label_windows(table, np.full((1, 10), 0.1, np.float32), 2)[1].tolist() == [[1, 0]]


def test_windows_share_the_frames_among_them():
    shares = split_windows(32, 12)
    assert shares.sum(axis=1) == pytest.approx([1, 1])
    assert ((shares > 0).sum(axis=0) == 1).all()
    assert (shares[0] > 0).sum() == 12


# --- batches


class Ready:
    """A source whose films are always there."""

    def __init__(self) -> None:
        self.number = 0

    def take(self, limit: int, timeout: float) -> list[SyntheticClip]:
        clips = [render_clip(fake_films.plain, self.number + index, 0) for index in range(limit)]
        self.number += limit
        return clips


def filled(counters: dict[str, int] | None = None) -> ReplayBuffer:
    buffer = ReplayBuffer(15, 3, 7, initial=6)
    buffer.restore(counters or {})
    buffer.fill(Ready(), lambda films: None)
    return buffer


def test_batches_depend_on_the_step_and_have_labels_for_two_windows():
    one, same = filled(), filled()
    for step in range(3):
        a, b = one.draw(step, 0.9), same.draw(step, 0.9)
        assert (a.pictures == b.pictures).all()
    frames, size = a.pictures.shape[1], a.pictures.shape[2:4]
    assert frames == 32
    assert size in CLIP_SIZES
    assert a.windows.shape == (3, 2, 32)
    assert a.targets.shape == a.weights.shape == (3, 2, 15)
    assert a.windows.sum(axis=2) == pytest.approx(np.ones((3, 2)))
    lengths = (a.windows > 0).sum(axis=2)
    assert lengths.min() >= 12
    assert lengths.max() <= 20


def test_clips_are_small_at_first():
    assert clip_size(0, 0.0) == (64, 64)
    assert clip_size(1, 0.49) == (56, 80)
    assert clip_size(1, 0.51) == (72, 112)
    assert [clip_size(shape, 0.76) for shape in range(3)] == [clip_size(shape, 1.0) for shape in range(3)]
    assert [clip_size(shape, 1.0) for shape in range(3)] == list(CLIP_SIZES)
    assert all(side % 8 == 0 for shape in range(3) for side in clip_size(shape, 0.1))


def test_new_films_come_as_old_ones_are_used_up():
    buffer = filled()
    start = buffer.counters["films"]
    for step in range(40):
        buffer.draw(step, 0.0)
    assert buffer.counters["drawn"] == 120
    assert buffer.counters["films"] - start == pytest.approx(120 / DRAWS_PER_FILM, abs=2)
    assert buffer.draws_per_film == 120 / buffer.counters["films"]


def test_the_number_of_kept_films_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replay_buffer, "CAPACITY", 9)
    buffer = filled()
    for step in range(40):
        buffer.draw(step, 0.0)
    assert [len(pool) for pool in buffer._pools] == [3, 3, 3]
    assert min(clip.number for pool in buffer._pools for clip in pool) > 12


def test_a_resumed_run_knows_which_films_were_seen():
    buffer = filled()
    for step in range(9):
        buffer.draw(step, 0.0)
    later = filled(dict(buffer.counters))
    assert buffer.counters["next"] == buffer.counters["films"]
    before = later.counters["films"]
    later.draw(9, 0.0)
    assert later.counters["drawn"] == 30
    assert later.counters["films"] - before <= 1


def test_held_out_films_are_not_augmented():
    batch = held_out_batch(render_clip(fake_films.plain, 4, 0), 15)
    assert batch.pictures.shape == (1, 32, 96, 144, 3)
    assert batch.windows[0, 0, :16] == pytest.approx(1 / 16)
    assert np.flatnonzero(batch.targets[0, 0]).tolist() == [4]
    assert not batch.targets[0, 1].any()


def test_batches_are_joined_in_order():
    parts = [held_out_batch(render_clip(fake_films.plain, number, 0), 15) for number in (0, 3)]
    whole = FilmBatch.join(parts)
    assert len(whole.pictures) == 2
    assert (whole.targets[1] == parts[1].targets[0]).all()
