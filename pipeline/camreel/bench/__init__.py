"""Benchmarks: the cost of each stage, the frame rate that follows as a limit, and the frame rate that a run reaches.

`benchmark.bench` measures a video file: its stages alone (`stages`), the whole run in a process of its own, and on
request the usual loop around the grad-cam package (`baseline`). `live.bench_live` measures delays, drops and memory of
live runs.
"""

from __future__ import annotations

from camreel.bench.benchmark import Comparison, Report, bench, render
from camreel.bench.live import LiveReport, LiveRun, bench_live, render_live

__all__ = ["Comparison", "LiveReport", "LiveRun", "Report", "bench", "bench_live", "render", "render_live"]
