"""State shared by the main loop and the thread of the page: each side takes the newest value and never waits."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from camreel.sinks.web.messages import PageCommand, PageUpdate, SetDisplayOptions, SetRecording, Status
from camreel.structures import DisplayOptions, Picture

MAX_DELAYS = 10_000
"""Delays that are kept if the main loop does not take them."""
MAX_WAITING_PICTURES = 2
"""Pictures of a visitor's camera that wait: as many as the page sends before the first one is acknowledged."""
REMEMBERED_STAMPS = 256
"""Pictures of a visitor's camera whose capture time by the visitor's clock is remembered."""


class SessionState:
    """Newest picture, status, display options and commands. Safe to use from any thread.

    Args:
        options: display options at the start.
        wake: called after every change that viewers should see; must not wait.
    """

    def __init__(self, options: DisplayOptions, wake: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._wake = wake
        self._update = PageUpdate(0, {})
        self._options = options
        self._set_options: SetDisplayOptions | None = None
        self._set_recording: SetRecording | None = None
        self._delays: deque[float] = deque(maxlen=MAX_DELAYS)

    @property
    def update(self) -> PageUpdate:
        """Newest picture and status."""
        return self._update

    @property
    def options(self) -> DisplayOptions:
        """Display options of the next picture that will be drawn."""
        return self._options

    def show(self, picture: Picture, captured: float | None, status: Status) -> None:
        """Set the newest picture, the capture time of its frame, and the status beside it."""
        with self._lock:
            number = self._update.number + 1
            self._update = PageUpdate(number, status, picture, captured, number)
        self._wake()

    def set_status(self, status: Status) -> None:
        """Set the status without a new picture."""
        with self._lock:
            self._update = replace(self._update, number=self._update.number + 1, status=status)
        self._wake()

    def set_options(self, options: DisplayOptions) -> None:
        """Set display options that were chosen on another display."""
        with self._lock:
            self._options = options
        self._wake()

    def take_commands(self) -> list[PageCommand]:
        """Return the commands since the last call: of each kind only the last one."""
        with self._lock:
            commands = [command for command in (self._set_options, self._set_recording) if command is not None]
            self._set_options = self._set_recording = None
        return commands

    def take_delays(self) -> list[float]:
        """Return the delays from capture to display in seconds, one per picture drawn since the last call."""
        with self._lock:
            delays = list(self._delays)
            self._delays.clear()
        return delays

    def add_command(self, command: PageCommand) -> None:
        """Add a command of a viewer."""
        with self._lock:
            if isinstance(command, SetRecording):
                self._set_recording = command
            else:
                self._set_options, self._options = command, command.options
        self._wake()

    def add_delay(self, seconds: float) -> None:
        """Add the delay of a picture that a browser has drawn."""
        with self._lock:
            self._delays.append(seconds)


class VisitorCamera:
    """The camera of a visitor: its pictures arrive in the thread of the page, and another thread iterates them.

    One visitor at a time owns the camera; the pictures of the others are ignored.
    """

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._waiting: deque[tuple[float, bytes, Callable[[], None]]] = deque(maxlen=MAX_WAITING_PICTURES)
        self._stamps: OrderedDict[float, float] = OrderedDict()
        self._owner: object | None = None
        self._closed = False

    def claim(self, visitor: object) -> bool:
        """Make a visitor the owner if there is none; return whether the visitor is the owner now."""
        with self._arrived:
            if self._owner is None:
                self._owner = visitor
            return self._owner is visitor

    def release(self, visitor: object) -> None:
        """End the ownership of a visitor and discard the waiting pictures."""
        with self._arrived:
            if self._owner is visitor:
                self._owner = None
                self._waiting.clear()

    def put(self, visitor: object, stamp: float, jpeg: bytes, on_taken: Callable[[], None]) -> None:
        """Add a picture; the oldest waiting one is dropped if there are too many.

        Args:
            visitor: sender of the picture; ignored unless it is the owner.
            stamp: capture time by the visitor's clock.
            jpeg: the picture.
            on_taken: called when the picture leaves the queue.
        """
        with self._arrived:
            if self._owner is not visitor:
                return
            now = time.monotonic()
            self._stamps[now] = stamp
            if len(self._stamps) > REMEMBERED_STAMPS:
                self._stamps.popitem(last=False)
            self._waiting.append((now, jpeg, on_taken))
            self._arrived.notify()

    def stamp(self, arrival: float | None) -> float | None:
        """Return the capture time by the visitor's clock of the picture that arrived at `arrival`; None: not known."""
        with self._arrived:
            return None if arrival is None else self._stamps.get(arrival)

    def frames(self) -> Iterator[tuple[float, bytes]]:
        """Yield (arrival by `time.monotonic()`, JPEG) until the camera is closed."""
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                arrival, jpeg, on_taken = self._waiting.popleft()
            on_taken()
            yield arrival, jpeg

    def close(self) -> None:
        """End `frames`, also while it waits."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
