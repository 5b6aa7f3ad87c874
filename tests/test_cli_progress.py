"""Progress of a run on terminals, in logs and for programs; without waiting."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from camreel.cli.progress import MODES, clock_time, open_reporter, short_name, summary_lines
from camreel.structures import Counts, Segment, Summary


@dataclass(frozen=True, slots=True)
class Progress:
    """The same fields as the flow's, which costs seconds to import."""

    uri: str
    frames: int
    total: int | None
    time: float
    duration: float | None
    elapsed: float

    @property
    def fps(self) -> float:
        return self.frames / self.elapsed if self.elapsed > 0 else 0.0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at(seconds: float, speed: float = 2.0, **changes: Any) -> Progress:
    """A run of 90 s at 30 fps that is `seconds` of wall time old."""
    done = seconds * speed
    values: dict[str, Any] = {
        "uri": "/videos/clip.mp4",
        "frames": round(done * 30),
        "total": 2700,
        "duration": 90.0,
        "time": done,
        "elapsed": seconds,
    }
    return Progress(**{**values, **changes})


def play(mode: str, stream: io.StringIO, ticks: list[float], make: Callable[[float], Any] = at) -> str:
    now = [0.0]
    reporter = open_reporter(mode, stream, lambda: now[0])
    for tick in ticks:
        now[0] = tick
        reporter.update(make(tick))
    reporter.close()
    reporter.close()
    return stream.getvalue()


def every(step: float, until: float) -> list[float]:
    return [i * step for i in range(round(until / step) + 1)]


def test_a_log_gets_a_line_at_the_start_every_ten_seconds_and_at_the_end() -> None:
    lines = play("auto", io.StringIO(), every(0.125, 45)).splitlines()
    assert lines == [
        "clip.mp4: 00:00 of 01:30",
        "clip.mp4: 00:20 of 01:30, 60 fps, 2x, 00:35 left",
        "clip.mp4: 00:40 of 01:30, 60 fps, 2x, 00:25 left",
        "clip.mp4: 01:00 of 01:30, 60 fps, 2x, 00:15 left",
        "clip.mp4: 01:20 of 01:30, 60 fps, 2x, 00:05 left",
        "clip.mp4: 01:30 of 01:30, 60 fps, 2x",
    ]


def test_the_last_line_is_not_written_twice() -> None:
    assert len(play("log", io.StringIO(), [0.0]).splitlines()) == 1


def test_an_unknown_length_is_left_out() -> None:
    line = play("log", io.StringIO(), [3.0], lambda t: at(t, total=None, duration=None)).strip()
    assert line == "clip.mp4: 00:06, 60 fps, 2x"


def test_slow_runs_show_their_decimals() -> None:
    assert (
        play("log", io.StringIO(), [10.0], lambda t: at(t, speed=0.125)).strip()
        == "clip.mp4: 00:01 of 01:30, 3.8 fps, 0.12x, 11:50 left"
    )


def test_a_run_that_just_began_divides_by_no_zero() -> None:
    first = at(0.0, frames=0, elapsed=0.0, time=0.0)
    assert play("log", io.StringIO(), [0.0], lambda _: first).strip() == "clip.mp4: 00:00 of 01:30"


def test_programs_get_one_json_object_a_second() -> None:
    lines = play("json", io.StringIO(), every(0.25, 3)).splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["elapsed"] for record in records] == [0, 1, 2, 3]
    assert set(records[-1]) == {"uri", "frames", "total", "time", "duration", "elapsed", "fps"}
    assert records[-1]["fps"] == 60
    assert records[-1]["uri"] == "/videos/clip.mp4"


def test_mode_none_writes_nothing() -> None:
    assert play("none", Terminal(), every(1, 20)) == ""


@pytest.mark.parametrize("mode", ["log", "json", "none", "bar"])
def test_a_run_without_frames_writes_nothing(mode: str) -> None:
    assert play(mode, Terminal(), []) == ""


def test_a_terminal_gets_a_bar_that_ends_with_a_new_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    text = play("auto", Terminal(), every(0.0625, 45))
    assert "clip.mp4" in text and "━" in text
    assert "01:30 of 01:30, 60 fps, 2x" in text
    assert "00:35 left" in text
    assert text.count("60 fps") <= 452, "it is drawn at most ten times a second"


def test_a_bar_fits_into_eighty_columns_with_a_long_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb-but-asked-for")
    monkeypatch.setenv("COLUMNS", "80")
    text = play("bar", Terminal(), [0.0, 5.0], lambda t: at(t, uri="x" * 200 + "[bold].mp4"))
    assert "00:10 of 01:30" in text and "00:40 left" in text
    assert "x" * 100 not in text


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert play("auto", Terminal(), [0.0]) == "clip.mp4: 00:00 of 01:30\n"


def test_every_mode_has_a_reporter() -> None:
    for mode in MODES:
        open_reporter(mode, io.StringIO()).close()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00"), (59.99, "00:59"), (61, "01:01"), (3599, "59:59"), (3661.5, "1:01:01")]
)
def test_times_are_shown_like_a_clock(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text


@pytest.mark.parametrize(
    ("uri", "name"), [("a/b.mp4", "b.mp4"), ("b.mp4", "b.mp4"), ("0", "0"), ("rtsp://host/cam/", "cam"), ("/", "/")]
)
def test_names_are_short(uri: str, name: str) -> None:
    assert short_name(uri) == name


def summary(error: float | None = 2e-6, corrupt: int = 0) -> Summary:
    segments = (Segment(1, "juggling", 0.5, 12.0, 0.83),)
    return Summary(
        Counts(900, 900, 0, corrupt, 450),
        segments,
        (),
        error,
        {"decode": 1.25, "recognize": 8.0},
        ("audio is left out",),
    )


def test_a_finished_run_is_summarized() -> None:
    assert summary_lines(summary(), 30.0, 15.0) == [
        "900 frames in 15.0 s, 60 fps, 2x real time, 1 segment, completeness error 2e-06",
        "note: audio is left out",
    ]
    assert "completeness" not in summary_lines(summary(None), 30.0, 15.0)[0]
    assert summary_lines(summary(None, 3), 30.0, 15.0)[0].endswith("3 corrupt packets")


def test_the_verbose_summary_lists_segments_and_stages() -> None:
    lines = summary_lines(summary(), 30.0, 15.0, verbose=True)
    assert "juggling: 00:00 to 00:12, score 0.83" in lines
    assert "busy: decode 1.2 s, recognize 8.0 s" in lines
