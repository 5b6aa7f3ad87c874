"""The only threads of the flow: workers, and the bounded channels between them.

A lane is a part of the flow that runs in a thread of its own. `prefetch` starts one; live runs build theirs from
`Channel`, `feed` and `QueueWorker`, and `DynamicBatcher` runs the network once for all cameras that wait.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
A = TypeVar("A")

Overflow = Literal["block", "drop-oldest", "latest"]
"""Policy of a full channel: the producer waits, or the oldest or all waiting items are dropped."""

JOIN_SECONDS = 2.0
"""Longest wait for a worker that was asked to stop."""

Event = threading.Event
Lock = threading.Lock
Condition = threading.Condition
"""Shared by several channels, a condition lets one consumer wait for any of them."""


class Channel(Generic[T]):
    """A bounded queue between a producing and a consuming thread.

    Args:
        depth: maximum number of waiting items, at least 1.
        overflow: policy when the channel is full.
        size: size of an item in bytes.
        most_bytes: maximum size of all waiting items; a single item may always wait. None: no limit.
        changed: condition to share with other channels.
    """

    def __init__(
        self,
        depth: int,
        overflow: Overflow = "block",
        *,
        size: Callable[[T], int] = lambda item: 0,
        most_bytes: int | None = None,
        changed: Condition | None = None,
    ) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        self.dropped = 0
        """Number of items that were dropped."""
        self._depth = depth
        self._overflow = overflow
        self._size = size
        self._most = most_bytes
        self._items: deque[T] = deque()
        self._bytes = 0
        self._changed = changed or Condition()
        self._finished = False
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Add an item; return False if the consumer has closed the channel."""
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
        return not self._items or (
            len(self._items) < self._depth and (self._most is None or self._bytes + size <= self._most)
        )

    def _drop(self) -> None:
        for _ in range(len(self._items) if self._overflow == "latest" else 1):
            self._bytes -= self._size(self._items.popleft())
            self.dropped += 1

    def finish(self, error: BaseException | None = None) -> None:
        """End the producer's side; after the waiting items the consumer gets `error`, if there is one."""
        with self._changed:
            if not self._finished:
                self._error, self._finished = error, True
            self._changed.notify_all()

    def close(self) -> None:
        """End the consumer's side: discard the waiting items and make `put` return False."""
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
        """Return all waiting items without waiting for more.

        Raises:
            BaseException: the producer's error, once no item waits.
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
        """Number of waiting items."""
        return len(self._items)

    @property
    def ready(self) -> bool:
        """Whether an item waits, or none will come any more."""
        return bool(self._items) or self._finished or self._closed

    @property
    def over(self) -> bool:
        """Whether all items were taken and none will come any more."""
        return (self._finished and not self._items) or self._closed


def wait_for_any(channels: Sequence[Channel[T]], changed: Condition, seconds: float) -> None:
    """Wait until one of the channels that share a condition has an item or all have ended, for `seconds` at most."""
    with changed:
        changed.wait_for(
            lambda: any(channel.waiting for channel in channels) or all(channel.over for channel in channels), seconds
        )


class Worker:
    """A thread that runs one function to its end.

    The thread is a daemon and joining it is bounded, so that a function that hangs in the operating system cannot hang
    the process.

    Args:
        work: function to run; it must handle its own errors.
        name: name of the thread.
    """

    def __init__(self, work: Callable[[], None], name: str = "camreel-worker") -> None:
        self._thread = threading.Thread(target=work, name=name, daemon=True)
        self._thread.start()

    def join(self, seconds: float = JOIN_SECONDS) -> bool:
        """Wait for the end of the thread; return False if it has not ended in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


def feed(iterable: Iterable[T], channels: Sequence[Channel[T]], name: str = "camreel-worker") -> Worker:
    """Iterate in a new thread and put every item into all channels; the end or error of the iterable becomes theirs."""

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

    return Worker(work, name)


class QueueWorker(Generic[T]):
    """Pass the items of a channel to a slow consumer, in a thread of its own.

    Args:
        channel: where the items come from.
        take: consumer of one item.
        name: name of the thread.
    """

    def __init__(self, channel: Channel[T], take: Callable[[T], None], name: str = "camreel-queue") -> None:
        self.channel = channel
        self.error: BaseException | None = None
        """Exception raised by `take`, which is not called again after it."""
        self._take = take
        self._worker = Worker(self._work, name)

    def _work(self) -> None:
        try:
            for item in self.channel:
                self._take(item)
        except BaseException as error:
            self.error = error
            self.channel.close()

    def put(self, item: T) -> None:
        """Add an item.

        Raises:
            BaseException: the exception that `take` raised for an earlier item.
        """
        if not self.channel.put(item) and self.error is not None:
            raise self.error

    def close(self) -> None:
        """Discard the waiting items and stop; a consumer that hangs is not waited for."""
        self.channel.close()
        self._worker.join()

    def finish(self, seconds: float) -> bool:
        """Wait until all items are consumed; return False if that takes longer than `seconds`.

        Raises:
            BaseException: the exception that `take` raised.
        """
        self.channel.finish()
        done = self._worker.join(seconds)
        if self.error is not None:
            raise self.error
        return done


def prefetch(iterable: Iterable[T], depth: int) -> Iterator[T]:
    """Iterate `iterable` in a new thread, at most `depth` items ahead.

    Items keep their order. An exception of the producer is raised after the items before it. Closing the returned
    generator stops the thread and closes `iterable` there.

    Args:
        iterable: items to produce ahead of time; the code of a generator runs in the new thread.
        depth: maximum number of waiting items, at least 1.

    Example:
        >>> list(prefetch(range(3), depth=2))
        [0, 1, 2]
    """
    channel: Channel[T] = Channel(depth)
    worker = feed(iterable, [channel])
    try:
        yield from channel
    finally:
        channel.close()
        worker.join()


class DynamicBatcher(Generic[T, A]):
    """Batch the requests of several threads: a batch holds the compatible requests that wait when the worker is free.

    No request waits for others to arrive. A thread that finds nobody working runs the batch itself.

    Args:
        work: compute the answers of compatible requests, in order.
        key: requests with equal keys are compatible.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[A]], key: Callable[[T], Hashable]) -> None:
        self._work, self._key = work, key
        self._changed = Condition()
        self._waiting: list[tuple[T, list[A | BaseException]]] = []
        self._working = False

    def __call__(self, request: T) -> A:
        """Return the answer of a request; raise the exception of its batch."""
        place: list[A | BaseException] = []
        batch: list[tuple[T, list[A | BaseException]]] = []
        with self._changed:
            self._waiting.append((request, place))
            self._changed.wait_for(lambda: place or not self._working)
            if not place:
                self._working = True
                key = self._key(request)
                batch = [entry for entry in self._waiting if self._key(entry[0]) == key]
                self._waiting = [entry for entry in self._waiting if self._key(entry[0]) != key]
        if batch:
            self._run(batch)
        answer = place[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _run(self, batch: Sequence[tuple[T, list[A | BaseException]]]) -> None:
        answers: Sequence[A | BaseException]
        try:
            answers = self._work([request for request, _ in batch])
        except BaseException as error:
            answers = [error] * len(batch)
        with self._changed:
            for (_, place), answer in zip(batch, answers, strict=True):
                place.append(answer)
            self._working = False
            self._changed.notify_all()
