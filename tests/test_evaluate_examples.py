"""Example frames drawn for the pages."""

from __future__ import annotations

import cv2
import numpy as np

from camreel.evaluate.examples import FRAMES, GREEN, ConfusedProgress, draw_confused_clips, draw_example
from camreel.models import checkpoint
from camreel.models.loading import load
from camreel.reports.plots import GAP, TILE_WIDTH
from camreel.reports.training_report import ConfusedClip
from camreel.structures import Action, Grid, Localization
from camreel.synthetic import film
from camreel.synthetic.write import write_film
from tests.evaluating import make_truth
from tests.make import frames


def test_true_boxes_are_drawn_in_green():
    box = [[[20, 40, 100, 120]]]
    truth = make_truth([[0]], box, np.zeros((1, 160, 320), np.uint8), size=(320, 160))
    said = Localization(frames([0.0], width=320, height=160)[0], ())
    tile = draw_example(truth, [0, 1], said)
    assert tile.shape == (160, 320, 3)
    green = (tile == GREEN).all(axis=2)
    rows, columns = np.nonzero(green)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (20, 40, 99, 119)


def test_the_map_of_a_class_is_drawn_under_the_networks_name_of_it():
    truth = make_truth([[0]], [[[20, 40, 100, 120]]], np.zeros((1, 160, 320), np.uint8), size=(320, 160))
    grid = Grid((9.5, 9.5), (20.0, 20.0))
    acts = [Action(c, "strolling", 0.9, 2.0, np.ones((8, 16), np.float32), 1.0, grid, None, ()) for c in (4, 7)]
    frame = frames([0.0], width=320, height=160)[0]
    blank = draw_example(truth, [7, 2], Localization(frame, ()))
    assert np.array_equal(draw_example(truth, [7, 2], Localization(frame, (acts[0],))), blank)
    assert not np.array_equal(draw_example(truth, [7, 2], Localization(frame, (acts[1],))), blank)


def test_confused_clips_get_a_strip_for_the_predicted_and_the_true_class(tmp_path):
    network, seconds = load("figures", "random", seed=1), 1.0
    checkpoint.save(tmp_path / "net.safetensors", network.net.state_dict(), network.metadata)
    write_film(tmp_path / "a.mp4", film(1, split="single", size=(96, 64), frames=30, rate=30.0), 30.0, 23)
    clip = ConfusedClip(tmp_path / "a.mp4", network.classes[0], network.classes[3], 0.9, None, seconds)
    progress: list[ConfusedProgress] = []
    (drawn,) = draw_confused_clips(tmp_path / "net.safetensors", [clip], progress.append)
    assert list(drawn.strips) == [network.classes[3], network.classes[0]]
    strip = cv2.imdecode(np.frombuffer(drawn.strips[clip.label], np.uint8), cv2.IMREAD_COLOR)
    assert strip.shape[1] == FRAMES * (TILE_WIDTH + GAP) - GAP
    assert progress == [ConfusedProgress(0, 1)] * 30
    assert draw_confused_clips(tmp_path / "none.safetensors", []) == ()
