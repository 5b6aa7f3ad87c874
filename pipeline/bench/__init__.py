"""What each stage costs on this computer, the limit that follows, and how close the whole comes."""

from __future__ import annotations

from pipeline.bench.live import LiveReport, LiveRun, bench_live, render_live
from pipeline.bench.report import Against, Report, render
from pipeline.bench.run import bench

__all__ = ["Against", "LiveReport", "LiveRun", "Report", "bench", "bench_live", "render", "render_live"]
