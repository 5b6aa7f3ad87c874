"""The browser page in a real browser: what it shows, what a click does, and how it bears the loss of its server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from camreel.sinks.web.messages import PageCommand, SetDisplayOptions, SetRecording
from camreel.structures import DisplayOptions
from tests.browser import Browser, Tab, browser, film
from tests.webpage import CLASSES, RED, Page, decoded, plain, serving

GREEN, BLUE = (30, 170, 60), (40, 60, 210)
ORANGE = (230, 120, 20)
"""What the fake camera sees."""
STATUS: Any = {
    "time": 1.0,
    "scores": {"wave": 0.75, "walk": 0.25},
    "delay": {"p50": 42.4, "p95": 1234.0, "max": 2000.0},
    "rates": {"in": 30.0, "inferred": 14.9, "shown": 29.5},
    "dropped": 1234,
    "age": 66.4,
    "recording": False,
    "paused": False,
    "notes": ["lost the connection; trying again in 0.7 s", "connected again after 3.2 s"],
    "cameras": [{"name": "hall", "connected": True}],
}
PIXEL = "[...document.getElementById('picture').getContext('2d').getImageData(20, 20, 1, 1).data]"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("chromium")
    with browser(
        folder, film(folder / "film.mjpeg", ORANGE), ["--host-resolver-rules=MAP camreel.test 127.0.0.1"]
    ) as program:
        yield program


@contextmanager
def looking(
    chromium: Browser, size: tuple[int, int] = (1280, 800), phone: bool = False, **kw: Any
) -> Iterator[tuple[Page, Tab]]:
    """A page that is served, and open in a tab."""
    with serving(**kw) as page, chromium.tab(page.url, size, phone=phone) as tab:
        tab.until("document.getElementById('link').textContent === 'Live'")
        yield page, tab


def shows(tab: Tab, color: tuple[int, int, int]) -> None:
    """Waits until the canvas has a color."""
    tab.until(f"{list(color)}.every((level, n) => Math.abs({PIXEL}[n] - level) < 8)")


def text(tab: Tab, name: str) -> str:
    return str(tab.get(f"document.getElementById({name!r}).textContent"))


def until(tab: Tab, condition: Callable[[], Any]) -> Any:
    """Waits by the browser's clock until something is true here."""
    deadline = time.monotonic() + 10
    while not (value := condition()):
        assert time.monotonic() < deadline
        tab.get("new Promise(done => setTimeout(done, 20))")
    return value


def asked(tab: Tab, page: Page) -> list[PageCommand]:
    commands: list[PageCommand] = until(tab, page.commands)
    return commands


def test_the_page_shows_pictures_and_status(chromium):
    with looking(chromium, title="rtsp://hall/") as (page, tab):
        assert "first picture" in text(tab, "cover")
        for color in (RED, GREEN, BLUE):
            page.put(plain(color), STATUS)
            shows(tab, color)
        tab.until("document.getElementById('cover').hidden")
        tab.until("document.getElementById('dropped').textContent === '1,234'")
        texts = {name: text(tab, name) for name in ("title", "p50", "p95", "age", "in", "inferred", "shown")}
        assert texts == {
            "title": "rtsp://hall/", "p50": "42 ms", "p95": "1.2 s", "age": "66 ms",
            "in": "30.0 /s", "inferred": "14.9 /s", "shown": "29.5 /s",
        }  # fmt: skip
        rows = "[...document.querySelectorAll('#scores li')].map(row => row.innerText.replace(/\\s+/g, ' '))"
        assert tab.get(rows) == ["wave 75 %", "walk 25 %"]
        assert tab.get("[...document.querySelectorAll('#notes li')].map(note => note.textContent)") == STATUS["notes"]
        assert tab.get("document.title") == "rtsp://hall/ - camreel"
        delays = until(tab, page.delays)
        assert all(0 < delay < 5 for delay in delays)
        assert tab.errors() == []


def test_the_page_loads_nothing_from_other_servers(chromium):
    with looking(chromium) as (page, tab):
        page.put(plain(RED), STATUS)
        shows(tab, RED)
        hosts = {urlsplit(url).netloc for url in tab.requests() if not url.startswith("blob:")}
        assert hosts == {urlsplit(page.url).netloc}
        tab.get("fetch('http://127.0.0.1:1/').catch(() => 0)")
        assert any("Content Security Policy" in error for error in tab.errors()), "and could not"


def test_the_picture_may_change_its_size(chromium):
    with looking(chromium) as (page, tab):
        for width, height in ((64, 48), (320, 640)):
            page.put(plain(GREEN, (width, height)))
            tab.until(f"picture.width === {width} && picture.height === {height}")
            shows(tab, GREEN)


def test_sliders_move_by_keyboard_and_become_commands(chromium):
    with looking(chromium, display=DisplayOptions(None, 0.2, 0.6)) as (page, tab):
        tab.until("least.value === '0.2' && opacity.value === '0.6'")
        tab.get("least.focus()")
        tab.key("ArrowRight", 39)
        assert asked(tab, page) == [SetDisplayOptions(DisplayOptions(None, 0.21, 0.6))]
        assert text(tab, "least-value") == "21 %"
        tab.get("opacity.focus()")
        tab.key("End", 35)
        assert asked(tab, page) == [SetDisplayOptions(DisplayOptions(None, 0.21, 1.0))]


def test_a_class_is_found_by_part_of_its_name(chromium):
    classes = [*CLASSES, *(f"class {number}" for number in range(400))]
    with looking(chromium, classes=classes) as (page, tab):
        assert tab.get("document.querySelectorAll('#classes option').length") == 1 + len(classes)
        for words, class_id, shown in (
            ("av", 2, "wave"),
            ("Class 39", 42, "class 39"),
            ("399", 402, "class 399"),
            ("all", None, ""),
        ):
            tab.click("#class")
            assert tab.get("document.getElementById('class').value") == ""
            tab.write(words)
            tab.key("Enter", 13)
            assert [command.options.class_id for command in asked(tab, page)] == [class_id]
            assert tab.get("document.getElementById('class').value") == shown
        tab.click("#class")
        tab.write("nonsense")
        tab.key("Enter", 13)
        assert text(tab, "class-hint") == "No such class"
        tab.key("Escape", 27)
        assert page.commands() == []


def test_a_score_is_a_button_that_selects_its_class(chromium):
    with looking(chromium) as (page, tab):
        page.put(plain(RED), STATUS)
        tab.until("document.querySelectorAll('#scores button').length === 2")
        tab.click("#scores button")
        assert asked(tab, page) == [SetDisplayOptions(DisplayOptions(2))]
        page.tell(STATUS)
        tab.until("document.querySelector('#scores button[aria-pressed=true]')")
        assert tab.get("document.getElementById('class').value") == "wave"
        tab.click("#scores button")
        assert asked(tab, page) == [SetDisplayOptions(DisplayOptions(None))]


def test_all_visitors_see_the_same_choice(chromium):
    with looking(chromium) as (page, tab):
        page.set_options(DisplayOptions(1, 0.5, 0.25))
        tab.until(
            "document.getElementById('class').value === 'jump' && least.value === '0.5' && opacity.value === '0.25'"
        )


def test_the_record_button_sends_a_command_and_shows_the_state(chromium):
    with looking(chromium) as (page, tab):
        tab.click("#record")
        assert asked(tab, page) == [SetRecording(True)]
        page.tell({"recording": True})
        tab.until("document.querySelector('#record[aria-pressed=true]')?.innerText === 'Stop'")
        tab.click("#record")
        assert asked(tab, page) == [SetRecording(False)]
    with looking(chromium, can_record=False) as (page, tab):
        assert not tab.get("record.checkVisibility()")


def test_the_scores_of_the_last_minute_are_drawn(chromium):
    with looking(chromium) as (page, tab):
        # Pixels in the color of the class with id 2, which is the one on the picture, too.
        pixels = (
            "(() => { const { width, height } = timeline; let n = 0;"
            "const all = timeline.getContext('2d').getImageData(0, 0, width, height).data;"
            "for (let i = 0; i < all.length; i += 4)"
            "  n += all[i] === 255 && all[i + 1] === 112 && all[i + 2] === 166;"
            "return n })()"
        )

        def drawn() -> bool:
            page.tell({"scores": {"wave": 0.75}})
            return bool(tab.get(pixels) > 5)

        until(tab, drawn)


def test_a_snapshot_is_the_picture_as_a_file(chromium, tmp_path):
    with looking(chromium) as (page, tab):
        page.put(plain(BLUE))
        shows(tab, BLUE)
        tab.until("!snapshot.disabled")
        chromium.call(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), browserContextId=tab.context
        )
        tab.click("#snapshot")
        until(tab, lambda: [path for path in tmp_path.iterdir() if path.suffix == ".jpg"])
        (path,) = tmp_path.iterdir()
        assert path.name.startswith("camreel-")
        assert np.abs(decoded(path.read_bytes()) - BLUE).max() <= 4


def test_full_screen_and_back(chromium):
    with looking(chromium) as (page, tab):
        page.put(plain(BLUE))
        shows(tab, BLUE)
        tab.click("#full")
        tab.until("document.fullscreenElement?.id === 'stage' && full.ariaPressed === 'true'")
        tab.until("picture.getBoundingClientRect().width === innerWidth")
        tab.click("#full")
        tab.until("!document.fullscreenElement && full.ariaPressed === 'false'")


@pytest.mark.parametrize("size", [(390, 844), (844, 390), (320, 568)])
def test_it_works_on_a_phone(chromium, size):
    with looking(chromium, size, phone=True) as (page, tab):
        page.put(plain(RED, (640, 360)), STATUS)
        shows(tab, RED)
        tab.until("document.querySelector('#scores button')")
        assert tab.get("document.documentElement.scrollWidth <= innerWidth")
        height = 34 if size[0] > 500 else 44
        small = f".filter(e => e.checkVisibility() && e.offsetHeight < {height}).map(e => e.id)"
        assert tab.get(f"[...document.querySelectorAll('button, input')]{small}") == []
        assert tab.get("record.getBoundingClientRect().bottom < innerHeight"), (
            "the picture and its buttons are on the first screen"
        )


def test_every_control_has_a_name(chromium):
    with looking(chromium) as (page, tab):
        page.put(plain(RED), STATUS)
        tab.until("document.querySelector('#scores button')")
        tab.call("Accessibility.enable")
        nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
        roles = ("button", "slider", "combobox", "searchbox", "img", "image", "region")
        named = {
            node["role"]["value"]: node["name"]["value"] for node in nodes if node.get("role", {}).get("value") in roles
        }
        assert {"button", "slider", "combobox"} <= set(named)
        assert all(named.values())


def test_a_lost_camera_is_stated_on_the_picture(chromium):
    with looking(chromium) as (page, tab):
        page.put(plain(RED), STATUS)
        shows(tab, RED)
        page.tell({"cameras": [{"name": "hall", "connected": False}], "notes": ["lost the connection; trying again"]})
        tab.until("banner.checkVisibility() && banner.textContent === 'lost the connection; trying again'")
        page.tell(STATUS)
        tab.until("banner.hidden")


def test_the_page_states_that_its_server_is_gone_and_reconnects_by_itself(chromium):
    with looking(chromium) as (page, tab):
        page.put(plain(RED), STATUS)
        shows(tab, RED)
        page.close()
        tab.until("document.getElementById('link').textContent === 'Connection lost' && cover.checkVisibility()")
        assert "Trying again" in text(tab, "cover")
        assert tab.get("least.disabled && record.disabled")
        with serving(urlsplit(page.url).netloc, title="again") as page:
            page.put(plain(GREEN), STATUS)
            tab.until("document.getElementById('link').textContent === 'Live' && title.textContent === 'again'")
            shows(tab, GREEN)
            tab.until("cover.hidden && !least.disabled")


def test_the_token_leaves_the_address_bar_and_stays_valid(chromium):
    with serving("0.0.0.0:0", camera=True) as page:
        parts = urlsplit(page.url)
        with chromium.tab(f"http://camreel.test:{parts.port}/?{parts.query}") as tab:
            tab.until("document.getElementById('link').textContent === 'Live'")
            assert tab.get("location.href") == f"http://camreel.test:{parts.port}/"
            assert tab.get("document.cookie") == ""
            tab.until("cover.textContent.includes('ssh -L')")  # no camera for a page that came over plain http
            assert tab.errors() == []
            page.close()
            with serving(f"0.0.0.0:{parts.port}"):
                tab.until("cover.textContent.includes('Open the address that it printed')")


def test_the_visitors_camera_is_received_and_shown(chromium):
    with looking(chromium, camera=True) as (page, tab):
        frames = page.camera_frames()
        for color in (RED, GREEN):
            for _ in range(5):
                arrival, body = next(frames)
                seen = decoded(body)
                assert seen.shape == (480, 640, 3)
                assert np.abs(seen[300, 320] - ORANGE).max() < 25  # Chromium's fake camera is that exact
                page.put(plain(color), captured=arrival)
            shows(tab, color)
        page.tell({"dropped": 1})
        tab.until("own.checkVisibility() && round.textContent.endsWith(' ms')")
        assert all(0 < delay < 5 for delay in until(tab, page.delays))
        with chromium.tab(page.url) as other:
            other.until("cover.textContent.includes('Another visitor')")
        assert tab.errors() == []
