"""Films as files: times and colors are kept, and no incomplete file is left."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from camreel.annotations import NO_ACTION, Truth, check_truth, find_truth, read_origin, read_truth
from camreel.errors import OutputError
from camreel.sources import open_source
from camreel.synthetic import ACTIONS, Film
from camreel.synthetic import write as writing
from camreel.synthetic.write import write_film, write_film_with_truth

COLORS = {
    (255, 0, 0): (63, 102, 240),
    (0, 255, 0): (173, 42, 26),
    (0, 0, 255): (32, 240, 118),
    (255, 255, 255): (235, 128, 128),
}
"""RGB -> YUV by BT.709 in the limited range."""


def make_film(frames: int = 10, size: tuple[int, int] = (96, 64), rate: float = 30.0) -> Film:
    """Make four bands of color, and a bright bar that moves 4 pixels to the right per frame."""
    width, height = size
    pictures = np.zeros((frames, height, width, 3), np.uint8)
    for band, color in enumerate(COLORS):
        pictures[:, :, band * width // 4 : (band + 1) * width // 4] = color
    pictures[:, : height // 4] = 0
    masks = np.zeros((frames, height, width), np.uint8)
    for frame in range(frames):
        pictures[frame, : height // 4, 4 * frame : 4 * frame + 8] = 255
        masks[frame, : height // 4, 4 * frame : 4 * frame + 8] = 1
    boxes = np.array([[[4 * t, 0, 4 * t + 8, height // 4]] for t in range(frames)], np.float32)
    actions = np.full((frames, 1), NO_ACTION, np.int16)
    actions[3:, 0] = 6
    return Film(pictures, Truth(ACTIONS, width, height, np.arange(frames) / rate, actions, boxes, masks))


def mean_yuv(picture, left: int, right: int) -> tuple[int, ...]:
    half = picture.height // 2
    planes = (
        picture.y[half:, left:right],
        picture.u[half // 2 + 1 :, left // 2 : right // 2],
        picture.v[half // 2 + 1 :, left // 2 : right // 2],
    )
    return tuple(round(float(plane.mean())) for plane in planes)


@pytest.mark.parametrize(("rate", "frames"), [(30.0, 70), (12.0, 1), (29.97, 12), (23.976, 12), (24000 / 1001, 12)])
def test_every_picture_is_decoded_at_its_time(tmp_path, rate, frames):
    write_film(tmp_path / "a.mp4", make_film(frames, size=(512, 64) if frames > 12 else (96, 64)), rate, 23)
    with open_source(str(tmp_path / "a.mp4")) as source:
        shown = list(source)
        assert source.info.frames == frames and not source.notes and source.corrupt == 0
        assert float(source.info.average_rate) == pytest.approx(rate, rel=1e-6)
    np.testing.assert_allclose([frame.time for frame in shown], np.arange(frames) / rate, rtol=0, atol=2e-6)
    assert shown[0].pts == 0
    for index, frame in enumerate(shown):
        bar = np.flatnonzero(frame.picture.y[4:12].mean(axis=0) > 128)
        assert abs(bar.mean() - (4 * index + 3.5)) < 1


def test_colors_are_bt709_and_tagged_as_such(tmp_path):
    write_film(tmp_path / "a.mp4", make_film(2), 30, 10)
    with open_source(str(tmp_path / "a.mp4")) as source:
        picture, tags = next(iter(source)).picture, source.info.color
    assert (tags.primaries, tags.transfer, tags.matrix, tags.full_range) == (1, 1, 1, False)
    assert picture.matrix == "bt709" and not picture.full_range
    for band, yuv in enumerate(COLORS.values()):
        np.testing.assert_allclose(mean_yuv(picture, 24 * band + 4, 24 * band + 20), yuv, atol=3)


def test_the_index_stands_before_the_pictures(tmp_path):
    write_film(tmp_path / "a.mp4", make_film(), 30, 23)
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_a_lower_rate_factor_makes_a_larger_file(tmp_path):
    rng = np.random.default_rng(0)
    noise = np.stack(
        [cv2.GaussianBlur(rng.integers(0, 255, (64, 96, 3)).astype(np.uint8), (0, 0), 1) for _ in range(10)]
    )
    film = Film(noise, make_film().truth)
    for crf in (15, 38):
        write_film(tmp_path / f"{crf}.mp4", film, 30, crf)
    assert (tmp_path / "15.mp4").stat().st_size > 3 * (tmp_path / "38.mp4").stat().st_size


def test_the_truth_lies_beside_the_video_and_fits(tmp_path):
    film = make_film()
    write_film_with_truth(tmp_path / "pair-0003.mp4", film, 30, 23, seed=3, split="pair")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pair-0003.masks.npz",
        "pair-0003.mp4",
        "pair-0003.truth.json",
    ]
    path = find_truth(tmp_path / "pair-0003.mp4")
    origin, truth = read_origin(path), read_truth(path)
    assert (origin.video, origin.seed, origin.split) == ("pair-0003.mp4", 3, "pair")
    assert np.array_equal(truth.masks, film.truth.masks) and np.array_equal(truth.actions, film.truth.actions)
    with open_source(str(tmp_path / "pair-0003.mp4")) as source:
        check_truth(truth, source.info)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_video_that_fails_leaves_nothing(tmp_path, monkeypatch, error):
    write_film_with_truth(tmp_path / "a.mp4", make_film(), 30, 23, seed=1, split="single")
    convert, calls = writing._to_yuv, []

    def fail(picture, index, rate):
        calls.append(index)
        if len(calls) == 5:
            raise error
        return convert(picture, index, rate)

    monkeypatch.setattr(writing, "_to_yuv", fail)
    with pytest.raises((KeyboardInterrupt, OutputError)) as caught:
        write_film_with_truth(tmp_path / "a.mp4", make_film(), 30, 23, seed=2, split="single")
    assert list(tmp_path.iterdir()) == []
    if isinstance(error, OSError):
        assert "No space left" in caught.value.why and caught.value.todo


def test_a_truth_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "camreel.annotations.files.save_masks", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OutputError, match="No space left"):
        write_film_with_truth(tmp_path / "a.mp4", make_film(), 30, 23, seed=1, split="single")
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*a\.mp4"):
        write_film(tmp_path / "file" / "a.mp4", make_film(), 30, 23)
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(OutputError, match=r"cannot (write|replace) .*a\.mp4"):
        write_film_with_truth(Path(tmp_path / "a.mp4"), make_film(), 30, 23, seed=1, split="single")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "file"]
