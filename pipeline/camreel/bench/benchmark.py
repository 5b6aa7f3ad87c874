"""The benchmark of a video file: stages alone, then the whole run, then another program; and its report."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camreel.bench.baseline import grad_cam_loop
from camreel.bench.stages import measure_stages
from camreel.config.schema import Config
from camreel.errors import ConfigError, nearest
from camreel.flow import load_recognizer, process
from camreel.runtime.hardware import cpu_count
from camreel.sources import open_source

BASELINES = ("grad-cam",)
"""Programs to compare with."""
BASELINE_CLIPS = 6
"""Length of the video for a baseline, in clips of the network: a backward pass for each clip takes long."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Another program on the same video, network and windows, in the same run."""

    name: str
    fps: float
    """Frames per second of the other program."""
    ratio: float
    """Frames per second of camreel divided by those of the other program."""


@dataclass(frozen=True, slots=True)
class Report:
    """Result of a benchmark."""

    clip: str
    model: str
    precision: str
    cores: int
    frames: int
    stages_cpu_ms: Mapping[str, float]
    """CPU milliseconds of all threads per source frame, each stage alone."""
    fps: float
    """Source frames per second, from opening the video to the finished outputs."""
    peak_rss_mb: float
    """Peak memory in MiB of a process that only processes this video."""
    maps_overhead: float
    """Cost of the maps divided by the cost of the plain forward pass."""
    mapped: int
    """Mapped classes per clip on average."""
    against: Comparison | None = None

    @property
    def limit_fps(self) -> float:
        """Frames per second if all cores did nothing but the stages' own work."""
        return 1000 * self.cores / sum(self.stages_cpu_ms.values())

    @property
    def ratio(self) -> float:
        """Share of the limit that is reached."""
        return self.fps / self.limit_fps

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        against = self.against
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
            if against is None
            else {"name": against.name, "fps": round(against.fps, 2), "ratio": round(against.ratio, 2)},
        }


def render(report: Report) -> str:
    """Return the report as text."""
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
        times = f"camreel is {other.ratio:.1f} times as fast"
        lines.append(f"  {other.name:<14}{other.fps:8.1f} frames per second; {times}")
    return "\n".join(lines)


def bench(clip: str, config: Config, *, against: str | None = None, frames: int | None = None) -> Report:
    """Measure the processing of a video.

    Args:
        clip: a video file.
        config: all settings.
        against: one of `BASELINES`, to be measured on the same windows; None: none.
        frames: measure only about so many frames from the start; None: all.

    Raises:
        ConfigError: there is no such baseline, or it is not installed.

    Example:
        >>> report = bench("clip.mp4", Config().with_model("figures"), frames=60)
        >>> print(render(report))
    """
    if against is not None and against not in BASELINES:
        todo = f"choose {', '.join(BASELINES)}"
        raise ConfigError(f"cannot compare with {against!r}", nearest(against, BASELINES), todo)
    config = _with_end(clip, config, frames)
    recognizer = load_recognizer(config)
    costs = measure_stages(clip, config, recognizer)
    run = _measure_run(clip, config)
    comparison = None
    if against is not None:
        count = min(run.frames, BASELINE_CLIPS * costs.plan.windowing.clip_len)
        other = grad_cam_loop(clip, recognizer, costs.plan, count)
        comparison = Comparison(against, other, run.fps / other)
    return Report(
        clip=clip,
        model=recognizer.name,
        precision=costs.plan.network.backend.precision,
        cores=cpu_count(),
        frames=run.frames,
        stages_cpu_ms=costs.milliseconds,
        fps=run.fps,
        peak_rss_mb=run.peak_rss_mb,
        maps_overhead=costs.maps_overhead,
        mapped=costs.mapped,
        against=comparison,
    )


def _with_end(clip: str, config: Config, frames: int | None) -> Config:
    """Return the configuration with an end after about `frames` frames."""
    if frames is None:
        return config
    with open_source(clip) as source:
        rate = float(source.info.average_rate or 30)
    return config.changed(end=(config.start or 0.0) + (frames - 0.5) / rate)


@dataclass(frozen=True, slots=True)
class _Run:
    """Figures of a whole run."""

    frames: int
    seconds: float
    peak_rss_mb: float

    @property
    def fps(self) -> float:
        return self.frames / self.seconds


def _measure_run(clip: str, config: Config) -> _Run:
    """Run the whole flow in a fresh process, whose memory is that of this video alone."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_process, (clip, config))


def _process(clip: str, config: Config) -> _Run:
    recognizer = load_recognizer(config)
    with tempfile.TemporaryDirectory() as folder:
        video, records = Path(folder) / "bench.mp4", Path(folder) / "bench.jsonl"
        begin = time.perf_counter()
        summary = process(clip, config, video=video, records=records, recognizer=recognizer)
        seconds = time.perf_counter() - begin
    # Linux reports KiB.
    return _Run(summary.frames.written, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
