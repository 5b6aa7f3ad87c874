"""Displays of a live run: the newest pictures of all cameras, and the commands of the viewers."""

from __future__ import annotations

import dataclasses
import enum
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from camreel.interfaces import DisplaySink
from camreel.live import DISPLAYS
from camreel.live.camera import LiveCamera
from camreel.live.metrics import Delays, describe_status, make_status, prometheus_text
from camreel.live.options import LiveOptions
from camreel.live.renderer import side_by_side
from camreel.runtime.registry import load_entry
from camreel.sinks.web.messages import PageCommand, PageOptions, SetDisplayOptions, SetRecording, Status
from camreel.sinks.window import Window, snapshot
from camreel.structures import DisplayFrame, DisplayOptions

log = logging.getLogger(__name__)

WINDOW_TITLE = "camreel"
TITLE_SECONDS = 1.0
"""Interval at which the numbers in the window's title change."""
LOG_SECONDS = 60.0
"""Interval at which the numbers are logged if there is no display."""
STATUS_SECONDS = 0.2
"""Interval at which displays get the status while there is no new picture."""
STATUS_NOTES = 5
"""Number of messages in the status."""


class KeyCommand(enum.Enum):
    """Command that a viewer gives with a key."""

    STOP = enum.auto()
    PAUSE = enum.auto()
    NEXT_CLASS = enum.auto()
    SNAPSHOT = enum.auto()


KEYS = {
    "q": KeyCommand.STOP,
    "escape": KeyCommand.STOP,
    "space": KeyCommand.PAUSE,
    "c": KeyCommand.NEXT_CLASS,
    "s": KeyCommand.SNAPSHOT,
}
"""Key of the window -> command."""

Command = PageCommand | KeyCommand


@dataclass(frozen=True, slots=True)
class DisplaySetup:
    """Everything that a display is created from."""

    title: str
    """Names of the cameras, without credentials."""
    classes: Sequence[str]
    """Class names, by class id."""
    display: DisplayOptions
    """Display options at the start."""
    options: LiveOptions
    status: Callable[[], Status]
    """Return the numbers and messages to show beside the picture."""
    metrics: Callable[[], str]
    """Return all metrics in the text format of Prometheus."""


class LiveDisplay(DisplaySink, Protocol):
    """A display that viewers can control: the result of an entry of `DISPLAYS`. Used in the main lane only."""

    reports_delays: bool = False
    """`delays` returns measured delays; otherwise a picture counts as displayed once `show` and `commands` returned."""
    url: str | None = None
    """Address of a page; None for other displays."""

    def start(self) -> None:
        """Open the display.

        Raises:
            OutputError: it cannot be opened.
        """
        return

    def refresh(self) -> None:
        """Show the status while there is no new picture."""
        return

    def set_options(self, options: DisplayOptions) -> None:
        """Take over display options that were chosen on another display."""
        return

    def commands(self) -> Sequence[Command]:
        """Return the commands of viewers since the last call; called often."""
        ...

    def delays(self) -> Sequence[float]:
        """Return the delays from capture to display in seconds since the last call."""
        return ()

    def camera_frames(self) -> Iterator[tuple[float, bytes]]:
        """Yield (arrival, JPEG) of the visitor's camera until `end_camera`; called in another lane."""
        return iter(())

    def end_camera(self) -> None:
        """End `camera_frames`."""
        return


def create_window(setup: DisplaySetup) -> LiveDisplay:
    """Return the window."""
    return WindowDisplay(Window(WINDOW_TITLE), setup.status)


def create_page(setup: DisplaySetup) -> LiveDisplay:
    """Return the browser page.

    Raises:
        ConfigError: the packages of the extra `web` are not installed.
    """
    from camreel.sinks.web.page import WebPage

    options = PageOptions(
        title=setup.title,
        classes=setup.classes,
        display=setup.display,
        camera=setup.options.browser,
        can_record=setup.options.record is not None,
    )
    return WebPage(setup.options.address, options, status=setup.status, metrics=setup.metrics)


class WindowDisplay(LiveDisplay):
    """A window that is controlled with keys, with the numbers in its title.

    Args:
        window: the window.
        status: return the status.
    """

    def __init__(self, window: Window, status: Callable[[], Status]) -> None:
        self.notes: list[str] = []
        self._window, self._status = window, status
        self._titled = time.monotonic()

    def show(self, shown: DisplayFrame) -> None:
        """Show the next picture, and from time to time new numbers."""
        self._window.show(shown)
        if (now := time.monotonic()) - self._titled >= TITLE_SECONDS:
            self._titled = now
            self._window.tell(describe_status(self._status()))

    def commands(self) -> list[Command]:
        """Draw the window, and return the commands of the keys that were pressed."""
        pressed = self._window.keys()
        return [KEYS[key] for key in pressed if key in KEYS]

    def close(self) -> None:
        """Close the window."""
        self._window.close()

    def abandon(self) -> None:
        """Close the window."""
        self._window.close()


class Display:
    """All displays of a run as one: shows the newest pictures of all cameras, and obeys the viewers.

    Open the displays with `with`.

    Args:
        cameras: the cameras, in the order of their pictures.
        options: which displays to open, and how.
        classes: class names, by class id.
        opacity: opacity of the heat at the start.

    Example:
        >>> with Display(cameras, LiveOptions(show=frozenset({"window"})), classes, opacity=0.6) as display:
        ...     display.set_picture(0, shown)
        ...     display.update(changed=True)
    """

    def __init__(
        self, cameras: Sequence[LiveCamera], options: LiveOptions, classes: Sequence[str], opacity: float
    ) -> None:
        self.options = DisplayOptions(opacity=opacity)
        """Choices of the viewers."""
        self.recording = options.record is not None
        """Whether the viewers want the pictures to be recorded."""
        self.paused = False
        self.stop_requested = False
        self.delays = Delays()
        """Delays from capture to display, as the displays report them; otherwise until the picture is shown."""
        self._cameras, self._live_options, self._classes = cameras, options, classes
        self._newest: list[DisplayFrame | None] = [None] * len(cameras)
        self._displays: list[LiveDisplay] = []
        self._own = ExitStack()
        self._logged = self._refreshed = time.monotonic()

    def __enter__(self) -> Self:
        """Open the displays.

        Raises:
            ConfigError: packages for a display are missing, or its address is wrong.
            OutputError: a display cannot be opened.
        """
        setup = DisplaySetup(
            title=", ".join(camera.metrics.name for camera in self._cameras),
            classes=self._classes,
            display=self.options,
            options=self._live_options,
            status=self._status,
            metrics=lambda: prometheus_text([camera.snapshot() for camera in self._cameras], self.delays),
        )
        with ExitStack() as own:
            for name in DISPLAYS:
                if name in self._live_options.show:
                    display: LiveDisplay = load_entry(DISPLAYS[name].entry)(setup)
                    own.callback(display.close)
                    display.start()
                    self._displays.append(display)
            self._own = own.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own.close()

    @property
    def url(self) -> str | None:
        """Address of the page; None: there is no page."""
        return next((display.url for display in self._displays if display.url), None)

    def camera_frames(self) -> Iterator[tuple[float, bytes]]:
        """Yield (arrival, JPEG) of the visitor's camera until `end_camera`."""
        for display in self._displays:
            yield from display.camera_frames()

    def end_camera(self) -> None:
        """End `camera_frames`."""
        for display in self._displays:
            display.end_camera()

    def set_picture(self, number: int, shown: DisplayFrame) -> None:
        """Set the newest picture of a camera; ignored while the display is paused."""
        if not self.paused:
            self._newest[number] = shown

    def update(self, changed: bool) -> DisplayFrame | None:
        """Show the newest pictures, and obey the viewers' commands.

        Args:
            changed: a camera has a new picture.

        Returns:
            The picture that was shown; None: there was no new one.
        """
        shown = self._composite() if changed and not self.paused else None
        now = time.monotonic()
        if shown is not None:
            self._show(shown)
            self._refreshed = now
        elif now - self._refreshed >= STATUS_SECONDS:
            self._refreshed = now
            for display in self._displays:
                display.refresh()
        for display in self._displays:
            for command in display.commands():
                self._obey(command, display)
        self._measure(shown)
        return shown

    def _show(self, shown: DisplayFrame) -> None:
        for display in self._displays:
            display.show(shown)
        if not self._displays and (now := time.monotonic()) - self._logged >= LOG_SECONDS:
            self._logged = now
            log.info("%s", describe_status(self._status()))

    def _measure(self, shown: DisplayFrame | None) -> None:
        for display in self._displays:
            for seconds in display.delays():
                self.delays.add(seconds)
        if any(display.reports_delays for display in self._displays):
            return
        if shown is not None and shown.frame.captured:
            self.delays.add(time.monotonic() - shown.frame.captured)

    def _composite(self) -> DisplayFrame | None:
        """Return the newest picture, with the pictures of all cameras side by side."""
        known = [shown for shown in self._newest if shown is not None]
        if not known:
            return None
        newest = max(known, key=lambda shown: shown.frame.captured or shown.frame.time)
        if len(self._newest) == 1:
            return newest
        picture = side_by_side([shown.picture if shown else None for shown in self._newest])
        return dataclasses.replace(newest, picture=picture)

    def _obey(self, command: Command, origin: LiveDisplay) -> None:
        match command:
            case SetDisplayOptions(options):
                self._set_options(options, origin)
            case SetRecording(on):
                self.recording = on
            case KeyCommand.STOP:
                self.stop_requested = True
            case KeyCommand.PAUSE:
                self.paused = not self.paused
            case KeyCommand.NEXT_CLASS:
                self._next_class(origin)
            case KeyCommand.SNAPSHOT:
                self._save_snapshot()

    def _set_options(self, options: DisplayOptions, origin: LiveDisplay) -> None:
        self.options = options
        for display in self._displays:
            if display is not origin:
                display.set_options(options)

    def _next_class(self, origin: LiveDisplay) -> None:
        """Switch from all classes to the first, and so on, and from the last class to all."""
        class_id = 0 if self.options.class_id is None else self.options.class_id + 1
        selected = class_id if class_id < len(self._classes) else None
        self._set_options(dataclasses.replace(self.options, class_id=selected), origin)
        log.info("shows %s", "all classes" if selected is None else self._classes[selected])

    def _save_snapshot(self) -> None:
        shown = self._composite()
        if shown is not None:
            log.info("kept %s", snapshot(shown.picture, Path()))

    def _status(self) -> Status:
        shown = [each for each in self._newest if each is not None]
        status = make_status([camera.snapshot() for camera in self._cameras], shown, time.monotonic())
        notes = [note for camera in self._cameras for note in camera.notes][-STATUS_NOTES:]
        status |= {"recording": self.recording, "paused": self.paused, "notes": notes}
        if (delay := self.delays.recent()) is not None:
            status["delay"] = delay
        return status
