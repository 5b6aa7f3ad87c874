"""The evaluation as a whole: an oracle gets full marks, thresholds never see the test, faults are told."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from camreel.annotations import Truth
from camreel.cli.app import main
from camreel.config.schema import Config
from camreel.errors import ConfigError, InputError, ModelError
from camreel.evaluate import calibrate, calibrate_scores, evaluate, fold_calibration, page, render
from camreel.evaluate.baselines import BASELINES, centre_gaussian, centre_point, motion_peak, own_motion, random_map
from camreel.evaluate.collector import Network, Observation, Scores
from camreel.evaluate.datasets import figures as data
from camreel.evaluate.eval_video import Case
from camreel.evaluate.localization_scores import Places, Spot, Tally, targets
from camreel.evaluate.run import _cut
from camreel.evaluate.runner import Survey
from camreel.evaluate.summary import summarize
from camreel.evaluate.thresholds import BOX_CANDIDATES, SCORE_CANDIDATES, choose_box, choose_score
from camreel.metrics.frames import false_signal, macro_f1
from camreel.models import checkpoint
from camreel.models.loading import load
from camreel.reports import examples, table
from camreel.stages.localize import find_boxes
from camreel.structures import Action, Frame, Grid, Localization, Picture, Segment
from camreel.synthetic import ACTIONS, SPLITS, Film, film
from camreel.synthetic.write import write_film, write_film_with_truth

from tests.make import MILLI, TinyRecognizer, activation, frames, picture, textured

SIZE = (96, 64)
FRAMES = 30


def seer() -> TinyRecognizer:
    """A network with the classes of the action world that knows nothing of it."""
    network = TinyRecognizer(count=len(ACTIONS), frame_rate=12.0, multilabel=True)
    network.classes = ACTIONS
    network.weights = "made up"
    return network


def stranger() -> TinyRecognizer:
    network = seer()
    network.classes = ("wave one hand", "Clap", *(f"class {i}" for i in range(13)))
    return network


PLAIN = Config.model_validate({"model": {"precision": "float32"}})
SEER = Config.model_validate({"model": {"name": "tests.test_evaluate:seer", "precision": "float32"}})


@pytest.fixture
def small_world(monkeypatch):
    """Small short films of two splits."""
    shrink(monkeypatch)


def shrink(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(data, "SIZE", SIZE)
    patch.setattr(data, "SECONDS", FRAMES / data.RATE)
    patch.setattr(data, "SPLITS", ("single", "pair"))
    patch.setattr(data, "VALIDATION_SPLITS", ("pair",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What `camreel figures` writes."""
    place = tmp_path_factory.mktemp("videos")
    made = film(3, split="pair", size=SIZE, frames=FRAMES, rate=30.0)
    write_film_with_truth(place / "pair-0003.mp4", made, 30.0, 23, seed=3, split="pair")
    return place


def truth(actions, boxes=None, masks=None, size=(100, 40)) -> Truth:
    """Two classes on as many frames as there are actions [T, P], 10 per second."""
    actions = np.array(actions, np.int16)
    count, people = actions.shape
    if boxes is None:
        boxes = np.full((count, people, 4), np.nan, np.float32)
    return Truth(("walk", "clap"), *size, np.arange(count) / 10, actions, np.array(boxes, np.float32), masks)


@pytest.fixture
def duel() -> Truth:
    """On the first frame somebody on the left walks and somebody on the right claps, on the second both clap."""
    masks = np.zeros((2, 40, 100), np.uint8)
    masks[:, 10:30, 10:20], masks[:, 5:15, 80:90] = 1, 2
    boxes = [[[10, 10, 20, 30], [80, 5, 90, 15]]] * 2
    return truth([[0, 1], [1, 1]], boxes, masks)


def test_targets_are_classes_with_all_who_perform_them(duel):
    walk, clap = targets(duel, 0)
    assert (walk.class_id, clap.class_id) == (0, 1)
    assert walk.duel and clap.duel
    assert walk.mask.sum() == 200 and clap.mask[5, 80] and not clap.mask[10, 10]
    (both,) = targets(duel, 1)
    assert both.mask.sum() == 300
    assert both.boxes.tolist() == [[10, 10, 20, 30], [80, 5, 90, 15]]
    assert not both.duel


def test_who_is_not_seen_is_no_target(duel):
    hidden = duel.masks.copy()
    hidden[hidden == 2] = 0
    (walk,) = targets(dataclasses.replace(duel, masks=hidden), 0)
    assert walk.class_id == 0


def test_without_masks_boxes_are_taken_for_them(duel):
    boxes = duel.boxes.copy()
    boxes[1, 0] = np.nan
    boxes[0, 1] = (80.4, 4.6, 90.4, 15.4)
    plain = dataclasses.replace(duel, masks=None, boxes=boxes)
    walk, clap = targets(plain, 0)
    assert np.array_equal(walk.mask, duel.masks[0] == 1) and np.array_equal(clap.mask, duel.masks[0] == 2)
    (alone,) = targets(plain, 1)
    assert np.array_equal(alone.mask, duel.masks[1] == 2) and alone.boxes.tolist() == [[80, 5, 90, 15]]
    assert targets(dataclasses.replace(plain, boxes=np.full_like(boxes, np.nan)), 0) == []
    # Half of the box is empty: the mask says so.
    assert targets(dataclasses.replace(duel, masks=duel.masks * (np.arange(100) < 85)), 0)[1].mask.sum() == 50


def test_a_tally_is_class_conditional_and_keeps_no_maps(duel):
    tally = Tally((0.5,), 0.0)
    left = np.zeros((20, 50), np.float32)
    left[5:15, 5:10] = 1
    for target in targets(duel, 0):
        tally.add(target, Spot(left, (14.0, 20.0)))
    tally.add(targets(duel, 1)[0], Spot(None, None))
    places = tally.places()
    assert places.distance.tolist() == [0, np.inf, np.inf]
    assert places.energy.tolist() == [1, 0, 0]
    assert places.area == pytest.approx([0.05, 0.025, 0.075])
    assert places.ious.tolist() == [[1], [0], [0]]
    assert places.duel.tolist() == [True, True, False]
    assert places.frames.tolist() == [0, 0, 1]


def test_boxes_of_a_tally_are_the_products():
    saliency = cv2.GaussianBlur(np.random.default_rng(0).random((27, 48)).astype(np.float32), (0, 0), 2)
    saliency = (saliency - saliency.min()) / np.ptp(saliency)
    shown = activation(frames([0.0], width=101, height=57)[0], saliency[None], [0.0])
    found = find_boxes(saliency, shown.grid, (101, 57), 0.7, 0.001, 1.0)
    mine = Tally((), 0.001)._boxes(saliency, (101, 57), 0.7)
    assert len(found) > 1
    assert mine == pytest.approx(np.array([box.xyxy for box in found], np.float32))


def shown(what: Picture, index: int = 0) -> Frame:
    return Frame(index, index, index / 25, MILLI, what)


def test_baselines_look_where_they_say():
    luma = np.full((60, 107), 90)
    luma[40:50, 70:80] = 200
    still, moved = shown(picture(107, 60, 90)), shown(picture(107, 60, luma))
    assert centre_point(0)(still).peak == (53, 29.5)
    gaussian = centre_gaussian(0)(still)
    assert gaussian.saliency.shape == (60, 107)
    assert gaussian.peak == pytest.approx((53, 29.5), abs=1)
    look = motion_peak(0)
    assert look(still) == Spot(None, None)
    assert look(moved).peak == pytest.approx((74.5, 44.5), abs=1.5)
    assert look(moved) == Spot(None, None)
    noise, again = random_map(5), random_map(5)
    first = noise(still)
    assert first.peak == again(still).peak
    assert not np.array_equal(first.saliency, noise(still).saliency)


def test_motion_without_the_camera_is_of_who_moves():
    """The camera pans over a texture; a square walks the other way."""
    looks = {"all": motion_peak(0), "own": own_motion(0)}
    for step in range(8):
        luma = textured(160, 90, shift=3 * step).y.copy()
        luma[50:70, 100 - 3 * step : 120 - 3 * step] = 255
        spots = {name: look(shown(picture(160, 90, luma), step)) for name, look in looks.items()}
    x, y = spots["own"].peak
    assert 45 <= y <= 75 and 70 <= x <= 110
    shares = {name: spot.saliency[33:47, 48:72].sum() / spot.saliency.sum() for name, spot in spots.items()}
    assert shares["own"] > 2 * shares["all"]
    assert own_motion(0)(shown(picture(160, 90))) == Spot(None, None)


def test_a_centred_figure_is_found_by_the_centre_and_not_by_a_corner(duel):
    tally = Tally((0.5,), 0.0)
    masks = np.zeros((2, 40, 100), np.uint8)
    masks[:, 15:25, 45:55] = 1
    centred = truth([[0], [0]], masks=masks)
    tally.add(targets(centred, 0)[0], centre_gaussian(0)(shown(picture(100, 40))))
    assert tally.places().distance[0] == 0
    assert tally.places().energy[0] > centred.masks[0].mean() * 2


class Oracle:
    """Stands for the product: says what the truth says."""

    def __init__(self, films: dict[str, Film]) -> None:
        self.films = films

    def __call__(self, uri, config, recognizer):
        told = self.films[Path(uri).name].truth
        still = picture(told.width, told.height)
        grid = Grid((0.0, 0.0), (1.0, 1.0))
        true = (told.actions[:, :, None] == np.arange(len(told.classes))).any(axis=1)
        for i, time in enumerate(told.times.tolist()):
            here = {target.class_id: target.mask.astype(np.float32) for target in targets(told, i)}
            actions = []
            for c, label in enumerate(told.classes):
                y, x = np.argwhere(here[c])[0] if c in here else (0, 0)
                peak = (float(x), float(y)) if c in here else None
                score = 0.9 if true[i, c] else 0.01
                actions.append(Action(c, label, score, 10 * score, here.get(c), 1.0, grid, peak, ()))
            ended = self._segments(told, true) if i + 1 == len(told.times) else ()
            yield Localization(Frame(i, i, time, MILLI, still), tuple(actions), ended)

    def _segments(self, told, true):
        from camreel.metrics.segments import spans

        return tuple(
            Segment(c, told.classes[c], *span, 0.9) for c in range(true.shape[1]) for span in spans(told.times, true[:, c])
        )


def test_an_oracle_gets_full_marks(tmp_path, monkeypatch):
    made = {f"pair-{seed}.mp4": film(seed, split="pair", size=(160, 96), frames=75, rate=30.0) for seed in (1, 2)}
    for name, each in made.items():
        write_film(tmp_path / name, each, 30.0, 23)
    monkeypatch.setattr("camreel.evaluate.collector.localize", Oracle(made))
    cases = [Case(name, "pair", i, 2.5, partial(lambda n, _: (tmp_path / n, made[n].truth), name)) for i, name in enumerate(made)]
    seen = Survey(None, 5.0).run(cases, {"model": Network(seer(), SEER)}, {"model": (0.5,), "centre point": (0.5,)})
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


def scores(true, values) -> Scores:
    true, values = np.array(true, bool), np.array(values, np.float32)
    return Scores(np.arange(len(true)) / 10, true, np.log(values / (1 - values)), values, ())


def test_segments_say_which_frames_are_reported():
    segment = Segment(1, "b", 0.1, 0.3, 0.9)
    video = dataclasses.replace(scores([[0, 0]] * 4, [[0.5, 0.5]] * 4), segments=(segment,))
    assert video.reported.tolist() == [[False, False], [False, True], [False, True], [False, False]]


def test_the_score_threshold_is_the_best_that_keeps_false_signals_rare():
    true = [[1]] * 40 + [[0]] * 60
    quiet = scores(true, [[0.6]] * 40 + [[0.3]] * 60)
    chosen = choose_score([quiet])
    assert 0.3 < chosen <= 0.6
    # Best F1 would be at .5, but 2 of 100 frames then signal nothing.
    loud = scores(true, [[0.6]] * 20 + [[0.8]] * 20 + [[0.3]] * 30 + [[0.7]] * 2 + [[0.3]] * 28)
    assert 0.7 < choose_score([loud]) <= 0.8
    hopeless = scores([[0]] * 10, [[0.995]] * 10)
    assert choose_score([hopeless]) == SCORE_CANDIDATES[-1]


def places(ious) -> Places:
    ious = np.array(ious, np.float32)
    none = np.zeros(len(ious), np.float32)
    return Places(none.astype(np.int64), none, none, none, ious, none > 0, none, none, 0.0, 0.0, 0.0)


def test_the_box_threshold_is_best_over_videos_and_not_over_frames():
    many, few = places([[0.8, 0.0]] * 9), places([[0.0, 0.8]])
    other = places([[0.4, 0.8]])
    assert choose_box([many, few, other], (0.2, 0.6)) == 0.6
    assert choose_box([places(np.empty((0, 3)))], (0.1, 0.2, 0.3)) == 0.2


def test_calibrated_scores_are_best_cut_at_a_half():
    rng = np.random.default_rng(0)
    true = rng.random((4000, 3)) < 0.2
    true[2000:] = False
    raw = np.where(true, 2.0, -1.0) * [1, 3, 1] + [4, -2, 0] + rng.normal(0, 1, true.shape)
    video = Scores(np.arange(4000) / 30, true, raw.astype(np.float32), np.zeros(true.shape, np.float32), ())
    scale, bias = calibrate_scores([video])
    found = [raw * scale + bias >= 0]
    assert false_signal(found, [video.idle]) <= 0.015
    assert macro_f1(found, [true]) > 0.8 > macro_f1([raw >= 0], [true])
    assert len(set(scale.tolist())) == 1 and scale[0] > 0


def test_a_class_that_never_occurs_is_cut_like_the_others():
    true = np.zeros((100, 2), bool)
    true[:50, 0] = True
    raw = np.where(true, 3.0, -1.0).astype(np.float32)
    scale, bias = calibrate_scores([Scores(np.arange(100) / 30, true, raw, raw, ())])
    assert bias[0] == pytest.approx(-scale[0]) == pytest.approx(bias[1])


def test_a_folded_calibration_moves_the_logits_and_keeps_maps_complete():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(6, 4, 5, generator=generator)
    tensors = {"classifier.weight": torch.randn(3, 6, generator=generator), "classifier.bias": torch.ones(3), "stem": torch.ones(1)}
    scale, bias = np.array([0.5, 1, 2], np.float32), np.array([1, 0, -3], np.float32)
    folded = fold_calibration(tensors, scale, bias)
    logits = [t["classifier.weight"] @ features.mean((1, 2)) + t["classifier.bias"] for t in (tensors, folded)]
    assert torch.allclose(logits[1], logits[0] * torch.tensor(scale) + torch.tensor(bias), atol=1e-6)
    maps = torch.einsum("ck,khw->chw", folded["classifier.weight"], features)
    assert torch.allclose(maps.mean((1, 2)) + folded["classifier.bias"], logits[1], atol=1e-6)
    assert torch.equal(tensors["classifier.bias"], torch.ones(3))
    assert folded["stem"] is tensors["stem"]


def test_a_checkpoint_is_calibrated_in_its_place(small_world, tmp_path):
    path, network = tmp_path / "network.safetensors", load("figures", "random", seed=1)
    tensors = network.net.state_dict()
    checkpoint.save(path, tensors, network.metadata.model_copy(update={"classes": ACTIONS}))
    found = calibrate(path, videos=1, config=PLAIN)
    after, metadata, _ = checkpoint.read(path)
    assert metadata.threshold == found.threshold in BOX_CANDIDATES
    scale, bias = torch.tensor(found.scale), torch.tensor(found.bias)
    assert torch.allclose(after["classifier.weight"], tensors["classifier.weight"] * scale[:, None])
    assert torch.allclose(after["classifier.bias"], tensors["classifier.bias"] * scale + bias)
    assert torch.equal(after["last.0.weight"], tensors["last.0.weight"])
    assert found.metrics.get("false_signal", 0) <= 0.015 and found.metrics["frame_f1"] > 0
    assert metadata.metrics["validation"] == found.metrics and "max_box_acc_v2" in found.metrics
    assert "frame_map_50" not in found.metrics


def test_a_checkpoint_of_other_classes_is_left_as_it_is(small_world, tmp_path):
    path, network = tmp_path / "network.safetensors", load("figures", "random", seed=1)
    checkpoint.save(path, network.net.state_dict(), network.metadata)
    before = path.read_bytes()
    with pytest.raises(ModelError, match="does not know the classes"):
        calibrate(path, videos=1, config=PLAIN)
    assert path.read_bytes() == before


@pytest.fixture(scope="module")
def outcome():
    """The report of two videos of two splits, and the progress that was told."""
    heard = []
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        return evaluate(SEER, videos=2, on_progress=heard.append), heard


def test_an_evaluation_from_end_to_end(outcome):
    report, heard = outcome
    assert list(report.splits) == ["single", "pair"]
    assert set(report.baselines) == set(BASELINES)
    assert report.seeds["test"] == {"single": [7001, 7002], "pair": [7001, 7002]}
    assert report.seeds["validation"] == {"pair": [5001, 5002]}
    assert report.cuts["model"].box in BOX_CANDIDATES
    assert report.cuts["model"].box_origin == report.cuts["model"].score_origin == "validation"
    assert "no baseline with random weights" in report.notes[0]
    assert set(report.baselines["centre point"]["pair"]) == {"pointing", "pointing_15px", "pointing_two_actors"}
    assert "pointing_two_actors" not in report.splits["single"]
    assert heard[-1].time == pytest.approx(heard[-1].duration, rel=0.05)
    assert [progress.time for progress in heard] == sorted(progress.time for progress in heard)


def test_the_figures_as_json_and_text(outcome):
    report, _ = outcome
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert {"model", "data", "seeds", "thresholds", "splits", "baselines"} <= set(plain)
    assert plain["splits"]["pair"]["pointing"] == pytest.approx(report.splits["pair"]["pointing"], abs=1e-5)
    text = render(report)
    assert max(map(len, text.splitlines())) <= 120
    assert "validation seeds: 5001 to 5002 (pair)" in text
    assert re.search(r"^pointing +\d\.\d{3} +\d\.\d{3}$", text, re.M)
    assert "  motion peak" in text


def test_seven_splits_fit_into_120_columns(outcome):
    report, _ = outcome
    wide = dataclasses.replace(report, splits={split: report.splits["pair"] for split in SPLITS})
    lines = render(wide).splitlines()
    assert max(len(line) for line in lines if not line.startswith(("note", "test"))) <= 120


@pytest.mark.parametrize(
    ("given", "stored", "expected"),
    [(None, 0.37, (0.5, 0.37, "calibrated")), (0.21, 0.37, (0.5, 0.21, "given")), (0.21, None, (0.4, 0.21, "given"))],
)
def test_a_calibrated_network_keeps_its_thresholds_and_a_given_one_wins(given, stored, expected):
    network = seer()
    network.threshold = stored
    config = Config.model_validate(SEER.model_dump() | {"localize": {"threshold": given}})
    video = scores([[1]] * 40 + [[0]] * 60, [[0.41]] * 40 + [[0.39]] * 60)
    cut = _cut(Network(network, config), [Observation("a", "pair", places([[0.5] * len(BOX_CANDIDATES)]), video)])
    assert (cut.score, cut.box, cut.box_origin) == expected


def test_the_page_needs_nothing_else_and_shows_best_and_worst(outcome):
    report, _ = outcome
    assert [(e.split, e.rank) for e in report.exhibits] == [(s, r) for s in ("single", "pair") for r in ("best", "worst")]
    html = page(report, ["camreel", "evaluate", "--model", "<odd>"], "1.2.3")
    assert "&lt;odd&gt;" in html and "<odd>" not in html
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "http" not in html and "<script" not in html and "url(" not in html
    assert html.count("data:image/jpeg;base64,") == html.count("<svg") == 4
    assert "prefers-color-scheme: dark" in html and "camreel 1.2.3" in html
    strip = cv2.imdecode(np.frombuffer(report.exhibits[0].strip, np.uint8), cv2.IMREAD_COLOR)
    assert strip.shape[1] > 3 * examples.WIDTH


def test_the_drawn_frame_shows_the_truth_in_green_where_it_is():
    box = [[[20, 40, 100, 120]]]
    told = truth([[0]], box, np.zeros((1, 160, 320), np.uint8), size=(320, 160))
    said = Localization(frames([0.0], width=320, height=160)[0], ())
    tile = examples.draw(told, [0, 1], said)
    assert tile.shape == (160, 320, 3)
    green = (tile == examples.GREEN).all(axis=2)
    rows, columns = np.nonzero(green)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (20, 40, 99, 119)


def test_the_map_of_a_class_is_drawn_whatever_the_network_calls_it():
    told = truth([[0]], [[[20, 40, 100, 120]]], np.zeros((1, 160, 320), np.uint8), size=(320, 160))
    grid = Grid((9.5, 9.5), (20.0, 20.0))
    acts = [Action(c, "strolling", 0.9, 2.0, np.ones((8, 16), np.float32), 1.0, grid, None, ()) for c in (4, 7)]
    frame = frames([0.0], width=320, height=160)[0]
    blank = examples.draw(told, [7, 2], Localization(frame, ()))
    assert np.array_equal(examples.draw(told, [7, 2], Localization(frame, (acts[0],))), blank)
    assert not np.array_equal(examples.draw(told, [7, 2], Localization(frame, (acts[1],))), blank)


def test_seeds_of_several_splits_are_told_at_once():
    seeds = {"single": [1, 2, 3], "pair": [1, 2, 3], "crowd": [7], "look": [1, 5]}
    assert table._seeds(seeds) == "1 to 3 (single, pair); 7 (crowd); 1, 5 (look)"


def test_a_network_that_does_not_know_the_classes_is_named(folder, small_world):
    config = SEER.with_model("tests.test_evaluate:stranger")
    with pytest.raises(ModelError, match="does not know the classes wave both hands, jumping jack, jump and 10 more"):
        evaluate(config, folder=folder, videos=1)


@pytest.mark.parametrize("key", ["classes", "start", "end"])
def test_parts_cannot_be_evaluated(folder, small_world, key):
    change = {"localize": {"classes": ["clap"]}} if key == "classes" else {key: 0.5}
    with pytest.raises(ConfigError, match="whole videos"):
        evaluate(Config.model_validate(SEER.model_dump() | change), folder=folder, videos=1)


def test_nothing_is_tested_on_seeds_that_thresholds_are_chosen_on(small_world):
    with pytest.raises(ConfigError, match="5001 to 6000"):
        evaluate(SEER, seed=5000, videos=2)


def test_a_data_set_that_is_not_there(folder):
    with pytest.raises(ConfigError, match="did you mean 'figures'"):
        evaluate(SEER, data="figure", folder=folder)


def test_a_folder_without_truth_or_video(tmp_path, folder):
    with pytest.raises(InputError, match="no folder"):
        data.test(tmp_path / "none", 1, 1)
    with pytest.raises(InputError, match="has no truths"):
        data.test(tmp_path, 1, 1)
    (tmp_path / "pair-0003.truth.json").write_bytes((folder / "pair-0003.truth.json").read_bytes())
    with pytest.raises(InputError, match="has no video"):
        data.test(tmp_path, 1, 1)


@pytest.mark.parametrize("fault", ["frames", "size", "times"])
def test_a_truth_that_is_not_of_its_video(folder, fault):
    told = film(3, split="pair", size=SIZE, frames=FRAMES, rate=30.0).truth
    if fault == "frames":
        told = Truth(told.classes, *SIZE, told.times[:-5], told.actions[:-5], told.boxes[:-5], told.masks[:-5])
    elif fault == "size":
        told = film(3, split="pair", size=(64, 64), frames=FRAMES, rate=30.0).truth
    else:
        told = dataclasses.replace(told, times=told.times * 1.2)
    case = Case("pair", "pair", 3, 1.5, lambda _: (folder / "pair-0003.mp4", told))
    with pytest.raises(InputError, match="does not fit"):
        Survey(None, 1.5).run([case], {"model": Network(seer(), SEER)}, {"model": (0.5,)})


def run(capsys, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(words)
    said = capsys.readouterr()
    return int(caught.value.code or 0), said.out, said.err


FACTORY = ("--model", "tests.test_evaluate:seer", "--precision", "float32", "--videos", "1")


def test_the_command_writes_a_page_and_json(folder, small_world, tmp_path, capsys):
    html, figures = tmp_path / "report.html", tmp_path / "figures.json"
    code, out, err = run(capsys, "evaluate", str(folder), *FACTORY, "-o", str(html), "--json", str(figures))
    assert code == 0, err
    assert "pointing_two_actors" in out
    assert "pair-0003" in html.read_text()
    assert json.loads(figures.read_text())["splits"]["pair"]["pointing"] >= 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "report.html"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--data", "figurs"), 2, "did you mean 'figures'"),
        (("-o", "report.pdf"), 2, "write -o report.html"),
        (("-o", "a.html", "--json", "a.html"), 2, "different names"),
        (("-o", "none/report.html"), 5, "cannot write none/report.html"),
        (("--json", "."), 5, "it is a folder"),
        (("none",), 4, "no folder none"),
        (("--seed", "5001"), 2, "must not be tested on"),
    ],
)
def test_the_command_refuses_at_once(words, code, text, small_world, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found, _, err = run(capsys, "evaluate", *FACTORY, *words)
    assert found == code
    assert text in err
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_nothing(folder, small_world, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("camreel.evaluate.collector.localize", interrupted)
    code, out, err = run(capsys, "evaluate", str(folder), *FACTORY, "-o", str(tmp_path / "r.html"))
    assert code == 130
    assert "nothing is written" in err and not out
    assert not list(tmp_path.iterdir())
