"""Ground truth: consistent arrays, files that are read back as they were written, and errors of damaged files."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import orjson
import pytest
from camreel.annotations import (
    NO_ACTION,
    Origin,
    Truth,
    action_runs,
    check_truth,
    find_truth,
    read_origin,
    read_truth,
    truth_path,
    write_truth,
)
from camreel.errors import InputError, OutputError
from camreel.structures import VideoInfo

CLASSES = ("wave", "jump", "fall")
ORIGIN = Origin("clip.mp4", 7, "pair")


def truth(frames: int = 6, width: int = 20, height: int = 10) -> Truth:
    """Two actors: the first jumps in frames 1 to 3 and falls from 4 on, the second is not seen in frame 0."""
    actions = np.full((frames, 2), NO_ACTION, np.int16)
    actions[1:4, 0], actions[4:, 0] = 1, 2
    boxes = np.tile(np.array([[2, 1, 6, 9], [11, 3, 19, 8]], np.float32), (frames, 1, 1))
    boxes[0, 1] = np.nan
    masks = np.zeros((frames, height, width), np.uint8)
    masks[:, 1:9, 2:6] = 1
    masks[1:, 3:8, 11:19] = 2
    return Truth(CLASSES, width, height, np.arange(frames) / 30, actions, boxes, masks)


def info(**changes: object) -> VideoInfo:
    base = VideoInfo("clip.mp4", 20, 10, 0, Fraction(1, 30), Fraction(30), 6, 0.2)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A truth file with masks."""
    path = tmp_path / "clip.truth.json"
    write_truth(path, truth(), ORIGIN)
    return path


def edit(path: Path, **changes: object) -> None:
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | changes))


# -- as arrays


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("times", np.arange(5) / 30, "actions has the shape (6, 2), not (5, 2)"),
        ("times", np.zeros(6), "do not increase"),
        ("actions", np.zeros(6, np.int16), "actions has the shape (6,), not (6, 6)"),
        ("actions", np.full((6, 2), 3, np.int16), "none of the 3 classes"),
        ("actions", np.full((6, 2), -2, np.int16), "none of the 3 classes"),
        ("boxes", np.zeros((6, 2, 2), np.float32), "boxes has the shape"),
        ("boxes", np.full((6, 2, 4), 3, np.float32), "is no box in a picture of 20x10"),
        ("boxes", np.full((6, 2, 4), (0, 0, 21, 5), np.float32), "is no box"),
        ("boxes", np.full((6, 2, 4), (0, 0, 5, np.nan), np.float32), "is no box"),
        ("masks", np.zeros((6, 20, 10), np.uint8), "masks has the shape (6, 20, 10), not (6, 10, 20)"),
        ("masks", np.full((6, 10, 20), 3, np.uint8), "name actor 2, but there are 2"),
    ],
)
def test_inconsistent_arrays_are_refused(name, value, why):
    with pytest.raises(ValueError) as caught:
        dataclasses.replace(truth(), **{name: value})
    assert why in str(caught.value)


def test_runs_are_half_open_and_leave_out_no_action():
    assert list(action_runs(np.array([-1, 1, 1, 0, -1, -1, 2], np.int16))) == [(1, 1, 3), (0, 3, 4), (2, 6, 7)]
    assert list(action_runs(np.array([2, 2], np.int16))) == [(2, 0, 2)]
    assert list(action_runs(np.array([-1, -1], np.int16))) == list(action_runs(np.array([], np.int16))) == []


def test_a_truth_fits_its_video():
    check_truth(truth(), info())
    check_truth(truth(), info(frames=None))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"width": 10, "height": 20}, "the video is 10x20, the truth is of 20x10"),
        ({"frames": 7}, "the video has 7 frames, the truth 6"),
    ],
)
def test_a_truth_of_another_video_is_refused(changes, why):
    with pytest.raises(InputError) as caught:
        check_truth(truth(), info(**changes))
    assert caught.value.why == why and "clip.mp4" in caught.value.what and caught.value.todo


# -- on disk


def test_a_truth_is_read_back_as_it_was_written(path):
    back, wrote = read_truth(path), truth()
    for name in ("times", "actions", "boxes", "masks"):
        np.testing.assert_allclose(getattr(back, name), getattr(wrote, name), rtol=0, atol=1e-6)
        assert getattr(back, name).dtype == getattr(wrote, name).dtype
    assert (back.width, back.height) == (20, 10)
    assert back.classes == CLASSES
    assert read_origin(path) == ORIGIN
    assert sorted(p.name for p in path.parent.iterdir()) == ["clip.masks.npz", "clip.truth.json"]


def test_the_json_is_readable(path):
    record = orjson.loads(path.read_bytes())
    assert record["schema"] == "camreel.truth/1" and record["video"] == "clip.mp4" and record["frames"] == 6
    first, second = record["actors"]
    assert first["actions"] == [
        {"class_id": 1, "label": "jump", "start_frame": 1, "end_frame": 4},
        {"class_id": 2, "label": "fall", "start_frame": 4, "end_frame": 6},
    ]
    assert second["actions"] == [] and second["boxes"][:2] == [None, [11.0, 3.0, 19.0, 8.0]]
    assert len(path.read_text().splitlines()) == len(record) + 2


def test_boxes_are_rounded_to_a_tenth_of_a_pixel(tmp_path):
    boxes = truth().boxes.copy()
    boxes[1, 0] = (2.04, 1.26, 6.11, 8.96)
    write_truth(tmp_path / "a.truth.json", dataclasses.replace(truth(), boxes=boxes), ORIGIN)
    assert b"[2.0,1.3,6.1,9.0]" in (tmp_path / "a.truth.json").read_bytes()


def test_masks_may_be_left_out(path, tmp_path):
    assert read_truth(path, masks=False).masks is None
    write_truth(tmp_path / "b.truth.json", dataclasses.replace(truth(), masks=None), ORIGIN)
    assert read_truth(tmp_path / "b.truth.json").masks is None
    assert not (tmp_path / "b.masks.npz").exists()


@pytest.mark.parametrize("width", [8, 13, 16])
def test_masks_of_any_width_come_back(width, tmp_path):
    masks = np.random.default_rng(0).integers(0, 3, (4, 6, width)).astype(np.uint8)
    boxes, actions = np.full((4, 2, 4), np.nan, np.float32), np.full((4, 2), NO_ACTION, np.int16)
    write_truth(tmp_path / "c.truth.json", Truth(CLASSES, width, 6, np.arange(4.0), actions, boxes, masks), ORIGIN)
    assert np.array_equal(read_truth(tmp_path / "c.truth.json").masks, masks)


def test_a_truth_may_have_no_actors(tmp_path):
    nobody = Truth(CLASSES, 8, 6, np.arange(2.0), np.zeros((2, 0), np.int16), np.zeros((2, 0, 4), np.float32))
    write_truth(tmp_path / "d.truth.json", nobody, ORIGIN)
    assert read_truth(tmp_path / "d.truth.json").boxes.shape == (2, 0, 4)


def test_the_truth_is_found_beside_its_video(path):
    video = path.with_name("clip.mp4")
    assert find_truth(video) == truth_path(video) == path
    with pytest.raises(InputError, match=r"other\.mp4 has no truth"):
        find_truth(path.with_name("other.mp4"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"schema": "camreel.truth/2"}, "this version reads camreel.truth/1"),
        ({"times": [0.0, 1.0]}, "there are 2 times for 6 frames"),
        ({"times": [0.0] * 6}, "the times do not increase"),
        ({"width": 12}, "is no box in a picture of 12x10"),
        ({"actors": [{"boxes": [None], "actions": []}]}, "actor 0 has 1 boxes for 6 frames"),
        ({"classes": ["wave", "fall", "jump"]}, "does 'jump', which is not class 1"),
        ({"classes": ["wave"]}, "does 'jump', which is not class 1"),
        ({"masks": "../clip.masks.npz"}, "masks: "),
        ({"surprise": 1}, "surprise: "),
        ({"seed": None}, "seed: "),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(path, changes, why):
    edit(path, **changes)
    with pytest.raises(InputError) as caught:
        read_truth(path)
    assert why in caught.value.why and str(path) in caught.value.what and "camreel figures" in caught.value.todo


@pytest.mark.parametrize("span", [(4, 4), (5, 3), (2, 7)])
def test_actions_lie_within_the_video(path, span):
    actors = orjson.loads(path.read_bytes())["actors"]
    actors[1]["actions"] = [{"class_id": 0, "label": "wave", "start_frame": span[0], "end_frame": span[1]}]
    edit(path, actors=actors)
    with pytest.raises(InputError, match=f"actor 1 does something from frame {span[0]} to {span[1]} of 6"):
        read_truth(path)


@pytest.mark.parametrize("text", [b"", b'{"schema": "camreel.tr', b"\xff\xfe", b"[1, 2]"])
def test_a_damaged_file_is_refused(path, text):
    path.write_bytes(text)
    with pytest.raises(InputError, match=r"clip\.truth\.json is (damaged|no valid truth)"):
        read_truth(path)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_truth(tmp_path / "none.truth.json")


def test_missing_masks_are_an_error_only_if_they_are_wanted(path):
    path.with_name("clip.masks.npz").unlink()
    assert read_truth(path, masks=False).masks is None
    with pytest.raises(InputError, match=r"cannot read the masks .*clip\.masks\.npz"):
        read_truth(path)


@pytest.mark.parametrize("keep", [0, 3, 100, -30])
def test_damaged_masks_are_refused(path, keep):
    masks = path.with_name("clip.masks.npz")
    masks.write_bytes(masks.read_bytes()[:keep])
    with pytest.raises(InputError, match="cannot be used"):
        read_truth(path)


def test_masks_of_another_video_are_refused(path, tmp_path):
    write_truth(tmp_path / "long.truth.json", truth(frames=8), ORIGIN)
    (tmp_path / "long.masks.npz").replace(path.with_name("clip.masks.npz"))
    with pytest.raises(InputError, match=r"not 2 actors in 6 frames of 20x10"):
        read_truth(path)


def test_masks_are_never_unpickled(path):
    np.savez(path.with_name("clip.masks.npz"), actors=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="cannot be used"):
        read_truth(path)


def test_the_folder_of_a_truth_is_created(tmp_path):
    write_truth(tmp_path / "new" / "a.truth.json", truth(), ORIGIN)
    assert read_truth(tmp_path / "new" / "a.truth.json").masks is not None


def test_an_unwritable_file_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*a\.masks\.npz"):
        write_truth(tmp_path / "file" / "a.truth.json", truth(), ORIGIN)
    (tmp_path / "a.truth.json").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_truth(tmp_path / "a.truth.json", truth(), ORIGIN)
    assert not list(tmp_path.glob("*.partial.*"))
