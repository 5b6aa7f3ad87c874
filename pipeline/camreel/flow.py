"""READ FIRST. The whole program on one page: a list of stages, run as a chain of generators.

    source -> sample -> windows | recognize -> stitch | resample -> smooth -> foreground -> select -> refine
           -> localize -> link -> sinks

Each `|` starts a lane of its own (`prefetch`): decoding, the network, and everything up to the outputs. Files, live
runs, `evaluate` and `bench` all run the list that `build_stages` returns.
"""

from __future__ import annotations

import dataclasses
import time
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from camreel.config.schema import Config
from camreel.interfaces import Recognizer, Sink, Source
from camreel.models.loading import load
from camreel.recognize.backend import choose_backend
from camreel.recognize.stage import recognize
from camreel.run_plan import RunPlan, RuntimeHooks, make_header, make_plan
from camreel.runtime.stats import WAIT, RunStats
from camreel.sinks import open_sink
from camreel.sources import open_source
from camreel.stages.foreground import foreground
from camreel.stages.link import Linker
from camreel.stages.localize import Localizer, select
from camreel.stages.refine import refine
from camreel.stages.resample import resample
from camreel.stages.sample import sample
from camreel.stages.smooth import make_smoother
from camreel.stages.stitch import stitch
from camreel.stages.windows import windows
from camreel.structures import Frame, Header, Localization, Summary, VideoInfo

CLIPS_AHEAD = 2
"""Clips that wait for the network."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the flow."""

    name: str
    run: Callable[[Iterable[Any]], Iterator[Any]]
    ahead: int = 0
    """Items that may wait before this stage, which then starts a new lane; 0: no new lane."""


def build_stages(
    plan: RunPlan,
    hooks: RuntimeHooks | None = None,
    stats: RunStats | None = None,
    linker: Linker | None = None,
) -> list[Stage]:
    """Return the stages of a run, in order: the first takes frames, the last yields localizations.

    Args:
        plan: plan of the run.
        hooks: steering of a live run.
        stats: where run notes go.
        linker: the last stage, if its state must outlive the run; None: a new one.
    """
    hooks, stats, config = hooks or RuntimeHooks(), stats or RunStats(), plan.config
    recognizer, localize, streams = plan.recognizer, config.localize, plan.windowing.streams
    selection = dataclasses.replace(plan.network.selection, picked=hooks.picked)
    network = dataclasses.replace(plan.network, selection=selection)
    run_network = partial(recognize, plan=network, note=stats.note, streams=streams, batching=hooks.batching)
    stages = [
        Stage("sample", partial(sample, sampling=plan.sampling, pace=hooks.pace)),
        Stage("windows", partial(windows, windowing=plan.windowing)),
        Stage("recognize", run_network, ahead=CLIPS_AHEAD),
        Stage("stitch", stitch),
        # A clip's frames come at once: with room for all of them the network continues while they are drawn.
        Stage("resample", resample, ahead=plan.frames_per_step),
        Stage("smooth", make_smoother(config.smooth.name, config.smooth.seconds, config.causal)),
    ]
    if localize.boxes == "extent":
        stages.append(Stage("foreground", foreground))
    stages.append(Stage("select", partial(select, multilabel=recognizer.multilabel, selection=selection)))
    if localize.refine == "guided":
        stages.append(Stage("refine", refine))
    localizer = Localizer(recognizer.classes, recognizer.multilabel, selection, plan.box_rule)
    return [*stages, Stage("localize", localizer), Stage("link", linker or Linker(config.link))]


def run_stages(
    frames: Iterable[Frame],
    stages: Sequence[Stage],
    stats: RunStats,
    own: ExitStack,
    hooks: RuntimeHooks | None = None,
) -> Iterator[Localization]:
    """Chain the stages and return the output of the last one.

    Args:
        frames: the source's frames.
        stages: from `build_stages`.
        stats: counts and times the stages.
        own: closes every stage, last one first, so that an error anywhere closes everything.
        hooks: steering of a live run.
    """
    hooks = hooks or RuntimeHooks()
    # Lanes are the parallelism: the threads of OpenCV cost more than they gain.
    own.callback(cv2.setNumThreads, cv2.getNumThreads())
    cv2.setNumThreads(1)

    def timed(name: str, items: Iterable[Any]) -> Iterator[Any]:
        iterator = stats.timed(name, items)
        own.callback(_close, iterator)
        return iterator

    items: Iterable[Any] = timed(hooks.entry, stats.count_frames(frames))
    for stage in stages:
        if stage.ahead:
            items = timed(WAIT, hooks.prefetch(items, stage.ahead))
        items = timed(stage.name, stats.counted(stage.name, stage.run(items)))
    return iter(items)


def _close(iterator: Iterator[object]) -> None:
    # "Generator already executing": its lane hangs in the operating system; it is a daemon, see runtime.concurrency.
    with suppress(ValueError):
        getattr(iterator, "close", lambda: None)()


def load_recognizer(config: Config) -> Recognizer:
    """Load the network of a configuration on its device; several runs may share it.

    Raises:
        ModelError: there is no such network, or its weights cannot be loaded.
        DeviceError: the device is missing.

    Example:
        >>> recognizer = load_recognizer(Config().with_model("figures"))
    """
    model = config.model
    recognizer = load(model.name, model.weights, seed=model.seed, trust_pickle=model.trust_pickle)
    choose_backend(recognizer, model.device, model.precision, model.batch)
    return recognizer


class Localizations(Iterator[Localization]):
    """The localizations of a video, one per source frame in order, computed while they are iterated.

    Everything is closed when the iteration ends, fails or is abandoned. `notes` grows during the run.

    Args:
        uri: a video file.
        config: all settings.
        recognizer: the network.
    """

    def __init__(self, uri: str, config: Config, recognizer: Recognizer) -> None:
        self._run = _Run(config)
        # Closes the source of an object that is never iterated, too.
        self._finalize = weakref.finalize(self, self._run.own.close)
        try:
            self._run.open(uri, recognizer)
        except BaseException:
            self.close()
            raise
        self._iterator = self._run.localizations()

    def __next__(self) -> Localization:
        return next(self._iterator)

    @property
    def info(self) -> VideoInfo:
        """Properties of the video."""
        return self._run.source.info

    @property
    def plan(self) -> RunPlan:
        """Plan of the run."""
        return self._run.plan

    @property
    def notes(self) -> list[str]:
        """Run notes so far: everything that was done differently from the request."""
        return [*self._run.source.notes, *self._run.stats.notes]

    @property
    def summary(self) -> Summary | None:
        """Counts, segments, tubes and run notes; None until all frames were read."""
        return self._run.summary

    def close(self) -> None:
        """Stop, and free everything; may be called again."""
        if hasattr(self, "_iterator"):
            self._iterator.close()
        self._finalize()


class _Run:
    """The state of `Localizations`, which its generator may refer to without keeping the object itself alive."""

    source: Source
    plan: RunPlan
    stages: list[Stage]

    def __init__(self, config: Config) -> None:
        self.config = config
        self.own = ExitStack()
        self.stats = RunStats()
        self.summary: Summary | None = None

    def open(self, uri: str, recognizer: Recognizer) -> None:
        start, end = self.config.start, self.config.end
        self.source = self.own.enter_context(open_source(uri, start=start, end=end, audio=False))
        self.plan = make_plan(self.source.info, recognizer, self.config)
        self.stages = build_stages(self.plan, stats=self.stats)

    def localizations(self) -> Generator[Localization]:
        with self.own as own:
            for localization in run_stages(self.source, self.stages, self.stats, own):
                self.stats.count_written(localization)
                yield localization
            self.summary = self.stats.summary(self.source.corrupt, self.source.notes)


def localize(
    uri: str | Path,
    *,
    model: str | None = None,
    weights: str | None = None,
    classes: Sequence[str] = (),
    config: Config | None = None,
    recognizer: Recognizer | None = None,
) -> Localizations:
    """Localize the actions of a video, frame by frame, lazily.

    Args:
        uri: a video file.
        model: name of a network or checkpoint; None: the configuration's.
        weights: name of weights, a file or "random"; None: the configuration's.
        classes: only these, by name or id; empty: the top k of each frame.
        config: all other settings.
        recognizer: a loaded network to use instead of loading one.

    Returns:
        An iterator of one `Localization` per source frame, in order, with `info`, `notes` and, at the end, `summary`.

    Raises:
        InputError: the video cannot be read.
        ModelError: the network cannot be loaded.
        ConfigError: a setting does not fit.

    Example:
        >>> found = camreel.localize("clip.mp4", model="figures")
        >>> for localization in found:
        ...     for action in localization.actions:
        ...         print(localization.frame.time, action.label, action.score, action.boxes)
        >>> found.summary.segments
    """
    config = (config or Config()).with_model(model, weights, classes)
    return Localizations(str(uri), config, recognizer or load_recognizer(config))


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run."""

    uri: str
    frames: int
    """Number of written frames."""
    total: int | None
    """Number of frames according to the container."""
    time: float
    """Seconds of the source that are done, from the start of the run."""
    duration: float | None
    """Seconds of the source to be done."""
    elapsed: float
    """Wall-clock seconds."""

    @property
    def fps(self) -> float:
        """Frames written per wall-clock second."""
        return self.frames / self.elapsed if self.elapsed > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files that a run writes."""

    video: Path | None = None
    """The annotated video; None: none."""
    records: Path | None = None
    """The records; `-`: standard output; None: none."""


def process(
    uri: str | Path,
    config: Config | None = None,
    *,
    video: str | Path | None = None,
    records: str | Path | None = None,
    recognizer: Recognizer | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Summary:
    """Localize the actions of a video, and write the annotated video and the records.

    Ctrl-C (KeyboardInterrupt) finishes the outputs with the frames that are done and is raised again; after any other
    error, what is done is kept, valid, under partial names.

    Args:
        uri: a video file.
        config: all settings; None: the defaults.
        video: where the annotated video goes; None: nowhere.
        records: where the records go, `-` for standard output; None: nowhere.
        recognizer: a loaded network to use instead of loading one.
        on_progress: called after each frame; may raise KeyboardInterrupt.

    Raises:
        CamreelError: its class says what went wrong.

    Example:
        >>> summary = camreel.process("clip.mp4", video="out.mp4", records="out.jsonl")
        >>> [(segment.label, segment.start, segment.end) for segment in summary.segments]
    """
    config = config or Config()
    recognizer = recognizer or load_recognizer(config)
    outputs = Outputs(Path(video) if video is not None else None, Path(records) if records is not None else None)
    with ExitStack() as own:
        source = own.enter_context(open_source(str(uri), start=config.start, end=config.end, audio=config.video.audio))
        plan = make_plan(source.info, recognizer, config)
        # Opened before the first frame is decoded, so that an output that cannot be written costs nothing.
        sinks = _open_sinks(outputs, make_header(plan), config, own)
        stats, linker = RunStats(), Linker(config.link)
        begin = time.perf_counter()
        try:
            for localization in run_stages(source, build_stages(plan, stats=stats, linker=linker), stats, own):
                _write(sinks, localization, stats)
                on_progress(_progress(plan, stats, begin))
        except KeyboardInterrupt:
            stats.add_ended(linker.close(linker.latest))
            _finish(sinks, source, stats)
            raise
        return _finish(sinks, source, stats)


def _open_sinks(outputs: Outputs, header: Header, config: Config, own: ExitStack) -> list[tuple[str, Sink]]:
    sinks: list[tuple[str, Sink]] = []
    if outputs.records is not None:
        sinks.append(open_sink(outputs.records, "records", header, config))
        own.callback(sinks[-1][1].abandon)
    if outputs.video is not None:
        sinks.append(open_sink(outputs.video, "video", header, config))
        own.callback(sinks[-1][1].abandon)
    return sinks


def _write(sinks: Sequence[tuple[str, Sink]], localization: Localization, stats: RunStats) -> None:
    for name, sink in sinks:
        with stats.busy(name):
            sink.write(localization)
    stats.count_written(localization)


def _progress(plan: RunPlan, stats: RunStats, begin: float) -> Progress:
    info, config = plan.info, plan.config
    start = config.start or 0.0
    ends = [end for end in (config.end, info.duration) if end is not None]
    whole = config.start is None and config.end is None
    return Progress(
        uri=info.uri,
        frames=stats.written,
        total=info.frames if whole else None,
        time=stats.time - start,
        duration=max(0.0, min(ends) - start) if ends else None,
        elapsed=time.perf_counter() - begin,
    )


def _finish(sinks: Sequence[tuple[str, Sink]], source: Source, stats: RunStats) -> Summary:
    """Close the sinks with the summary of the run."""
    summary = stats.summary(source.corrupt, source.notes, [note for _, sink in sinks for note in sink.notes])
    for _, sink in sinks:
        sink.close(summary)
    return summary
