"""What the server answers: the page and its parts, the socket, the plain stream, the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from camreel.overlay.color import CLASS_COLORS
from camreel.sinks.web.camera import Camera
from camreel.sinks.web.jpeg import jpeg
from camreel.sinks.web.messages import Shown
from camreel.sinks.web.session_state import Exchange
from camreel.sinks.web.viewer import Viewer

STATIC = Path(__file__).parent / "static"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PART = b"--picture\r\ncontent-type: image/jpeg\r\ncontent-length: %d\r\n\r\n%b\r\n"
METRICS = "text/plain; version=0.0.4"


class Site:
    """Lives in the server's loop; nothing but `visitors` may be used from another thread.

    Args:
        exchange: what is to be seen, and where commands go.
        camera: where visitors' camera pictures go; None: they are not wanted.
        title: of the page.
        classes: that a visitor can choose from.
        can_record: whether there is anything that records.
        metrics: what Prometheus reads, made on each request.
    """

    def __init__(
        self,
        exchange: Exchange,
        camera: Camera | None,
        *,
        title: str,
        classes: Sequence[str],
        can_record: bool,
        metrics: Callable[[], str],
    ) -> None:
        self._exchange = exchange
        self._camera = camera
        self._metrics = metrics
        colors = ["#" + bytes(color).hex() for color in CLASS_COLORS]
        self._hello = {
            "title": title,
            "classes": [*classes],
            "colors": colors,
            "record": can_record,
            "camera": camera is not None,
        }
        self._viewers: set[Viewer] = set()
        self._streams: set[asyncio.Event] = set()
        self._encoded = 0, b""
        self._closed = False

    @property
    def visitors(self) -> int:
        """How many watch."""
        return len(self._viewers) + len(self._streams)

    def app(self) -> ASGIApp:
        """The application."""
        files = [Route(f"/{path.name}", _file) for path in STATIC.iterdir() if path.name != "page.html"]
        routes = [Route("/", _file), Route("/metrics", self._tell_metrics), Route("/stream.mjpg", self._stream), *files]
        return Starlette(routes=[*routes, WebSocketRoute("/live", self._meet)])

    def wake(self) -> None:
        """Says to all who watch that there is something new."""
        for viewer in self._viewers:
            viewer.wake()
        for news in self._streams:
            news.set()

    def close(self) -> None:
        """Ends the plain streams; the sockets are ended by the server."""
        self._closed = True
        self.wake()

    def _encode(self, shown: Shown) -> bytes:
        """Once for all who watch."""
        if self._encoded[0] != shown.pictured and shown.picture is not None:
            self._encoded = shown.pictured, jpeg(shown.picture)
        return self._encoded[1]

    async def _meet(self, socket: WebSocket) -> None:
        await socket.accept()
        viewer = Viewer(socket, self._hello, self._exchange, self._encode, self._camera)
        self._viewers.add(viewer)
        try:
            await viewer.run()
        finally:
            self._viewers.discard(viewer)

    async def _stream(self, request: Request) -> Response:
        return StreamingResponse(self._parts(), media_type="multipart/x-mixed-replace; boundary=picture")

    async def _parts(self) -> AsyncIterator[bytes]:
        """Pictures for players that know nothing of the page."""
        news, sent = asyncio.Event(), 0
        self._streams.add(news)
        news.set()
        try:
            while await news.wait() and not self._closed:
                news.clear()
                shown = self._exchange.shown
                if shown.pictured > sent:
                    body, sent = self._encode(shown), shown.pictured
                    yield PART % (len(body), body)
        finally:
            self._streams.discard(news)

    async def _tell_metrics(self, request: Request) -> Response:
        return PlainTextResponse(self._metrics(), media_type=METRICS)


async def _file(request: Request) -> Response:
    path = STATIC / (request.url.path.lstrip("/") or "page.html")
    return Response(path.read_bytes(), media_type=KINDS[path.suffix])
