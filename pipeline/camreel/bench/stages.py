"""CPU time of each stage of the flow alone, on a list: the same list of stages that a run chains."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from camreel.config.schema import Config
from camreel.flow import Stage, build_stages
from camreel.interfaces import Features, Recognizer, Sink
from camreel.overlay import Overlay
from camreel.run_plan import RunPlan, make_header, make_plan
from camreel.sinks import open_sink
from camreel.sources import open_source
from camreel.structures import Counts, Localization, Picture, Summary

T = TypeVar("T")

MEASURED_FRAMES = 240
"""Frames held at once: a list of all frames of a long video would not fit into memory."""
FORWARD, MAPS = "forward", "maps"
"""The two parts of the stage `recognize`: the backbone, and the rest (input, head, maps, transfer to the CPU)."""


class TimedRecognizer:
    """A recognizer that adds up the CPU time of its backbone."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.seconds = 0.0

    def features(self, clips: Any, keep: tuple[int, int] | None = None) -> Features:
        """Run the backbone and time it."""
        return self._timed(lambda: self._recognizer.features(clips, keep))

    def forward_step(self, samples: Any, state: Any, ends: tuple[bool, bool]) -> Features:
        """Run the backbone on the next samples and time it."""
        return self._timed(lambda: self._recognizer.forward_step(samples, state, ends))

    def _timed(self, work: Callable[[], Features]) -> Features:
        begin = time.process_time()
        features = work()
        self.seconds += time.process_time() - begin
        return features

    def __getattr__(self, name: str) -> Any:
        """Return every other member unchanged."""
        return getattr(self._recognizer, name)


@dataclass(frozen=True, slots=True)
class StageCosts:
    """Costs of the stages on one video."""

    seconds: dict[str, float]
    """CPU seconds of all threads by stage, over all frames."""
    frames: int
    mapped: int
    """Mapped classes per clip on average."""
    plan: RunPlan

    @property
    def milliseconds(self) -> dict[str, float]:
        """CPU milliseconds per frame by stage."""
        return {name: 1000 * seconds / self.frames for name, seconds in self.seconds.items()}

    @property
    def maps_overhead(self) -> float:
        """Cost of the maps relative to the plain forward pass."""
        return self.seconds[MAPS] / self.seconds[FORWARD]


def measure_stages(clip: str, config: Config, recognizer: Recognizer) -> StageCosts:
    """Run every stage of the flow alone and measure its CPU time.

    Args:
        clip: a video; its first `MEASURED_FRAMES` frames are used.
        config: all settings.
        recognizer: a loaded network.
    """
    cv2.setNumThreads(1)  # as the flow does
    costs: dict[str, float] = {}
    with open_source(clip, start=config.start, end=config.end) as source:
        timed = TimedRecognizer(recognizer)
        plan = make_plan(source.info, recognizer, config)
        plan = replace(plan, network=replace(plan.network, recognizer=timed))
        items: list[Any] = _timed(costs, "decode", lambda: list(islice(source, MEASURED_FRAMES)))
        frames, mapped = len(items), 0
        for stage in build_stages(plan):
            if stage.name == "recognize":
                items = _recognize(costs, stage, items, timed)
                mapped = round(sum(len(activation.classes) for activation in items) / max(1, len(items)))
            else:
                items = _timed(costs, stage.name, partial(_run, stage, items))
        _outputs(costs, items, plan, config)
    return StageCosts(costs, frames, mapped, plan)


def _timed(costs: dict[str, float], name: str, work: Callable[[], T]) -> T:
    begin = time.process_time()
    result = work()
    costs[name] = costs.get(name, 0.0) + time.process_time() - begin
    return result


def _run(stage: Stage, items: list[Any]) -> list[Any]:
    return list(stage.run(items))


def _recognize(costs: dict[str, float], stage: Stage, clips: list[Any], timed: TimedRecognizer) -> list[Any]:
    """Run the network, and divide its time between the backbone and the rest."""
    _run(stage, clips[:1])  # the first pass of a network costs more
    timed.seconds = 0.0
    activations = _timed(costs, FORWARD, partial(_run, stage, clips))
    costs[MAPS] = costs[FORWARD] - timed.seconds
    costs[FORWARD] = timed.seconds
    return activations


def _outputs(costs: dict[str, float], localizations: list[Localization], plan: RunPlan, config: Config) -> None:
    """Run the sinks. Drawing is measured alone; the rest of the video sink is encoding."""
    header = make_header(plan)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as own:
        for role, name in (("records", "bench.jsonl"), ("video", "bench.mp4")):
            _, sink = open_sink(Path(folder) / name, role, header, config)  # type: ignore[arg-type]
            own.callback(sink.abandon)
            _timed(costs, role, partial(_write, sink, localizations))
        info = header.source
        span = (0.0, info.duration or 1.0)
        overlay = Overlay(info.width, info.height, config.video.style, opacity=config.video.opacity, span=span)
        _timed(costs, "overlay", lambda: draw_all(overlay, localizations))
        costs["encode"] = max(0.0, costs.pop("video") - costs["overlay"])


def _write(sink: Sink, localizations: Iterable[Localization]) -> None:
    for localization in localizations:
        sink.write(localization)
    sink.close(Summary(Counts(0, 0, 0, 0, 0), (), (), None, {}, ()))


def draw_all(overlay: Overlay, localizations: Iterable[Localization]) -> None:
    """Draw every frame onto new planes, as the video sink does."""
    timeline = overlay.timeline()
    width, height = overlay.size
    for localization in localizations:
        like = localization.frame.picture
        y, u, v = (np.empty((height // n, width // n), np.uint8) for n in (1, 2, 2))
        timeline.add(localization.frame.time, localization.actions)
        overlay.draw(localization, timeline, Picture(y, u, v, like.matrix, like.full_range))
