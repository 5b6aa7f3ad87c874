"""Seconds from timestamps, and frames at the pace of the wall clock."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from camreel.sources.timeline import TimestampClock, pace_realtime, zero_timestamp
from camreel.structures import Frame

from tests.make import MILLI, FakeClock, picture

SHOWN = picture()


def clock(rate: int = 10) -> TimestampClock:
    return TimestampClock(Fraction(1, 1000), Fraction(rate), 0)


def test_missing_pts_step_by_the_average_interval() -> None:
    ticks = clock()
    assert [ticks(pts) for pts in (0, 100, None, None, 500)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.5])


def test_repeated_and_backward_pts_step_by_half_an_interval() -> None:
    ticks = clock()
    assert [ticks(pts) for pts in (0, 100, 100, 300, 200, 400)] == pytest.approx([0, 0.1, 0.15, 0.3, 0.35, 0.4])


def test_timestamps_that_start_anew_continue_behind_the_earlier_ones() -> None:
    ticks = clock()
    assert [ticks(pts) for pts in (5000, 5100, 0, 100, 200)] == pytest.approx([5.0, 5.1, 5.2, 5.3, 5.4])


@pytest.mark.parametrize("rate", [None, Fraction(0), Fraction(90000)])
def test_an_impossible_rate_is_not_used(rate: Fraction | None) -> None:
    ticks = TimestampClock(Fraction(1, 1000), rate, 0)
    assert [ticks(None), ticks(None)] == pytest.approx([0, 0.04])


@pytest.mark.parametrize(
    ("claim", "first", "zero"), [(None, 7, 7), (5, 7, 5), (9, 7, 7), (5, 99999, 99999), (5, None, 5), (None, None, 0)]
)
def test_zero_is_the_claimed_start_if_that_is_plausible(claim: int | None, first: int | None, zero: int) -> None:
    assert zero_timestamp(claim, first, Fraction(1, 1000)) == zero


def test_timestamps_that_leap_ahead_continue_by_an_interval() -> None:
    clock = TimestampClock(Fraction(1, 1000), Fraction(10), 0, max_leap=10)
    assert [clock(pts) for pts in (0, 100, 9000, 900_000, 900_100, 50, 150)] == pytest.approx(
        [0, 0.1, 9, 9.1, 9.2, 9.3, 9.4]
    )


# --- At its own pace


def numbered(count: int, rate: float = 10.0) -> Iterator[Frame]:
    return (Frame(n, n, 5 + n / rate, MILLI, SHOWN) for n in range(count))


def test_frames_come_when_they_are_due() -> None:
    time = FakeClock()
    frames = list(pace_realtime(numbered(20), time.wait, time))
    assert [frame.captured for frame in frames] == pytest.approx([100 + n / 10 for n in range(20)])
    assert [frame.time for frame in frames] == pytest.approx([5 + n / 10 for n in range(20)])


def test_a_late_reader_does_not_postpone_the_schedule() -> None:
    time = FakeClock()
    stamps = []
    for frame in pace_realtime(numbered(20), time.wait, time):
        stamps.append(frame.captured)
        time.now += 0.35 if frame.index == 5 else 0.0
    expected = [100 + n / 10 for n in range(20)]
    expected[6:9] = [100.85] * 3
    assert stamps == pytest.approx(expected)


def test_bursts_postpone_the_schedule_up_to_the_slack() -> None:
    time = FakeClock()

    def bursts() -> Iterator[Frame]:
        for frame in numbered(40):
            if frame.index in (10, 20, 30):
                time.now = max(time.now, 100 + frame.index / 10 + {10: 0.2, 20: 0.1, 30: 1.0}[frame.index])
            yield frame

    stamps = [frame.captured for frame in pace_realtime(bursts(), time.wait, time, slack=0.5)]
    lags = [stamp - 100 - n / 10 for n, stamp in enumerate(stamps)]
    assert lags[:10] == pytest.approx([0.0] * 10)
    assert lags[10:30] == pytest.approx([0.2] * 20)  # the second burst comes within what was put off
    assert lags[30] == pytest.approx(1.0)
    assert lags[35:] == pytest.approx([0.5] * 5)


def test_pacing_ends_when_it_is_asked_to_stop() -> None:
    time = FakeClock()
    time.stop_after = 3
    assert len(list(pace_realtime(numbered(20), time.wait, time))) == 3
