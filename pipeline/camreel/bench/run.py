"""The benchmark: stages alone, then the whole in a process of its own, then the other program."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

from camreel.bench.baseline import grad_cam_loop
from camreel.bench.report import Against, Report
from camreel.bench.stages import measure_stages
from camreel.config.schema import Config
from camreel.errors import ConfigError, nearest
from camreel.flow import load_recognizer, process
from camreel.runtime.hardware import cpu_count
from camreel.sources import open_source

AGAINST = ("grad-cam",)


def bench(clip: str, config: Config, *, against: str | None = None, frames: int | None = None) -> Report:
    """Measures a video with a configuration.

    Args:
        clip: a video file.
        config: all settings.
        against: "grad-cam": also a loop over the same windows with the grad-cam package and OpenCV.
        frames: measure only about so many frames from the start.

    Raises:
        ConfigError: nothing of that name to compare with, or it is not installed.
    """
    if against is not None and against not in AGAINST:
        raise ConfigError(f"cannot compare with {against!r}", nearest(against, AGAINST), f"choose {', '.join(AGAINST)}")
    config = _cut(clip, config, frames)
    recognizer = load_recognizer(config)
    costs = measure_stages(clip, config, recognizer)
    done, seconds, peak = _whole(clip, config)
    other = None
    if against is not None:
        rival = grad_cam_loop(clip, recognizer, costs.plan, min(done, 6 * costs.plan.windowing.clip_len))
        other = Against(against, rival, done / seconds / rival)
    return Report(
        clip=clip,
        model=recognizer.name,
        precision=costs.plan.network.backend.precision,
        cores=cpu_count(),
        frames=done,
        stages_cpu_ms=costs.milliseconds,
        fps=done / seconds,
        peak_rss_mb=peak,
        maps_overhead=costs.maps_overhead,
        mapped=costs.mapped,
        against=other,
    )


def _cut(clip: str, config: Config, frames: int | None) -> Config:
    """The configuration with its end set so that about `frames` frames are left."""
    if frames is None:
        return config
    with open_source(clip) as source:
        rate = float(source.info.average_rate or 30)
    return config.model_copy(update={"end": (config.start or 0.0) + (frames - 0.5) / rate})


def _whole(clip: str, config: Config) -> tuple[int, float, float]:
    """(frames, seconds, peak memory in MB) of the whole flow, in a fresh process: memory is this video's alone."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_process, (clip, config))


def _process(clip: str, config: Config) -> tuple[int, float, float]:
    recognizer = load_recognizer(config)
    with tempfile.TemporaryDirectory() as folder:
        video, records = Path(folder) / "bench.mp4", Path(folder) / "bench.jsonl"
        begin = time.perf_counter()
        summary = process(clip, config, video=video, records=records, recognizer=recognizer)
        seconds = time.perf_counter() - begin
    # Linux counts in KiB.
    return summary.frames.written, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
