"""The sample videos: their truth fits, the README beside them is right, and they can be made again."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from camreel.annotations import check_truth, find_truth, read_origin, read_truth, truth_files
from camreel.cli.process import DEMO_VIDEO
from camreel.sources import open_source
from camreel.structures import Picture
from camreel.synthetic import film

FOLDER = Path(__file__).resolve().parents[1] / "sample_videos"
README = (FOLDER / "README.md").read_text()
MAKEFILE = (FOLDER.parent / "Makefile").read_text()
VIDEOS = sorted(FOLDER.glob("*.mp4"))
NAMES = [video.stem for video in VIDEOS]


def luma(picture: Picture) -> np.ndarray:
    return np.asarray(cv2.blur(picture.y, (5, 5)), float)


def luma_of(rgb: np.ndarray) -> np.ndarray:
    """BT.709, limited range."""
    y = 16 + 219 / 255 * (rgb @ np.array([0.2126, 0.7152, 0.0722]))
    return np.asarray(cv2.blur(y, (5, 5)))


def test_there_is_one_of_each_kind_and_nothing_else():
    assert [re.sub(r"-\d+", "", name) for name in NAMES] == ["crowd", "moving", "pair", "sequence", "single"]
    files = {"README.md", "demo.jpg", *(path.name for video in VIDEOS for path in (video, *truth_files(video)))}
    assert {path.name for path in FOLDER.iterdir()} == files
    assert sum((FOLDER / name).stat().st_size for name in files) < 4_000_000


def test_the_demo_shows_one_of_them():
    assert FOLDER / DEMO_VIDEO in VIDEOS


@pytest.mark.parametrize("video", VIDEOS, ids=NAMES)
def test_the_readme_says_what_happens(video):
    path = find_truth(video)
    truth, origin = read_truth(path, masks=False), read_origin(path)
    line = next(line for line in README.splitlines() if line.startswith(f"| `{video.name}`"))
    seconds = int(line.split("|")[2])
    assert len(truth.times) == 30 * seconds and (truth.width, truth.height) == (640, 360)
    for action in set(truth.actions[truth.actions >= 0].tolist()):
        assert truth.classes[action] in line
    assert video.stem == f"{origin.split}-{origin.seed:04d}" and origin.video == video.name
    assert f" {origin.split}-{origin.seed}-{seconds}" in MAKEFILE


@pytest.mark.parametrize("video", VIDEOS, ids=NAMES)
def test_the_same_seed_makes_the_same_video(video):
    path = find_truth(video)
    truth, origin = read_truth(path), read_origin(path)
    again = film(origin.seed, split=origin.split, size=(truth.width, truth.height), frames=len(truth.times), rate=30.0)
    assert again.truth.classes == truth.classes
    assert np.array_equal(again.truth.actions, truth.actions)
    np.testing.assert_allclose(again.truth.times, truth.times, rtol=0, atol=1e-6)
    # Other machines may round the edge of a limb to the next pixel.
    np.testing.assert_allclose(again.truth.boxes, truth.boxes, rtol=0, atol=1)
    assert np.mean(again.truth.masks != truth.masks) < 1e-4
    off: list[list[float]] = []
    with open_source(str(video)) as source:
        check_truth(truth, source.info)
        for count, frame in enumerate(source):
            assert abs(frame.time - truth.times[count]) < 1e-6
            if count % 30 == 7:
                off.append(
                    [
                        np.abs(luma(frame.picture) - luma_of(again.pictures[count + shift])).mean()
                        for shift in (-1, 0, 1)
                    ]
                )
    assert count == len(truth.times) - 1
    before, here, after = np.mean(off, axis=0)
    assert here < 1.5 and here < min(before, after)
