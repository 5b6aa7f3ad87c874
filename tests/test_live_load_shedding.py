"""Load shedding on a simulated clock: dropped frames, the pace of the network, and its recovery."""

from __future__ import annotations

from collections.abc import Iterator

from camreel.live.load_shedding import MAX_CALM_PERIODS, MIN_PACE, REVIEW_SECONDS, LoadShedder
from camreel.structures import Frame
from tests.make import MILLI, picture


class Machine:
    """A camera of 30 frames per second and a network that needs `cost` seconds per frame, on a simulated clock."""

    def __init__(self, max_latency: float | None, depth: int = 64) -> None:
        self.now = 0.0
        self.cost = 0.0
        self.depth = depth
        self.lost = 0
        self.notes: list[str] = []
        self.ages: list[float] = []
        self.shedder = LoadShedder(max_latency, self.notes.append, clock=lambda: self.now)
        self._index = 0
        self._frames = self.shedder(self._source())

    def _source(self) -> Iterator[Frame]:
        """Yield frames like a channel that drops the oldest."""
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
            self.now += self.cost * self.shedder.pace


def test_a_network_that_follows_keeps_its_pace():
    machine = Machine(0.5)
    machine.cost = 1 / 60
    machine.run(60)
    assert (machine.shedder.pace, machine.shedder.late, machine.lost, machine.notes) == (1.0, 0, 0, [])


def test_a_source_three_times_too_fast_loses_frames_then_samples_and_the_delay_stays_bounded():
    machine = Machine(0.5)
    machine.cost = 1 / 10
    machine.run(120)
    assert machine.shedder.late > 0
    assert machine.shedder.pace == 1 / 4
    assert "1 of 4" in machine.notes[1]
    assert max(machine.ages) <= 0.5
    late, lost = machine.shedder.late, machine.lost
    machine.run(60)
    assert (machine.shedder.late, machine.lost) == (late, lost), "once it sees fewer samples it loses nothing"


def test_frames_dropped_by_a_short_queue_do_not_lower_the_pace():
    """A source of hundreds of frames per second: most are dropped where they wait, and what is left is in time."""
    machine = Machine(0.5, depth=4)
    machine.cost = 1 / 10
    machine.run(120)
    assert machine.lost > 1000
    assert (machine.shedder.late, machine.shedder.pace) == (0, 1.0)


def test_the_pace_recovers_when_the_network_is_idle():
    machine = Machine(0.5)
    machine.cost = 1 / 10
    machine.run(30)
    machine.cost = 1 / 200
    machine.run(60)
    assert machine.shedder.pace == 1
    assert machine.notes[-1].endswith("all of its samples again")


def test_the_pace_does_not_oscillate():
    """Raises that failed are tried again more and more rarely."""
    machine = Machine(0.5)
    machine.cost = 1 / 22  # too much at 1, little at 1 / 2
    machine.run(600)
    assert len(machine.notes) < 600 / (REVIEW_SECONDS * MAX_CALM_PERIODS) + 16


def test_the_pace_has_a_minimum():
    machine = Machine(0.5)
    machine.cost = 5.0
    machine.run(300)
    assert machine.shedder.pace == MIN_PACE


def test_nothing_is_dropped_without_a_maximum_latency():
    machine = Machine(None, depth=10_000)
    machine.cost = 1.0
    machine.run(60)
    assert (machine.shedder.late, machine.shedder.pace) == (0, 1.0)
