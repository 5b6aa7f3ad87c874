"""`camreel figures`: names and content of the videos, refused values, and stopping by a signal."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camreel.annotations import check_truth, find_truth, read_origin, read_truth
from camreel.cli.app import main
from camreel.cli.figures import parse_size, plan_videos
from camreel.errors import ConfigError
from camreel.sources import open_source
from camreel.synthetic import SPLITS, Film
from camreel.synthetic import film as make
from tests.test_synthetic_write import make_film


@dataclass
class World:
    """A stub of `camreel.synthetic.film` that records its calls."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    before: Callable[[int], None] = lambda count: None
    """Called with the number of films so far, before each one."""

    def film(self, seed: int, *, split: str, size: tuple[int, int], frames: int, rate: float) -> Film:
        self.before(len(self.calls))
        self.calls.append({"seed": seed, "split": split, "size": size, "frames": frames, "rate": rate})
        return make_film(frames, size, rate)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """Replace the action world by the stub, in an empty folder."""
    stub = World()
    monkeypatch.setattr("camreel.synthetic.film", stub.film)
    monkeypatch.chdir(tmp_path)
    return stub


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            main(["figures", *words])
        said = capsys.readouterr()
        assert said.out == ""
        return int(caught.value.code or 0), said.err

    return run


SHORT = ("--seconds", "0.2", "--size", "96x64")


def names(folder: Path | str = "out") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def files(*stems: str) -> list[str]:
    return sorted(f"{stem}{tail}" for stem in stems for tail in (".mp4", ".truth.json", ".masks.npz"))


def test_videos_are_playable_and_their_truth_fits(run, tmp_path):
    code, err = run(str(tmp_path / "new" / "out"), "--videos", "2", "--seed", "4", "--split", "pair", *SHORT)
    assert code == 0 and names(tmp_path / "new" / "out") == files("pair-0004", "pair-0005")
    assert "1 of 2" in err and "pair-0005.mp4" in err
    video = tmp_path / "new" / "out" / "pair-0004.mp4"
    truth, origin = read_truth(find_truth(video)), read_origin(find_truth(video))
    assert (origin.seed, origin.split, len(truth.times), truth.actions.shape[1]) == (4, "pair", 6, 2)
    expected = make(4, split="pair", size=(96, 64), frames=6, rate=30.0)
    assert np.array_equal(truth.masks, expected.truth.masks) and np.array_equal(truth.actions, expected.truth.actions)
    with open_source(str(video)) as source:
        check_truth(truth, source.info)
        assert len(list(source)) == 6


def test_flags_set_number_length_size_rate_seed_and_split(world, run):
    flags = "--videos 2 --seconds 0.5 --size 96x64 --rate 12 --seed 7 --split crowd"
    assert run("out", *flags.split())[0] == 0
    common = {"split": "crowd", "size": (96, 64), "frames": 6, "rate": 12.0}
    assert world.calls == [{"seed": 7, **common}, {"seed": 8, **common}]


def test_mixed_takes_every_split_in_turn_and_seeds_count_up():
    plan = plan_videos(Path("out"), "mixed", 3, len(SPLITS) + 1)
    assert [video.split for video in plan] == [*SPLITS, SPLITS[0]]
    assert [video.seed for video in plan] == list(range(3, 4 + len(SPLITS)))
    assert [video.path for video in plan[:2]] == [Path("out/single-0003.mp4"), Path("out/pair-0004.mp4")]
    assert len({video.path for video in plan}) == len(plan)


def test_compressed_videos_have_a_higher_rate_factor_by_default(world, run, monkeypatch):
    seen: list[int] = []
    monkeypatch.setattr("camreel.synthetic.write.write_film", lambda path, film, rate, crf: seen.append(crf))
    run("a", "--videos", "1", "--split", "compressed", *SHORT)
    run("b", "--videos", "1", "--split", "single", *SHORT)
    run("c", "--videos", "1", "--split", "compressed", "--crf", "30", *SHORT)
    assert seen == [38, 23, 30]


def test_existing_files_are_replaced_only_with_overwrite(world, run):
    assert run("out", "--videos", "1", "--split", "pair", *SHORT)[0] == 0
    Path("out/pair-0001.mp4").unlink()
    before = Path("out/pair-0001.truth.json").stat().st_mtime_ns
    code, err = run("out", "--videos", "2", "--split", "pair", *SHORT)
    assert code == 2 and "out/pair-0001.truth.json and 1 more already exist" in err and "--overwrite" in err
    assert len(world.calls) == 1 and Path("out/pair-0001.truth.json").stat().st_mtime_ns == before
    assert run("out", "--videos", "2", "--split", "pair", "--overwrite", *SHORT)[0] == 0
    assert names() == files("pair-0001", "pair-0002") and len(world.calls) == 3


@pytest.mark.parametrize(("stopper", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_complete_videos_only(world, run, stopper, code):
    world.before = lambda count: os.kill(os.getpid(), stopper) if count == 2 else None
    got, err = run("out", "--videos", "5", "--split", "single", *SHORT)
    assert got == code and "stopped" in err and "2 of 5" in err
    assert names() == files("single-0001", "single-0002")


def test_quiet_prints_nothing(world, run):
    assert run("out", "--videos", "1", "-q", *SHORT) == (0, "")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--split", "pears"], ["unknown split 'pears'", "mixed, train, single", "did you mean 'pair'"]),
        (["--size", "641x360"], ["--size 641x360 is odd", "642x360"]),
        (["--size", "640"], ["--size 640 is no size", "640x360"]),
        (["--size", "8x360"], ["each side has 48 to 4096 pixels"]),
        (["--seconds", "600", "--size", "1920x1080"], ["112.0 GB of memory", "--seconds"]),
        (["--seconds", "nan"], ["--seconds"]),
        (["--seconds", "inf"], ["inf seconds", "--seconds 8"]),
        (["--videos", "0"], ["--videos"]),
        (["--crf", "52"], ["--crf"]),
    ],
)
def test_impossible_values_are_refused_before_any_work(world, run, words, parts):
    code, err = run("out", *words)
    flat = " ".join(err.split())
    assert code == 2 and all(part in flat for part in parts), err
    assert not world.calls and not Path("out").exists()


def test_a_folder_that_cannot_be_written_is_an_output_error(world, run):
    Path("file").write_text("")
    for folder in ("file", "file/below"):
        code, err = run(folder, "--videos", "1", *SHORT)
        assert code == 5 and f"cannot make the folder {folder}" in err and "choose another" in err
    assert not world.calls


def test_a_folder_without_permission_is_an_output_error(world, run, monkeypatch):
    monkeypatch.setattr("camreel.runtime.files.os.access", lambda path, mode: False)
    code, err = run("out", "--videos", "1", *SHORT)
    assert code == 5 and "permission denied" in err and not world.calls


def test_sizes_may_have_spaces_and_a_capital_x():
    assert parse_size(" 640X360") == (640, 360)
    with pytest.raises(ConfigError):
        parse_size("640x-360")
