"""What the loop that draws and the page's thread hand to one another: each takes the newest, and neither waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from camreel.sinks.web.messages import Command, Record, Shown, Status, ViewChanged
from camreel.structures import DisplayOptions, Picture

MOST_DELAYS = 10_000
"""Kept where nobody takes them."""


class Exchange:
    """Safe to use from any thread.

    Args:
        view: what is seen at first.
        wake: called whenever there is something new to see; must not wait.
    """

    def __init__(self, view: DisplayOptions, wake: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._wake = wake
        self._shown = Shown(0, {})
        self._view = view
        self._changed: ViewChanged | None = None
        self._record: Record | None = None
        self._delays: deque[float] = deque(maxlen=MOST_DELAYS)

    @property
    def shown(self) -> Shown:
        """The newest there is to see."""
        return self._shown

    @property
    def view(self) -> DisplayOptions:
        """What is seen now, or will be as soon as it is drawn."""
        return self._view

    # The loop's side

    def show(self, picture: Picture, captured: float, status: Status) -> None:
        """Takes the next picture."""
        with self._lock:
            number = self._shown.number + 1
            self._shown = Shown(number, status, picture, captured, number)
        self._wake()

    def tell(self, status: Status) -> None:
        """Takes what is new where no picture is."""
        with self._lock:
            self._shown = replace(self._shown, number=self._shown.number + 1, status=status)
        self._wake()

    def set_view(self, view: DisplayOptions) -> None:
        """Takes a view that was chosen elsewhere."""
        with self._lock:
            self._view = view
        self._wake()

    def commands(self) -> list[Command]:
        """What visitors asked for since the last call: of each kind only the last one."""
        with self._lock:
            asked = [command for command in (self._changed, self._record) if command is not None]
            self._changed = self._record = None
        return asked

    def delays(self) -> list[float]:
        """Seconds from capture to display, one per picture that a browser drew since the last call."""
        with self._lock:
            delays = list(self._delays)
            self._delays.clear()
        return delays

    # The page's side

    def ask(self, command: Command) -> None:
        """Takes what a visitor asks for."""
        with self._lock:
            if isinstance(command, Record):
                self._record = command
            else:
                self._changed, self._view = command, command.view
        self._wake()

    def drawn(self, delay: float) -> None:
        """Takes the delay of a picture in seconds."""
        with self._lock:
            self._delays.append(delay)
