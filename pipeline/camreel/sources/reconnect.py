"""Connections to a source for as long as a run lasts: a lost connection is opened again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from camreel.errors import InputError
from camreel.interfaces import Note, Source
from camreel.sources import SOURCES, parse_address
from camreel.sources.address import SILENCE_SECONDS, OpenOptions
from camreel.sources.camera import LiveSource
from camreel.sources.container import Unreachable
from camreel.sources.timeline import MappedSource, Timeline, Wait, pace_realtime
from camreel.structures import Frame

BURST_SLACK_SECONDS = 6.0
"""Time by which the frames of an HLS list, which arrive a segment at a time, may be postponed to come evenly."""

EventKind: TypeAlias = Literal["connected", "lost", "waiting", "changed"]


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """How long a source is waited for, in seconds: exponential backoff with jitter, up to a deadline."""

    silence: float = SILENCE_SECONDS
    """Without a frame until a connection counts as dead (HLS, which waits for whole segments: three times as long)."""
    deadline: float = 60.0
    """Without a connection until the source is given up."""
    first_delay: float = 0.5
    """Longest delay before the second attempt; doubled before each further one."""
    max_delay: float = 15.0
    """Longest delay before any attempt."""
    settled_after: float = 1.0
    """After a connection that lived this long, delays start with `first_delay` again."""


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """A change of the connection to a source."""

    kind: EventKind
    """`lost` comes once per connection, `waiting` before each new attempt, `changed` when the picture size changes."""
    part: int
    """`Frame.part` of the frames that begin (connected, changed), have ended (lost), or are waited for (waiting)."""
    reason: str = ""
    seconds: float = 0.0
    """connected: without a connection before; lost: lifetime of the connection; waiting: until the next attempt."""


def connections(
    uri: str,
    *,
    wait: Wait,
    realtime: bool = False,
    policy: ReconnectPolicy | None = None,
    note: Note = lambda sentence: None,
    on_event: Callable[[ConnectionEvent], None] = lambda event: None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Source]:
    """Yield one connected source after another; iterate each to its end before asking for the next one.

    `index` and `time` of the frames continue over all connections; `part` counts the connections and changes of the
    picture size. A source that ends by itself (a file, a test pattern, a playlist of known length) is yielded once.
    Closing the iterator closes the source that it yielded.

    To stop, stop iterating, or close the iterator from the iterating thread: while no data comes, that thread stays
    in FFmpeg until the policy's silence is over.

    Args:
        uri: text that one of `SOURCES` recognizes.
        wait: wait so many seconds, and return True if the run was asked to stop.
        realtime: play files at their own pace; test patterns always are.
        policy: how long to wait for a source; None: the default.
        note: called with a sentence for people about each lost and each new connection.
        on_event: called with the same as data.
        clock: return monotonic seconds.

    Raises:
        InputError: the source can never be read, or could not be reached before the deadline.

    Example:
        >>> for source in connections("rtsp://camera/stream", wait=stop.wait, note=print):
        ...     for frame in source:
        ...         print(frame.part, frame.index, frame.time)
    """
    address, policy = parse_address(uri), policy or ReconnectPolicy()
    kind, options = SOURCES[address.kind], OpenOptions(silence=policy.silence, clock=clock)
    reconnector = Reconnector(policy, wait, note, on_event, clock, random.Random())
    return reconnector.sources(address.name, lambda: kind.open(address, options), realtime or kind.paced)


class Reconnector:
    """The state of one call of `connections`.

    Args:
        policy: how long to wait for a source.
        wait: see `connections`.
        note: see `connections`.
        on_event: see `connections`.
        clock: return monotonic seconds.
        rng: jitter of the delays.
    """

    def __init__(
        self,
        policy: ReconnectPolicy,
        wait: Wait,
        note: Note,
        on_event: Callable[[ConnectionEvent], None],
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._policy = policy
        self._wait, self._note, self._on_event, self._clock, self._rng = wait, note, on_event, clock, rng
        self._timeline = Timeline()
        self._part = 0
        self._failures = 0
        """Consecutive attempts without a settled connection."""
        self._since = clock()
        """When the connection was opened or lost, or this object was created."""
        self._reason = ""
        """Why the connection was lost, or could not be opened."""

    def sources(self, name: str, connect: Callable[[], Source], paced: bool) -> Iterator[Source]:
        """Yield the sources of `connections`.

        Args:
            name: the source as shown to people.
            connect: open one connection.
            paced: play a source that ends by itself at its own pace.
        """
        state = "no connection"
        while not self._wait(0.0):
            source = self._try_connect(name, connect)
            if isinstance(source, LiveSource):
                yield from self._live_parts(source)
                if self._wait(0.0):
                    return
                state = "lost the connection"
                self._lose()
            elif source is not None:
                with source:
                    yield self._finite(source, paced)
                return
            if not self._await_attempt(name, state):
                return
            state = "no connection"

    def _try_connect(self, name: str, connect: Callable[[], Source]) -> Source | None:
        try:
            source = connect()
        except InputError as error:
            if not self._part and not isinstance(error, Unreachable):
                raise
            self._reason = error.what.removeprefix(f"{name}: ")
            return None
        if self._part and not isinstance(source, LiveSource):
            source.close()  # a playlist whose end is known by now: its remaining frames were seen already
            self._reason = "the stream has ended"
            return None
        return source

    def _finite(self, source: Source, paced: bool) -> Source:
        def play(frames: Iterable[Frame]) -> Iterator[Frame]:
            return pace_realtime(frames, self._wait, self._clock) if paced else iter(frames)

        return MappedSource(source, replace(source.info, live=paced or source.info.live), play)

    def _live_parts(self, source: LiveSource) -> Iterator[Source]:
        """Yield the parts of one connection, each with pictures of one size."""
        away, self._since = self._clock() - self._since, self._clock()
        if self._part:
            self._note(f"connected again after {away:.1f} s")
        self._emit("connected", seconds=away)
        self._timeline.start_connection()
        with closing(source):
            part = source
            while True:
                yield self._numbered(part)
                self._reason = part.end_reason or "the reader stopped"
                changed = part.continuation()
                if changed is None:
                    break
                part = changed
                self._part += 1
                self._note(self._reason)
                self._emit("changed", self._reason)

    def _lose(self) -> None:
        lived, self._since = self._clock() - self._since, self._clock()
        if lived >= self._policy.settled_after:
            self._failures = 0
        self._emit("lost", self._reason, lived)
        self._part += 1

    def _numbered(self, source: LiveSource) -> Source:
        part = self._part

        def number(frames: Iterable[Frame]) -> Iterator[Frame]:
            if source.in_bursts:
                frames = pace_realtime(frames, self._wait, self._clock, slack=BURST_SLACK_SECONDS)
            return self._timeline.number(frames, part)

        return MappedSource(source, source.info, number)

    def _await_attempt(self, name: str, state: str) -> bool:
        """Wait before the next attempt; return False if the run was asked to stop.

        Raises:
            InputError: the deadline has passed.
        """
        policy = self._policy
        left = self._since + policy.deadline - self._clock()
        if left <= 0:
            what = "the connection was lost and did not come back" if self._part else "never reachable"
            todo = "check the camera and the network"
            raise InputError(f"{name}: {what} within {policy.deadline:g} s", self._reason, todo)
        longest = min(policy.max_delay, policy.first_delay * 2.0 ** min(self._failures, 30))
        delay = min(left, longest * self._rng.uniform(0.5, 1.0))
        self._failures += 1
        self._note(f"{state} ({self._reason}); trying again in {delay:.1f} s")
        self._emit("waiting", self._reason, delay)
        return not self._wait(delay)

    def _emit(self, kind: EventKind, reason: str = "", seconds: float = 0.0) -> None:
        self._on_event(ConnectionEvent(kind, self._part, reason, seconds))
