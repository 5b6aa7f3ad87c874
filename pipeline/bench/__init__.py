"""What each stage costs on this computer, the limit that follows, and how close the whole comes."""

from __future__ import annotations

from pipeline.bench.report import Against, Report, render
from pipeline.bench.run import bench

__all__ = ["Against", "Report", "bench", "render"]
