"""The browser page in tests: a page that is served, and a visitor without a browser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from websockets.sync.client import ClientConnection, connect

from camreel.imageops.color import rgb_to_yuv
from camreel.sinks.web.messages import PageOptions, Status
from camreel.sinks.web.page import WebPage
from camreel.structures import DisplayFrame, DisplayOptions, Frame, Matrix, Picture

CLASSES = ["walk", "jump", "wave"]
HERE = "127.0.0.1:0"
RED = (200, 40, 30)


def plain(
    color: tuple[int, int, int], size: tuple[int, int] = (64, 48), matrix: Matrix = "bt601", full: bool = False
) -> Picture:
    """Return a picture of one RGB color."""
    levels = rgb_to_yuv(np.array([color], np.uint8), matrix, full)[0]
    width, height = size
    y, u, v = (np.full((height // n, width // n), level, np.uint8) for n, level in zip((1, 2, 2), levels, strict=True))
    return Picture(y, u, v, matrix, full)


def decoded(data: bytes) -> np.ndarray:
    """Return a JPEG as RGB."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


class Page(WebPage):
    """The page with a status that tests set."""

    def __init__(self, address: str, options: PageOptions, metrics: Callable[[], str]) -> None:
        self.current: Status = {}
        super().__init__(address, options, status=lambda: self.current, metrics=metrics)

    def put(self, picture: Picture, status: Status | None = None, captured: float | None = None) -> None:
        """Show a picture captured now, or at another time."""
        self.current = status or {}
        frame = Frame(0, None, 0.0, Fraction(1, 1000), picture, captured=captured or time.monotonic())
        self.show(DisplayFrame(picture, frame, None, None))

    def tell(self, status: Status) -> None:
        """Send a status without a picture."""
        self.current = status
        self.refresh()


@contextmanager
def serving(address: str = HERE, metrics: Callable[[], str] = lambda: "up 1\n", **options: Any) -> Iterator[Page]:
    values = {"title": "test", "classes": CLASSES, "display": DisplayOptions(), "can_record": True, **options}
    with Page(address, PageOptions(**values), metrics) as page:
        yield page


class Visitor:
    """The script of the page by hand."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.hello = self.receive()[0]

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """Return the next message that is not empty."""
        while True:
            message = self.socket.recv(timeout=10)
            assert isinstance(message, bytes)
            end = 4 + int.from_bytes(message[:4], "big")
            header = json.loads(message[4:end])
            if header:
                return header, message[end:]

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def send_picture(self, stamp: float, body: bytes) -> None:
        header = json.dumps({"stamp": stamp}).encode()
        self.socket.send(len(header).to_bytes(4, "big") + header + body)

    def settle(self) -> dict[str, Any]:
        """Wait until the server has read all messages; return its next one: the reply, unless something is new."""
        self.send(type="view", class_id=None, least_score=float(np.random.default_rng().uniform()), opacity=0.5)
        return self.receive()[0]


@contextmanager
def visiting(page: WebPage, path: str = "live", **kw: Any) -> Iterator[Visitor]:
    assert page.url is not None
    parts = urlsplit(page.url)
    with connect(f"ws://127.0.0.1:{parts.port}/{path}", **kw) as socket:
        yield Visitor(socket)
