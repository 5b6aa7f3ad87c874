"""Displays of live runs: the registry, commands of viewers, delays, and the window's keys."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from camreel.live import DISPLAYS, DisplayType, is_available, served_display
from camreel.live.display import Command, Display, DisplaySetup, KeyCommand, LiveDisplay, WindowDisplay
from camreel.live.metrics import CameraMetrics, MetricsSnapshot
from camreel.live.options import LiveOptions
from camreel.runtime.registry import load_entry
from camreel.sinks.web.messages import SetDisplayOptions, SetRecording
from camreel.structures import DisplayFrame, DisplayOptions, Frame
from tests.make import MILLI, picture

CLASSES = ("walk", "jump")


class FakeDisplay(LiveDisplay):
    """A display whose viewer is the test."""

    reports_delays = False

    def __init__(self, setup: DisplaySetup) -> None:
        self.notes: list[str] = []
        self.setup = setup
        self.events: list[str] = []
        self.shown: list[DisplayFrame] = []
        self.options: list[DisplayOptions] = []
        self.queued: list[Command] = []
        self.reported: list[float] = []

    def start(self) -> None:
        self.events.append("start")

    def show(self, shown: DisplayFrame) -> None:
        self.shown.append(shown)

    def refresh(self) -> None:
        self.events.append("refresh")

    def set_options(self, options: DisplayOptions) -> None:
        self.options.append(options)

    def commands(self) -> Sequence[Command]:
        queued, self.queued = self.queued, []
        return queued

    def delays(self) -> Sequence[float]:
        reported, self.reported = self.reported, []
        return reported

    def close(self) -> None:
        self.events.append("close")

    def abandon(self) -> None:
        self.close()


def camera(name: str = "a") -> Any:
    metrics = CameraMetrics(name)
    return SimpleNamespace(metrics=metrics, notes=[], snapshot=lambda: MetricsSnapshot(metrics, 0, 0, 1.0))


def shown(index: int = 0) -> DisplayFrame:
    frame = Frame(index, None, index / 10, MILLI, picture(), captured=time.monotonic() - 1.0)
    return DisplayFrame(frame.picture, frame, None, None)


@pytest.fixture
def displays(monkeypatch: pytest.MonkeyPatch) -> list[FakeDisplay]:
    """Two displays in place of the real ones, filled when they are created."""
    created: list[FakeDisplay] = []

    def create(setup: DisplaySetup) -> FakeDisplay:
        created.append(FakeDisplay(setup))
        return created[-1]

    monkeypatch.setattr("tests.test_live_display.create_fake", create, raising=False)
    for name in list(DISPLAYS):
        monkeypatch.delitem(DISPLAYS, name)
    for name in ("one", "two"):
        monkeypatch.setitem(DISPLAYS, name, DisplayType("tests.test_live_display:create_fake", name))
    return created


@pytest.fixture
def display(displays: list[FakeDisplay]) -> Iterator[Display]:
    options = LiveOptions(show=frozenset({"one", "two"}))
    with Display([camera("a"), camera("b")], options, CLASSES, 0.5) as display:
        yield display


@pytest.mark.parametrize("name", list(DISPLAYS))
def test_every_registered_display_follows_the_protocol(name):
    setup = DisplaySetup("cameras", CLASSES, DisplayOptions(), LiveOptions(address="127.0.0.1:0"), dict, str)
    display = load_entry(DISPLAYS[name].entry)(setup)
    members = [member for member in dir(LiveDisplay) if not member.startswith("_")]
    assert {"show", "close", "abandon", "start", "refresh", "commands", "delays", "camera_frames"} <= set(members)
    assert [member for member in members if not hasattr(display, member)] == []
    assert display.notes == []
    display.abandon()  # never started, and still allowed
    display.close()


def test_one_display_is_a_page_and_available_everywhere(monkeypatch):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    assert DISPLAYS[served_display()].served
    assert is_available(served_display())
    assert [name for name in DISPLAYS if not is_available(name)] == ["window"]


def test_displays_are_opened_and_closed_with_the_block(display, displays):
    assert [each.events for each in displays] == [["start"], ["start"]]
    assert displays[0].setup.title == "a, b"
    display.__exit__(None, None, None)
    assert [each.events for each in displays] == [["start", "close"], ["start", "close"]]


def test_a_display_that_cannot_be_opened_closes_the_others(displays, monkeypatch):
    monkeypatch.setattr(FakeDisplay, "start", lambda self: 1 / 0 if len(displays) == 2 else None)
    options = LiveOptions(show=frozenset({"one", "two"}))
    with pytest.raises(ZeroDivisionError), Display([camera()], options, CLASSES, 0.5):
        pass
    assert [each.events for each in displays] == [["close"], ["close"]]


def test_pictures_of_all_cameras_are_shown_together(display, displays):
    assert display.update(changed=False) is None
    display.set_picture(0, shown(0))
    display.set_picture(1, shown(1))
    composite = display.update(changed=True)
    assert composite.picture.width == 128
    assert composite.frame.index == 1, "the newest one"
    assert [each.shown for each in displays] == [[composite], [composite]]


def test_the_status_is_refreshed_while_there_is_no_picture(display, displays, monkeypatch):
    monkeypatch.setattr("camreel.live.display.STATUS_SECONDS", 0.0)
    display.update(changed=False)
    assert displays[0].events == ["start", "refresh"]
    status = displays[0].setup.status()
    assert status["paused"] is False and status["recording"] is False


def test_commands_change_the_state_of_the_run(display, displays):
    displays[0].queued = [SetRecording(True), KeyCommand.STOP]
    display.update(changed=False)
    assert display.recording and display.stop_requested


def test_nothing_is_shown_while_the_display_is_paused(display, displays):
    displays[0].queued = [KeyCommand.PAUSE]
    display.update(changed=False)
    display.set_picture(0, shown())
    assert display.update(changed=True) is None
    displays[0].queued = [KeyCommand.PAUSE]
    display.update(changed=False)
    assert display.update(changed=True) is None, "pictures that came during the pause are not shown later"


def test_display_options_reach_the_other_displays(display, displays):
    chosen = DisplayOptions(1, 0.25, 0.75)
    displays[1].queued = [SetDisplayOptions(chosen)]
    display.update(changed=False)
    assert display.options == chosen
    assert [each.options for each in displays] == [[chosen], []]


def test_a_key_selects_one_class_after_the_other_and_then_all(display, displays, caplog):
    caplog.set_level(logging.INFO, "camreel")
    selected = []
    for _ in range(3):
        displays[0].queued = [KeyCommand.NEXT_CLASS]
        display.update(changed=False)
        selected.append(display.options.class_id)
    assert selected == [0, 1, None]
    assert caplog.messages == ["shows walk", "shows jump", "shows all classes"]
    assert [options.class_id for options in displays[1].options] == selected


def test_a_snapshot_is_a_file_in_the_current_folder(display, displays, caplog, monkeypatch, tmp_path):
    caplog.set_level(logging.INFO, "camreel")
    monkeypatch.chdir(tmp_path)
    display.set_picture(0, shown())
    displays[0].queued = [KeyCommand.SNAPSHOT]
    display.update(changed=False)
    (path,) = tmp_path.iterdir()
    assert caplog.messages == [f"kept {path.name}"]


def test_delays_are_those_that_a_display_reports(display, displays):
    displays[1].reports_delays = True
    displays[1].reported = [0.25]
    display.set_picture(0, shown())
    display.update(changed=True)
    assert display.delays.quantiles()["max"] == 0.25


def test_without_reports_a_picture_counts_as_displayed_when_it_was_shown(display):
    display.set_picture(0, shown())
    display.update(changed=True)
    assert 1.0 <= display.delays.maximum < 3.0
    assert display.delays.count == 1


class FakeWindow:
    def __init__(self) -> None:
        self.pressed: list[str] = []
        self.titles: list[str] = []
        self.shown: list[DisplayFrame] = []

    def show(self, shown: DisplayFrame) -> None:
        self.shown.append(shown)

    def keys(self) -> list[str]:
        return self.pressed

    def tell(self, text: str) -> None:
        self.titles.append(text)


def test_keys_of_the_window_are_commands(monkeypatch):
    window = FakeWindow()
    status = {"rates": {"in": 30, "inferred": 15, "shown": 30}, "dropped": 2, "paused": True}
    display = WindowDisplay(window, lambda: status)
    window.pressed = ["x", "c", "space", "s", "q", "escape"]
    assert display.commands() == [
        KeyCommand.NEXT_CLASS,
        KeyCommand.PAUSE,
        KeyCommand.SNAPSHOT,
        KeyCommand.STOP,
        KeyCommand.STOP,
    ]
    monkeypatch.setattr("camreel.live.display.TITLE_SECONDS", 0.0)
    picture = shown()
    display.show(picture)
    assert window.shown == [picture]
    assert window.titles == ["30 in, 15 inferred, 30 shown per second, 2 dropped, paused"]
