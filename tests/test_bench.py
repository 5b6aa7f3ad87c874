"""Benchmarks of video files."""

from __future__ import annotations

import json

import pytest

from camreel.bench import Comparison, Report, bench, render
from camreel.config.schema import Config
from camreel.errors import ConfigError
from tests.test_flow import make_clip

TINY = Config.model_validate(
    {"model": {"name": "tests.make:TinyRecognizer", "precision": "float32"}, "localize": {"min_score": 0.0}}
)
STAGES = [
    *(
        "decode",
        "sample",
        "windows",
        "forward",
        "maps",
        "stitch",
        "resample",
        "smooth",
        "foreground",
        "select",
        "refine",
    ),
    *("localize", "link", "records", "overlay", "encode"),
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return str(make_clip(tmp_path_factory.mktemp("bench") / "clip.mp4", 120))


def test_every_stage_the_limit_and_the_run_are_measured(clip):
    report = bench(clip, TINY, frames=90)
    assert list(report.stages_cpu_ms) == STAGES
    assert all(ms > 0 for ms in report.stages_cpu_ms.values())
    assert report.frames == 90
    assert report.limit_fps == pytest.approx(1000 * report.cores / sum(report.stages_cpu_ms.values()))
    assert report.ratio == pytest.approx(report.fps / report.limit_fps)
    assert report.peak_rss_mb > 100
    assert report.against is None
    text = render(report)
    assert all(name in text for name in STAGES)
    assert f"{report.ratio:.2f} of the limit" in text
    assert {"stages_cpu_ms", "limit_fps", "fps", "ratio", "peak_rss_mb", "maps_overhead", "against"} <= set(
        json.loads(json.dumps(report.to_dict()))
    )


def test_the_grad_cam_loop_is_measured_in_the_same_run(clip):
    config = Config.model_validate(
        {"model": {"name": "r3d_18", "weights": "random", "size": 32, "precision": "float32"}}
    )
    report = bench(clip, config, against="grad-cam", frames=90)
    assert report.against.name == "grad-cam"
    assert report.against.ratio == pytest.approx(report.fps / report.against.fps)
    assert "times as fast" in render(report)


def test_an_unknown_baseline_is_refused_before_anything_is_loaded(clip):
    with pytest.raises(ConfigError, match="grad-cam"):
        bench(clip, TINY, against="grad-came")


def test_the_figures_add_up():
    report = Report(
        "c", "m", "float32", 2, 100, {"a": 10.0, "b": 30.0}, 45.0, 500.0, 0.02, 5, Comparison("x", 9.0, 5.0)
    )
    assert report.limit_fps == 50
    assert report.to_dict()["ratio"] == 0.9
    assert report.to_dict()["against"] == {"name": "x", "fps": 9.0, "ratio": 5.0}


def test_the_text_is_aligned():
    report = Report("c", "m", "float32", 2, 100, {"a": 10.0, "foreground": 130.5}, 45.0, 500.0, 0.02, 5)
    rows = [line for line in render(report).splitlines() if line.startswith("  ")]
    assert {row[:16].rstrip() for row in rows[:3]} == {"  a", "  foreground", "  sum"}
    assert all(row[16:24].strip().replace(".", "").isdigit() and row[24] == " " for row in rows)
