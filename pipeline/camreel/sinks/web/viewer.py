"""One visitor's socket: pictures go out no faster than they are drawn, commands and camera pictures come in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from camreel.sinks.web.camera import Camera
from camreel.sinks.web.messages import Record, Shown, ViewChanged, number_of, pack, parse, unpack, view_message, view_of
from camreel.sinks.web.session_state import Exchange

AT_ONCE = 2
"""Messages on their way to a browser at most: one is drawn while the next one travels. More would only wait in a queue."""
GONE = (WebSocketDisconnect, RuntimeError)
"""What sending raises when the visitor has left, and behind the close."""
BEAT = 1.0
"""Seconds after which something is sent where nothing is new, so that a page can tell silence from a lost connection."""


class Viewer:
    """Lives as long as the socket.

    Args:
        socket: accepted.
        hello: what the page is told first.
        exchange: where pictures come from and commands go to.
        encode: the newest picture as JPEG.
        camera: where the visitor's camera pictures go to; None: they are not wanted.
    """

    def __init__(
        self,
        socket: WebSocket,
        hello: dict[str, Any],
        exchange: Exchange,
        encode: Callable[[Shown], bytes],
        camera: Camera | None,
    ) -> None:
        self._socket = socket
        self._hello = hello
        self._exchange = exchange
        self._encode = encode
        self._camera = camera
        self._news = asyncio.Event()
        self._news.set()  # what was there before
        self._sent = self._pictured = 0
        self._view = exchange.view
        self._travelling: dict[int, float | None] = {}
        self._replies: list[dict[str, Any]] = []
        self._watching = True

    def wake(self) -> None:
        """Says that there may be something to send."""
        self._news.set()

    async def run(self) -> None:
        """Serves until the visitor leaves or the server closes."""
        tasks = asyncio.create_task(self._send_all()), asyncio.create_task(self._receive_all())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self._camera:
                self._camera.release(self)
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ends:
            if isinstance(error, Exception) and not isinstance(error, GONE):
                raise error

    # Out

    async def _send_all(self) -> None:
        await self._socket.send_bytes(pack({"hello": self._hello, "view": view_message(self._view)}))
        while True:
            try:
                await asyncio.wait_for(self._news.wait(), BEAT)
            except TimeoutError:
                await self._socket.send_bytes(pack({}))
            self._news.clear()
            if self._exchange.view != self._view:
                self._view = self._exchange.view
                self._replies.append({"view": view_message(self._view)})
            while self._replies:
                await self._socket.send_bytes(pack(self._replies.pop(0)))
            if len(self._travelling) < AT_ONCE and self._exchange.shown.number > self._sent:
                await self._send(self._exchange.shown)

    async def _send(self, shown: Shown) -> None:
        header: dict[str, Any] = {"number": shown.number, "status": shown.status}
        body = b""
        is_new = self._watching and shown.pictured > self._pictured
        if is_new:
            body, self._pictured = self._encode(shown), shown.pictured
            header["stamp"] = self._camera.stamp(shown.captured) if self._camera else None
        self._travelling[shown.number] = shown.captured if is_new else None
        self._sent = shown.number
        await self._socket.send_bytes(pack(header, body))

    # In

    async def _receive_all(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            with suppress(ValueError, LookupError):  # what this page does not send, it does not understand
                if message.get("text") is not None:
                    self._obey(parse(message["text"]))
                else:
                    self._take_camera(message["bytes"])

    def _obey(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "drawn":
            self._count(int(number_of(message["number"])), shown=message.get("shown") is True)
        elif kind == "view":
            self._exchange.ask(ViewChanged(view_of(message, len(self._hello["classes"]))))
        elif kind == "record" and self._hello["record"]:
            self._exchange.ask(Record(message["on"] is True))
        elif kind == "watch":
            self._watching = message["on"] is True
        elif kind == "camera" and self._camera:
            self._answer(camera=self._camera.claim(self))

    def _count(self, number: int, shown: bool) -> None:
        captured = self._travelling.pop(number)
        if captured is not None and shown:
            self._exchange.drawn(time.monotonic() - captured)
        self.wake()

    def _take_camera(self, message: bytes) -> None:
        header, jpeg = unpack(message)
        if self._camera:
            stamp, loop = number_of(header["stamp"]), asyncio.get_running_loop()

            def taken() -> None:
                with suppress(RuntimeError):  # the loop was closed
                    loop.call_soon_threadsafe(lambda: self._answer(taken=stamp))

            self._camera.put(self, stamp, jpeg, taken)

    def _answer(self, **what: Any) -> None:
        self._replies.append(what)
        self.wake()
