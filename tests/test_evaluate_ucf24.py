"""Real footage with a tube for every actor: read as it was published, asked for by other names, no threshold chosen on it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from camreel.annotations import NO_ACTION
from camreel.cli.app import main
from camreel.config.schema import Config
from camreel.errors import ConfigError, InputError, ModelError
from camreel.evaluate import evaluate, page, render
from camreel.evaluate.collector import Network
from camreel.evaluate.datasets import DATA, ucf24
from camreel.stages.localize import BOX_THRESHOLDS
from camreel.synthetic import film
from camreel.synthetic.write import write_film
from torchvision.models.video import MC3_18_Weights

from tests.make import TinyRecognizer

FRAMES, WIDTH, HEIGHT = 12, 90, 60
UCF24 = [
    "Basketball", "BasketballDunk", "Biking", "CliffDiving", "CricketBowling", "Diving",
    "Fencing", "FloorGymnastics", "GolfSwing", "HorseRiding", "IceDancing", "LongJump",
    "PoleVault", "RopeClimbing", "SalsaSpin", "SkateBoarding", "Skiing", "Skijet",
    "SoccerJuggling", "Surfing", "TennisSwing", "TrampolineJumping", "VolleyballSpiking", "WalkingWithDog",
]  # fmt: skip


def knows(*classes: str) -> TinyRecognizer:
    network = TinyRecognizer(count=len(classes))
    network.classes = classes
    network.weights = "made up"
    return network


def seer() -> TinyRecognizer:
    return knows("nothing of it", "riding a bike", "soccer_juggling")


SEER = Config.model_validate({"model": {"name": "tests.test_evaluate_ucf24:seer", "precision": "float32"}})


def tube(label: str, start: int, end: int, box=(10.5, 20.0, 30.0, 20.0)) -> dict:
    return {"label": label, "start_frame": start, "end_frame_exclusive": end, "boxes_xywh": [box] * (end - start)}


def write(path: Path, *tubes: dict, frames: int = FRAMES) -> None:
    path.write_text(json.dumps({"video": "x", "label": "x", "num_frames": frames, "box_format": "xywh", "tubes": tubes}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two juggle, of whom one is at the edge and comes later; one rides a bike for a while."""
    made = film(1, split="single", size=(WIDTH, HEIGHT), frames=FRAMES, rate=25.0)
    write_film(tmp_path / "ball.mp4", made, 25.0, 23)
    (tmp_path / "bike.avi").write_bytes((tmp_path / "ball.mp4").read_bytes())
    late = tube("SoccerJuggling", 4, FRAMES, (70.0, -5.0, 30.0, 25.0))
    write(tmp_path / "ball.boxes.json", tube("SoccerJuggling", 0, FRAMES), late)
    write(tmp_path / "bike.boxes.json", tube("Biking", 3, 8))
    return tmp_path


def test_every_video_knows_the_classes_of_all_and_its_tubes(folder, tmp_path):
    ball, bike = ucf24.test(folder, 12, 0)
    assert (ball.name, bike.name) == ("ball", "bike") and ball.timed and ball.dense
    assert ball.seconds == pytest.approx(FRAMES / 25)
    video, truth = ball.load(tmp_path)
    assert video.name == "ball.mp4" and truth.classes == ("Biking", "SoccerJuggling") and truth.masks is None
    assert truth.actions.T.tolist() == [[1] * FRAMES, [NO_ACTION] * 4 + [1] * 8]
    assert truth.boxes[5].tolist() == [[10.5, 20, 40.5, 40], [70, 0, 90, 20]]
    video, truth = bike.load(tmp_path)
    assert video.name == "bike.avi"
    assert np.flatnonzero(truth.actions[:, 0] == 0).tolist() == [3, 4, 5, 6, 7]
    assert np.isnan(truth.boxes[2]).all()
    np.testing.assert_allclose(truth.times, np.arange(FRAMES) / 25)


def test_every_class_is_known_to_networks_of_kinetics():
    network = Network(knows(*MC3_18_Weights.DEFAULT.meta["categories"]), Config())
    columns = network.columns(UCF24, ucf24.KINETICS)
    assert len(set(columns)) == len(UCF24) == 24
    named = dict(zip(UCF24, (network.recognizer.classes[c] for c in columns), strict=True))
    assert (named["SoccerJuggling"], named["SkateBoarding"]) == ("juggling soccer ball", "skateboarding")
    assert named["Basketball"] == "shooting basketball"
    assert set(ucf24.KINETICS) < set(UCF24)
    everywhere = {name for names in ucf24.KINETICS.values() for name in names}
    assert everywhere <= set(network.recognizer.classes)


@pytest.mark.parametrize("name", ["SoccerJuggling", "soccer juggling", "soccer_juggling", "SOCCER  JUGGLING"])
def test_spelling_does_not_matter_and_a_name_of_its_own_wins(name):
    network = Network(knows("juggling soccer ball", name), Config())
    assert network.columns(["SoccerJuggling"], ucf24.KINETICS) == [1]
    assert network.columns(["soccer_juggling"], {}) == [1]


def test_the_first_known_alias_counts_and_others_are_named():
    network = Network(knows("playing basketball", "shooting basketball"), Config())
    assert network.columns(["Basketball"], ucf24.KINETICS) == [1]
    assert Network(knows("playing basketball"), Config()).columns(["Basketball"], ucf24.KINETICS) == [0]
    with pytest.raises(ModelError, match="does not know the classes Biking"):
        network.columns(["Basketball", "Biking"], ucf24.KINETICS)


def test_an_evaluation_says_what_where_and_when_and_chooses_nothing(folder):
    report = evaluate(SEER, data="ucf24", folder=folder)
    found = report.splits["ucf24"]
    assert {"frame_f1", "temporal_iou", "pointing", "pxap", "iou", "frame_map_50", "video_map_20", "warping"} <= set(found)
    assert not {"pointing_5pct", "bystander_error"} & set(found)
    # 900 + 400 of 5400 pixels on 8 of 12 frames, 600 on the rest; 600 on all of the other.
    painted = [30 * 20 + 20 * 20, 30 * 20]
    area = np.mean([(4 * painted[1] + 8 * painted[0]) / FRAMES, painted[1]]) / (WIDTH * HEIGHT)
    assert found["area_share"] == pytest.approx(area, rel=1e-5)
    cut = report.cuts["model"]
    assert (cut.score, cut.score_origin) == (SEER.link.enter, "default")
    assert (cut.box, cut.box_origin) == (BOX_THRESHOLDS["extent"], "default")
    thresholds = report.to_dict()["thresholds"]
    assert thresholds["motion peak"] == {"box": 0.5, "box_origin": "default"}
    assert "frame_map_50" not in report.baselines["motion peak"]["ucf24"]
    assert "(default)" in render(report)
    shown = page(report, ["camreel"], "1")
    assert shown.count("<img") == 2 and shown.count("<svg") == 2


def test_the_command_takes_the_folder(folder, capsys):
    words = ["--model", "tests.test_evaluate_ucf24:seer", "--precision", "float32"]
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--data", "ucf24", str(folder), *words, "--quiet"])
    assert not end.value.code
    assert "video_map_50" in capsys.readouterr().out


def test_without_a_folder_it_says_what_is_wanted(tmp_path):
    with pytest.raises(ConfigError, match="needs a folder"):
        DATA["ucf24"].test(None, 12, 7001)
    with pytest.raises(InputError, match="there is no folder"):
        DATA["ucf24"].test(tmp_path / "none", 12, 7001)
    with pytest.raises(InputError, match="has no boxes"):
        DATA["ucf24"].test(tmp_path, 12, 7001)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no video", "there is no .*ball.mp4"),
        ("no JSON", "ball.boxes.json is damaged"),
        ("other JSON", "not the expected form\ntubes"),
        ("boxes are missing", "there are 3 boxes for 12 frames"),
        ("beyond the end", "a tube ends before frame 13, but there are 12 frames"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_at_once(folder, fault, said):
    path = folder / "ball.boxes.json"
    if fault == "no video":
        (folder / "ball.mp4").unlink()
    elif fault == "no JSON":
        path.write_text("{")
    elif fault == "other JSON":
        path.write_text('{"num_frames": 12}')
    elif fault == "boxes are missing":
        write(path, tube("Biking", 0, FRAMES) | {"boxes_xywh": [(1, 1, 5, 5)] * 3})
    else:
        write(path, tube("Biking", 0, FRAMES + 1))
    with pytest.raises(InputError, match=said):
        ucf24.test(folder, 12, 0)


def test_boxes_of_another_video_are_refused(folder, tmp_path):
    write(folder / "ball.boxes.json", tube("Biking", 0, 20), frames=20)
    with pytest.raises(InputError, match="the video has 12 frames, the boxes are for 20"):
        ucf24.test(folder, 12, 0)[0].load(tmp_path)


@pytest.mark.footage
def test_the_real_annotations_are_read(shared: Path, tmp_path: Path):
    cases = {case.name: case for case in ucf24.test(shared / "footage" / "actions", 12, 0)}
    assert len(cases) == 7
    _, fencers = cases["v_Fencing_g01_c06"].load(tmp_path)
    assert fencers.actions.shape == (174, 2) and (fencers.width, fencers.height) == (340, 256)
    assert fencers.boxes[0, 0] == pytest.approx([12.75, 69.33, 153, 230.4], abs=0.01)
    _, diver = cases["v_CliffDiving_g03_c01"].load(tmp_path)
    assert np.flatnonzero(diver.actions[:, 0] != NO_ACTION)[[0, -1]].tolist() == [23, 77]
