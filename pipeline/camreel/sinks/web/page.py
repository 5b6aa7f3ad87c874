"""The browser page of a live run, served from a thread of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from camreel.errors import ConfigError
from camreel.sinks.web.messages import PageCommand, PageOptions, Status
from camreel.structures import DisplayFrame, DisplayOptions

try:
    import prometheus_client  # noqa: F401 - the caller's `metrics` needs it when the page is open, too late for an error
    import websockets  # noqa: F401 - uvicorn loads it by name

    from camreel.sinks.web.server import AuthMiddleware, ServerThread, is_loopback, listen, page_url
    from camreel.sinks.web.session_state import SessionState, VisitorCamera
    from camreel.sinks.web.site import Site
except ModuleNotFoundError as missing:
    raise ConfigError(
        "the browser page needs packages that are not installed",
        f"there is no {missing.name}",
        'install what it needs: pip install "camreel[web]"',
    ) from None


class WebPage:
    """A `DisplaySink` that shows the pictures in browsers. No method waits but `camera_frames` and `close`.

    A page that other computers can reach asks for a token, which is part of `url`.

    Args:
        address: HOST:PORT to serve at; port 0 chooses a free port.
        options: content of the page.
        status: return the status to show beside the picture; called by `show` and `refresh`.
        metrics: return the text of /metrics; called in the thread of the page.

    Example:
        >>> options = PageOptions("camera", ["walk", "run"], DisplayOptions())
        >>> with WebPage("127.0.0.1:0", options, status=lambda: {}, metrics=lambda: "") as page:
        ...     print(page.url)
        ...     page.show(shown)
    """

    reports_delays = True
    """`delays` returns the delays that browsers report."""

    def __init__(
        self, address: str, options: PageOptions, *, status: Callable[[], Status], metrics: Callable[[], str]
    ) -> None:
        self.notes: list[str] = []
        self.url: str | None = None
        """Address of the page, with the token if there is one; None before `start`."""
        self._address, self._options, self._status = address, options, status
        self._state = SessionState(options.display, self._wake)
        self._camera = VisitorCamera() if options.camera else None
        self._site = Site(self._state, self._camera, options, metrics)
        self._server: ServerThread | None = None

    def start(self) -> None:
        """Serve the page.

        Raises:
            ConfigError: the address is not HOST:PORT.
            OutputError: the page cannot be served there.
        """
        listener = listen(self._address)
        token = None if is_loopback(listener) else secrets.token_urlsafe(24)
        self.url = page_url(listener, token)
        port = listener.getsockname()[1]
        app = AuthMiddleware(self._site.app(), token=token, port=port, camera=self._options.camera)
        self._server = ServerThread(app, listener)
        self._server.start()

    def show(self, shown: DisplayFrame) -> None:
        """Set the newest picture; a picture that no browser has asked for before the next one is never sent.

        Args:
            shown: annotated picture of even size, whose planes must not be written to any more.
        """
        self._state.show(shown.picture, shown.frame.captured, self._status())

    def refresh(self) -> None:
        """Send the status without a new picture, for example while the camera is lost."""
        self._state.set_status(self._status())

    def set_options(self, options: DisplayOptions) -> None:
        """Set display options that were chosen on another display, so that the controls of the page follow."""
        self._state.set_options(options)

    @property
    def visitors(self) -> int:
        """Number of connected browsers and players."""
        return self._site.visitors

    def commands(self) -> list[PageCommand]:
        """Return the commands of viewers since the last call: of each kind only the last one."""
        return self._state.take_commands()

    def delays(self) -> list[float]:
        """Return the delays from capture to display in seconds, one per picture drawn since the last call."""
        return self._state.take_delays()

    def camera_frames(self) -> Iterator[tuple[float, bytes]]:
        """Yield pictures of a visitor's camera as (arrival by `time.monotonic()`, JPEG), until `end_camera` or `close`.

        A frame shown with this arrival as `captured` goes back to the visitor with its own time stamp, from which the
        page computes the round trip.
        """
        return self._camera.frames() if self._camera else iter(())

    def end_camera(self) -> None:
        """End `camera_frames`, also while it waits in another thread; the page itself continues."""
        if self._camera:
            self._camera.close()

    def close(self) -> None:
        """End everything within two seconds, whatever is connected; may be called again."""
        self.end_camera()
        if self._server is not None:
            self._server.call_soon(self._site.close)
            self._server.stop()

    def abandon(self) -> None:
        """Do the same as `close`: a page has no output that could be left half-written."""
        self.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wake(self) -> None:
        if self._server is not None:
            self._server.call_soon(self._site.wake)
