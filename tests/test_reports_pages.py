"""Pages of reports that are made by hand: complete, escaped, and without anything to load."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from camreel.metrics.frame_scores import FrameScores
from camreel.reports.pages import training_page
from camreel.reports.plots import (
    TILE_WIDTH,
    draw_text,
    encode_strip,
    make_tile,
    plot_history,
    plot_reliability,
    plot_scores,
)
from camreel.reports.training_report import ClassResult, ConfusedClip, HeldOutResult, TrainingReport
from tests.make import picture

HISTORY = (
    {"epoch": 0.0, "macro_f1": 0.5, "held_out_loss": 0.9},
    {"epoch": 1.0, "macro_f1": 0.8, "held_out_loss": 0.6, "loss": 0.7},
    {"epoch": 2.0, "macro_f1": 0.8, "held_out_loss": 0.5, "loss": 0.4},
)


@pytest.fixture
def report() -> TrainingReport:
    """A report of two classes, of which one has a name that must be escaped."""
    held_out = HeldOutResult(
        classes=(ClassResult("<jump>", 0.75, 0.6, 2 / 3, 5), ClassResult("run", 0.8, 0.9, 0.85, 10)),
        confusion=[[3, 2], [1, 9]],
        macro_f1=0.758,
        interval=(0.6, 0.9),
        groups=4,
        reliability=[(0.55, 0.5, 5), (0.9, 0.95, 10)],
        calibration_error=0.05,
    )
    confused = ConfusedClip(Path("clips/a&b.mp4"), "<jump>", "run", 0.91, 1.5, 3.0, {"run": b"1", "<jump>": b"2"})
    return TrainingReport(
        checkpoint=Path("out/mine.safetensors"),
        held_out=held_out,
        trained_clips=30,
        fold_macro_f1=0.7,
        history=HISTORY,
        skipped=("c.mp4: too short",),
        confused=(confused,),
    )


def test_the_training_page_has_everything_and_loads_nothing(report):
    html = training_page(report, ["camreel", "train", "<x>"], "1.2.3")
    assert "<title>camreel train: &lt;jump&gt;, run</title>" in html and "&lt;x&gt;" in html
    assert not re.search(r"<(jump|x)>", html) and "a&amp;b.mp4 from 1.5 s" in html
    assert "macro-F1 0.758; 95 % interval over the 4 groups held out: 0.600 to 0.900" in html
    assert "these results are unreliable: &lt;jump&gt; (5)" in html and "skipped: c.mp4: too short" in html
    assert "30 clips to train on, 15 held out" in html and "camreel 1.2.3" in html
    assert "<td>0.750</td>" in html and '<td style="--share:0.60">3</td>' in html
    assert "&lt;jump&gt;, taken for run 0.91" in html
    assert html.count("data:image/jpeg;base64,") == 2 and html.count("<svg") == 2
    assert "http" not in html and "<script" not in html and "url(" not in html


def test_a_training_without_epochs_or_confusions_says_so(report):
    html = training_page(dataclasses.replace(report, history=HISTORY[:1], confused=()), ["camreel"], "1")
    assert "there are no epochs" in html and "every held-out clip was classified correctly" in html
    assert html.count("<svg") == 1


def test_the_best_epoch_is_the_one_with_the_smaller_loss_among_equals():
    plot = plot_history(HISTORY)
    assert plot is not None and plot.best["epoch"] == 2
    assert [len(curve.points.split()) for curve in plot.curves] == [3, 3, 2]
    assert plot_history(HISTORY[:1]) is None


def test_the_dots_of_the_reliability_diagram_grow_with_the_clips():
    small, large = plot_reliability([(0.0, 1.0, 1), (1.0, 0.0, 3)], 4)
    assert small.x < large.x and small.y < large.y and small.radius < large.radius


def test_scores_are_plotted_for_performed_classes_and_high_false_scores():
    true = np.zeros((10, 3), bool)
    true[2:5, 1] = True
    scores = np.full((10, 3), 0.1, np.float32)
    scores[:, 2] = 0.6
    plot = plot_scores(FrameScores(np.arange(10) / 10, true, scores, scores, ()), ("a", "b", "c"), 0.5)
    assert [curve.name for curve in plot.curves] == ["b", "c (not performed)"]
    ((x, width),) = plot.curves[0].bars
    assert (x, width) == pytest.approx((1000 * 0.2 / 0.9, 1000 * 0.3 / 0.9))
    assert plot.threshold_y == pytest.approx(2 * 9 + 4 + 60)


def test_text_on_tiles_is_white_with_a_dark_outline_and_ends_at_the_edge():
    tile = make_tile(picture(640, 360, 128))
    assert tile.shape == (180, TILE_WIDTH, 3)
    gray = int(tile[0, 0, 0])
    draw_text(tile, "a long text " * 20, 0)
    draw_text(tile, "second row", 1)
    assert tile.max() == 255 and tile.min() < gray / 2
    assert (tile[60:] == gray).all()


def test_a_strip_is_a_jpeg():
    assert encode_strip([make_tile(picture(64, 36)), make_tile(picture(64, 48))])[:2] == b"\xff\xd8"
