"""Where the picture is shown: a window, the browser page, both or nowhere; and what whoever watches asks for."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camreel.live.camera import Camera
from camreel.live.metrics import Delays, prometheus
from camreel.live.options import LiveOptions
from camreel.live.renderer import side_by_side
from camreel.sinks.snapshot import snapshot
from camreel.structures import DisplayFrame, DisplayOptions

if TYPE_CHECKING:
    from camreel.sinks.web import WebPage
    from camreel.sinks.window import Window

TITLE = "camreel"
TITLED, SPOKEN = 1.0, 60.0
"""Seconds between two sets of numbers in the window's title, and where nothing is shown, as sentences."""
TOLD = 0.2
"""Seconds between what the page is told while there is no picture."""


class Screens:
    """Shows the newest pictures of all cameras.

    Args:
        cameras: in the order of their pictures.
        options: where to show them.
        classes: names, to choose from.
        opacity: of the heat at first.
        own: closes what is opened here.

    Raises:
        OutputError: the page cannot be served.
    """

    def __init__(
        self, cameras: Sequence[Camera], options: LiveOptions, classes: Sequence[str], opacity: float, own: ExitStack
    ) -> None:
        self.view = DisplayOptions(opacity=opacity)
        self.paused = False
        self.asked_to_end = False
        self.recording = options.record is not None
        """Whether whoever watches wants what is shown to be recorded."""
        self.delays = Delays()
        """From capture to display, where that is: the page, else the window, else when it would have been shown."""
        self.said: list[str] = []
        """What was done here, for people, since it was last taken."""
        self._cameras, self._classes = cameras, classes
        self._newest: list[DisplayFrame | None] = [None] * len(cameras)
        self._captured = self._told = 0.0
        self._counted = time.monotonic()
        self._page = self._open_page(options, own) if "web" in options.show else None
        self._window = self._open_window(own) if "window" in options.show else None

    @property
    def url(self) -> str | None:
        """Of the page."""
        return self._page.url if self._page else None

    def _open_page(self, options: LiveOptions, own: ExitStack) -> WebPage:
        from camreel.sinks.web import WebPage

        page = WebPage(
            options.address,
            title=", ".join(camera.counters.name for camera in self._cameras),
            classes=self._classes,
            view=self.view,
            camera=options.browser,
            can_record=options.record is not None,
            metrics=self._metrics,
        )
        return own.enter_context(page)

    def _open_window(self, own: ExitStack) -> Window:
        from camreel.sinks.window import Window

        window = Window(TITLE)
        own.callback(window.close)
        return window

    def _metrics(self) -> str:
        return prometheus([camera.reading() for camera in self._cameras], self.delays)

    def camera_frames(self) -> Iterator[tuple[float, bytes]]:
        """The pictures of a visitor's camera."""
        return self._page.camera_frames() if self._page else iter(())

    def end_camera(self) -> None:
        """No more pictures of a visitor's camera."""
        if self._page is not None:
            self._page.end_camera()

    def take(self, number: int, screen: DisplayFrame) -> None:
        """Takes the newest picture of a camera."""
        if self.paused:
            return
        self._newest[number] = screen
        self._captured = max(self._captured, screen.frame.captured or 0.0)

    def refresh(self, changed: bool) -> DisplayFrame | None:
        """Shows what there is, if it has changed, and hears what is asked for.

        Returns:
            What is shown, if it has changed.
        """
        shown = self._shown() if changed and not self.paused else None
        if shown is not None:
            self._draw(shown)
        elif self._page is not None and time.monotonic() - self._told >= TOLD:
            self._told = time.monotonic()
            self._page.tell(self._status())
        for key in self._window.keys() if self._window else ():
            self._press(key)
        if shown is not None and self._page is None and self._captured:
            self.delays.add(time.monotonic() - self._captured)
        self._hear()
        return shown

    def _shown(self) -> DisplayFrame | None:
        """The newest screen, with the pictures of all cameras."""
        known = [screen for screen in self._newest if screen is not None]
        if not known:
            return None
        newest = max(known, key=lambda screen: screen.frame.captured or screen.frame.time)
        if len(self._newest) == 1:
            return newest
        picture = side_by_side([screen.picture if screen else None for screen in self._newest])
        return dataclasses.replace(newest, picture=picture)

    def _draw(self, shown: DisplayFrame) -> None:
        if self._page is not None:
            self._told = time.monotonic()
            self._page.show(shown.picture, self._captured, self._status())
        if self._window is not None:
            self._window.show(shown)
            if self._is_time(TITLED):
                self._window.tell(_in_words(self._status()))
        if self._window is None and self._page is None and self._is_time(SPOKEN):
            self.said.append(_in_words(self._status()))

    def _is_time(self, seconds: float) -> bool:
        """Whether so much time has passed since it last had."""
        now = time.monotonic()
        passed = now - self._counted >= seconds
        self._counted = now if passed else self._counted
        return passed

    def _hear(self) -> None:
        """What visitors of the page want, and when they saw the pictures."""
        if self._page is None:
            return
        from camreel.sinks.web import Record, ViewChanged

        for delay in self._page.delays():
            self.delays.add(delay)
        for command in self._page.commands():
            if isinstance(command, ViewChanged):
                self.view = command.view
            elif isinstance(command, Record):
                self.recording = command.on

    def _press(self, key: str) -> None:
        if key in ("q", "escape"):
            self.asked_to_end = True
        elif key == "space":
            self.paused = not self.paused
        elif key == "c":
            self._next_class()
        elif key == "s":
            self._keep()

    def _next_class(self) -> None:
        """All classes, then one after the other, then all again."""
        following = 0 if self.view.class_id is None else self.view.class_id + 1
        self.view = dataclasses.replace(self.view, class_id=following if following < len(self._classes) else None)
        self.said.append(f"shows {'all classes' if self.view.class_id is None else self._classes[self.view.class_id]}")
        if self._page is not None:
            self._page.set_view(self.view)

    def _keep(self) -> None:
        shown = self._shown()
        if shown is not None:
            self.said.append(f"kept {snapshot(shown.picture, Path())}")

    def _status(self) -> Any:
        now = time.monotonic()
        counters = [camera.counters for camera in self._cameras]
        readings = [camera.reading() for camera in self._cameras]
        screens = [screen for screen in self._newest if screen is not None]
        ages = [screen.age for screen in screens if screen.age is not None]
        scores: dict[str, float] = {}
        for screen in screens:
            for action in screen.localization.actions if screen.localization else ():
                scores[action.label] = max(scores.get(action.label, 0.0), action.score)
        status: dict[str, Any] = {
            "scores": dict(sorted(scores.items(), key=lambda item: -item[1])),
            "rates": {
                "in": sum(one.rate_in.at(now) for one in counters),
                "inferred": sum(one.rate_inferred.at(now) for one in counters),
                "shown": sum(one.rate_shown.at(now) for one in counters),
            },
            "dropped": sum(reading.dropped for reading in readings),
            "age": 1000 * max(ages) if ages else None,
            "recording": self.recording,
            "paused": self.paused,
            "notes": [note for camera in self._cameras for note in camera.notes][-5:],
            "cameras": [{"name": one.name, "connected": one.connected} for one in counters],
        }
        if screens:
            status["time"] = max(screen.frame.time for screen in screens)
        if (delay := self.delays.recent()) is not None:
            status["delay"] = delay
        return status


def _in_words(status: Mapping[str, Any]) -> str:
    """The numbers of a status, for the window's title."""
    rates, delay = status["rates"], status.get("delay")
    parts = [
        f"{rates[name]:.0f} {word}"
        for name, word in (("in", "in"), ("inferred", "inferred"), ("shown", "shown per second"))
    ]
    parts += [f"{delay['p50']:.0f} ms, 95 % {delay['p95']:.0f} ms"] if delay else []
    parts += [f"{status['dropped']} dropped"]
    return ", ".join(parts) + (", paused" if status["paused"] else "")
