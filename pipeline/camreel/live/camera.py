"""One camera: its capture lane, its network lane, and the channels between them and the main lane."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np

from camreel.config.schema import Config
from camreel.errors import CamreelError
from camreel.flow import build_stages, run_stages
from camreel.interfaces import Note, Recognizer, Source
from camreel.live.load_shedding import LoadShedder
from camreel.live.metrics import CameraMetrics, MetricsSnapshot
from camreel.live.options import CaptureOptions
from camreel.recognize.backend import Backend
from camreel.recognize.batches import ForwardRequest, backbone_batch
from camreel.recognize.stage import Batching, StepRequest, step_batch
from camreel.run_plan import RunPlan, RuntimeHooks, make_plan
from camreel.runtime.concurrency import (
    Channel,
    Condition,
    DynamicBatcher,
    Event,
    Lock,
    Overflow,
    Worker,
    feed,
    prefetch,
)
from camreel.runtime.stats import WAIT, RunStats
from camreel.sources.browser import browser_connections
from camreel.sources.reconnect import ConnectionEvent, ReconnectPolicy, connections
from camreel.stages.link import Linker
from camreel.structures import Frame, Localization, Picture, VideoInfo

log = logging.getLogger(__name__)

VISITOR_CAMERA = "the visitor's camera"
"""Name of the source that is the camera of the page's visitor."""
MAX_WAITING_FRAMES: Mapping[Overflow, int] = {"drop-oldest": 32, "latest": 2, "block": 32}
"""Frames that wait for the network, and for the display, by policy."""
MAX_WAITING_BYTES = 64 * 2**20
"""Memory of the pictures of the frames that wait for the network, and for the display."""
MAX_WAITING_LOCALIZATIONS = 8
"""Localizations that wait for the main lane."""
WARM_UP_SAMPLES = 4
"""Samples beyond its margin that a network with stream state is warmed up with."""
MAX_NOTES = 20
"""Messages that are kept for the display."""

Connect = Callable[[Event, Note, Callable[[ConnectionEvent], None]], Iterable[Source]]
"""(set to stop, take messages for people, take connection events) -> connected sources, one after another."""


def connect_uri(uri: str, capture: CaptureOptions, realtime: bool) -> Connect:
    """Return the connections to a camera, stream, test pattern or file.

    Args:
        uri: address as `camreel.sources.connections` takes it.
        capture: time-outs.
        realtime: play files at their own pace.
    """
    policy = ReconnectPolicy(silence=capture.silence, deadline=capture.deadline)

    def connect(stop: Event, note: Note, on_event: Callable[[ConnectionEvent], None]) -> Iterable[Source]:
        return connections(uri, wait=stop.wait, realtime=realtime, policy=policy, note=note, on_event=on_event)

    return connect


def connect_visitor(frames: Callable[[], Iterator[tuple[float, bytes]]]) -> Connect:
    """Return the connections to the camera of the page's visitor.

    Args:
        frames: yield (arrival, JPEG); called in the capture lane, when the page is open.
    """

    def connect(stop: Event, note: Note, on_event: Callable[[ConnectionEvent], None]) -> Iterable[Source]:
        yield from browser_connections(frames(), VISITOR_CAMERA)

    return connect


def batching_for(recognizer: Recognizer) -> Batching:
    """Return functions that run the network once for all cameras that wait for it."""
    steps: DynamicBatcher[StepRequest, Any] = DynamicBatcher(
        lambda requests: step_batch(recognizer, requests), lambda request: request.key
    )
    forwards: DynamicBatcher[ForwardRequest, Any] = DynamicBatcher(
        lambda requests: backbone_batch(recognizer, requests), lambda request: request.key
    )
    return Batching(lambda clips, keep: forwards(ForwardRequest(clips, keep)), steps)


@dataclass(frozen=True, slots=True)
class SharedContext:
    """The network and everything else that the cameras of a run share."""

    recognizer: Recognizer
    backend: Backend
    config: Config
    hooks: RuntimeHooks
    changed: Condition
    """Notified whenever a channel to the main lane changes."""
    several: bool
    """There are several cameras, so messages start with the camera's name."""
    _warm: set[object] = field(default_factory=set)
    """Picture sizes that the flow has run on."""
    _warming: Lock = field(default_factory=Lock)

    def plan(self, info: VideoInfo) -> RunPlan:
        """Return the plan of a run over a source."""
        return make_plan(info, self.recognizer, self.config, self.backend)

    def warm_up(self, info: VideoInfo) -> None:
        """Run the flow over a few frames of noise of a source's size, once for each size.

        First-time work (memory, kernels, thread pools) takes seconds in all, during which frames would be lost.
        """
        size = (info.width, info.height, info.pixel_aspect)
        with self._warming:
            if size in self._warm:
                return
            self._warm.add(size)
            plan = self.plan(info)
            margin, windowing = self.recognizer.geometry.margin, plan.windowing
            count = margin + WARM_UP_SAMPLES if windowing.streams else windowing.clip_len + 1
            rate = plan.sampling.rate or 30.0
            hooks, stats = RuntimeHooks(prefetch=_same_lane), RunStats()
            frames = (Frame(n, None, n / rate, Fraction(1, 1000), _noise(info, n)) for n in range(count))
            with ExitStack() as own:
                deque(run_stages(frames, build_stages(plan, hooks, stats), stats, own, hooks), maxlen=0)


class LiveCamera:
    """A camera from `start` until its source ends, fails for good, or `stop` is called.

    Args:
        name: address without credentials.
        connect: return the connected sources.
        context: the network and everything else that the cameras share.
        is_past_end: return whether a frame lies behind the end of the run.

    Example:
        >>> camera = LiveCamera("test:", connect_uri("test:", config.live, True), context, lambda frame: False)
        >>> camera.start()
        >>> frames, localizations = camera.display_frames.poll(), camera.localizations.poll()
        >>> camera.close()
    """

    def __init__(
        self, name: str, connect: Connect, context: SharedContext, is_past_end: Callable[[Frame], bool]
    ) -> None:
        capture = context.config.live
        self._context, self._is_past_end = context, is_past_end
        self._stop = Event()
        self._sources = connect(self._stop, self._note, self._on_event)
        self.metrics = CameraMetrics(name)
        self.stats = RunStats()
        self.infos: dict[int, VideoInfo] = {}
        """Properties of each connection so far, by its number."""
        self.notes: deque[str] = deque(maxlen=MAX_NOTES)
        """Newest messages for people."""
        self.skipped = 0
        """Number of frames that were taken for the display and not shown."""
        self.corrupt = 0
        """Number of packets that could not be decoded."""
        self.error: CamreelError | None = None
        """Reason why the source was given up."""
        self.display_frames = self._frame_channel(context.changed)
        """Frames for the display."""
        self.localizations: Channel[Localization] = Channel(MAX_WAITING_LOCALIZATIONS, changed=context.changed)
        """Localizations for the main lane."""
        self._network_frames = self._frame_channel()
        self._shedder = LoadShedder(None if capture.policy == "block" else capture.max_latency, self._note)
        self._linker = Linker(context.config.link)
        self._workers: list[Worker] = []

    def _frame_channel(self, changed: Condition | None = None) -> Channel[Frame]:
        policy = self._context.config.live.policy
        return Channel(
            MAX_WAITING_FRAMES[policy],
            policy,
            size=lambda frame: frame.picture.nbytes,
            most_bytes=MAX_WAITING_BYTES,
            changed=changed,
        )

    def start(self) -> None:
        """Start both lanes."""
        self._workers = [
            feed(self._localize(), [self.localizations], "camreel-network"),
            feed(self._capture(), [self.display_frames, self._network_frames], "camreel-capture"),
        ]

    def stop(self) -> None:
        """Ask the source to end; frames that were captured are still localized."""
        self._stop.set()
        # A source that hangs in the operating system does not end its channels.
        self.display_frames.finish()
        self._network_frames.finish()

    def close(self) -> None:
        """End both lanes; nothing more is localized."""
        self.stop()
        for channel in (self.display_frames, self._network_frames, self.localizations):
            channel.close()
        for worker in self._workers:
            worker.join()

    @property
    def over(self) -> bool:
        """Whether all frames were shown and localized, and no more will come."""
        return self.display_frames.over and self.localizations.over

    def snapshot(self) -> MetricsSnapshot:
        """Return the metrics so far."""
        dropped = self._network_frames.dropped + self._shedder.late
        return MetricsSnapshot(self.metrics, dropped, self.display_frames.dropped + self.skipped, self._shedder.pace)

    def _capture(self) -> Iterator[Frame]:
        """Yield the frames of all connections: the capture lane."""
        try:
            for source in self._sources:
                self._context.warm_up(source.info)
                before = self.corrupt
                for frame in source:
                    if self._stop.is_set() or self._is_past_end(frame):
                        return
                    self.infos.setdefault(frame.part, source.info)
                    self._count(before + source.corrupt)
                    yield frame
        except CamreelError as error:
            # Not raised: the lanes after this one finish the frames they have, and the other cameras continue.
            self.error = error
            self.notes.append(error.what)
        finally:
            self.metrics.connected = False
            getattr(self._sources, "close", lambda: None)()

    def _count(self, corrupt: int) -> None:
        self.corrupt = corrupt
        self.metrics.captured += 1
        self.metrics.connected = True
        self.metrics.captured_rate.add(time.monotonic())

    def _on_event(self, event: ConnectionEvent) -> None:
        self.metrics.connected = event.kind in ("connected", "changed")
        self.metrics.reconnects += event.kind == "connected" and event.part > 0

    def _note(self, sentence: str) -> None:
        """Show a sentence on the display and log it."""
        self.notes.append(sentence)
        log.info("%s", f"{self.metrics.name}: {sentence}" if self._context.several else sentence)

    def _localize(self) -> Iterator[Localization]:
        """Yield the localizations of all connections: the network lane."""
        for part, frames in groupby(self._shedder(self._network_frames), key=lambda frame: frame.part):
            yield from self._localize_part(part, frames)

    def _localize_part(self, part: int, frames: Iterable[Frame]) -> Iterator[Localization]:
        """Run the flow over the frames of one connection."""
        context, stats, shedder = self._context, RunStats(), self._shedder
        plan = context.plan(self.infos[part])
        # Clips come in bursts: while the network works on one, a lane of their own takes the frames of the next, so
        # that they do not wait. Samples of a stream come one by one: more lanes would only be more delay.
        lanes = _same_lane if plan.windowing.streams else prefetch
        hooks = replace(context.hooks, pace=lambda: shedder.pace, prefetch=lanes, entry=WAIT)
        stages = build_stages(plan, hooks, stats, self._linker)
        with ExitStack() as own:
            for localization in run_stages(frames, stages, stats, own, hooks):
                self._count_inferred(self.stats.inferred + stats.inferred)
                yield localization
        self.stats.absorb(stats)
        self._count_inferred(self.stats.inferred)

    def _count_inferred(self, inferred: int) -> None:
        self.metrics.inferred_rate.add(time.monotonic(), inferred - self.metrics.inferred)
        self.metrics.inferred = inferred


def _same_lane(items: Iterable[Any], depth: int) -> Iterator[Any]:
    """Replace `prefetch` without starting a lane."""
    return iter(items)


def _noise(info: VideoInfo, seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    half = (info.height + 1) // 2, (info.width + 1) // 2
    y, u, v = (rng.integers(0, 256, shape, np.uint8) for shape in ((info.height, info.width), half, half))
    return Picture(y, u, v)
