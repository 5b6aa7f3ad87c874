"""The browser page as its clients see it: what is sent, to whom, and what comes back."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from camreel.errors import ConfigError, OutputError
from camreel.imageops.color import rgb_to_yuv
from camreel.sinks.web import Record, ViewChanged, WebPage
from camreel.sinks.web.jpeg import WIDEST, jpeg
from camreel.structures import DisplayOptions, Matrix, Picture

CLASSES = ["walk", "jump", "wave"]
HERE = "127.0.0.1:0"
RED = (200, 40, 30)


def plain(color: tuple[int, int, int], size: tuple[int, int] = (64, 48), matrix: Matrix = "bt601", full: bool = False) -> Picture:
    """A picture of one colour."""
    levels = rgb_to_yuv(np.array([color], np.uint8), matrix, full)[0]
    width, height = size
    y, u, v = (np.full((height // n, width // n), level, np.uint8) for n, level in zip((1, 2, 2), levels, strict=True))
    return Picture(y, u, v, matrix, full)


def decoded(data: bytes) -> np.ndarray:
    """A JPEG as RGB."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


@contextmanager
def serving(address: str = HERE, **kw: Any) -> Iterator[WebPage]:
    values = {"title": "test", "classes": CLASSES, "view": DisplayOptions(), "camera": False, "can_record": True, "metrics": lambda: "up 1\n"}
    with WebPage(address, **{**values, **kw}) as page:
        yield page


class Visitor:
    """What the page's script does, by hand."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.hello = self.receive()[0]

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """The next message that says anything."""
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
        """Waits until the server has read everything; gives its next message, which is the answer to this where nothing is new."""
        self.send(type="view", class_id=None, least_score=float(np.random.default_rng().uniform()), opacity=0.5)
        return self.receive()[0]


@contextmanager
def visiting(page: WebPage, path: str = "live", **kw: Any) -> Iterator[Visitor]:
    parts = urlsplit(page.url)
    with connect(f"ws://127.0.0.1:{parts.port}/{path}", **kw) as socket:
        yield Visitor(socket)


def test_a_visitor_is_told_what_there_is_and_then_shown_the_picture():
    with serving(title="rtsp://cam/", view=DisplayOptions(1, 0.25, 0.5)) as page, visiting(page) as visitor:
        assert visitor.hello["view"] == {"class_id": 1, "least_score": 0.25, "opacity": 0.5}
        assert visitor.hello["hello"] | {"colors": []} == {
            "title": "rtsp://cam/", "classes": CLASSES, "colors": [], "record": True, "camera": False,
        }  # fmt: skip
        page.show(plain(RED), time.monotonic(), {"scores": {"walk": 0.5}, "age": None})
        header, body = visitor.receive()
        assert header["status"] == {"scores": {"walk": 0.5}, "age": None}
        assert np.abs(decoded(body) - RED).max() <= 4
        assert page.visitors == 1


def test_who_comes_late_sees_the_last_picture_and_the_newest_status():
    with serving() as page:
        page.show(plain(RED), time.monotonic(), {"dropped": 1})
        page.tell({"dropped": 2})
        with visiting(page) as visitor:
            header, body = visitor.receive()
            assert header["status"] == {"dropped": 2}
            assert body


def test_a_status_without_a_picture_sends_none_again():
    with serving() as page, visiting(page) as visitor:
        page.show(plain(RED), time.monotonic(), {})
        assert visitor.receive()[1]
        page.tell({"notes": ["camera lost; trying again"]})
        header, body = visitor.receive()
        assert header["status"] == {"notes": ["camera lost; trying again"]}
        assert not body


def test_a_slow_visitor_gets_the_newest_picture_and_never_a_queue():
    with serving() as page, visiting(page) as slow, visiting(page) as quick:
        for number in (1, 2):
            page.show(plain(RED), time.monotonic(), {})
            assert slow.receive()[0]["number"] == number
            assert quick.receive()[0]["number"] == number
            quick.send(type="drawn", number=number, shown=True)
        for number in range(3, 10):
            page.show(plain(RED), time.monotonic(), {})
            assert quick.receive()[0]["number"] == number
            quick.send(type="drawn", number=number, shown=True)
        assert "view" in slow.settle()  # and no picture before it
        slow.send(type="drawn", number=1, shown=True)
        assert slow.receive()[0]["number"] == 9


def test_delays_are_from_capture_until_the_browser_has_drawn():
    with serving() as page, visiting(page) as visitor:
        page.show(plain(RED), time.monotonic() - 3.0, {})
        visitor.send(type="drawn", number=visitor.receive()[0]["number"], shown=True)
        page.show(plain(RED), time.monotonic(), {})
        visitor.send(type="drawn", number=visitor.receive()[0]["number"], shown=False)  # its tab was hidden
        visitor.settle()
        (delay,) = page.delays()
        assert 3.0 <= delay < 5.0
        assert page.delays() == []


def test_a_hidden_page_is_told_but_not_shown():
    with serving() as page, visiting(page) as visitor:
        visitor.send(type="watch", on=False)
        visitor.settle()
        page.show(plain(RED), time.monotonic(), {"dropped": 1})
        header, body = visitor.receive()
        assert header["status"] == {"dropped": 1} and not body
        visitor.send(type="drawn", number=header["number"], shown=False)
        visitor.send(type="watch", on=True)
        visitor.settle()
        page.tell({"dropped": 2})
        assert visitor.receive()[1], "the picture that was left out"


def test_commands_come_once_and_of_each_kind_only_the_last():
    with serving() as page, visiting(page) as visitor, visiting(page) as other:
        visitor.send(type="view", class_id=0, least_score=0.1, opacity=0.2)
        visitor.send(type="record", on=True)
        visitor.send(type="view", class_id=2, least_score=7, opacity=-1)
        wanted = {"class_id": 2, "least_score": 1.0, "opacity": 0.0}
        while visitor.receive()[0]["view"] != wanted:
            pass
        while other.receive()[0]["view"] != wanted:
            pass
        assert page.commands() == [ViewChanged(DisplayOptions(2, 1.0, 0.0)), Record(True)]
        assert page.commands() == []


def test_a_view_that_was_chosen_elsewhere_reaches_the_page():
    with serving() as page, visiting(page) as visitor:
        page.set_view(DisplayOptions(1))
        assert visitor.receive()[0]["view"]["class_id"] == 1
        assert page.commands() == []


@pytest.mark.parametrize(
    "message",
    [
        "no json", "[]", "{}", '{"type": "view"}', '{"type": "view", "class_id": 3, "least_score": 0, "opacity": 0}',
        '{"type": "view", "class_id": true, "least_score": 0, "opacity": 0}', '{"type": "drawn", "number": 77}',
        '{"type": "view", "class_id": null, "least_score": "1", "opacity": 0}', '{"type": "record", "on": true}',
        '{"type": "drawn", "number": 1e400}', '{"type": "camera"}', b"", b"\xff\xff\xff\xff", b"\0\0\0\2{}jpeg",
    ],
)  # fmt: skip
def test_what_the_page_does_not_send_is_not_understood(message):
    with serving(can_record=False) as page, visiting(page) as visitor:
        visitor.socket.send(message)
        assert "view" in visitor.settle()
        assert [type(command) for command in page.commands()] == [ViewChanged]


# Who is let in


def test_on_this_computer_only_local_names_are_answered():
    with serving() as page:
        port = urlsplit(page.url).port
        assert page.url == f"http://127.0.0.1:{port}/"
        for host in ("localhost", "127.0.0.1", "[::1]", "localhost:1234"):
            assert httpx.get(page.url, headers={"host": host}).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example", "", "10.0.0.1"):
            assert httpx.get(page.url, headers={"host": host}).status_code == 403
        line = socket.create_connection(("127.0.0.1", port))
        with pytest.raises(InvalidStatus, match="403"), connect("ws://evil.example/live", sock=line):
            pass


def test_another_sites_page_cannot_open_the_socket():
    with serving() as page:
        own = page.url.rstrip("/")
        with visiting(page, additional_headers={"origin": own}):
            pass
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
            with pytest.raises(InvalidStatus, match="403"), visiting(page, additional_headers={"origin": origin}):
                pass


def test_every_answer_says_what_a_browser_may_do_with_it():
    with serving() as page:
        for path in ("", "page.js", "page.css", "icon.svg", "metrics", "nothing"):
            headers = httpx.get(page.url + path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["permissions-policy"].startswith("camera=()")


def test_others_need_the_token():
    with serving("0.0.0.0:0") as page:
        parts = urlsplit(page.url)
        (token,) = parse_qs(parts.query)["token"]
        assert len(token) >= 32
        with httpx.Client(base_url=f"http://127.0.0.1:{parts.port}") as stranger:
            for path in ("/", "/page.js", "/metrics", "/stream.mjpg", "/?token=", "/?token=wrong", "/?token=%C3%BC"):
                answer = stranger.get(path)
                assert answer.status_code == 403 and token not in answer.text
            assert stranger.get("/", headers={"cookie": "a=b; ;;camreel=x"}).status_code == 403
            assert stranger.get("/metrics", headers={"authorization": f"Bearer {token}"}).text == "up 1\n"
            assert stranger.get(f"/metrics?token={token}").text == "up 1\n"
            assert not stranger.cookies
        for wrong in ({}, {"cookie": f"camreel-{parts.port}=wrong"}, {"origin": "http://evil.example"}):
            with pytest.raises(InvalidStatus, match="403"), visiting(page, additional_headers=wrong):
                pass
        with visiting(page, f"live?token={token}"):
            pass


def test_the_token_is_kept_in_a_cookie_that_no_script_and_no_other_site_gets():
    with serving("0.0.0.0:0") as page:
        parts = urlsplit(page.url)
        with httpx.Client(base_url=f"http://127.0.0.1:{parts.port}") as visitor:
            answer = visitor.get(f"/?{parts.query}")
            assert answer.status_code == 200
            cookie = answer.headers["set-cookie"]
            assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
            assert visitor.get("/page.js").status_code == 200
            with visiting(page, additional_headers={"cookie": cookie.split(";")[0]}):
                pass


# Beside the page


def test_metrics_are_made_when_they_are_asked_for():
    counts = iter(range(5))
    with serving(metrics=lambda: f"camreel_frames {next(counts)}\n") as page:
        assert httpx.get(page.url + "metrics").text == "camreel_frames 0\n"
        answer = httpx.get(page.url + "metrics")
        assert answer.text == "camreel_frames 1\n"
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_the_plain_stream_is_what_players_understand():
    with serving() as page:
        page.show(plain(RED), time.monotonic(), {})
        with httpx.stream("GET", page.url + "stream.mjpg") as answer:
            assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=picture"
            data, parts = answer.iter_bytes(), b""
            for shown in (1, 2):
                while parts.count(b"\xff\xd9\r\n") < shown:
                    parts += next(data)
                page.show(plain(RED), time.monotonic(), {})
        body = parts.split(b"\r\n\r\n")[1].split(b"\r\n--picture")[0]
        assert np.abs(decoded(body) - RED).max() <= 4


# The visitor's camera


def test_a_visitors_camera_pictures_come_out_with_their_arrival_and_go_back_with_their_stamp():
    with serving(camera=True) as page, visiting(page) as visitor:
        visitor.send(type="camera")
        assert visitor.receive()[0] == {"camera": True}
        frames = page.camera_frames()
        before = time.monotonic()
        visitor.send_picture(1234.5, b"first")
        arrival, body = next(frames)
        assert before <= arrival <= time.monotonic()
        assert body == b"first"
        assert visitor.receive()[0] == {"taken": 1234.5}
        page.show(plain(RED), arrival, {})
        assert visitor.receive()[0]["stamp"] == 1234.5
        page.show(plain(RED), arrival + 0.1, {})
        assert visitor.receive()[0]["stamp"] is None


def test_only_the_newest_camera_pictures_wait():
    with serving(camera=True) as page, visiting(page) as visitor:
        visitor.send(type="camera")
        visitor.receive()
        for stamp in range(5):
            visitor.send_picture(stamp, b"%d" % stamp)
        visitor.settle()
        assert [body for _, body in islice(page.camera_frames(), 2)] == [b"3", b"4"]


def test_one_camera_at_a_time():
    with serving(camera=True) as page, visiting(page) as second:
        with visiting(page) as first:
            first.send(type="camera")
            assert first.receive()[0] == {"camera": True}
            second.send(type="camera")
            assert second.receive()[0] == {"camera": False}
            second.send_picture(1.0, b"second")
            second.settle()
            first.send_picture(2.0, b"first")
            assert next(page.camera_frames())[1] == b"first"
        while True:  # until the server has noticed that the first one left
            second.send(type="camera")
            if second.receive()[0] == {"camera": True}:
                break
        second.send_picture(3.0, b"second")
        assert next(page.camera_frames())[1] == b"second"


@pytest.mark.parametrize("end", ["end_camera", "close"])
def test_camera_frames_end_with_the_page_or_before(end):
    with serving(camera=True) as page:
        ended = threading.Event()
        thread = threading.Thread(target=lambda: (list(page.camera_frames()), ended.set()))
        thread.start()
        getattr(page, end)()
        assert ended.wait(5)
        thread.join()
    with serving() as page:
        assert list(page.camera_frames()) == []


# Its life


def test_a_taken_port_is_an_error_that_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match=r"the port is taken\nchoose another with --serve"), serving(f"127.0.0.1:{port}"):
            pass
    with serving(f"127.0.0.1:{port}"):
        pass


@pytest.mark.parametrize(
    "address", ["", "8090", "localhost", "localhost:x", ":8090", "http://localhost:1", "a@localhost:1", "::1:5"]
)
def test_what_is_no_address(address):
    with pytest.raises(ConfigError, match="write HOST:PORT"), serving(address):
        pass


def test_a_host_that_is_not_this_computer():
    with pytest.raises(OutputError, match="not an address of this computer"), serving("192.0.2.1:0"):
        pass


def test_closing_is_quick_whoever_is_connected():
    with serving(camera=True) as page, visiting(page) as visitor, httpx.Client() as client:
        page.show(plain(RED), time.monotonic(), {})
        with (
            client.stream("GET", page.url + "stream.mjpg") as answer,
            socket.create_connection(("127.0.0.1", urlsplit(page.url).port)),
        ):
            next(answer.iter_bytes())
            begin = time.monotonic()
            page.close()
            assert time.monotonic() - begin < 2.0
        with pytest.raises(ConnectionClosed):
            while True:
                visitor.receive()
        page.show(plain(RED), time.monotonic(), {})
        page.tell({})
        page.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "web page"]


def test_show_never_waits_for_visitors():
    with serving() as page, visiting(page):
        picture = plain(RED, (1280, 720))
        begin = time.monotonic()
        for _ in range(1000):
            page.show(picture, begin, {})
        assert time.monotonic() - begin < 1.0


def test_without_its_packages_the_page_says_what_to_install():
    code = """
import sys
import camreel.sinks
assert not {"starlette", "uvicorn", "websockets", "asyncio"} & set(sys.modules)
sys.modules["uvicorn"] = None
try:
    import camreel.sinks.web
except Exception as error:
    print(type(error).__name__, error)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("ConfigError")
    assert 'pip install "camreel[web]"' in told


# JPEG


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("color", [(200, 40, 30), (20, 180, 60), (30, 60, 220), (250, 250, 250), (5, 5, 5)])
def test_jpeg_has_the_colours_of_the_picture(color, matrix, full):
    assert np.abs(decoded(jpeg(plain(color, matrix=matrix, full=full)))[24, 32] - color).max() <= 5


def test_wide_pictures_are_made_smaller():
    small = decoded(jpeg(plain(RED, (1920, 1080))))
    assert small.shape == (720, WIDEST, 3)
    assert np.abs(small - RED).max() <= 4
