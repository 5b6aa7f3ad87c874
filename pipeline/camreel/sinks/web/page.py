"""The browser page of a live picture, served from a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import uvicorn

from camreel.sinks.web.auth import Guard
from camreel.sinks.web.camera import Camera
from camreel.sinks.web.listen import is_loopback, listen, url_of
from camreel.sinks.web.messages import Command, Status
from camreel.sinks.web.session_state import Exchange
from camreel.sinks.web.site import Site
from camreel.structures import DisplayOptions, Picture

CLOSING = 2.0
"""Seconds that closing may take, whoever is connected."""
LARGEST = 2**21
"""Bytes of a message from a browser: a camera picture."""
PING, PONG = 5.0, 10.0
"""Seconds between signs of life that are asked of a browser, and until it is given up without one."""


class WebPage:
    """Serves the page from when it is made until it is closed. No method waits but `camera_frames` and `close`.

    A page that others than this computer can reach asks for a token, which is in `url`.

    Args:
        address: HOST:PORT to serve at; port 0 is any that is free.
        title: what is seen, without credentials.
        classes: that a visitor can choose from, by class id.
        view: what is seen at first.
        camera: ask the visitor for the own camera.
        can_record: offer to begin and end a recording.
        metrics: gives what Prometheus reads at /metrics; called in the page's thread.

    Raises:
        ConfigError: `address` is none.
        OutputError: the page cannot be served there.
    """

    def __init__(
        self,
        address: str,
        *,
        title: str,
        classes: Sequence[str],
        view: DisplayOptions,
        camera: bool,
        can_record: bool,
        metrics: Callable[[], str],
    ) -> None:
        listener = listen(address)
        token = None if is_loopback(listener) else secrets.token_urlsafe(24)
        self.url = url_of(listener, token)
        """The address of the page, with the token where there is one."""
        self._loop = asyncio.new_event_loop()
        self._exchange = Exchange(view, self._wake)
        self._camera = Camera() if camera else None
        self._site = Site(
            self._exchange, self._camera, title=title, classes=classes, can_record=can_record, metrics=metrics
        )
        guard = Guard(self._site.app(), token=token, port=listener.getsockname()[1], camera=camera)
        self._server = uvicorn.Server(_settings(guard))
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="web page", daemon=True)
        self._thread.start()

    # What is seen

    def show(self, picture: Picture, captured: float, status: Status) -> None:
        """Takes the newest picture; what no browser has asked for by then is never seen.

        Args:
            picture: annotated, of even size; nobody may write to its planes any more.
            captured: `time.monotonic()` of the frame it was made from.
            status: what is told beside it.
        """
        self._exchange.show(picture, captured, status)

    def tell(self, status: Status) -> None:
        """Takes news while there is no picture, as when the camera is lost."""
        self._exchange.tell(status)

    def set_view(self, view: DisplayOptions) -> None:
        """Takes a view that was chosen elsewhere, so that the page's controls follow."""
        self._exchange.set_view(view)

    # What visitors do

    @property
    def visitors(self) -> int:
        """How many watch."""
        return self._site.visitors

    def commands(self) -> list[Command]:
        """What visitors asked for since the last call: of each kind only the last one."""
        return self._exchange.commands()

    def delays(self) -> list[float]:
        """Seconds from capture to display, one per picture that a browser drew since the last call."""
        return self._exchange.delays()

    def camera_frames(self) -> Iterator[tuple[float, bytes]]:
        """Yields the pictures of a visitor's camera, (arrival by `time.monotonic()`, JPEG), until `end_camera` or `close`.

        The pair's first half is to be given to `show` as `captured`: the page then knows its own delay.
        """
        return self._camera.frames() if self._camera else iter(())

    def end_camera(self) -> None:
        """Ends `camera_frames`, also while it waits in another thread; the page goes on."""
        if self._camera:
            self._camera.close()

    # Its life

    def close(self) -> None:
        """Ends everything within two seconds, whoever is connected. May be called again."""
        self.end_camera()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(CLOSING)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._site.wake)

    def _stop(self) -> None:
        self._site.close()
        self._server.should_exit = True

    def _serve(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._server.serve(sockets=[listener]))


def _settings(app: Guard) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ws_max_size=LARGEST,
        ws_ping_interval=PING,
        ws_ping_timeout=PONG,
        ws_per_message_deflate=False,
    )
