"""The only threads of the flow: run everything upstream of one point in a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

JOIN_SECONDS = 2.0


class _Lane(Generic[T]):
    """A bounded hand-over between one producing thread and one consumer."""

    def __init__(self, iterable: Iterable[T], depth: int) -> None:
        self._iterable = iterable
        self._depth = depth
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._finished = False
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="camreel-lane", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._iterable:
                if not self._put(item):
                    break
        except BaseException as caught:
            error = caught
        try:
            # A generator must be closed by the thread that runs it.
            getattr(self._iterable, "close", lambda: None)()
        except BaseException as caught:
            error = error or caught
        with self._changed:
            self._error, self._finished = error, True
            self._changed.notify_all()

    def _put(self, item: T) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._depth)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._finished)
                if not self._items:
                    break
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
        # Bounded: a producer that hangs in the operating system must not hang the consumer; its thread is a daemon.
        self._thread.join(JOIN_SECONDS)


def prefetch(iterable: Iterable[T], depth: int) -> Iterator[T]:
    """Iterates `iterable` in a thread of its own, at most `depth` items ahead.

    Items come in order; an exception of the producer is raised after the items before it; closing the returned generator stops the
    thread and closes `iterable` there.

    Args:
        iterable: what to run ahead; a generator's code runs in the new thread from its first item on.
        depth: items that may wait, at least 1.
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1, not {depth}")
    lane = _Lane(iterable, depth)
    lane.start()
    try:
        yield from lane
    finally:
        lane.close()
