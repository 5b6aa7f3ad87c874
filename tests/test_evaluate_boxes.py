"""Clips with boxes on some frames: who acts, who stands by, who is ignored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from camreel.annotations import NO_ACTION, Truth
from camreel.cli.app import main
from camreel.config.schema import Config
from camreel.errors import ConfigError, InputError
from camreel.evaluate import evaluate
from camreel.evaluate.collector import Observation
from camreel.evaluate.datasets import boxes as data
from camreel.evaluate.eval_video import Marks
from camreel.evaluate.localization_scores import Spot, Tally, targets
from camreel.evaluate.summary import summarize
from camreel.synthetic import film
from camreel.synthetic.write import write_film

from tests.make import TinyRecognizer

FRAMES, WIDTH, HEIGHT = 12, 100, 60
EMPTY = np.empty((0, 4), np.float32)


def seer() -> TinyRecognizer:
    network = TinyRecognizer(count=2)
    network.classes = ("fight", "noFight")
    network.weights = "made up"
    return network


SEER = Config.model_validate({"model": {"name": "tests.test_evaluate_boxes:seer", "precision": "float32"}})


def annotated(i: int, box=(10, 10, 50, 40), **more) -> dict:
    return {"i": i, "t": i / 25, "fight_visible": box is not None, "box": box, "parts": [], "ignore": [], "bystanders": []} | more


def clip(*frames: dict, name: str = "one", **more) -> dict:
    return {"clip": name, "file": f"val/{name}.mp4", "label": "fight", "wh": [WIDTH, HEIGHT], "frames": list(frames)} | more


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips of which three and one frames are annotated."""
    (tmp_path / "val").mkdir()
    made = film(1, split="single", size=(WIDTH, HEIGHT), frames=FRAMES, rate=25.0)
    for name in ("one", "two"):
        write_film(tmp_path / "val" / f"{name}.mp4", made, 25.0, 23)
    parts = [[10, 10, 20, 40], [40, 10, 50, 40]]
    frames = [annotated(0, None), annotated(5, parts=parts, bystanders=[[60, 0, 90, 60]]), annotated(11, (-2, 0, 30, 60))]
    write(tmp_path, clip(*frames), clip(annotated(3), name="two"))
    return tmp_path


def write(folder: Path, *clips: dict) -> None:
    (folder / "val_boxes.json").write_text(json.dumps({"what": "", "format": {}, "clips": clips}))


def test_annotated_frames_are_the_truth_and_the_others_say_nothing(folder, tmp_path):
    one, two = data.test(folder, 12, 0)
    assert (one.name, two.name) == ("one", "two") and not one.timed and not one.dense
    video, truth = one.load(tmp_path)
    assert video == folder / "val" / "one.mp4" and truth.classes == ("fight",)
    assert np.flatnonzero(truth.actions[:, 0] == 0).tolist() == [5, 11]
    assert truth.boxes[[5, 11], 0].tolist() == [[10, 10, 50, 40], [0, 0, 30, 60]]
    assert sorted(one.marks) == [5, 11]
    assert one.marks[5].aim.tolist() == [[10, 10, 20, 40], [40, 10, 50, 40]]
    assert one.marks[11].aim.tolist() == [[0, 0, 30, 60]]
    assert one.marks[5].bystanders.tolist() == [[60, 0, 90, 60]] and one.marks[5].ignored.shape == (0, 4)
    assert data.validation(folder, 4) == []


def judged(peaks, marks) -> dict[str, float]:
    """The metrics of a video of 100x60 with a fight on every frame, by where its peaks are."""
    count = len(peaks)
    places = np.full((count, 1, 4), (10, 10, 50, 40), np.float32)
    truth = Truth(("fight",), WIDTH, HEIGHT, np.arange(count) / 25, np.zeros((count, 1), np.int16), places)
    tally = Tally((0.5,), 0.0)
    for frame, peak in enumerate(peaks):
        (target,) = targets(truth, frame, marks)
        tally.add(target, Spot(None, peak))
    return summarize([Observation("a", "boxes", tally.places(), None)], 0.5)


def test_peaks_are_judged_by_who_is_where():
    marks = Marks(
        aim=np.array([[10, 10, 20, 40], [40, 10, 50, 40]], np.float32),
        ignored=np.array([[60, 0, 80, 60]], np.float32),
        bystanders=np.array([[75, 0, 100, 60]], np.float32),
    )
    # A hit, one 3 pixels (5 % of 60) beside, one between the two parts, a bystander, ignored, ignored before a bystander, none.
    found = judged([(15, 20), (22, 20), (30, 20), (90, 20), (65, 20), (77, 20), None], marks)
    assert found["pointing_5pct"] == pytest.approx(2 / 6)
    assert found["bystander_error"] == pytest.approx(2 / 6)
    assert found["pointing"] == pytest.approx(3 / 7)


def test_what_is_not_marked_is_not_judged():
    assert not {"pointing_5pct", "bystander_error"} & set(judged([(15, 20)], None))
    all_ignored = Marks(EMPTY, np.array([[0, 0, 100, 60]], np.float32), EMPTY)
    assert "pointing_5pct" not in judged([(15, 20)], all_ignored)


def test_an_evaluation_from_end_to_end(folder):
    report = evaluate(SEER, data="boxes", folder=folder)
    found = report.splits["boxes"]
    assert {"pointing", "pointing_5pct", "bystander_error", "energy", "max_box_acc_v2", "iou", "pxap"} <= set(found)
    assert not {"frame_f1", "temporal_iou", "frame_map_20", "video_map_50", "flicker", "warping"} & set(found)
    areas = [(40 * 30 + 30 * 60) / 2, 40 * 30]
    assert found["area_share"] == pytest.approx(np.mean(areas) / (WIDTH * HEIGHT), rel=1e-5)
    assert set(report.to_dict()["videos"]) == {"one", "two"}
    # The centre (49.5, 29.5) is on a part on frame 5 of the first clip and not on its frame 11, and on who fights in the second.
    assert report.baselines["centre point"]["boxes"]["pointing_5pct"] == pytest.approx((1 / 2 + 1) / 2)
    assert report.baselines["centre point"]["boxes"]["bystander_error"] == 0
    assert len(report.exhibits) == 2


def test_the_command_takes_the_folder(folder, capsys):
    words = ["--model", "tests.test_evaluate_boxes:seer", "--precision", "float32"]
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--data", "boxes", str(folder), *words, "--quiet"])
    assert not end.value.code
    assert "bystander_error" in capsys.readouterr().out


def test_a_folder_without_one_list(folder, tmp_path):
    with pytest.raises(ConfigError, match="needs a folder"):
        data.test(None, 12, 0)
    with pytest.raises(InputError, match="there is no folder"):
        data.test(folder / "none", 12, 0)
    with pytest.raises(InputError, match="no file in it ends in _boxes.json"):
        data.test(folder / "val", 12, 0)
    (folder / "old_boxes.json").write_text("{}")
    with pytest.raises(InputError, match="old_boxes.json, val_boxes.json are too many"):
        data.test(folder, 12, 0)


@pytest.mark.parametrize(
    ("clips", "said"),
    [
        ([clip(annotated(0), name="gone")], "there is no .*gone.mp4"),
        ([clip(annotated(0), wh=[60, 100])], "the video is 100x60, the boxes are for 60x100"),
        ([clip(annotated(0, (50, 10, 10, 40)))], "is no box"),
        ([clip(annotated(0, (120, 10, 130, 40)))], "a box on frame 0 of one lies outside"),
        ([clip(annotated(0, None, fight_visible=True))], "frame 0 has no box"),
        ([clip({"i": 0})], "clips.0.frames.0.fight_visible: Field required"),
        ([[]], "not the expected form"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_at_once(folder, clips, said):
    write(folder, *clips)
    with pytest.raises(InputError, match=said):
        data.test(folder, 12, 0)


def test_a_damaged_list(folder):
    (folder / "val_boxes.json").write_text('{"clips": [')
    with pytest.raises(InputError, match="it is no JSON"):
        data.test(folder, 12, 0)


def test_boxes_beyond_the_end_of_a_video(folder, tmp_path):
    write(folder, clip(annotated(FRAMES)))
    with pytest.raises(InputError, match="it has 12 frames, and boxes on frame 12"):
        data.test(folder, 12, 0)[0].load(tmp_path)


@pytest.mark.footage
def test_the_real_annotations_are_read(shared: Path, tmp_path: Path):
    cases = {case.name: case for case in data.test(shared / "fight", 12, 0)}
    assert len(cases) == 16
    _, truth = cases["fi121"].load(tmp_path)
    assert np.flatnonzero(truth.actions[:, 0] != NO_ACTION).tolist() == [25, 49]
    assert len(cases["fi003"].marks[59].aim) == 2
