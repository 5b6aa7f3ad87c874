"""READ FIRST. The whole program on one page: stages chained into a flow, owned in one place, closed together.

    source -> sample -> windows | recognize -> stitch | project -> smooth -> delimit -> refine -> locate -> link -> sinks

Each `|` is a `prefetch`: the only threads. The three lanes are decoding, the network, and everything that ends in a picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2

from pipeline.config import Config
from pipeline.delimit import delimit
from pipeline.link import Linker, LinkRules
from pipeline.locate import Rules, locate, select
from pipeline.meter import WAIT, Meter
from pipeline.models import Recognizer, load
from pipeline.project import project
from pipeline.recognize import Selection, choose_backend, recognize
from pipeline.refine import refine
from pipeline.sample import sample
from pipeline.settings import Settings, Steering, make_header, settle
from pipeline.sinks import Sink
from pipeline.sinks.jsonl import JsonSink
from pipeline.sinks.video import VideoSink
from pipeline.smooth import SMOOTHERS
from pipeline.sources import Source, open_source
from pipeline.stitch import stitch
from pipeline.structures import Counts, Frame, FrameActivation, Header, Localization, Summary, VideoInfo
from pipeline.windows import steps, windows

T = TypeVar("T")
Stage = Callable[[str, Iterable[Any]], Iterator[Any]]

CLIPS_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    uri: str
    frames: int
    """Written."""
    total: int | None
    """As the container claims."""
    time: float
    """Seconds of the source that are done, from where it was begun."""
    duration: float | None
    """Seconds that are to be done."""
    elapsed: float
    """Wall seconds."""

    @property
    def fps(self) -> float:
        """Frames written per wall second."""
        return self.frames / self.elapsed if self.elapsed > 0 else 0.0


def load_recognizer(config: Config) -> Recognizer:
    """The network of a configuration, ready on its device, which several runs may share.

    Raises:
        ModelError: there is no such network, or its weights cannot be had.
        DeviceError: the device is not there.
    """
    model = config.model
    recognizer = load(model.name, model.weights, seed=model.seed, trust_pickle=model.trust_pickle)
    choose_backend(recognizer, model.device, model.precision, model.batch)
    return recognizer


def chain(
    frames: Iterable[Frame],
    recognizer: Recognizer,
    settings: Settings,
    config: Config,
    meter: Meter,
    linker: Linker,
    own: ExitStack,
    steering: Steering | None = None,
) -> Iterator[Localization]:
    """The flow: every stage on the one before it, each owned by `own`, so that an error anywhere closes everything."""
    steering = steering or Steering()

    def stage(name: str, items: Iterable[T]) -> Iterator[T]:
        timed = meter.lap(name, items)
        own.callback(_close, timed)
        return timed

    own.callback(cv2.setNumThreads, cv2.getNumThreads())  # lanes are the parallelism: OpenCV's threads cost more than they gain
    cv2.setNumThreads(1)
    smoother = SMOOTHERS[config.smooth.name](config.smooth.seconds, config.smooth.causal)

    frames = stage(steering.entry, meter.count_frames(frames))
    sampled = sample(frames, settings.frame_rate, settings.interval, settings.inputs, steering.pace)
    sampled = stage("sample", meter.count_samples(sampled))
    if settings.streams:
        clips = stage("windows", steps(sampled))
    else:
        clips = stage("windows", windows(sampled, settings.clip_len, settings.stride, settings.margin))
    clips = stage(WAIT, steering.ahead(clips, CLIPS_AHEAD))
    answers = recognize(
        clips,
        recognizer,
        settings.maps,
        Selection(settings.classes, config.localize.top_k, steering.picked),
        settings.grid,
        backend=settings.backend,
        complete=settings.complete,
        notify=meter.notify,
        see=steering.see,
        take=steering.take,
        streams=settings.streams,
    )
    activations = stage("recognize", meter.watch_completeness(answers))
    stitched = stage("stitch", stitch(activations))
    # A clip's frames come in one go: with room for all of them the network goes on while they are drawn.
    stitched = stage(WAIT, steering.ahead(stitched, settings.frames_per_step))
    smooth = stage("smooth", smoother(stage("project", project(stitched))))
    located = place(smooth, recognizer, settings, config, stage, steering)
    return stage("link", linker(located))


def place(
    smooth: Iterator[FrameActivation],
    recognizer: Recognizer,
    settings: Settings,
    config: Config,
    stage: Stage,
    steering: Steering | None = None,
) -> Iterator[Localization]:
    """The stages from smoothed maps to where actions are; `stage` takes each by its name and items."""
    localize, picked = config.localize, (steering or Steering()).picked
    rules = Rules(settings.classes, localize.top_k, localize.min_score, settings.threshold, localize.min_area, picked)
    if localize.boxes == "extent":
        smooth = stage("delimit", delimit(smooth))
    smooth = select(smooth, recognizer.multilabel, rules)
    if localize.refine == "guided":
        smooth = stage("refine", refine(smooth))
    return stage("locate", locate(smooth, recognizer.classes, recognizer.multilabel, rules))


def _close(iterator: Iterator[object]) -> None:
    # "Generator already executing": its lane hangs in the operating system; it is a daemon, see prefetch.
    with suppress(ValueError):
        getattr(iterator, "close", lambda: None)()


def localize(
    uri: str,
    *,
    model: str | None = None,
    weights: str | None = None,
    classes: Sequence[str] = (),
    config: Config | None = None,
    recognizer: Recognizer | None = None,
) -> Iterator[Localization]:
    """Localizes the actions of a video, frame by frame, lazily; closes everything when it is exhausted, fails or is abandoned.

    Args:
        uri: a video file.
        model: a model's name or checkpoint; None: the configuration's.
        weights: a weights name, a file or "random"; None: the configuration's.
        classes: only these, by name or id; empty: the top k of each frame.
        config: all other settings.
        recognizer: a loaded network to use instead of loading one.

    Yields:
        One localization per source frame, in order.

    Raises:
        InputError: the video cannot be read.
        ModelError: the model cannot be had.
        ConfigError: a setting does not fit.
    """
    config = (config or Config()).with_model(model, weights, classes)
    recognizer = recognizer or load_recognizer(config)
    with ExitStack() as own:
        source = own.enter_context(open_source(uri, start=config.start, end=config.end, audio=False))
        meter = Meter()
        settings = settle(source.info, recognizer, config)
        yield from chain(source, recognizer, settings, config, meter, _linker(config), own)


def process(
    uri: str,
    config: Config,
    *,
    video: Path | None,
    records: str | Path | None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    recognizer: Recognizer | None = None,
) -> Summary:
    """Localizes the actions of a video and writes the annotated video and the records.

    Ctrl-C (KeyboardInterrupt) finishes the outputs with what is done and is raised again; any other error leaves what is done,
    valid, under partial names.

    Args:
        uri: a video file.
        config: all settings.
        video: where the annotated video goes; None: nowhere.
        records: where the records go, `-` for standard output; None: nowhere.
        on_progress: called after each frame.
        recognizer: a loaded network to use instead of loading one.

    Raises:
        CamreelError: what went wrong, by its class.
    """
    recognizer = recognizer or load_recognizer(config)
    with ExitStack() as own:
        source = own.enter_context(open_source(uri, start=config.start, end=config.end, audio=config.video.audio))
        meter = Meter()
        settings = settle(source.info, recognizer, config)
        header = make_header(source.info, recognizer, settings, config)
        # Made before the first frame is decoded, so that an output that cannot be written costs nothing.
        sinks = _open_sinks(video, records, header, config, own)
        linker = _linker(config)
        flow = chain(source, recognizer, settings, config, meter, linker, own)
        begin = time.perf_counter()
        try:
            for localization in flow:
                _write(sinks, localization, meter)
                on_progress(_progress(source.info, config, meter, begin))
        except KeyboardInterrupt:
            meter.count_ended(linker.close(linker.latest))
            _finish(sinks, source, meter)
            raise
        return _finish(sinks, source, meter)


def _linker(config: Config) -> Linker:
    return Linker(LinkRules(**config.link.model_dump()))


def _write(sinks: Sequence[tuple[str, Sink]], localization: Localization, meter: Meter) -> None:
    for name, sink in sinks:
        with meter.busy(name):
            sink.write(localization)
    meter.count_written(localization)


def _open_sinks(
    video: Path | None, records: str | Path | None, header: Header, config: Config, own: ExitStack
) -> list[tuple[str, Sink]]:
    sinks: list[tuple[str, Sink]] = []
    if records is not None:
        sinks.append(("records", JsonSink(str(records), header)))
        own.callback(sinks[-1][1].abandon)
    if video is not None:
        sinks.append(("video", VideoSink(video, header, **config.video.model_dump())))
        own.callback(sinks[-1][1].abandon)
    return sinks


def _progress(info: VideoInfo, config: Config, meter: Meter, begin: float) -> Progress:
    start = config.start or 0.0
    ends = [end for end in (config.end, info.duration) if end is not None]
    whole = config.start is None and config.end is None
    return Progress(
        uri=info.uri,
        frames=meter.written,
        total=info.frames if whole else None,
        time=meter.time - start,
        duration=max(0.0, min(ends) - start) if ends else None,
        elapsed=time.perf_counter() - begin,
    )


def _finish(sinks: Sequence[tuple[str, Sink]], source: Source, meter: Meter) -> Summary:
    """Closes the sinks with the summary of what was written."""
    fallbacks = [*source.notes, *meter.fallbacks, *(sentence for _, sink in sinks for sentence in sink.fallbacks)]
    counts = Counts(
        decoded=meter.decoded,
        written=meter.written,
        # After Ctrl-C: what was on its way.
        dropped=meter.decoded - meter.written,
        corrupt=source.corrupt,
        inferred=meter.inferred,
    )
    summary = Summary(counts, tuple(meter.segments), tuple(meter.tubes), meter.completeness_error, meter.stages, tuple(fallbacks))
    for _, sink in sinks:
        sink.close(summary)
    return summary


def plan(uri: str, config: Config) -> list[str]:
    """What `process` would do with a video, as sentences; reads its header only.

    Raises:
        InputError: the video cannot be opened.
    """
    with open_source(uri, start=config.start, end=config.end, audio=config.video.audio) as source:
        info = source.info
        rate = f"{float(info.average_rate):.3f} frames per second" if info.average_rate else "unknown frame rate"
        length = f"{info.duration:.2f} s" if info.duration is not None else "unknown length"
        lines = [
            f"{info.uri}: {info.codec} {info.width}x{info.height}, {rate}, {length}"
            + (f", turned by {info.rotation} degrees" if info.rotation else "")
        ]
        lines += [f"  audio track {track.index}: {track.codec}" for track in info.tracks]
        lines += [f"  note: {note}" for note in source.notes]
        model = f"model {config.model.name} ({config.model.weights} weights)"
        lines.append(f"  {model}, smoothing {config.smooth.name}, style {config.video.style}")
        return lines
