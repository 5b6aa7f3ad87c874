"""Real footage with masks: read as it was published, split in halves, asked for one class only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from camreel.annotations import NO_ACTION
from camreel.cli.app import main
from camreel.config.schema import Config
from camreel.errors import ConfigError, InputError
from camreel.evaluate import evaluate, page, render
from camreel.evaluate.collector import Network, whole
from camreel.evaluate.datasets import DATA, davis
from camreel.evaluate.runner import Survey
from camreel.synthetic import film
from camreel.synthetic.write import write_film
from torchvision.models import MobileNet_V2_Weights

from tests.make import TinyRecognizer

NAMES = MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"]
TARGETS = {"alpha": 100, "beta": 354, "gamma": 805, "delta": 100}
FRAMES, WIDTH, HEIGHT = 12, 90, 60


def seer() -> TinyRecognizer:
    network = TinyRecognizer(count=len(NAMES))
    network.classes = tuple(NAMES)
    network.weights = "made up"
    return network


SEER = Config.model_validate({"model": {"name": "tests.test_evaluate_davis:seer", "precision": "float32"}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four clips; the object is a block in the middle, hidden on the first frame."""
    for name in TARGETS:
        made = film(1, split="single", size=(WIDTH, HEIGHT), frames=FRAMES, rate=24.0)
        write_film(tmp_path / f"{name}.mp4", made, 24.0, 23)
        masks = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
        masks[1:, 20:40, 31:61] = 1
        bits = np.packbits(np.pad(masks, ((0, 0), (0, 0), (0, 6))), axis=-1)
        np.savez(tmp_path / f"{name}.masks.npz", shape=[FRAMES, HEIGHT, WIDTH], bits=bits)
    listed = {name: {"target": target, "accept": [target], "names": ["x"]} for name, target in TARGETS.items()}
    (tmp_path / "classes.json").write_text(json.dumps({"about": "", "dev": listed}))
    return tmp_path


def test_the_halves_share_no_clip_and_are_all_of_them(folder):
    test, validation = davis.test(folder, 12, 0), davis.validation(folder, 4)
    assert [case.name for case in validation] == ["alpha", "delta"]
    assert [case.name for case in test] == ["beta", "gamma"]
    assert all(not case.timed and case.seed is None and case.seconds == pytest.approx(0.5) for case in test)


def test_a_clip_has_its_class_its_mask_and_a_box_around_it(folder, tmp_path):
    video, truth = davis.test(folder, 12, 0)[0].load(tmp_path)
    assert video.name == "beta.mp4" and truth.classes == ("Arabian camel",)
    assert truth.actions[:, 0].tolist() == [NO_ACTION] + [0] * (FRAMES - 1)
    assert np.isnan(truth.boxes[0]).all() and truth.boxes[5, 0].tolist() == [31, 20, 61, 40]
    assert truth.masks.shape == (FRAMES, HEIGHT, WIDTH) and truth.masks[5].sum() == 20 * 30
    np.testing.assert_allclose(truth.times, np.arange(FRAMES) / 24)


def test_only_the_class_of_the_clip_is_asked_for():
    config = whole(Config(), 1000, [354])
    assert config.localize.classes == ("354",) and config.localize.min_score == 0


def test_an_evaluation_says_where_and_nothing_of_when(folder):
    report = evaluate(SEER, data="davis", folder=folder)
    found = report.splits["davis"]
    assert {"pointing", "pointing_15px", "max_box_acc_v2", "energy", "flicker"} <= set(found)
    assert not {"top1", "frame_f1", "temporal_iou", "false_signal"} & set(found)
    assert 0 <= found["pointing"] <= 1 and found["area_share"] == pytest.approx(600 / WIDTH / HEIGHT)
    assert set(report.to_dict()["videos"]) == {"beta", "gamma"}
    assert np.mean([video["pointing"] for video in report.videos.values()]) == found["pointing"]
    assert report.baselines["centre point"]["davis"]["pointing"] == 1
    assert report.cuts["model"].box_origin == "validation" and report.cuts["model"].score_origin == "default"
    assert "davis" in render(report) and "seeds" not in render(report)
    shown = page(report, ["camreel"], "1")
    assert shown.count("<img") == 2 and "<svg" not in shown


def test_boxes_of_a_given_class_count_however_low_its_score(folder):
    cases = davis.validation(folder, 4)
    seen = Survey(None, 1.0).run(cases, {"model": Network(seer(), SEER)}, {"model": (0.5,)})["model"]
    for video in seen:
        assert video.scores is None
        assert 0 < video.detected.found.scores.max() < SEER.localize.min_score
        assert set(video.detected.found.labels.tolist()) == set(video.detected.true.labels.tolist()) == {"black swan"}
        assert video.detected.true.frames.tolist() == list(range(1, FRAMES))


def test_the_command_takes_the_folder(folder, capsys):
    words = ["--model", "tests.test_evaluate_davis:seer", "--precision", "float32"]
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--data", "davis", str(folder), *words, "--quiet"])
    assert not end.value.code
    assert "pointing" in capsys.readouterr().out


def test_without_a_folder_it_says_what_is_wanted():
    with pytest.raises(ConfigError, match="folder"):
        DATA["davis"].test(None, 12, 7001)


@pytest.mark.parametrize("fault", ["no list", "a list of something else", "no video", "no masks"])
def test_a_folder_that_is_not_complete(folder, fault):
    if fault == "no list":
        (folder / "classes.json").unlink()
    elif fault == "a list of something else":
        (folder / "classes.json").write_text('{"dev": [1, 2]}')
    else:
        (folder / ("beta.mp4" if fault == "no video" else "beta.masks.npz")).unlink()
    with pytest.raises(InputError):
        davis.test(folder, 12, 0)


@pytest.mark.parametrize("damage", ["not an archive", "other shape", "no bits"])
def test_masks_that_cannot_be_read(folder, tmp_path, damage):
    path = folder / "beta.masks.npz"
    if damage == "not an archive":
        path.write_bytes(b"nonsense")
    elif damage == "other shape":
        np.savez(path, shape=[3, HEIGHT, WIDTH], bits=np.zeros((2, HEIGHT, 12), np.uint8))
    else:
        np.savez(path, shape=[3, HEIGHT, WIDTH])
    with pytest.raises(InputError, match="beta"):
        davis.test(folder, 12, 0)[0].load(tmp_path)


def test_masks_of_another_video_are_refused(folder):
    np.savez(folder / "beta.masks.npz", shape=[5, HEIGHT, WIDTH], bits=np.full((5, HEIGHT, 12), 255, np.uint8))
    with pytest.raises(InputError, match="does not fit"):
        evaluate(SEER, data="davis", folder=folder)
