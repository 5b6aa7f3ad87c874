"""The plan of a run: sizes, clips, classes, method and thresholds for one video and one network."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest

from camreel.config.schema import Config
from camreel.errors import ConfigError
from camreel.run_plan import TILE_SAMPLES, find_classes, make_plan
from camreel.stages.windows import Windowing
from camreel.structures import VideoInfo
from tests.make import TinyRecognizer

INFO = VideoInfo("clip.mp4", 640, 360, 0, Fraction(1, 1000), Fraction(30), None, None)


def plan_of(recognizer=None, info=INFO, **sections):
    sections.setdefault("model", {}).setdefault("precision", "float32")
    return make_plan(info, recognizer or TinyRecognizer(), Config.model_validate(sections))


def heights(plan):
    return [size.height for size in plan.sampling.sizes]


def without_margin(**changes):
    recognizer = TinyRecognizer(**changes)
    recognizer.geometry = dataclasses.replace(recognizer.geometry, margin=0)
    return recognizer


def test_scores_and_maps_come_from_the_trained_size_of_the_short_side():
    plan = plan_of()
    assert [(size.width, size.height) for size in plan.sampling.sizes] == [(43, 24)]
    assert plan.cells == (6, 11)


def test_a_map_size_gives_a_second_input_and_a_finer_grid():
    plan = plan_of(model={"map_size": 48})
    assert heights(plan) == [24, 48]
    assert plan.cells == (12, 22)
    assert plan.network.grid.jump[0] == pytest.approx(4 * 360 / 48)


def test_the_size_for_the_maps_may_be_relative_to_that_for_the_scores():
    assert heights(plan_of(model={"map_scale": 1.5})) == [24, 36]
    assert heights(plan_of(model={"map_scale": 1.5, "size": 32})) == [32, 48]
    assert heights(plan_of(model={"map_scale": 1.5, "map_size": 48})) == [24, 48]


def test_pixels_that_are_not_square_are_seen_in_their_true_shape():
    plan = plan_of(info=dataclasses.replace(INFO, width=480, pixel_aspect=Fraction(4, 3)))
    (size,) = plan.sampling.sizes
    assert (size.width, size.height) == (43, 24)
    # The grid is in pixels of the picture as it is stored.
    assert plan.network.grid.jump[1] == pytest.approx(4 * 480 / 43)


def test_networks_with_a_margin_tile_and_others_overlap_by_half():
    assert plan_of().windowing == Windowing(clip_len=TILE_SAMPLES + 4, stride=TILE_SAMPLES, margin=2)
    assert plan_of(without_margin(clip_len=16)).windowing == Windowing(clip_len=16, stride=8, margin=0)


def test_strides_are_multiples_of_the_temporal_stride_of_the_network():
    recognizer = without_margin(clip_len=16)
    recognizer.geometry = dataclasses.replace(recognizer.geometry, jump=(8.0, 4.0, 4.0))
    assert plan_of(recognizer, model={"stride": 13}).windowing.stride == 8


@pytest.mark.parametrize(
    ("recognizer", "model", "message"),
    [
        (TinyRecognizer(), {"clip_len": 4}, "too short"),
        (without_margin(), {"stride": 9}, "leaves gaps"),
        (TinyRecognizer(fixed_size=True), {"map_size": 48}, "24 pixels only"),
        (TinyRecognizer(fixed_size=True), {"map_scale": 1.5}, "24 pixels only"),
    ],
)
def test_sizes_that_do_not_fit_the_network_are_refused_with_those_that_fit(recognizer, model, message):
    with pytest.raises(ConfigError, match=message):
        plan_of(recognizer, model=model)


def test_classes_are_found_by_name_in_any_case_and_by_id():
    assert find_classes(("Black Swan", "0", "black swan"), ("goose", "black swan")) == (1, 0)


@pytest.mark.parametrize("word", ["blak swan", "2", "-1"])
def test_an_unknown_class_is_an_error_that_names_the_nearest(word):
    with pytest.raises(ConfigError) as caught:
        find_classes((word,), ("goose", "black swan"))
    assert caught.value.exit_code == 2
    assert "ids from 0 to 1" in caught.value.todo
    if word == "blak swan":
        assert "'black swan'" in caught.value.why


def test_the_threshold_of_a_checkpoint_is_the_default_for_extents():
    assert plan_of(TinyRecognizer(threshold=0.4)).box_rule.threshold == 0.4
    assert plan_of(TinyRecognizer(threshold=0.4), localize={"threshold": 0.7}).box_rule.threshold == 0.7
    assert plan_of().box_rule.threshold == 0.7
    assert plan_of(TinyRecognizer(threshold=0.5), localize={"boxes": "evidence"}).box_rule.threshold == 0.4


def test_the_default_method_is_the_exact_one_if_the_head_is_linear():
    class Deep(TinyRecognizer):
        linear = None

    linear, deep = plan_of(), plan_of(Deep())
    assert (linear.method, linear.network.complete) == ("cam", True)
    assert (deep.method, deep.network.complete) == ("gradcam", False)
    assert not plan_of(model={"method": "layercam"}).network.complete
    with pytest.raises(ConfigError, match="gradcam or hirescam"):
        plan_of(Deep(), model={"method": "cam"})
