"""Films rendered by worker processes: seeds, sharing of the work, and failures."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_films
import numpy as np
import pytest

from camreel.errors import CamreelError, DeviceError
from camreel.train.render_pool import (
    EASY_FILMS,
    MAX_RUNS,
    SEEDS_PER_RUN,
    TRAINING_SEED,
    VALIDATION_SEED,
    RenderPool,
    first_training_seed,
    render_clip,
)


def test_training_never_sees_a_held_out_film_or_a_film_of_another_run():
    starts = [first_training_seed(run) for run in (0, 1, 2, MAX_RUNS - 1)]
    assert starts == sorted(set(starts))
    assert min(np.diff(starts)) >= SEEDS_PER_RUN
    assert starts[-1] + SEEDS_PER_RUN <= VALIDATION_SEED


@pytest.fixture
def open_pool() -> Iterator[Any]:
    opened: list[RenderPool] = []

    def make(*arguments: Any) -> RenderPool:
        opened.append(RenderPool(*arguments))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_processes_share_the_films_and_send_them_unchanged(open_pool: Any):
    clips = open_pool(fake_films.plain, 3, 5, 2).take(8, 20.0)
    assert len(clips) == 8
    assert len({clip.number for clip in clips}) == 8
    assert min(clip.number for clip in clips) >= 5
    for clip in clips:
        wanted = render_clip(fake_films.plain, clip.number, first_training_seed(3))
        assert (clip.pictures == wanted.pictures).all()
        assert (clip.actions == wanted.actions).all()


def test_a_film_that_fails_is_reported_after_the_films_before_it(open_pool: Any):
    pool = open_pool(fake_films.failing, 0, 0, 1)
    assert [clip.number for clip in pool.take(3, 20.0)] == [0, 1, 2]
    with pytest.raises(CamreelError, match="no paint left") as caught:
        pool.take(1, 20.0)
    assert caught.value.exit_code == 1


def test_a_process_that_dies_is_an_error_and_not_waited_for(open_pool: Any):
    pool = open_pool(fake_films.dying, 0, 0, 1)
    begin = time.monotonic()
    with pytest.raises(DeviceError, match="exit code is 9"):
        pool.take(100, 60.0)
    assert time.monotonic() - begin < 50


def test_processes_end_when_the_pool_is_closed(open_pool: Any):
    pool = open_pool(fake_films.plain, 0, 0, 1)
    pool.take(1, 20.0)
    process = next(iter(pool._processes.values()))
    pool.close()
    assert not process.is_alive()


def test_processes_that_render_do_not_import_torch():
    code = "import sys, fake_films, camreel.train.render_pool; print('torch' in sys.modules)"
    path = ":".join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    assert done.stdout == "False\n"


def test_films_are_easy_at_first():
    kinds = []

    def remember(seed: int, *, split: str, **options: Any) -> Any:
        kinds.append((seed - TRAINING_SEED, split))
        return fake_films.plain(seed, split=split, **options)

    for number in (0, EASY_FILMS - 1, EASY_FILMS):
        render_clip(remember, number, TRAINING_SEED)
    assert kinds == [(0, "easy"), (EASY_FILMS - 1, "easy"), (EASY_FILMS, "train")]
