"""Rendering of live pictures: age of the map, choices of the viewer, connections, several cameras."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from camreel.live.renderer import Renderer, blank_picture, side_by_side
from camreel.structures import DisplayOptions, Picture
from tests.make import picture, textured
from tests.test_live_motion_compensation import localization, moving


def luma_at(shown: Picture, x: int, y: int) -> int:
    return int(shown.y[y, x])


def test_a_frame_without_a_localization_is_shown():
    frame = moving(1)[0]
    shown = Renderer("heatmap", False).render(frame, DisplayOptions())
    assert shown.localization is None and shown.age is None
    assert (shown.picture.width, shown.picture.height) == (160, 120)


def test_the_newest_localization_is_on_the_newest_frame_with_its_age():
    frames = moving(10, pixels=0)
    renderer = Renderer("heatmap", False)
    renderer.render(frames[0], DisplayOptions())
    renderer.add(localization(frames[0], (60, 40, 100, 80)))
    for frame in frames[1:9]:
        renderer.render(frame, DisplayOptions())
    shown = renderer.render(frames[9], DisplayOptions())
    assert shown.age == pytest.approx(0.3)
    assert shown.frame is frames[9]
    assert shown.localization.frame is frames[0]
    plain = renderer.render(frames[9], DisplayOptions(opacity=0.0))
    assert np.abs(shown.picture.u.astype(int) - plain.picture.u).max() > 20, "there is heat"


@pytest.mark.parametrize("options", [DisplayOptions(class_id=5), DisplayOptions(least_score=0.95)])
def test_unselected_actions_are_not_drawn(options):
    frames = moving(2, pixels=0)
    renderer = Renderer("boxes", False)
    renderer.render(frames[0], DisplayOptions())
    renderer.add(localization(frames[0], (60, 40, 100, 80)))
    chosen, other = renderer.render(frames[1], DisplayOptions()), renderer.render(frames[1], options)
    assert luma_at(chosen.picture, 60, 60) != luma_at(other.picture, 60, 60)


def test_a_localization_of_another_connection_is_not_drawn():
    frames = moving(3, pixels=0)
    renderer = Renderer("boxes", False)
    renderer.add(localization(frames[0], (60, 40, 100, 80)))
    later = dataclasses.replace(frames[2], part=1, picture=textured(96, 64))
    shown = renderer.render(later, DisplayOptions())
    assert shown.age is None
    assert (shown.picture.width, shown.picture.height) == (96, 64)


def test_late_localizations_of_a_lost_connection_change_nothing():
    """They are known only when the next connection has begun."""
    frames = moving(3, pixels=0)
    renderer = Renderer("heatmap", False)
    renderer.render(frames[0], DisplayOptions())
    newer = [dataclasses.replace(frame, part=1) for frame in frames[1:]]
    renderer.render(newer[0], DisplayOptions())
    timeline, compensator = renderer._timeline, renderer._compensator
    renderer.add(localization(frames[0], (60, 40, 100, 80)))
    shown = renderer.render(newer[1], DisplayOptions())
    assert (renderer._timeline, renderer._compensator) == (timeline, compensator)
    assert shown.age is None


def test_pictures_of_several_cameras_are_side_by_side():
    large, small = picture(64, 48, 200), picture(32, 48, 90)
    shown = side_by_side([large, None, small])
    assert (shown.width, shown.height) == (128, 96)
    assert luma_at(shown, 32, 24) == 200
    assert luma_at(shown, 96, 24) == 16
    assert luma_at(shown, 32, 72) == 90
    assert luma_at(shown, 4, 72) == 16, "the aspect is kept"
    assert blank_picture(4, 2, dataclasses.replace(large, full_range=True)).y.max() == 0
