"""A visitor's own camera: its pictures come in over the page's socket and go out to the loop that draws."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

ROOM = 2
"""Pictures that wait at most: as many as the page sends before it is told that one was taken."""
REMEMBERED = 256
"""Pictures whose capture time by the visitor's clock is known."""


class Camera:
    """The camera of one visitor at a time."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._waiting: deque[tuple[float, bytes, Callable[[], None]]] = deque(maxlen=ROOM)
        self._stamps: OrderedDict[float, float] = OrderedDict()
        self._owner: object | None = None
        self._closed = False

    def claim(self, visitor: object) -> bool:
        """Whether this visitor's camera is the one."""
        with self._arrived:
            if self._owner is None:
                self._owner = visitor
            return self._owner is visitor

    def release(self, visitor: object) -> None:
        """Makes room for another visitor."""
        with self._arrived:
            if self._owner is visitor:
                self._owner = None
                self._waiting.clear()

    def put(self, visitor: object, stamp: float, jpeg: bytes, taken: Callable[[], None]) -> None:
        """Takes a picture; where too many wait, the oldest is dropped.

        Args:
            visitor: ignored unless it is the one whose camera is seen.
            stamp: when it was captured, by the visitor's clock.
            jpeg: the picture.
            taken: called as soon as the picture is asked for.
        """
        with self._arrived:
            if self._owner is not visitor:
                return
            now = time.monotonic()
            self._stamps[now] = stamp
            if len(self._stamps) > REMEMBERED:
                self._stamps.popitem(last=False)
            self._waiting.append((now, jpeg, taken))
            self._arrived.notify()

    def stamp(self, captured: float) -> float | None:
        """When the picture that arrived at `captured` was captured by the visitor's clock; None: it is not a visitor's."""
        with self._arrived:
            return self._stamps.get(captured)

    def frames(self) -> Iterator[tuple[float, bytes]]:
        """Yields (arrival by `time.monotonic()`, JPEG) until the camera is closed."""
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                arrival, jpeg, taken = self._waiting.popleft()
            taken()
            yield arrival, jpeg

    def close(self) -> None:
        """Ends `frames`."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
