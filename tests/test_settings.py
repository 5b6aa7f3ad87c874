from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from camreel.config.schema import Config
from camreel.errors import ConfigError
from camreel.run_plan import TILE_SAMPLES, find_classes, make_plan
from camreel.structures import VideoInfo

from tests.make import TinyRecognizer

INFO = VideoInfo("clip.mp4", 640, 360, 0, Fraction(1, 1000), Fraction(30), None, None)


def settled(recognizer=None, info=INFO, **sections):
    sections.setdefault("model", {}).setdefault("precision", "float32")
    return make_plan(info, recognizer or TinyRecognizer(), Config.model_validate(sections))


def without_margin(**changes):
    recognizer = TinyRecognizer(**changes)
    recognizer.geometry = dataclasses.replace(recognizer.geometry, margin=0)
    return recognizer


def test_scores_and_maps_come_from_the_trained_size_of_the_short_side():
    settings = settled()
    assert [(i.width, i.height) for i in settings.inputs] == [(43, 24)]
    assert settings.cells == (6, 11)


def test_a_map_size_gives_a_second_input_and_a_finer_grid():
    settings = settled(model={"map_size": 48})
    assert [i.height for i in settings.inputs] == [24, 48]
    assert settings.cells == (12, 22)
    assert settings.grid.jump[0] == pytest.approx(4 * 360 / 48)


def test_the_size_for_the_maps_may_be_relative_to_that_for_the_scores():
    assert [i.height for i in settled(model={"map_scale": 1.5}).inputs] == [24, 36]
    assert [i.height for i in settled(model={"map_scale": 1.5, "size": 32}).inputs] == [32, 48]
    assert [i.height for i in settled(model={"map_scale": 1.5, "map_size": 48}).inputs] == [24, 48]


def test_pixels_that_are_not_square_are_seen_in_their_true_shape():
    settings = settled(info=dataclasses.replace(INFO, width=480, pixel_aspect=Fraction(4, 3)))
    assert (settings.inputs[0].width, settings.inputs[0].height) == (43, 24)
    # The grid is in pixels of the picture as it is stored.
    assert settings.grid.jump[1] == pytest.approx(4 * 480 / 43)


def test_networks_with_a_margin_tile_and_others_overlap_by_half():
    tiled = settled()
    assert (tiled.clip_len, tiled.stride, tiled.margin) == (TILE_SAMPLES + 4, TILE_SAMPLES, 2)
    halved = settled(without_margin(clip_len=16))
    assert (halved.clip_len, halved.stride, halved.margin) == (16, 8, 0)


def test_strides_keep_to_the_networks_time_grid():
    recognizer = without_margin(clip_len=16)
    recognizer.geometry = dataclasses.replace(recognizer.geometry, jump=(8.0, 4.0, 4.0))
    assert settled(recognizer, model={"stride": 13}).stride == 8


@pytest.mark.parametrize(
    ("recognizer", "model", "said"),
    [
        (TinyRecognizer(), {"clip_len": 4}, "too short"),
        (without_margin(), {"stride": 9}, "leaves gaps"),
        (TinyRecognizer(fixed_size=True), {"map_size": 48}, "24 pixels only"),
        (TinyRecognizer(fixed_size=True), {"map_scale": 1.5}, "24 pixels only"),
    ],
)
def test_sizes_that_do_not_fit_the_network_are_refused_with_what_does(recognizer, model, said):
    with pytest.raises(ConfigError, match=said):
        settled(recognizer, model=model)


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


def test_a_checkpoints_threshold_holds_unless_one_is_asked_for():
    assert settled(TinyRecognizer(threshold=0.4)).threshold == 0.4
    assert settled(TinyRecognizer(threshold=0.4), localize={"threshold": 0.7}).threshold == 0.7
    assert settled().threshold == 0.7
    assert settled(TinyRecognizer(threshold=0.5), localize={"boxes": "evidence"}).threshold == 0.4


def test_the_method_is_the_cheap_exact_one_where_the_head_allows():
    class Deep(TinyRecognizer):
        linear = None

    assert settled().method == "cam" and settled().complete
    assert settled(Deep()).method == "gradcam" and not settled(Deep()).complete
    assert not settled(model={"method": "layercam"}).complete
    with pytest.raises(ConfigError, match="gradcam or hirescam"):
        settled(Deep(), model={"method": "cam"})
