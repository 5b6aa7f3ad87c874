"""Faithfulness by hand on a network that uses known pixels only, on pictures that are not square."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from camreel.config.schema import Config
from camreel.evaluate.baselines import CHANCE
from camreel.evaluate.collector import EvaluatedNetwork
from camreel.evaluate.datasets.eval_video import EvalVideo
from camreel.evaluate.faithfulness import (
    STEPS,
    ClassClipSelector,
    PerturbationScores,
    PerturbationTest,
    SampleBudget,
    area_under,
    blur_pictures,
    freeze_stepwise,
    frozen_counts,
    rank_by_evidence,
    replace_stepwise,
)
from camreel.evaluate.runner import EvalRunner
from camreel.evaluate.summary import summarize
from camreel.interfaces import Features, Geometry, LinearHead
from camreel.run_plan import make_plan
from camreel.structures import F32, U8, Action, Frame, Grid, Localization, VideoInfo
from camreel.synthetic import ACTIONS, film
from camreel.synthetic.write import write_film
from tests.make import MILLI, TinyRecognizer, picture

SAMPLES, HEIGHT, WIDTH = 4, 24, 40
CELL = 4
"""Pixels to the side of a network's cell."""
PLAIN = Config.model_validate({"model": {"precision": "float32"}})
INFO = VideoInfo("a.mp4", WIDTH, HEIGHT, 0, MILLI, Fraction(15), None, None)


def place() -> F32:
    """Where the network looks [H, W]: six cells apart from each other, a tenth of the picture."""
    cells = np.zeros((HEIGHT // CELL, WIDTH // CELL), np.float32)
    for row in range(len(cells)):
        cells[row, (3 * row + 1) % 10] = 1
    return np.kron(cells, np.ones((CELL, CELL), np.float32))


def always() -> np.ndarray:
    return np.ones(SAMPLES, bool)


def once(sample: int) -> np.ndarray:
    return np.arange(SAMPLES) == sample


@dataclass(eq=False)
class Looker(TinyRecognizer):
    """A network whose logit is 8 times the mean brightness, from -1 to 1, of a tenth of the picture at some samples."""

    clip_len: int = SAMPLES
    count: int = 2
    multilabel: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.geometry = Geometry((0.0, 1.5, 1.5), (1.0, 4.0, 4.0))
        self.when = always()

    def features(self, clips: Tensor, keep: tuple[int, int] | None = None) -> Features:
        self.seen.append(tuple(clips.shape))
        where = torch.tensor(place())[::CELL, ::CELL]
        counted = torch.tensor(self.when, dtype=torch.float32)[:, None, None] * where
        return Features(
            functional.avg_pool3d(clips.mean(1, keepdim=True), (1, CELL, CELL)) * (counted / counted.mean())
        )

    def head(self, features: Features) -> Tensor:
        return features.maps.mean((2, 3, 4)) @ self.linear.weight.T

    @property
    def linear(self) -> LinearHead:
        return LinearHead(torch.tensor([[8.0], [-8.0]]), torch.zeros(2))

    def score(self, pictures: U8) -> float:
        brightness = (pictures[self.when][:, place() > 0] / 127.5 - 1).mean()
        return float(1 / (1 + math.exp(-8 * brightness)))


def lit(when: np.ndarray) -> U8:
    """Pictures [T, H, W, 3] that are bright where the network looks, at some samples, and dark elsewhere."""
    return np.repeat((255 * when[:, None, None] * place()).astype(np.uint8)[..., None], 3, axis=3)


def said(index: int, shown: U8, cells: F32 | None, logit: float = 0.0, samples: int = 1) -> Localization:
    """What is said of a frame: of class 0, with its evidence in logits."""
    frame = Frame(
        index, index, index / 15, MILLI, picture(WIDTH, HEIGHT), samples=samples, inputs=(shown,) if samples else ()
    )
    full = None if cells is None else np.asarray(cells / 4, np.float32)
    return Localization(frame, (Action(0, "a", 0.5, logit, full, 4.0, Grid((0, 0), (1, 1)), None, ()),))


def tried(
    network: TinyRecognizer, pictures: U8, maps: Sequence[F32 | None], seed: int = 0
) -> tuple[PerturbationScores, PerturbationScores]:
    test = PerturbationTest(make_plan(INFO, network, PLAIN), [0], seed)
    for i, (shown, cells) in enumerate(zip(pictures, maps, strict=True)):
        test.add(said(i, shown, cells))
    return test.finish(SampleBudget(), "split")


def test_cells_are_replaced_in_order_and_in_equal_steps():
    before, after = np.zeros((1, 5, 8, 3), np.uint8), np.full((1, 5, 8, 3), 9, np.uint8)
    order = np.random.default_rng(0).permutation(40)
    clips = list(replace_stepwise(before, after, order))
    assert len(clips) == STEPS - 1
    for done, clip in enumerate(clips, start=1):
        changed = np.flatnonzero(clip[..., 0].ravel())
        assert set(changed) == set(order[: 4 * done])
        assert (clip == clip[..., :1]).all()


def test_the_most_evidence_comes_first_and_equal_values_in_random_order():
    values = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 2.0]], np.float32)
    assert rank_by_evidence(values, np.array([5, 4, 3, 2, 1, 0])).tolist() == [5, 1, 3, 4, 2, 0]
    assert rank_by_evidence(values, np.array([0, 1, 2, 3, 4, 5])).tolist() == [1, 5, 3, 0, 2, 4]


def test_frozen_samples_are_copies_of_the_nearest_sample_that_is_left():
    pictures = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    clips = [clip.ravel().tolist() for clip in freeze_stepwise(pictures, np.array([2, 0, 4, 1, 3]))]
    assert clips == [[0, 1, 1, 3, 4], [1, 1, 1, 3, 4], [1, 1, 1, 3, 3], [3, 3, 3, 3, 3]]


def test_a_long_clip_is_frozen_in_about_ten_steps_and_one_sample_stays():
    assert frozen_counts(32).tolist() == [0, 3, 6, 9, 12, 16, 19, 22, 25, 28, 31]
    assert frozen_counts(2).tolist() == [0, 1]
    assert frozen_counts(1).tolist() == [0]


def test_the_area_is_that_of_trapezoids():
    assert area_under([1, 0, 0, 0, 0]) == pytest.approx(1 / 8)
    assert area_under([1, 1, 0], np.array([0, 3, 4])) == pytest.approx(7 / 8)


def test_a_blurred_picture_keeps_its_brightness_and_loses_its_contrast():
    pictures = np.zeros((2, HEIGHT, WIDTH, 3), np.uint8)
    pictures[0, 10:14, 18:22] = 255
    lit, dark = blur_pictures(pictures)
    assert lit.mean() == pytest.approx(pictures[0].mean(), abs=0.5) and lit.max() < 110
    assert not dark.any()


@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize("count", [5, 6, 13])
def test_a_clip_has_the_best_sample_in_its_middle_or_ends_with_the_video(length, count):
    for best in range(count):
        clips = ClassClipSelector([0], length)
        for i in range(count):
            clips.add(said(i, np.full((2, 3, 3), i, np.uint8), np.full((2, 3), i), float(i == best)))
        (found,) = clips.finish()
        first = min(max(best - length // 2, 0), count - length)
        assert [frame.index for frame in found.frames] == list(range(first, first + length))
        assert [cells.max() for cells in found.maps] == list(range(first, first + length))


def test_a_clip_has_the_inputs_of_the_network_and_no_large_pictures():
    clips = ClassClipSelector([0], 4)
    for i in range(9):
        clips.add(said(i, np.zeros((2, 3, 3), np.uint8), np.ones((2, 3)), float(i), samples=(2, 0, 1)[i % 3]))
    (found,) = clips.finish()
    assert [frame.index for frame in found.frames] == [5, 6, 6, 8]
    assert {frame.picture.y.size for frame in found.frames} == {4}


def test_every_reported_class_has_a_clip_of_its_own():
    clips = ClassClipSelector([3, 0, 7], 3)
    for i in range(9):
        frame = said(i, np.zeros((2, 3, 3), np.uint8), None).frame
        actions = [
            Action(c, "", 0.5, -abs(i - at), np.full((2, 3), c / 8, np.float32), 8.0, Grid((0, 0), (1, 1)), None, ())
            for c, at in ((0, 2), (3, 6), (5, 4))
        ]
        clips.add(Localization(frame, tuple(actions)))
    found = clips.finish()
    assert [(each.class_id, each.frames[1].index) for each in found] == [(3, 6), (0, 2)]
    assert {float(cells.max()) for cells in found[0].maps} == {3.0}


def test_a_map_of_the_pixels_that_the_network_uses():
    network, pictures = Looker(), lit(always())
    mine, _ = tried(network, pictures, [place()] * SAMPLES)
    # The first tenth of the cells is all that it looks at.
    whole, none = network.score(pictures), network.score(blur_pictures(pictures))
    assert whole > 0.99 and none < 0.1
    assert mine.deletion == pytest.approx([0.05 * whole + 0.95 * none])
    assert mine.insertion == pytest.approx([0.95 * whole + 0.05 * none])


def test_a_map_of_all_other_pixels():
    network, pictures = Looker(), lit(always())
    mine, _ = tried(network, pictures, [1 - place()] * SAMPLES)
    whole, none = network.score(pictures), network.score(blur_pictures(pictures))
    assert mine.deletion == pytest.approx([0.95 * whole + 0.05 * none])
    assert mine.insertion == pytest.approx([0.05 * whole + 0.95 * none])


def test_chance_is_between_a_right_map_and_a_wrong_one():
    network, pictures = Looker(), lit(always())
    right, wrong = (tried(network, pictures, [cells] * SAMPLES)[0] for cells in (place(), 1 - place()))
    chance = [tried(network, pictures, [place()] * SAMPLES, seed)[1] for seed in range(4)]
    assert right.deletion < np.mean([each.deletion for each in chance]) < wrong.deletion
    assert wrong.insertion < np.mean([each.insertion for each in chance]) < right.insertion
    assert all(each.deletion == each.insertion for each in chance)
    assert len({float(each.deletion[0]) for each in chance}) > 1
    assert chance[2].deletion == tried(network, pictures, [place()] * SAMPLES, 2)[1].deletion


@pytest.mark.parametrize(("evident", "steps"), [(2, 1), (1, 2), (0, 3)])
def test_where_one_sample_matters_the_score_falls_when_it_is_removed(evident, steps):
    """Sample 2 matters; the map has its most evidence there, before, or at the beginning, and less at each that
    follows."""
    network = Looker()
    network.when = once(2)
    pictures = lit(once(2))
    mine, _ = tried(network, pictures, [np.full((6, 10), value) for value in np.roll([4.0, 3.0, 2.0, 1.0], evident)])
    whole, gone = network.score(pictures), network.score(0 * pictures)
    assert mine.temporal_deletion == pytest.approx([area_under([whole] * steps + [gone] * (4 - steps))])


def test_without_evidence_the_order_is_random():
    network, pictures = Looker(), lit(always())
    for silent in ([None] * SAMPLES, [np.zeros((6, 10))] * SAMPLES):
        mine, chance = tried(network, pictures, silent)
        assert mine.deletion == chance.deletion
        assert mine.temporal_deletion == chance.temporal_deletion


def test_a_video_that_is_shorter_than_a_clip_is_not_tested():
    mine, chance = tried(Looker(), lit(always())[:3], [place()] * 3)
    assert mine.deletion.shape == chance.insertion.shape == mine.temporal_deletion.shape == (0,)


def test_an_image_network_has_no_temporal_deletion():
    network = Looker(clip_len=1)
    network.when = np.ones(1, bool)
    mine, chance = tried(network, lit(always())[:2], [place()] * 2)
    assert mine.deletion < chance.deletion
    assert np.isnan(mine.temporal_deletion).all() and np.isnan(chance.temporal_deletion).all()


def test_there_is_no_evidence_on_padding():
    network = TinyRecognizer(fixed_size=True, size=24, clip_len=8)
    test = PerturbationTest(make_plan(INFO, network, PLAIN), [0], 0)
    pixels = test._on_input(np.full((6, 10), 2, np.float32))
    assert pixels.shape == (24, 24)
    assert (pixels[5:19] == 2).all() and not pixels[:5].any() and not pixels[19:].any()


def test_the_budget_accepts_the_first_clips_of_every_split_and_a_quarter_of_the_samples_seen():
    budget = SampleBudget(seen=1000)
    assert [budget.accept("a", 100), budget.accept("a", 100), budget.accept("a", 50), budget.accept("a", 1)] == [
        True,
        True,
        True,
        False,
    ]
    assert [budget.accept("b", 125), budget.accept("b", 125), budget.accept("b", 1)] == [True, True, False]
    budget.seen = 4000
    assert budget.accept("a", 500) and not budget.accept("a", 1)


def test_the_budget_is_charged_what_the_network_sees():
    network, budget = Looker(), SampleBudget()
    test = PerturbationTest(make_plan(INFO, network, PLAIN), [0], 0)
    for i, shown in enumerate(lit(always())):
        test.add(said(i, shown, place()))
    network.seen.clear()
    test.finish(budget, "split")
    assert budget.spent == sum(shape[0] * shape[2] for shape in network.seen)


def test_the_runner_tests_only_its_first_network(tmp_path: Path):
    network = TinyRecognizer(count=len(ACTIONS), frame_rate=12.0, multilabel=True, weights="made up")
    network.classes = ACTIONS
    made = film(7, split="single", size=(96, 64), frames=30, rate=30.0)
    write_film(tmp_path / "a.mp4", made, 30.0, 23)
    videos = [
        EvalVideo(split, split, 1, 1.0, lambda _: (tmp_path / "a.mp4", made.truth)) for split in ("single", "pair")
    ]
    networks = {"model": EvaluatedNetwork(network, PLAIN), "other": EvaluatedNetwork(network, PLAIN)}
    thresholds = dict.fromkeys((*networks, CHANCE, "centre point"), (0.5,))
    seen = EvalRunner(None, 4.0).run(videos, networks, thresholds, perturb=True)
    names = {"deletion", "insertion", "temporal_deletion"}
    for name, told in (("model", True), (CHANCE, True), ("other", False), ("centre point", False)):
        figures = [summarize([video], 0.5) for video in seen[name]]
        assert [names <= set(found) for found in figures] == [told, told]
    assert all(0 <= summarize(seen["model"], 0.5)[name] <= 1 for name in names)
    assert all(
        video.perturbation is None for video in EvalRunner(None, 4.0).run(videos[:1], networks, thresholds)["model"]
    )
