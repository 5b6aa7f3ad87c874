"""What each stage costs on this computer, the limit that follows, and how close the whole comes."""

from __future__ import annotations

from camreel.bench.live import LiveReport, LiveRun, bench_live, render_live
from camreel.bench.report import Against, Report, render
from camreel.bench.run import bench

__all__ = ["Against", "LiveReport", "LiveRun", "Report", "bench", "bench_live", "render", "render_live"]
