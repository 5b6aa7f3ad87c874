"""One camera: its capture lane, its network lane, and the channels between them and the main lane."""

from __future__ import annotations

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
from camreel.interfaces import Recognizer, Source
from camreel.live.load_shedding import Governor
from camreel.live.metrics import Counters, Reading
from camreel.recognize.backend import Backend
from camreel.run_plan import RuntimeHooks, make_plan
from camreel.runtime.concurrency import Channel, Condition, Event, Lock, Overflow, feed, prefetch
from camreel.runtime.stats import WAIT, RunStats
from camreel.sources.reconnect import ConnectionEvent
from camreel.stages.link import Linker
from camreel.structures import Frame, Localization, Picture, VideoInfo

WAITING: Mapping[Overflow, int] = {"drop-oldest": 32, "latest": 2, "block": 32}
"""Frames that wait for the network or the screen at most, by policy."""
MOST_BYTES = 64 * 2**20
"""Likewise, in bytes of their pictures."""
ANSWERS = 8
"""Answers that wait to be taken at most."""
WARMING = 4
"""Samples beyond its margin that a network is warmed up with."""
NOTES = 20
"""Messages that are kept."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all cameras of a run have in common."""

    recognizer: Recognizer
    backend: Backend
    config: Config
    hooks: RuntimeHooks
    """Takes the network's steps of all cameras that wait in one pass."""
    changed: Condition
    """Set whenever a channel to the main lane changes."""
    warm: set[object] = field(default_factory=set)
    """Sizes of sources that the flow has run on."""
    warming: Lock = field(default_factory=Lock)


class Camera:
    """Runs from `start` until its source ends, is given up, or `stop`.

    Args:
        name: for people, without credentials.
        connect: (halt, notify, on_event) -> connected sources, one after another.
        shared: what it shares with the others.
        ends: whether a frame is behind the end of the run.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[Event, Callable[[str], None], Callable[[ConnectionEvent], None]], Iterable[Source]],
        shared: Shared,
        ends: Callable[[Frame], bool],
    ) -> None:
        live = shared.config.live
        self._shared, self._ends = shared, ends
        self._halt = Event()
        self._sources = connect(self._halt, self._note, self._happened)
        self.counters = Counters(name)
        self.meter = RunStats()
        self.infos: dict[int, VideoInfo] = {}
        """Of each connection so far, by its number."""
        self.notes: deque[str] = deque(maxlen=NOTES)
        """The newest messages for people."""
        self.unsaid: deque[str] = deque()
        """Messages for the main lane to take."""
        self.skipped = 0
        """Frames that were taken for the screen and not shown."""
        self.corrupt = 0
        """Packets that could not be decoded."""
        self.error: CamreelError | None = None
        """Why the source was given up."""
        waiting, policy = WAITING[live.policy], live.policy
        self.screen: Channel[Frame] = Channel(
            waiting, policy, size=_bytes, most_bytes=MOST_BYTES, changed=shared.changed
        )
        self.answers: Channel[Localization] = Channel(ANSWERS, changed=shared.changed)
        self._network: Channel[Frame] = Channel(waiting, policy, size=_bytes, most_bytes=MOST_BYTES)
        most = None if live.policy == "block" else live.max_latency
        self.governor = Governor(most, self._note)
        self._linker = Linker(shared.config.link)

    def start(self) -> None:
        """Starts both lanes."""
        self._capture = feed(self._frames(), [self.screen, self._network], "camreel-capture")
        self._work = feed(self._localizations(), [self.answers], "camreel-network")

    def stop(self) -> None:
        """Asks for the end: what was captured is still answered."""
        self._halt.set()
        # A source that hangs in the operating system does not come to its end.
        self.screen.finish()
        self._network.finish()

    def close(self) -> None:
        """Ends both lanes; nothing more is answered."""
        self.stop()
        for channel in (self.screen, self._network, self.answers):
            channel.close()
        self._work.join()
        self._capture.join()

    @property
    def over(self) -> bool:
        """Whether everything was shown and answered, and nothing more comes."""
        return self.screen.over and self.answers.over

    def reading(self) -> Reading:
        """What was counted so far."""
        lost = self._network.dropped + self.governor.late
        return Reading(self.counters, lost, self.screen.dropped + self.skipped, self.governor.pace)

    # The capture lane

    def _frames(self) -> Iterator[Frame]:
        try:
            for source in self._sources:
                warm(source.info, self._shared)
                before = self.corrupt
                for frame in source:
                    if self._halt.is_set() or self._ends(frame):
                        return
                    self.infos.setdefault(frame.part, source.info)
                    self._count(before + source.corrupt)
                    yield frame
        except CamreelError as error:
            # Not raised: the lanes behind finish what they have, and other cameras go on.
            self.error = error
            self.notes.append(error.what)
        finally:
            self.counters.connected = False
            getattr(self._sources, "close", lambda: None)()

    def _count(self, corrupt: int) -> None:
        self.corrupt = corrupt
        self.counters.captured += 1
        self.counters.connected = True
        self.counters.rate_in.add(time.monotonic())

    def _happened(self, event: ConnectionEvent) -> None:
        self.counters.connected = event.kind in ("connected", "changed")
        self.counters.reconnects += event.kind == "connected" and event.part > 0

    def _note(self, sentence: str) -> None:
        self.notes.append(sentence)
        self.unsaid.append(sentence)

    # The network lane

    def _localizations(self) -> Iterator[Localization]:
        for part, frames in groupby(self.governor(self._network), key=lambda frame: frame.part):
            yield from self._answer(part, frames)

    def _answer(self, part: int, frames: Iterable[Frame]) -> Iterator[Localization]:
        """The flow over the frames of one connection."""
        shared, meter = self._shared, RunStats()
        pace = self.governor
        plan = make_plan(self.infos[part], shared.recognizer, shared.config, shared.backend)
        # Clips come in bursts: while the network works on one, the frames of the next are taken in a lane of their own and do not
        # wait. Samples are taken one by one, and further lanes would only be further delays.
        ahead = _in_line if plan.windowing.streams else prefetch
        hooks = replace(shared.hooks, pace=lambda: pace.pace, prefetch=ahead, entry=WAIT)
        stages = build_stages(plan, hooks, meter, self._linker)
        with ExitStack() as own:
            for localization in run_stages(frames, stages, meter, own, hooks):
                self._learn(self.meter.inferred + meter.inferred)
                yield localization
        self.meter.absorb(meter)
        self._learn(self.meter.inferred)

    def _learn(self, inferred: int) -> None:
        self.counters.rate_inferred.add(time.monotonic(), inferred - self.counters.inferred)
        self.counters.inferred = inferred


def warm(info: VideoInfo, shared: Shared) -> None:
    """Runs the flow over a few frames of nothing of a source's size: what is done for the first time takes seconds in all, in which
    frames would be lost."""
    key = (info.width, info.height, info.pixel_aspect)
    with shared.warming:
        if key in shared.warm:
            return
        shared.warm.add(key)
        config = shared.config
        plan = make_plan(info, shared.recognizer, config, shared.backend)
        streams, clip_len = plan.windowing.streams, plan.windowing.clip_len
        count = shared.recognizer.geometry.margin + WARMING if streams else clip_len + 1
        rate = plan.sampling.rate or 30.0
        hooks, stats = RuntimeHooks(prefetch=_in_line), RunStats()
        frames = (Frame(n, None, n / rate, Fraction(1, 1000), _noise(info, n)) for n in range(count))
        with ExitStack() as own:
            deque(run_stages(frames, build_stages(plan, hooks, stats), stats, own, hooks), 0)


def _in_line(items: Iterable[Any], depth: int) -> Iterator[Any]:
    return iter(items)


def _noise(info: VideoInfo, seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    half = (info.height + 1) // 2, (info.width + 1) // 2
    y, u, v = (rng.integers(0, 256, shape, np.uint8) for shape in ((info.height, info.width), half, half))
    return Picture(y, u, v)


def _bytes(frame: Any) -> int:
    picture = frame.picture
    return int(picture.y.nbytes + picture.u.nbytes + picture.v.nbytes)
