"""The only threads of the flow: lanes, and the bounded channels between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
A = TypeVar("A")

Overflow = Literal["block", "drop-oldest", "latest"]
"""What happens to a full channel: the producer waits, the item that has waited longest goes, or all that wait go."""

JOIN_SECONDS = 2.0

Halt = threading.Event
"""Asks lanes to stop: `wait(seconds)` is True once it is set."""
Lock = threading.Lock
Signal = threading.Condition
"""Shared by channels, so that one consumer can wait for any of them."""


class Channel(Generic[T]):
    """A bounded hand-over between a producing and a consuming thread.

    Args:
        depth: items that may wait, at least 1.
        overflow: what happens when it is full; drops are decided by what waits here and by nothing else.
        size: bytes of an item.
        most_bytes: that may wait; one item may always. None: no bound.
        changed: the signal to share with other channels.
    """

    def __init__(
        self,
        depth: int,
        overflow: Overflow = "block",
        *,
        size: Callable[[T], int] = lambda item: 0,
        most_bytes: int | None = None,
        changed: Signal | None = None,
    ) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        self.dropped = 0
        """Items that nobody will get."""
        self._depth = depth
        self._overflow = overflow
        self._size = size
        self._most = most_bytes
        self._items: deque[T] = deque()
        self._bytes = 0
        self._changed = changed or Signal()
        self._finished = False
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Hands an item over; False: nobody wants any more."""
        size = self._size(item)
        with self._changed:
            if self._overflow == "block":
                self._changed.wait_for(lambda: self._closed or self._has_room(size))
            if self._closed:
                return False
            while self._items and not self._has_room(size):
                self._drop()
            self._items.append(item)
            self._bytes += size
            self._changed.notify_all()
            return True

    def _has_room(self, size: int) -> bool:
        return not self._items or (len(self._items) < self._depth and (self._most is None or self._bytes + size <= self._most))

    def _drop(self) -> None:
        for _ in range(len(self._items) if self._overflow == "latest" else 1):
            self._bytes -= self._size(self._items.popleft())
            self.dropped += 1

    def finish(self, error: BaseException | None = None) -> None:
        """The producer's end: after what waits, the consumer gets the error, if there is one."""
        with self._changed:
            if not self._finished:
                self._error, self._finished = error, True
            self._changed.notify_all()

    def close(self) -> None:
        """The consumer's end: what waits is gone, and `put` gives up."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.ready)
                if not self._items:
                    break
                item = self._take()
            yield item
        if self._error is not None:
            raise self._error

    def poll(self) -> list[T]:
        """Everything that waits, without waiting for more.

        Raises:
            BaseException: the producer's, once nothing waits any more.
        """
        with self._changed:
            items = [self._take() for _ in range(len(self._items))]
        if not items and self._finished and self._error is not None:
            raise self._error
        return items

    def _take(self) -> T:
        item = self._items.popleft()
        self._bytes -= self._size(item)
        self._changed.notify_all()
        return item

    @property
    def waiting(self) -> int:
        """Items that wait."""
        return len(self._items)

    @property
    def ready(self) -> bool:
        """Whether there is something to take, or never will be."""
        return bool(self._items) or self._finished or self._closed

    @property
    def over(self) -> bool:
        """Whether everything was taken and nothing more comes."""
        return (self._finished and not self._items) or self._closed


def any_ready(channels: Sequence[Channel[T]], changed: Signal, seconds: float) -> None:
    """Waits until one of the channels that share a signal has something or ends, at most so many seconds."""
    with changed:
        changed.wait_for(lambda: any(channel.waiting for channel in channels) or all(channel.over for channel in channels), seconds)


class Lane:
    """A thread that does one thing to its end.

    A lane that hangs in the operating system hangs nobody else: it is a daemon, and waiting for it is bounded.

    Args:
        work: what it does; must take care of its own errors.
        name: for people.
    """

    def __init__(self, work: Callable[[], None], name: str = "camreel-lane") -> None:
        self._thread = threading.Thread(target=work, name=name, daemon=True)
        self._thread.start()

    def join(self, seconds: float = JOIN_SECONDS) -> bool:
        """Waits for its end; False: it has not come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


def feed(iterable: Iterable[T], channels: Sequence[Channel[T]], name: str = "camreel-lane") -> Lane:
    """Iterates in a thread of its own and puts every item into all channels; its end or error becomes theirs."""

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in iterable:
                if not all([channel.put(item) for channel in channels]):
                    break
        except BaseException as caught:
            error = caught
        try:
            # A generator must be closed by the thread that runs it.
            getattr(iterable, "close", lambda: None)()
        except BaseException as caught:
            error = error or caught
        for channel in channels:
            channel.finish(error)

    return Lane(work, name)


class Drain(Generic[T]):
    """Gives a channel's items to somebody slow, in a thread of its own.

    Args:
        channel: what is taken.
        take: takes an item.
        name: of the thread.
    """

    def __init__(self, channel: Channel[T], take: Callable[[T], None], name: str = "camreel-drain") -> None:
        self.channel = channel
        self.error: BaseException | None = None
        """What `take` raised; it is called no more then."""
        self._take = take
        self._lane = Lane(self._work, name)

    def _work(self) -> None:
        try:
            for item in self.channel:
                self._take(item)
        except BaseException as error:
            self.error = error
            self.channel.close()

    def put(self, item: T) -> None:
        """Hands an item over.

        Raises:
            BaseException: what `take` raised for an earlier one.
        """
        if not self.channel.put(item) and self.error is not None:
            raise self.error

    def close(self) -> None:
        """Leaves what waits; somebody who hangs is not waited for long."""
        self.channel.close()
        self._lane.join()

    def finish(self, seconds: float) -> bool:
        """Waits until everything is taken, at most so long; False: it is not.

        Raises:
            BaseException: what `take` raised.
        """
        self.channel.finish()
        done = self._lane.join(seconds)
        if self.error is not None:
            raise self.error
        return done


def prefetch(iterable: Iterable[T], depth: int) -> Iterator[T]:
    """Iterates `iterable` in a thread of its own, at most `depth` items ahead.

    Items come in order; an exception of the producer is raised after the items before it; closing the returned generator stops the
    thread and closes `iterable` there.

    Args:
        iterable: what to run ahead; a generator's code runs in the new thread from its first item on.
        depth: items that may wait, at least 1.
    """
    channel: Channel[T] = Channel(depth)
    lane = feed(iterable, [channel])
    try:
        yield from channel
    finally:
        channel.close()
        lane.join()


class Together(Generic[T, A]):
    """Work that several lanes ask for, done for all who wait at once: nobody waits for others to ask.

    Whoever finds nobody at work works, for all whose requests are alike.

    Args:
        work: requests that are alike -> their answers, in order.
        alike: requests with the same key can be worked on together.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[A]], alike: Callable[[T], Hashable]) -> None:
        self._work, self._alike = work, alike
        self._changed = threading.Condition()
        self._waiting: list[tuple[T, list[A | BaseException]]] = []
        self._at_work = False

    def __call__(self, request: T) -> A:
        """The answer; raises what the work raised."""
        place: list[A | BaseException] = []
        with self._changed:
            self._waiting.append((request, place))
            self._changed.wait_for(lambda: place or not self._at_work)
            mine = not place
            if mine:
                self._at_work = True
                key = self._alike(request)
                batch = [entry for entry in self._waiting if self._alike(entry[0]) == key]
                self._waiting = [entry for entry in self._waiting if self._alike(entry[0]) != key]
        if mine:
            self._do(batch)
        answer = place[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _do(self, batch: Sequence[tuple[T, list[A | BaseException]]]) -> None:
        answers: Sequence[A | BaseException]
        try:
            answers = self._work([request for request, _ in batch])
        except BaseException as error:
            answers = [error] * len(batch)
        with self._changed:
            for (_, place), answer in zip(batch, answers, strict=True):
                place.append(answer)
            self._at_work = False
            self._changed.notify_all()
