"""The parts of a live run, each alone: what is dropped, what is counted, what is carried, what is written."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camreel.live.load_shedding import CALM, LEAST, PERIOD, Governor
from camreel.live.metrics import Counters, Delays, Rate, Reading, prometheus
from camreel.live.motion_compensation import Carrier
from camreel.live.renderer import Painter, blank, side_by_side
from camreel.records import LINE
from camreel.sinks.live_records import EventSink
from camreel.structures import (
    Action,
    Box,
    Counts,
    DisplayOptions,
    Frame,
    Grid,
    Header,
    Localization,
    Picture,
    Segment,
    Summary,
    Tube,
    VideoInfo,
)
from tests.make import MILLI, picture, textured

INFO = VideoInfo("rtsp://camera/live", 160, 120, 0, Fraction(1, 1000), None, None, None, live=True)


# The governor


class Machine:
    """A camera of 30 frames per second before a network that needs `cost` seconds for a frame at full pace; time is counted."""

    def __init__(self, most: float | None, depth: int = 64) -> None:
        self.now = 0.0
        self.cost = 0.0
        self.depth = depth
        self.lost = 0
        self.said: list[str] = []
        self.ages: list[float] = []
        self.governor = Governor(most, self.said.append, clock=lambda: self.now)
        self._index = 0
        self._frames = self.governor(self._source())

    def _source(self) -> Iterator[Frame]:
        """A channel that drops the oldest."""
        while True:
            newest = int(self.now * 30)
            if self._index > newest:
                self.now = self._index / 30
                newest = self._index
            behind = newest - self._index - self.depth
            if behind > 0:
                self.lost += behind
                self._index += behind
            yield Frame(self._index, None, self._index / 30, MILLI, picture(), captured=self._index / 30)
            self._index += 1

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            frame = next(self._frames)
            assert frame.captured is not None
            self.ages.append(self.now - frame.captured)
            self.now += self.cost * self.governor.pace


def test_a_network_that_follows_is_left_alone():
    machine = Machine(0.5)
    machine.cost = 1 / 60
    machine.run(60)
    assert (machine.governor.pace, machine.governor.late, machine.lost, machine.said) == (1.0, 0, 0, [])


def test_a_source_three_times_too_fast_first_loses_frames_then_samples_and_the_delay_stays_bounded():
    machine = Machine(0.5)
    machine.cost = 1 / 10
    machine.run(120)
    assert machine.governor.late > 0
    assert machine.governor.pace == 1 / 4
    assert "1 of 4" in machine.said[1]
    assert max(machine.ages) <= 0.5
    late, lost = machine.governor.late, machine.lost
    machine.run(60)
    assert (machine.governor.late, machine.lost) == (late, lost), "once it sees fewer samples it loses nothing"


def test_frames_that_never_waited_long_are_no_reason_to_see_less():
    """A source of hundreds of frames per second: most are dropped where they wait, and what is left is in time."""
    machine = Machine(0.5, depth=4)
    machine.cost = 1 / 10
    machine.run(120)
    assert machine.lost > 1000
    assert (machine.governor.late, machine.governor.pace) == (0, 1.0)


def test_it_comes_back_when_it_can():
    machine = Machine(0.5)
    machine.cost = 1 / 10
    machine.run(30)
    machine.cost = 1 / 200
    machine.run(60)
    assert machine.governor.pace == 1
    assert machine.said[-1].endswith("all of its samples again")


def test_it_does_not_swing_for_ever():
    """Twice as much is asked for ever more rarely where it proved too much."""
    machine = Machine(0.5)
    machine.cost = 1 / 22  # too much at 1, little at 1 / 2
    machine.run(600)
    assert len(machine.said) < 600 / (PERIOD * CALM[1]) + 16


def test_it_never_asks_for_less_than_it_must():
    machine = Machine(0.5)
    machine.cost = 5.0
    machine.run(300)
    assert machine.governor.pace == LEAST


def test_nothing_is_dropped_where_everything_counts():
    machine = Machine(None, depth=10_000)
    machine.cost = 1.0
    machine.run(60)
    assert (machine.governor.late, machine.governor.pace) == (0, 1.0)


# Counters


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_quantiles_are_those_of_all_to_the_millisecond(values):
    delays = Delays()
    for value in values:
        delays.add(value)
    found = delays.quantiles()
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        expected = float(np.quantile(np.array(values), share, method="inverted_cdf"))
        assert found[name] == pytest.approx(expected, abs=0.00051)
    assert found["max"] == pytest.approx(max(values), abs=1e-6)


def test_nothing_measured_says_so():
    assert Delays().quantiles() == {"p50": None, "p95": None, "max": None}
    assert Delays().recent() is None


def test_a_rate_is_over_the_last_seconds():
    rate = Rate()
    for n in range(100):
        rate.add(n / 10)
    assert rate.at(9.9) == pytest.approx(10, abs=0.5)
    assert rate.at(60) == 0


def test_the_metrics_are_what_prometheus_reads():
    counters = Counters('rtsp://"camera"', captured=7, inferred=3)
    counters.ages.add(0.25)
    delays = Delays()
    for ms in range(1, 101):
        delays.add(ms / 1000)
    text = prometheus([Reading(counters, 2, 1, 0.5)], delays)
    assert 'camreel_frames_captured_total{camera="0",source="rtsp://\\"camera\\""} 7' in text
    assert 'camreel_delay_seconds{quantile="0.95"} 0.095' in text
    assert "camreel_delay_seconds_count 100" in text
    assert 'camreel_pace{camera="0",source="rtsp://\\"camera\\""} 0.5' in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rsplit(" ", 1)[1]) >= 0


# What is carried


def localization(frame: Frame, xyxy: tuple[float, float, float, float]) -> Localization:
    """Saliency in a box."""
    grid = Grid((0.5, 0.5), (2.0, 2.0))
    saliency = np.zeros((frame.picture.height // 2, frame.picture.width // 2), np.float32)
    x1, y1, x2, y2 = (round(v / 2) for v in xyxy)
    saliency[y1:y2, x1:x2] = 1
    peak = ((xyxy[0] + xyxy[2]) / 2, (xyxy[1] + xyxy[3]) / 2)
    return Localization(frame, (Action(1, "wave", 0.9, 2.0, saliency, 1.0, grid, peak, (Box(xyxy, 0.9, 4),)),))


def moving(count: int, pixels: int = 2) -> list[Frame]:
    """A texture that moves to the right, `pixels` a frame."""
    return [Frame(n, n, n / 30, MILLI, textured(shift=pixels * n)) for n in range(count)]


def test_an_answer_is_where_things_went():
    frames = moving(11)
    carrier = Carrier()
    for frame in frames:
        carrier.see(frame)
    answer = localization(frames[0], (50, 40, 80, 70))
    carried = carrier.carry(answer)
    assert carried is not None
    (action,) = carried.actions
    assert action.boxes[0].xyxy == pytest.approx((70, 40, 100, 70), abs=3)
    assert action.boxes[0].track == 4
    assert action.peak == pytest.approx((85, 55), abs=3)
    assert action.saliency is not None
    columns = np.flatnonzero(action.saliency.max(axis=0) > 0.5)
    assert (2 * columns[0], 2 * columns[-1]) == pytest.approx((70, 98), abs=6)


def test_what_stands_still_stays():
    frames = [dataclasses.replace(f, picture=textured()) for f in moving(8)]
    carrier = Carrier()
    for frame in frames:
        carrier.see(frame)
    answer = localization(frames[2], (50, 40, 80, 70))
    (before,), (after,) = answer.actions, carrier.carry(answer).actions
    assert after.boxes[0].xyxy == pytest.approx(before.boxes[0].xyxy, abs=0.5)
    np.testing.assert_allclose(after.saliency, before.saliency, atol=0.05)


def test_an_answer_for_the_frame_itself_is_not_touched():
    frames = moving(3)
    carrier = Carrier()
    for frame in frames:
        carrier.see(frame)
    answer = localization(frames[2], (50, 40, 80, 70))
    assert carrier.carry(answer) is answer


def test_nothing_is_carried_over_a_cut():
    frames = moving(6)
    other = [Frame(n, n, n / 30, MILLI, textured(seed=9)) for n in range(6, 9)]
    carrier = Carrier()
    for frame in (*frames, *other):
        carrier.see(frame)
    assert carrier.carry(localization(frames[3], (50, 40, 80, 70))) is None
    assert carrier.carry(localization(other[0], (50, 40, 80, 70))) is not None


def test_what_leaves_the_picture_is_gone():
    frames = moving(25, pixels=4)
    carrier = Carrier()
    for frame in frames:
        carrier.see(frame)
    (action,) = carrier.carry(localization(frames[0], (100, 40, 140, 70))).actions
    assert action.boxes == ()


def test_memory_of_the_past_is_bounded():
    carrier = Carrier()
    for frame in moving(400, pixels=0):
        carrier.see(frame)
    assert len(carrier._steps) < 130


# What is painted


def luma_at(shown: Picture, x: int, y: int) -> int:
    return int(shown.y[y, x])


def test_a_picture_without_an_answer_is_shown_and_says_so():
    frame = moving(1)[0]
    screen = Painter("heatmap", False).paint(frame, DisplayOptions())
    assert screen.localization is None and screen.age is None
    assert (screen.picture.width, screen.picture.height) == (160, 120)


def test_the_newest_answer_is_on_the_newest_frame_with_its_age():
    frames = moving(10, pixels=0)
    painter = Painter("heatmap", False)
    painter.paint(frames[0], DisplayOptions())
    painter.learn(localization(frames[0], (60, 40, 100, 80)))
    for frame in frames[1:9]:
        painter.paint(frame, DisplayOptions())
    screen = painter.paint(frames[9], DisplayOptions())
    assert screen.age == pytest.approx(0.3)
    assert screen.frame is frames[9]
    assert screen.localization.frame is frames[0]
    plain = painter.paint(frames[9], DisplayOptions(opacity=0.0))
    assert np.abs(screen.picture.u.astype(int) - plain.picture.u).max() > 20, "there is heat"


@pytest.mark.parametrize("view", [DisplayOptions(class_id=5), DisplayOptions(least_score=0.95)])
def test_what_was_not_chosen_is_not_drawn(view):
    frames = moving(2, pixels=0)
    painter = Painter("boxes", False)
    painter.paint(frames[0], DisplayOptions())
    painter.learn(localization(frames[0], (60, 40, 100, 80)))
    chosen, other = painter.paint(frames[1], DisplayOptions()), painter.paint(frames[1], view)
    assert luma_at(chosen.picture, 60, 60) != luma_at(other.picture, 60, 60)


def test_an_answer_of_another_connection_is_not_drawn():
    frames = moving(3, pixels=0)
    painter = Painter("boxes", False)
    painter.learn(localization(frames[0], (60, 40, 100, 80)))
    later = dataclasses.replace(frames[2], part=1, picture=textured(96, 64))
    screen = painter.paint(later, DisplayOptions())
    assert screen.age is None
    assert (screen.picture.width, screen.picture.height) == (96, 64)


def test_late_answers_of_a_lost_connection_change_nothing():
    """They are known only when the next connection has begun."""
    frames = moving(3, pixels=0)
    painter = Painter("heatmap", False)
    painter.paint(frames[0], DisplayOptions())
    newer = [dataclasses.replace(frame, part=1) for frame in frames[1:]]
    painter.paint(newer[0], DisplayOptions())
    timeline, carrier = painter._timeline, painter._carrier
    painter.learn(localization(frames[0], (60, 40, 100, 80)))
    screen = painter.paint(newer[1], DisplayOptions())
    assert (painter._timeline, painter._carrier) == (timeline, carrier)
    assert screen.age is None


def test_cameras_stand_side_by_side():
    large, small = picture(64, 48, 200), picture(32, 48, 90)
    shown = side_by_side([large, None, small])
    assert (shown.width, shown.height) == (128, 96)
    assert luma_at(shown, 32, 24) == 200
    assert luma_at(shown, 96, 24) == 16
    assert luma_at(shown, 32, 72) == 90
    assert luma_at(shown, 4, 72) == 16, "the aspect is kept"
    assert blank(4, 2, dataclasses.replace(large, full_range=True)).y.max() == 0


# What is written


def header() -> Header:
    return Header(INFO, "figures", "bundled", None, 12.0, ("wave", "clap"), "cam", (4, 5), "flow", 0.0, {})


def summary() -> Summary:
    return Summary(Counts(9, 4, 5, 0, 3), (), (), None, {}, ())


LIVE = {
    "shown": 4,
    "skipped": 0,
    "reconnects": 1,
    "rate": {"in": 30.0},
    "delay": {"p50": 0.01, "p95": 0.02, "max": 0.03},
    "age": {"p50": None, "p95": None, "max": None},
}


def test_records_tell_of_gaps_connections_and_what_has_ended(tmp_path):
    path = tmp_path / "events.jsonl"
    sink = EventSink(str(path), cameras=1)
    sink.begin(0, header())
    ends = (Segment(0, "wave", 0.0, 0.1, 0.9), Tube(3, 0, "wave", 0.0, 0.1, 0.8))
    shown = picture()
    for index, ended in ((0, ()), (1, ()), (5, ends)):
        sink.write(0, Localization(Frame(index, None, index / 10, MILLI, shown), (), ended))
    sink.connect(0, 1, dataclasses.replace(INFO, width=320), 0.7)
    sink.write(0, Localization(Frame(6, 17, 0.7, MILLI, shown), ()))
    sink.end(0, summary(), LIVE)
    assert not path.exists()
    sink.close()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        LINE.validate_python(record)
        assert "camera" not in record
    assert [r["type"] for r in records] == [
        "header", "frame", "frame", "gap", "frame", "segment", "track", "connection", "frame", "summary",
    ]  # fmt: skip
    assert records[3] == {"type": "gap", "first": 2, "count": 3, "start": 0.1, "end": 0.5}
    assert records[7]["source"]["width"] == 320


def test_several_cameras_share_a_file_and_each_record_says_whose_it_is(tmp_path):
    path = tmp_path / "events.jsonl"
    sink = EventSink(str(path), cameras=2)
    for camera in (1, 0):
        sink.begin(camera, header())
        sink.write(camera, Localization(Frame(camera, None, 0.0, MILLI, picture()), ()))
    sink.close()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(r["type"], r["camera"]) for r in records] == [("header", 1), ("gap", 1), ("frame", 1), ("header", 0), ("frame", 0)]
    for record in records:
        LINE.validate_python(record)
