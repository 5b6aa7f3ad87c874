"""Counters, delays and rates of live runs, their status for viewers and their text for Prometheus."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camreel.live.metrics import (
    CameraMetrics,
    Delays,
    MetricsSnapshot,
    Rate,
    describe_status,
    make_status,
    prometheus_text,
)
from camreel.structures import Action, DisplayFrame, Frame, Grid, Localization
from tests.make import MILLI, picture


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_quantiles_are_exact_to_the_millisecond(values):
    delays = Delays()
    for value in values:
        delays.add(value)
    found = delays.quantiles()
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        expected = float(np.quantile(np.array(values), share, method="inverted_cdf"))
        assert found[name] == pytest.approx(expected, abs=0.00051)
    assert found["max"] == pytest.approx(max(values), abs=1e-6)


def test_without_delays_there_are_no_quantiles():
    assert Delays().quantiles() == {"p50": None, "p95": None, "max": None}
    assert Delays().recent() is None


def test_a_rate_counts_the_last_seconds_only():
    rate = Rate()
    for n in range(100):
        rate.add(n / 10)
    assert rate.at(9.9) == pytest.approx(10, abs=0.5)
    assert rate.at(60) == 0


def test_the_metrics_follow_the_text_format_of_prometheus():
    metrics = CameraMetrics('rtsp://"camera"', captured=7, inferred=3)
    metrics.ages.add(0.25)
    delays = Delays()
    for ms in range(1, 101):
        delays.add(ms / 1000)
    text = prometheus_text([MetricsSnapshot(metrics, 2, 1, 0.5)], delays)
    assert 'camreel_frames_captured_total{camera="0",source="rtsp://\\"camera\\""} 7.0' in text
    assert 'camreel_delay_seconds{quantile="0.95"} 0.095' in text
    assert "camreel_delay_seconds_count 100.0" in text
    assert 'camreel_pace{camera="0",source="rtsp://\\"camera\\""} 0.5' in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rsplit(" ", 1)[1]) >= 0


def test_every_metric_has_its_name_type_and_labels():
    """Dashboards depend on them."""
    metrics = CameraMetrics("a")
    metrics.ages.add(0.25)
    delays = Delays()
    delays.add(0.5)
    text = prometheus_text(
        [MetricsSnapshot(metrics, 0, 0, 1.0), MetricsSnapshot(CameraMetrics("b"), 0, 0, 1.0)], delays
    )
    types = [tuple(line.split()[2:]) for line in text.splitlines() if line.startswith("# TYPE")]
    assert types == [
        ("camreel_frames_captured_total", "counter"),
        ("camreel_frames_inferred_total", "counter"),
        ("camreel_frames_answered_total", "counter"),
        ("camreel_frames_shown_total", "counter"),
        ("camreel_frames_dropped_total", "counter"),
        ("camreel_frames_skipped_total", "counter"),
        ("camreel_reconnects_total", "counter"),
        ("camreel_connected", "gauge"),
        ("camreel_pace", "gauge"),
        ("camreel_delay_seconds", "summary"),
        ("camreel_map_age_seconds", "summary"),
    ]
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert 'camreel_connected{camera="1",source="b"} 0.0' in samples
    assert [line for line in samples if line.startswith("camreel_delay")] == [
        'camreel_delay_seconds{quantile="0.5"} 0.5',
        'camreel_delay_seconds{quantile="0.95"} 0.5',
        'camreel_delay_seconds{quantile="1"} 0.5',
        "camreel_delay_seconds_sum 0.5",
        "camreel_delay_seconds_count 1.0",
    ]
    assert 'camreel_map_age_seconds{camera="0",quantile="0.5",source="a"} 0.25' in samples
    assert 'camreel_map_age_seconds_count{camera="1",source="b"} 0.0' in samples


def test_the_status_holds_the_best_scores_and_the_oldest_map():
    frame = Frame(0, None, 2.0, MILLI, picture())
    grid = Grid((0.0, 0.0), (1.0, 1.0))

    def shown(label: str, score: float, age: float) -> DisplayFrame:
        action = Action(0, label, score, 0.0, None, 1.0, grid, None, ())
        return DisplayFrame(frame.picture, frame, Localization(frame, (action,)), age)

    metrics = CameraMetrics("hall", connected=True)
    metrics.captured_rate.add(9.0, 20)
    snapshots = [MetricsSnapshot(metrics, 3, 0, 1.0), MetricsSnapshot(CameraMetrics("yard"), 4, 0, 1.0)]
    pictures = [shown("run", 0.25, 0.5), shown("wave", 0.75, 0.25), shown("run", 0.5, 0.125)]
    status = make_status(snapshots, pictures, now=10.0)
    assert list(status["scores"].items()) == [("wave", 0.75), ("run", 0.5)]
    assert (status["age"], status["dropped"], status["rates"]["in"], status["time"]) == (500.0, 7, 10.0, 2.0)
    assert status["cameras"] == [{"name": "hall", "connected": True}, {"name": "yard", "connected": False}]
    status |= {"paused": True, "delay": {"p50": 41.6, "p95": 61.0, "max": 70.0}}
    assert describe_status(status) == "10 in, 0 inferred, 0 shown per second, 42 ms, 95 % 61 ms, 7 dropped, paused"
