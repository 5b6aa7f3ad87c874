"""The figures of a benchmark, as data, JSON and text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Against:
    """Another program on the same video, network and windows, in the same run."""

    name: str
    fps: float
    ratio: float
    """Our frames per second over its."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark measured."""

    clip: str
    model: str
    precision: str
    cores: int
    frames: int
    stages_cpu_ms: Mapping[str, float]
    """CPU milliseconds of all threads per source frame, each stage alone."""
    fps: float
    """Source frames per second from opening the video to the finished outputs."""
    peak_rss_mb: float
    """Of a process that only processes this video."""
    maps_overhead: float
    """Cost of the maps over the cost of the plain forward pass."""
    mapped: int
    """Classes mapped per clip on average."""
    against: Against | None = None

    @property
    def limit_fps(self) -> float:
        """Frames per second if all cores did nothing but the stages' own work."""
        return 1000 * self.cores / sum(self.stages_cpu_ms.values())

    @property
    def ratio(self) -> float:
        """How much of the limit is reached."""
        return self.fps / self.limit_fps

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            "clip": self.clip,
            "model": self.model,
            "precision": self.precision,
            "cores": self.cores,
            "frames": self.frames,
            "stages_cpu_ms": {name: round(ms, 3) for name, ms in self.stages_cpu_ms.items()},
            "limit_fps": round(self.limit_fps, 2),
            "fps": round(self.fps, 2),
            "ratio": round(self.ratio, 3),
            "peak_rss_mb": round(self.peak_rss_mb, 1),
            "maps_overhead": round(self.maps_overhead, 4),
            "mapped_classes": self.mapped,
            "against": None
            if self.against is None
            else {"name": self.against.name, "fps": round(self.against.fps, 2), "ratio": round(self.against.ratio, 2)},
        }


def render(report: Report) -> str:
    """The report as text."""
    lines = [f"{report.clip}: {report.frames} frames, {report.model} in {report.precision}, {report.cores} cores", ""]
    lines += [f"  {name:<14}{ms:8.2f} ms CPU per frame" for name, ms in report.stages_cpu_ms.items()]
    lines += [
        f"  {'sum':<14}{sum(report.stages_cpu_ms.values()):8.2f} ms",
        "",
        f"  limit         {report.limit_fps:8.1f} frames per second ({report.cores} cores, nothing but the stages)",
        f"  end to end    {report.fps:8.1f} frames per second, {report.ratio:.2f} of the limit",
        f"  maps          {100 * report.maps_overhead:8.1f} % on top of the forward pass, {report.mapped} classes",
        f"  peak memory   {report.peak_rss_mb:8.0f} MB",
    ]
    if report.against is not None:
        other = report.against
        lines.append(
            f"  {other.name:<14}{other.fps:8.1f} frames per second; camreel is {other.ratio:.1f} times as fast"
        )
    return "\n".join(lines)
