"""Each stage of the flow alone, on a list: CPU time of all its threads per source frame."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from pipeline.config import Config
from pipeline.flow import place
from pipeline.link import LinkRules, link
from pipeline.models import Features, Recognizer
from pipeline.overlay import Overlay
from pipeline.project import project
from pipeline.recognize import Selection, recognize
from pipeline.sample import sample
from pipeline.settings import Settings, make_header, settle
from pipeline.sinks.jsonl import JsonSink
from pipeline.sinks.video import VideoSink
from pipeline.smooth import SMOOTHERS
from pipeline.sources import Source, open_source
from pipeline.stitch import stitch
from pipeline.structures import Counts, Frame, Header, Localization, Picture, Summary
from pipeline.windows import windows

T = TypeVar("T")

PORTION = 240
"""Frames held at once: a list of all frames of a long video would not fit into memory."""


class TimedRecognizer:
    """A recognizer that adds up the CPU time of its backbone."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.seconds = 0.0

    def features(self, clips: Any, keep: tuple[int, int] | None = None) -> Features:
        """Runs the backbone and times it."""
        begin = time.process_time()
        found = self._recognizer.features(clips, keep)
        self.seconds += time.process_time() - begin
        return found

    def __getattr__(self, name: str) -> Any:
        """Everything else as it is."""
        return getattr(self._recognizer, name)


def measure(clip: str, config: Config, recognizer: Recognizer) -> tuple[dict[str, float], float, int, Settings]:
    """Costs of the stages.

    Args:
        clip: a video; its first `PORTION` frames are measured.
        config: all settings.
        recognizer: a loaded network.

    Returns:
        CPU milliseconds per frame by stage, cost of the maps over that of the forward pass, mapped classes per clip, the settings.
    """
    cv2.setNumThreads(1)  # as the flow does
    with open_source(clip, start=config.start, end=config.end) as source:
        settings = settle(source.info, recognizer, config)
        costs: dict[str, float] = {}
        frames = _timed(costs, "decode", lambda: _take(source, PORTION))
        mapped = _network(costs, frames, config, recognizer, settings, _pictures(costs, source, recognizer, settings, config))
        overhead = costs["maps"] / costs["forward"]
        return {name: 1000 * seconds / len(frames) for name, seconds in costs.items()}, overhead, mapped, settings


def _take(source: Iterable[Frame], count: int) -> list[Frame]:
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == count:
            break
    return frames


def _timed(costs: dict[str, float], name: str, work: Callable[[], T]) -> T:
    begin = time.process_time()
    result = work()
    costs[name] = costs.get(name, 0.0) + time.process_time() - begin
    return result


Draw = Callable[[Iterable[Any]], None]


def _network(
    costs: dict[str, float], frames: list[Frame], config: Config, recognizer: Recognizer, settings: Settings, pictures: Draw
) -> int:
    """The stages up to the maps on the picture; hands those on to `pictures`."""
    ready = _timed(costs, "preprocessing", lambda: list(sample(frames, settings.frame_rate, settings.interval, settings.inputs)))
    clips = list(windows(ready, settings.clip_len, settings.stride, settings.margin))
    timed = TimedRecognizer(recognizer)
    selection = Selection(settings.classes, config.localize.top_k)

    def run(some: Iterable[Any]) -> list[Any]:
        return list(
            recognize(some, timed, settings.maps, selection, settings.grid, backend=settings.backend, complete=settings.complete)
        )

    run(clips[:1])  # the first pass of a network costs more
    timed.seconds = 0.0
    activations = _timed(costs, "forward", lambda: run(clips))
    # What is not the backbone: input, head, maps, their way to the CPU and onto the picture.
    costs["maps"] = costs["forward"] - timed.seconds
    costs["forward"] = timed.seconds
    on_picture = _timed(costs, "maps", lambda: list(project(stitch(activations))))
    pictures(on_picture)
    return round(sum(len(a.classes) for a in activations) / max(1, len(activations)))


def _pictures(costs: dict[str, float], source: Source, recognizer: Recognizer, settings: Settings, config: Config) -> Draw:
    """The stages from the maps on the picture to the files."""

    def run(activations: Iterable[Any]) -> None:
        smoother = SMOOTHERS[config.smooth.name](config.smooth.seconds, config.smooth.causal)
        smooth = _timed(costs, "smoothing", lambda: list(smoother(activations)))
        rules = LinkRules(**config.link.model_dump())
        placed = place(iter(smooth), recognizer, settings, config, lambda _, items: iter(items))
        located = _timed(costs, "localization", lambda: list(link(placed, rules)))
        _outputs(costs, located, make_header(source.info, recognizer, settings, config), config)

    return run


def _outputs(costs: dict[str, float], located: list[Localization], header: Header, config: Config) -> None:
    """The sinks. Drawing is measured alone, and what is left of the video sink is encoding."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as own:
        records = JsonSink(str(Path(folder) / "bench.jsonl"), header)
        own.callback(records.abandon)
        _timed(costs, "records", lambda: _write(records, located))
        video = VideoSink(Path(folder) / "bench.mp4", header, **config.video.model_dump())
        own.callback(video.abandon)
        _timed(costs, "encode", lambda: _write(video, located))
        info = header.source
        overlay = Overlay(
            info.width, info.height, config.video.style, opacity=config.video.opacity, span=(0.0, info.duration or 1.0)
        )
        _timed(costs, "overlay", lambda: draw_all(overlay, located))
        costs["encode"] = max(0.0, costs["encode"] - costs["overlay"])


def _write(sink: JsonSink | VideoSink, located: Iterable[Localization]) -> None:
    for localization in located:
        sink.write(localization)
    sink.close(Summary(Counts(0, 0, 0, 0, 0), (), (), None, {}, ()))


def draw_all(overlay: Overlay, located: Iterable[Localization]) -> None:
    """Draws every frame onto planes of its own, as the video sink does."""
    timeline = overlay.timeline()
    width, height = overlay.size
    for localization in located:
        like = localization.frame.picture
        y, u, v = (np.empty((height // n, width // n), np.uint8) for n in (1, 2, 2))
        timeline.add(localization.frame.time, localization.actions)
        overlay.draw(localization, timeline, Picture(y, u, v, like.matrix, like.full_range))
