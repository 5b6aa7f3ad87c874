"""A live source for as long as it is wanted: connects, and connects again when the connection is lost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from camreel.errors import InputError
from camreel.interfaces import Source
from camreel.sources.address import Address, parse
from camreel.sources.camera import LiveSource
from camreel.sources.container import TIMEOUT, Unreachable
from camreel.sources.file import FileSource
from camreel.sources.open import open_address
from camreel.sources.realtime import Wait, pace
from camreel.sources.timeline import Relay, Running
from camreel.structures import Frame

BURSTS: Final = 6.0
"""Seconds by which the pictures of an HLS list, which come a segment at a time, may be put off to come evenly."""


Connect: TypeAlias = Callable[[], FileSource | LiveSource]
Kind: TypeAlias = Literal["connected", "lost", "waiting", "changed"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a source is waited for, in seconds."""

    silence: float = TIMEOUT
    """Without a picture, until a connection is taken for dead (HLS, which waits for whole segments: three times as long)."""
    deadline: float = 60.0
    """Without a connection, until the source is given up."""
    first: float = 0.5
    """Before the second attempt; doubled before each further one."""
    most: float = 15.0
    """Before any attempt."""
    settled: float = 1.0
    """After a connection that lived this long the waiting begins with `first` again."""


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """What happened to the connection."""

    kind: Kind
    """`lost` comes once for each connection, `waiting` before each new attempt."""
    part: int
    """connected, changed: of the frames that come; lost: of those that came; waiting: of those waited for."""
    reason: str = ""
    seconds: float = 0.0
    """connected: without a connection before; lost: that it lived; waiting: until the next attempt."""


def connections(
    uri: str,
    *,
    wait: Wait,
    realtime: bool = False,
    patience: Patience | None = None,
    notify: Callable[[str], None] = lambda _: None,
    on_event: Callable[[ConnectionEvent], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    rng: random.Random | None = None,
) -> Iterator[Source]:
    """Yields one connected source after another: each is to be iterated to its end before the next one is asked for.

    Frames carry the running `index`, the running `time` and the `part`. What has an end of its own (files, test patterns, lists
    of known length) comes once. Closing the iterator closes what it yielded.

    Whoever stops it stops iterating, or closes it, from the thread that iterates: while nothing comes, that thread stays in
    FFmpeg until the source's silence is at its end.

    Args:
        uri: what `parse` knows.
        wait: waits so many seconds, and says whether to stop.
        realtime: files come at their own pace; test patterns always do.
        patience: None: the default.
        notify: hears of lost and new connections, as sentences for people.
        on_event: hears of them, too.
        clock: monotonic seconds.
        rng: for the jitter of the waiting; None: a new one.

    Raises:
        InputError: it cannot be read at all, or could not be reached for too long.
    """
    address = parse(uri)
    line = Line(patience or Patience(), wait, notify, on_event, clock, rng or random.Random())

    def connect() -> FileSource | LiveSource:
        return open_address(address, silence=line.patience.silence, clock=clock)

    return line.sources(address, connect, realtime)


class Line:
    """The state of one run of `connections`."""

    def __init__(
        self,
        patience: Patience,
        wait: Wait,
        notify: Callable[[str], None],
        on_event: Callable[[ConnectionEvent], None],
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.patience = patience
        self._wait, self._notify, self._on_event, self._clock, self._rng = wait, notify, on_event, clock, rng
        self._running = Running()
        self._part = 0
        self._failures = 0
        self._since = clock()
        """When the connection came or went, or this began."""
        self._reason = ""
        """Why it was lost, or cannot be had."""

    def sources(self, address: Address, connect: Connect, realtime: bool) -> Iterator[Source]:
        """See `connections`."""
        state = "no connection"
        while not self._wait(0.0):
            source = self._try(address, connect)
            if isinstance(source, LiveSource):
                yield from self._live(source)
                if self._wait(0.0):
                    return
                state = "lost the connection"
                self._lose()
            elif source:
                with source:
                    yield self._finite(source, realtime or address.kind == "pattern")
                return
            if not self._again(address.name, state):
                return
            state = "no connection"

    def _try(self, address: Address, connect: Connect) -> FileSource | LiveSource | None:
        try:
            source = connect()
        except InputError as error:
            if not self._part and not isinstance(error, Unreachable):
                raise
            self._reason = error.what.removeprefix(f"{address.name}: ")
            return None
        if self._part and not isinstance(source, LiveSource):
            source.close()  # a list whose end is known by now: what is left in it was seen
            self._reason = "the stream has ended"
            return None
        return source

    def _finite(self, source: Source, paced: bool) -> Source:
        info = replace(source.info, live=paced)
        return Relay(source, info, lambda frames: pace(frames, self._wait, self._clock) if paced else iter(frames))

    def _live(self, source: LiveSource) -> Iterator[Source]:
        """The parts of one connection."""
        away, self._since = self._clock() - self._since, self._clock()
        if self._part:
            self._notify(f"connected again after {away:.1f} s")
        self._tell("connected", seconds=away)
        self._running.reconnected()
        with closing(source):
            part = source
            while True:
                yield self._relay(part)
                self._reason = part.ended or "its reader left"
                changed = part.follow()
                if changed is None:
                    break
                part = changed
                self._part += 1
                self._notify(self._reason)
                self._tell("changed", self._reason)

    def _lose(self) -> None:
        lived, self._since = self._clock() - self._since, self._clock()
        if lived >= self.patience.settled:
            self._failures = 0
        self._tell("lost", self._reason, lived)
        self._part += 1

    def _relay(self, source: LiveSource) -> Source:
        part = self._part

        def through(frames: Iterable[Frame]) -> Iterator[Frame]:
            even = pace(frames, self._wait, self._clock, slack=BURSTS) if source.bursts else frames
            return self._running(even, part)

        return Relay(source, source.info, through)

    def _again(self, name: str, state: str) -> bool:
        """Waits before the next attempt; False: asked to stop.

        Raises:
            InputError: patience is at its end.
        """
        left = self._since + self.patience.deadline - self._clock()
        if left <= 0:
            what = "the connection was lost and did not come back" if self._part else "never reachable"
            todo = "check the camera and the network"
            raise InputError(f"{name}: {what} within {self.patience.deadline:g} s", self._reason, todo)
        longest = min(self.patience.most, self.patience.first * 2.0 ** min(self._failures, 30))
        delay = min(left, longest * self._rng.uniform(0.5, 1.0))
        self._failures += 1
        self._notify(f"{state} ({self._reason}); trying again in {delay:.1f} s")
        self._tell("waiting", self._reason, delay)
        return not self._wait(delay)

    def _tell(self, kind: Kind, reason: str = "", seconds: float = 0.0) -> None:
        self._on_event(ConnectionEvent(kind, self._part, reason, seconds))
