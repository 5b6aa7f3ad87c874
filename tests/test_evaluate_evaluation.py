"""The evaluation as a whole: an oracle gets full marks, thresholds never see the test videos, faults are reported."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from camreel.annotations import Truth
from camreel.config.schema import Config
from camreel.errors import ConfigError, InputError, ModelError
from camreel.evaluate.baselines import BASELINES
from camreel.evaluate.calibration import BOX_CANDIDATES
from camreel.evaluate.collector import EvaluatedNetwork, VideoResult
from camreel.evaluate.datasets import DataOptions, synthetic
from camreel.evaluate.datasets.eval_video import EvalVideo
from camreel.evaluate.evaluation import _network_thresholds, evaluate
from camreel.evaluate.localization_scores import class_targets
from camreel.evaluate.runner import EvalRunner
from camreel.evaluate.summary import summarize
from camreel.metrics.detection import find_spans
from camreel.reports.evaluation_report import _seed_ranges, render_text
from camreel.reports.pages import evaluation_page
from camreel.reports.plots import TILE_WIDTH
from camreel.structures import Action, Frame, Grid, Localization, Segment
from camreel.synthetic import SPLITS, Film, film
from camreel.synthetic.write import write_film, write_film_with_truth
from tests.evaluating import FRAMES, SIZE, UNTRAINED, box_scores, frame_scores, shrink, untrained
from tests.make import MILLI, picture


@pytest.fixture
def small_world(monkeypatch):
    """Small short films of two splits."""
    shrink(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder as `camreel figures` writes it."""
    place = tmp_path_factory.mktemp("videos")
    made = film(3, split="pair", size=SIZE, frames=FRAMES, rate=30.0)
    write_film_with_truth(place / "pair-0003.mp4", made, 30.0, 23, seed=3, split="pair")
    return place


class Oracle:
    """Stands for `localize`, and predicts the truth."""

    def __init__(self, films: dict[str, Film]) -> None:
        self.films = films

    def __call__(self, uri, config, recognizer):
        told = self.films[Path(uri).name].truth
        still = picture(told.width, told.height)
        grid = Grid((0.0, 0.0), (1.0, 1.0))
        true = (told.actions[:, :, None] == np.arange(len(told.classes))).any(axis=1)
        for i, time in enumerate(told.times.tolist()):
            here = {target.class_id: target.mask.astype(np.float32) for target in class_targets(told, i)}
            actions = []
            for c, label in enumerate(told.classes):
                y, x = np.argwhere(here[c])[0] if c in here else (0, 0)
                peak = (float(x), float(y)) if c in here else None
                score = 0.9 if true[i, c] else 0.01
                actions.append(Action(c, label, score, 10 * score, here.get(c), 1.0, grid, peak, ()))
            ended = self._segments(told, true) if i + 1 == len(told.times) else ()
            yield Localization(Frame(i, i, time, MILLI, still), tuple(actions), ended)

    def _segments(self, told, true):
        return tuple(
            Segment(c, told.classes[c], *span, 0.9)
            for c in range(true.shape[1])
            for span in find_spans(told.times, true[:, c])
        )


def test_an_oracle_gets_full_marks(tmp_path, monkeypatch):
    made = {f"pair-{seed}.mp4": film(seed, split="pair", size=(160, 96), frames=75, rate=30.0) for seed in (1, 2)}
    for name, each in made.items():
        write_film(tmp_path / name, each, 30.0, 23)
    monkeypatch.setattr("camreel.evaluate.collector.localize", Oracle(made))
    videos = [
        EvalVideo(name, "pair", i, 2.5, partial(lambda n, _: (tmp_path / n, made[n].truth), name))
        for i, name in enumerate(made)
    ]
    seen = EvalRunner(None, 5.0).run(
        videos, {"model": EvaluatedNetwork(untrained(), UNTRAINED)}, {"model": (0.5,), "centre point": (0.5,)}
    )
    found = summarize(seen["model"], 0.5)
    perfect = ("map", "frame_f1", "temporal_map", "temporal_iou", "pointing", "pointing_15px", "pointing_two_actors")
    assert {name: found[name] for name in perfect} == pytest.approx(dict.fromkeys(perfect, 1.0))
    assert found["energy"] == pytest.approx(1, abs=1e-3)
    assert found["false_signal"] == 0 or np.isnan(found["false_signal"])
    assert found["lag"] == 0 or np.isnan(found["lag"])
    assert 0 < found["area_share"] < 0.5
    blind = summarize(seen["centre point"], 0.5)
    assert blind["pointing"] < 0.5
    assert "top1" not in blind


@pytest.fixture(scope="module")
def outcome():
    """The report of two videos of two splits, and the progress that was reported."""
    heard = []
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        return evaluate(UNTRAINED, DataOptions(videos=2), on_progress=heard.append), heard


def test_an_evaluation_from_end_to_end(outcome):
    report, heard = outcome
    assert list(report.splits) == ["single", "pair"]
    assert set(report.baselines) == set(BASELINES)
    assert report.seeds["test"] == {"single": [7001, 7002], "pair": [7001, 7002]}
    assert report.seeds["validation"] == {"pair": [5001, 5002]}
    assert report.thresholds["model"].box in BOX_CANDIDATES
    assert report.thresholds["model"].box_origin == report.thresholds["model"].score_origin == "validation"
    assert "no baseline with random weights" in report.notes[0]
    assert set(report.baselines["centre point"]["pair"]) == {"pointing", "pointing_15px", "pointing_two_actors"}
    assert "pointing_two_actors" not in report.splits["single"]
    assert heard[-1].time == pytest.approx(heard[-1].duration, rel=0.05)
    assert [progress.time for progress in heard] == sorted(progress.time for progress in heard)


def test_the_metrics_as_json_and_text(outcome):
    report, _ = outcome
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert {"model", "data", "seeds", "thresholds", "splits", "baselines"} <= set(plain)
    assert plain["splits"]["pair"]["pointing"] == pytest.approx(report.splits["pair"]["pointing"], abs=1e-5)
    text = render_text(report)
    assert max(map(len, text.splitlines())) <= 120
    assert "validation seeds: 5001 to 5002 (pair)" in text
    assert re.search(r"^pointing +\d\.\d{3} +\d\.\d{3}$", text, re.M)
    assert "  motion peak" in text


def test_seven_splits_fit_into_120_columns(outcome):
    report, _ = outcome
    wide = dataclasses.replace(report, splits={split: report.splits["pair"] for split in SPLITS})
    lines = render_text(wide).splitlines()
    assert max(len(line) for line in lines if not line.startswith(("note", "test"))) <= 120


@pytest.mark.parametrize(
    ("given", "stored", "expected"),
    [(None, 0.37, (0.5, 0.37, "calibrated")), (0.21, 0.37, (0.5, 0.21, "given")), (0.21, None, (0.4, 0.21, "given"))],
)
def test_a_calibrated_network_keeps_its_thresholds_and_a_given_one_wins(given, stored, expected):
    network = untrained()
    network.threshold = stored
    config = Config.model_validate(UNTRAINED.model_dump() | {"localize": {"threshold": given}})
    video = frame_scores([[1]] * 40 + [[0]] * 60, [[0.41]] * 40 + [[0.39]] * 60)
    thresholds = _network_thresholds(
        EvaluatedNetwork(network, config), [VideoResult("a", "pair", box_scores([[0.5] * len(BOX_CANDIDATES)]), video)]
    )
    assert (thresholds.score, thresholds.box, thresholds.box_origin) == expected


def test_the_page_needs_nothing_else_and_shows_best_and_worst(outcome):
    report, _ = outcome
    assert [(e.split, e.rank) for e in report.examples] == [
        (s, r) for s in ("single", "pair") for r in ("best", "worst")
    ]
    html = evaluation_page(report, ["camreel", "evaluate", "--model", "<odd>"], "1.2.3")
    assert "&lt;odd&gt;" in html and "<odd>" not in html
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "http" not in html and "<script" not in html and "url(" not in html
    assert html.count("data:image/jpeg;base64,") == html.count("<svg") == 4
    assert "prefers-color-scheme: dark" in html and "camreel 1.2.3" in html
    strip = cv2.imdecode(np.frombuffer(report.examples[0].strip, np.uint8), cv2.IMREAD_COLOR)
    assert strip.shape[1] > 3 * TILE_WIDTH


def test_equal_seeds_of_several_splits_are_combined():
    seeds = {"single": [1, 2, 3], "pair": [1, 2, 3], "crowd": [7], "look": [1, 5]}
    assert _seed_ranges(seeds) == "1 to 3 (single, pair); 7 (crowd); 1, 5 (look)"


def test_a_network_that_does_not_know_the_classes_is_named(folder, small_world):
    config = UNTRAINED.with_model("tests.evaluating:untrained_stranger")
    with pytest.raises(ModelError, match="does not know the classes wave both hands, jumping jack, jump and 10 more"):
        evaluate(config, DataOptions(folder=folder, videos=1))


@pytest.mark.parametrize("key", ["classes", "start", "end"])
def test_parts_cannot_be_evaluated(folder, small_world, key):
    change = {"localize": {"classes": ["clap"]}} if key == "classes" else {key: 0.5}
    with pytest.raises(ConfigError, match="whole videos"):
        evaluate(Config.model_validate(UNTRAINED.model_dump() | change), DataOptions(folder=folder, videos=1))


def test_nothing_is_tested_on_seeds_that_thresholds_are_chosen_on(small_world):
    with pytest.raises(ConfigError, match="5001 to 6000"):
        evaluate(UNTRAINED, DataOptions(seed=5000, videos=2))


def test_an_unknown_data_set_is_refused(folder):
    with pytest.raises(ConfigError, match="did you mean 'figures'"):
        evaluate(UNTRAINED, DataOptions("figure", folder))


def test_a_folder_without_truth_or_video_is_refused(tmp_path, folder):
    with pytest.raises(InputError, match="no folder"):
        synthetic.test(DataOptions(folder=tmp_path / "none"))
    with pytest.raises(InputError, match="has no truths"):
        synthetic.test(DataOptions(folder=tmp_path))
    (tmp_path / "pair-0003.truth.json").write_bytes((folder / "pair-0003.truth.json").read_bytes())
    with pytest.raises(InputError, match="has no video"):
        synthetic.test(DataOptions(folder=tmp_path))


@pytest.mark.parametrize("fault", ["frames", "size", "times"])
def test_the_truth_of_another_video_is_refused(folder, fault):
    told = film(3, split="pair", size=SIZE, frames=FRAMES, rate=30.0).truth
    if fault == "frames":
        told = Truth(told.classes, *SIZE, told.times[:-5], told.actions[:-5], told.boxes[:-5], told.masks[:-5])
    elif fault == "size":
        told = film(3, split="pair", size=(64, 64), frames=FRAMES, rate=30.0).truth
    else:
        told = dataclasses.replace(told, times=told.times * 1.2)
    video = EvalVideo("pair", "pair", 3, 1.5, lambda _: (folder / "pair-0003.mp4", told))
    with pytest.raises(InputError, match="does not fit"):
        EvalRunner(None, 1.5).run([video], {"model": EvaluatedNetwork(untrained(), UNTRAINED)}, {"model": (0.5,)})
