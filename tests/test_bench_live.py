"""The benchmark of live runs: two short runs of the bundled network, visited over the page's socket."""

from __future__ import annotations

import json

from camreel.bench import bench_live, render_live
from camreel.config.schema import Config


def test_a_steady_and_a_fast_source_are_measured():
    config = Config.model_validate({"model": {"name": "figures", "precision": "float32"}, "causal": True})
    report = bench_live("test:size=160x120", config, seconds=3.0)
    assert report.follows > 0
    assert report.steady.captured > 30
    assert report.fast.captured > report.steady.captured
    for run in (report.steady, report.fast):
        assert run.delay["p50"] is not None and 0 < run.delay["p50"] < 3, "the visitor has reported"
        assert run.rss_mb > 100
    text = render_live(report)
    assert "capture to display" in text
    assert "MB at the end" in text
    assert json.loads(json.dumps(report.to_dict()))["model"] == "figures"
