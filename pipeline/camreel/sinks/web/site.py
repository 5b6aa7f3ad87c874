"""The application behind the page: files, the WebSocket of each viewer, the plain MJPEG stream, and the metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from camreel.overlay.heat import CLASS_COLORS
from camreel.sinks.web.jpeg import encode_jpeg
from camreel.sinks.web.messages import (
    PageOptions,
    PageUpdate,
    SetDisplayOptions,
    SetRecording,
    display_options_message,
    pack,
    parse_display_options,
    parse_number,
    parse_object,
    unpack,
)
from camreel.sinks.web.session_state import SessionState, VisitorCamera

STATIC_FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
STREAM_MEDIA_TYPE = "multipart/x-mixed-replace; boundary=picture"
STREAM_PART = b"--picture\r\ncontent-type: image/jpeg\r\ncontent-length: %d\r\n\r\n%b\r\n"
METRICS_MEDIA_TYPE = "text/plain; version=0.0.4"
"""Text format of Prometheus."""
MAX_IN_FLIGHT = 2
"""Messages on their way to a browser: while one is drawn the next one travels. More would only wait in a queue."""
HEARTBEAT_SECONDS = 1.0
"""Interval of empty messages if there is nothing to send: a page that gets none has lost the connection."""
DISCONNECTED = (WebSocketDisconnect, RuntimeError)
"""Exceptions of sending to a browser that has left, and of sending after the close."""


class Site:
    """Routes and connections of the page. Lives in the server's event loop; only `visitors` is safe in other threads.

    Args:
        state: source of pictures, receiver of commands.
        camera: receiver of visitors' camera pictures; None: they are not wanted.
        options: content of the page.
        metrics: return the text of /metrics, on each request.
    """

    def __init__(
        self, state: SessionState, camera: VisitorCamera | None, options: PageOptions, metrics: Callable[[], str]
    ) -> None:
        self._state = state
        self._camera = camera
        self._metrics = metrics
        self._hello = {
            "title": options.title,
            "classes": [*options.classes],
            "colors": ["#" + bytes(color).hex() for color in CLASS_COLORS],
            "record": options.can_record,
            "camera": camera is not None,
        }
        self._viewers: set[ViewerConnection] = set()
        self._streams: set[asyncio.Event] = set()
        self._encoded = 0, b""
        self._closed = False

    @property
    def visitors(self) -> int:
        """Number of connected browsers and players."""
        return len(self._viewers) + len(self._streams)

    def app(self) -> ASGIApp:
        """Return the ASGI application."""
        files = [Route(f"/{path.name}", _file) for path in STATIC_FOLDER.iterdir() if path.name != "page.html"]
        routes = [Route("/", _file), Route("/metrics", self._serve_metrics), Route("/stream.mjpg", self._stream)]
        return Starlette(routes=[*routes, *files, WebSocketRoute("/live", self._serve_viewer)])

    def wake(self) -> None:
        """Make all connections look for changes of the state."""
        for viewer in self._viewers:
            viewer.wake()
        for changed in self._streams:
            changed.set()

    def close(self) -> None:
        """End the plain streams; the server itself ends the WebSockets."""
        self._closed = True
        self.wake()

    def _encode(self, update: PageUpdate) -> bytes:
        """Return the picture as JPEG, encoded once for all viewers."""
        if self._encoded[0] != update.picture_number and update.picture is not None:
            self._encoded = update.picture_number, encode_jpeg(update.picture)
        return self._encoded[1]

    async def _serve_viewer(self, socket: WebSocket) -> None:
        await socket.accept()
        viewer = ViewerConnection(socket, self._hello, self._state, self._encode, self._camera)
        self._viewers.add(viewer)
        try:
            await viewer.run()
        finally:
            self._viewers.discard(viewer)

    async def _stream(self, request: Request) -> Response:
        return StreamingResponse(self._stream_parts(), media_type=STREAM_MEDIA_TYPE)

    async def _stream_parts(self) -> AsyncIterator[bytes]:
        """Yield the pictures as MJPEG, for players that cannot run the page."""
        changed, sent = asyncio.Event(), 0
        self._streams.add(changed)
        changed.set()
        try:
            while await changed.wait() and not self._closed:
                changed.clear()
                update = self._state.update
                if update.picture_number > sent:
                    body, sent = self._encode(update), update.picture_number
                    yield STREAM_PART % (len(body), body)
        finally:
            self._streams.discard(changed)

    async def _serve_metrics(self, request: Request) -> Response:
        return PlainTextResponse(self._metrics(), media_type=METRICS_MEDIA_TYPE)


async def _file(request: Request) -> Response:
    path = STATIC_FOLDER / (request.url.path.lstrip("/") or "page.html")
    return Response(path.read_bytes(), media_type=MEDIA_TYPES[path.suffix])


class ViewerConnection:
    """The WebSocket of one browser: pictures go out as fast as they are drawn, commands and camera pictures come in.

    Args:
        socket: accepted socket.
        hello: content of the first message.
        state: source of pictures, receiver of commands.
        encode: return the picture of an update as JPEG.
        camera: receiver of the visitor's camera pictures; None: they are not wanted.
    """

    def __init__(
        self,
        socket: WebSocket,
        hello: dict[str, Any],
        state: SessionState,
        encode: Callable[[PageUpdate], bytes],
        camera: VisitorCamera | None,
    ) -> None:
        self._socket = socket
        self._hello = hello
        self._state = state
        self._encode = encode
        self._camera = camera
        self._changed = asyncio.Event()
        self._changed.set()  # the state that was there before this connection
        self._sent_number = self._sent_picture = 0
        self._options = state.options
        self._in_flight: dict[int, float | None] = {}
        """Number of each message that is not acknowledged -> capture time of its picture; None: without picture."""
        self._replies: list[dict[str, Any]] = []
        self._visible = True
        """Whether the browser shows the page: pictures for a hidden tab would be wasted."""

    def wake(self) -> None:
        """Look again whether there is something to send."""
        self._changed.set()

    async def run(self) -> None:
        """Serve until the visitor leaves or the server closes."""
        tasks = asyncio.create_task(self._send_all()), asyncio.create_task(self._receive_all())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self._camera:
                self._camera.release(self)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for error in results:
            if isinstance(error, Exception) and not isinstance(error, DISCONNECTED):
                raise error

    async def _send_all(self) -> None:
        await self._socket.send_bytes(pack({"hello": self._hello, "view": display_options_message(self._options)}))
        while True:
            try:
                await asyncio.wait_for(self._changed.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                await self._socket.send_bytes(pack({}))
            self._changed.clear()
            if self._state.options != self._options:
                self._options = self._state.options
                self._replies.append({"view": display_options_message(self._options)})
            while self._replies:
                await self._socket.send_bytes(pack(self._replies.pop(0)))
            if len(self._in_flight) < MAX_IN_FLIGHT and self._state.update.number > self._sent_number:
                await self._send(self._state.update)

    async def _send(self, update: PageUpdate) -> None:
        header: dict[str, Any] = {"number": update.number, "status": update.status}
        body = b""
        is_new = self._visible and update.picture_number > self._sent_picture
        if is_new:
            body, self._sent_picture = self._encode(update), update.picture_number
            header["stamp"] = self._camera.stamp(update.captured) if self._camera else None
        self._in_flight[update.number] = update.captured if is_new else None
        self._sent_number = update.number
        await self._socket.send_bytes(pack(header, body))

    async def _receive_all(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            with suppress(ValueError, LookupError):  # messages that this version of the page does not send
                if message.get("text") is not None:
                    self._handle(parse_object(message["text"]))
                else:
                    self._receive_picture(message["bytes"])

    def _handle(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "drawn":
            self._acknowledge(int(parse_number(message["number"])), shown=message.get("shown") is True)
        elif kind == "view":
            options = parse_display_options(message, len(self._hello["classes"]))
            self._state.add_command(SetDisplayOptions(options))
        elif kind == "record" and self._hello["record"]:
            self._state.add_command(SetRecording(message["on"] is True))
        elif kind == "watch":
            self._visible = message["on"] is True
        elif kind == "camera" and self._camera:
            self._reply(camera=self._camera.claim(self))

    def _acknowledge(self, number: int, shown: bool) -> None:
        captured = self._in_flight.pop(number)
        if captured is not None and shown:
            self._state.add_delay(time.monotonic() - captured)
        self.wake()

    def _receive_picture(self, message: bytes) -> None:
        header, jpeg = unpack(message)
        if self._camera:
            stamp, loop = parse_number(header["stamp"]), asyncio.get_running_loop()

            def on_taken() -> None:
                with suppress(RuntimeError):  # the loop was closed
                    loop.call_soon_threadsafe(lambda: self._reply(taken=stamp))

            self._camera.put(self, stamp, jpeg, on_taken)

    def _reply(self, **content: Any) -> None:
        self._replies.append(content)
        self.wake()
