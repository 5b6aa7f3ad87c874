"""The browser page as its clients see it: messages, delays, commands, the visitor's camera, and the end."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from itertools import islice
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from camreel.errors import ConfigError, OutputError
from camreel.sinks.web.messages import SetDisplayOptions, SetRecording
from camreel.structures import DisplayOptions
from tests.webpage import CLASSES, RED, decoded, plain, serving, visiting


def test_a_visitor_gets_the_content_of_the_page_and_then_the_picture():
    with serving(title="rtsp://cam/", display=DisplayOptions(1, 0.25, 0.5)) as page, visiting(page) as visitor:
        assert visitor.hello["view"] == {"class_id": 1, "least_score": 0.25, "opacity": 0.5}
        assert visitor.hello["hello"] | {"colors": []} == {
            "title": "rtsp://cam/", "classes": CLASSES, "colors": [], "record": True, "camera": False,
        }  # fmt: skip
        page.put(plain(RED), {"scores": {"walk": 0.5}, "age": None})
        header, body = visitor.receive()
        assert header["status"] == {"scores": {"walk": 0.5}, "age": None}
        assert np.abs(decoded(body) - RED).max() <= 4
        assert page.visitors == 1


def test_a_late_visitor_sees_the_last_picture_and_the_newest_status():
    with serving() as page:
        page.put(plain(RED), {"dropped": 1})
        page.tell({"dropped": 2})
        with visiting(page) as visitor:
            header, body = visitor.receive()
            assert header["status"] == {"dropped": 2}
            assert body


def test_a_status_does_not_send_the_picture_again():
    with serving() as page, visiting(page) as visitor:
        page.put(plain(RED))
        assert visitor.receive()[1]
        page.tell({"notes": ["camera lost; trying again"]})
        header, body = visitor.receive()
        assert header["status"] == {"notes": ["camera lost; trying again"]}
        assert not body


def test_a_slow_visitor_gets_the_newest_picture_and_no_queue():
    with serving() as page, visiting(page) as slow, visiting(page) as quick:
        for number in (1, 2):
            page.put(plain(RED))
            assert slow.receive()[0]["number"] == number
            assert quick.receive()[0]["number"] == number
            quick.send(type="drawn", number=number, shown=True)
        for number in range(3, 10):
            page.put(plain(RED))
            assert quick.receive()[0]["number"] == number
            quick.send(type="drawn", number=number, shown=True)
        assert "view" in slow.settle()  # and no picture before it
        slow.send(type="drawn", number=1, shown=True)
        assert slow.receive()[0]["number"] == 9


def test_delays_last_from_capture_until_the_browser_has_drawn():
    with serving() as page, visiting(page) as visitor:
        page.put(plain(RED), captured=time.monotonic() - 3.0)
        visitor.send(type="drawn", number=visitor.receive()[0]["number"], shown=True)
        page.put(plain(RED))
        visitor.send(type="drawn", number=visitor.receive()[0]["number"], shown=False)  # its tab was hidden
        visitor.settle()
        (delay,) = page.delays()
        assert 3.0 <= delay < 5.0
        assert page.delays() == []


def test_a_hidden_page_gets_the_status_but_no_picture():
    with serving() as page, visiting(page) as visitor:
        visitor.send(type="watch", on=False)
        visitor.settle()
        page.put(plain(RED), {"dropped": 1})
        header, body = visitor.receive()
        assert header["status"] == {"dropped": 1} and not body
        visitor.send(type="drawn", number=header["number"], shown=False)
        visitor.send(type="watch", on=True)
        visitor.settle()
        page.tell({"dropped": 2})
        assert visitor.receive()[1], "the picture that was left out"


def test_of_each_kind_only_the_last_command_is_returned_once():
    with serving() as page, visiting(page) as visitor, visiting(page) as other:
        visitor.send(type="view", class_id=0, least_score=0.1, opacity=0.2)
        visitor.send(type="record", on=True)
        visitor.send(type="view", class_id=2, least_score=7, opacity=-1)
        wanted = {"class_id": 2, "least_score": 1.0, "opacity": 0.0}
        while visitor.receive()[0]["view"] != wanted:
            pass
        while other.receive()[0]["view"] != wanted:
            pass
        assert page.commands() == [SetDisplayOptions(DisplayOptions(2, 1.0, 0.0)), SetRecording(True)]
        assert page.commands() == []


def test_display_options_chosen_elsewhere_reach_the_page():
    with serving() as page, visiting(page) as visitor:
        page.set_options(DisplayOptions(1))
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
def test_unknown_messages_are_ignored(message):
    with serving(can_record=False) as page, visiting(page) as visitor:
        visitor.socket.send(message)
        assert "view" in visitor.settle()
        assert [type(command) for command in page.commands()] == [SetDisplayOptions]


def test_metrics_are_computed_on_request():
    counts = iter(range(5))
    with serving(metrics=lambda: f"camreel_frames {next(counts)}\n") as page:
        assert httpx.get(page.url + "metrics").text == "camreel_frames 0\n"
        answer = httpx.get(page.url + "metrics")
        assert answer.text == "camreel_frames 1\n"
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_the_plain_stream_is_mjpeg_for_players():
    with serving() as page:
        page.put(plain(RED))
        with httpx.stream("GET", page.url + "stream.mjpg") as answer:
            assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=picture"
            data, parts = answer.iter_bytes(), b""
            for shown in (1, 2):
                while parts.count(b"\xff\xd9\r\n") < shown:
                    parts += next(data)
                page.put(plain(RED))
        body = parts.split(b"\r\n\r\n")[1].split(b"\r\n--picture")[0]
        assert np.abs(decoded(body) - RED).max() <= 4


def test_camera_pictures_have_their_arrival_and_go_back_with_their_stamp():
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
        page.put(plain(RED), captured=arrival)
        assert visitor.receive()[0]["stamp"] == 1234.5
        page.put(plain(RED), captured=arrival + 0.1)
        assert visitor.receive()[0]["stamp"] is None


def test_only_the_newest_camera_pictures_wait():
    with serving(camera=True) as page, visiting(page) as visitor:
        visitor.send(type="camera")
        visitor.receive()
        for stamp in range(5):
            visitor.send_picture(stamp, b"%d" % stamp)
        visitor.settle()
        assert [body for _, body in islice(page.camera_frames(), 2)] == [b"3", b"4"]


def test_one_visitor_at_a_time_owns_the_camera():
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


def test_a_taken_port_is_an_error_with_advice():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(OutputError, match=r"the port is taken\nchoose another with --serve"),
            serving(f"127.0.0.1:{port}"),
        ):
            pass
    with serving(f"127.0.0.1:{port}"):
        pass


@pytest.mark.parametrize(
    "address", ["", "8090", "localhost", "localhost:x", ":8090", "http://localhost:1", "a@localhost:1", "::1:5"]
)
def test_a_malformed_address_is_refused(address):
    with pytest.raises(ConfigError, match="write HOST:PORT"), serving(address):
        pass


def test_an_address_of_another_computer_is_refused():
    with pytest.raises(OutputError, match="not an address of this computer"), serving("192.0.2.1:0"):
        pass


def test_closing_is_quick_whatever_is_connected():
    with serving(camera=True) as page, visiting(page) as visitor, httpx.Client() as client:
        page.put(plain(RED))
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
        page.put(plain(RED))
        page.tell({})
        page.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "web page"]


def test_show_never_waits_for_visitors():
    with serving() as page, visiting(page):
        picture = plain(RED, (1280, 720))
        begin = time.monotonic()
        for _ in range(1000):
            page.put(picture, captured=begin)
        assert time.monotonic() - begin < 1.0


def test_missing_packages_are_named():
    code = """
import sys
import camreel.sinks
assert not {"starlette", "uvicorn", "websockets", "asyncio"} & set(sys.modules)
sys.modules["uvicorn"] = None
try:
    import camreel.sinks.web.page
except Exception as error:
    print(type(error).__name__, error)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.startswith("ConfigError")
    assert 'pip install "camreel[web]"' in output
