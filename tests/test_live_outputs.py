"""Outputs of live runs: a sink in the background, and the names of recordings."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from camreel.errors import OutputError
from camreel.live.outputs import BackgroundSink, recording_paths
from camreel.runtime.concurrency import Overflow
from camreel.structures import DisplayFrame, Frame
from tests.make import MILLI, picture

SOON = 10.0
"""Seconds to wait for a thread."""


class FakeSink:
    """A sink that stops at a gate, and fails on request."""

    def __init__(self) -> None:
        self.notes = ["a note"]
        self.events: list[int | str] = []
        self.threads: set[str] = set()
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.error: OutputError | None = None

    def show(self, shown: DisplayFrame) -> None:
        self.entered.set()
        assert self.gate.wait(SOON)
        if self.error is not None:
            raise self.error
        self.events.append(shown.frame.index)
        self.threads.add(threading.current_thread().name)

    def close(self) -> None:
        self.events.append("close")

    def abandon(self) -> None:
        self.events.append("abandon")


def shown(index: int) -> DisplayFrame:
    frame = Frame(index, None, index / 10, MILLI, picture())
    return DisplayFrame(frame.picture, frame, None, None)


@contextmanager
def background(sink: FakeSink, depth: int = 8, overflow: Overflow = "block") -> Iterator[BackgroundSink]:
    background = BackgroundSink(sink, depth, overflow, name="test-output")
    background.start()
    try:
        yield background
    finally:
        sink.gate.set()
        background.abandon()


def test_pictures_reach_the_sink_in_order_in_a_thread_of_its_own():
    sink = FakeSink()
    with background(sink) as output:
        for index in range(5):
            output.show(shown(index))
        output.close()
        assert sink.events == [0, 1, 2, 3, 4, "close"]
    assert sink.threads == {"test-output"}
    assert sink.events[-1] == "abandon"
    assert output.notes == ["a note"]


def test_no_thread_runs_before_the_start():
    sink = FakeSink()
    output = BackgroundSink(sink, 8, "block", name="test-output")
    assert not [thread for thread in threading.enumerate() if thread.name == "test-output"]
    with pytest.raises(RuntimeError, match="not started"):
        output.show(shown(0))
    output.close()
    assert sink.events == ["close"]


def test_an_interruption_finishes_the_output_once_and_the_next_picture_starts_another():
    sink = FakeSink()
    with background(sink) as output:
        output.interrupt()
        output.show(shown(0))
        output.interrupt()
        output.interrupt()
        output.show(shown(1))
        output.close()
        assert sink.events == [0, "close", 1, "close"]


def test_pictures_are_dropped_while_the_sink_is_slow():
    sink = FakeSink()
    sink.gate.clear()
    with background(sink, depth=2, overflow="drop-oldest") as output:
        output.show(shown(0))
        assert sink.entered.wait(SOON)
        for index in range(1, 6):
            output.show(shown(index))
        assert output.dropped == 3
        sink.gate.set()
        output.close()
        assert sink.events == [0, 4, 5, "close"]


def test_an_error_of_the_sink_is_raised_by_a_later_picture_and_by_close():
    sink = FakeSink()
    sink.error = OutputError("the disk is full")
    with background(sink) as output:
        output.show(shown(0))
        with pytest.raises(OutputError, match="disk is full"):
            for index in range(1, 1000):
                output.show(shown(index))
        with pytest.raises(OutputError, match="disk is full"):
            output.close()
    assert sink.events == ["abandon"]


def test_recordings_of_several_cameras_are_numbered():
    assert recording_paths(Path("a/out.mp4"), 1) == [Path("a/out.mp4")]
    assert recording_paths(Path("a/out.mp4"), 2) == [Path("a/out.1.mp4"), Path("a/out.2.mp4")]
