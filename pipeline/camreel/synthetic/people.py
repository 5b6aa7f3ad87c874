"""People: the movements that each of them performs over time, and the path that each of them takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from camreel.synthetic.actions import ACTION_MOVEMENTS, ACTIONS, OTHER_MOVEMENTS, POSTURES, Movement, Program
from camreel.synthetic.body import Body, Capsules, pose_body, random_body
from camreel.synthetic.poses import DEGREE, F64, Style, blend, smoothstep, standing_pose

RAMP_SECONDS = 0.3
"""Time in which a movement begins or ends."""
TURN_METERS = 0.15
"""Length before and after each end of its path in which a walking person turns around."""


@dataclass(frozen=True, slots=True)
class Performance:
    """One movement, performed from a start to an end."""

    name: str
    movement: Movement
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    tempo: float
    """Cycles per second."""
    phase: float
    """Phase of the cycle at the start, in [0, 1)."""
    style: Style

    def weight(self, times: F64) -> F64:
        """Return the weight of the movement [T]: 0 before the start and after the end, 1 in between."""
        begun = smoothstep((times - self.start) / RAMP_SECONDS + 0.5)
        return begun - smoothstep((times - self.end) / RAMP_SECONDS + 0.5)

    def cycles(self, times: F64) -> F64:
        """Return the number of completed cycles [T]."""
        return np.asarray(self.phase + np.maximum(times - self.start + RAMP_SECONDS / 2, 0) * self.tempo)


@dataclass(frozen=True, slots=True)
class Person:
    """A body, its position, and its performances."""

    body: Body
    position: tuple[float, float]
    """x and z on the ground in meters."""
    yaw: float
    """Direction in radians; 0 looks away from the camera, pi into it."""
    walk_range: float
    """Meters that the person can walk forward and backward from its position."""
    posture: Program
    """Posture between performances."""
    style: Style
    """Style of the posture."""
    sway_phase: float
    """Phase of the slight motion of a standing person, in radians."""
    performances: tuple[Performance, ...]
    treadmill: bool
    """The person walks on the spot, as seen by a camera that follows."""

    def class_ids(self, times: F64) -> NDArray[np.int16]:
        """Return the class id of the action at each time [T]; -1: no action."""
        ids = np.full(len(times), -1, np.int16)
        for performance in self.performances:
            if performance.name in ACTION_MOVEMENTS:
                ids[(times >= performance.start) & (times < performance.end)] = ACTIONS.index(performance.name)
        return ids

    def capsules(self, times: F64) -> Capsules:
        """Return the parts of the body at each time."""
        sway = self.sway_phase + 2.1 * times
        pose = standing_pose(len(times))
        pose["pitch"] = 2 * DEGREE + 1.0 * DEGREE * np.sin(sway)
        pose["roll"] = 1.5 * DEGREE * np.sin(0.63 * sway)
        pose["twist"] = 2.5 * DEGREE * np.sin(0.41 * sway + 1)
        pose["look"] = 12 * DEGREE * np.sin(0.37 * sway + 2)
        pose["knee_r"] = pose["knee_l"] = np.full(len(times), 4 * DEGREE)
        pose["thigh_r"] = pose["thigh_l"] = np.full(len(times), 2 * DEGREE)
        pose["spread_r"] = pose["spread_l"] = np.full(len(times), 4 * DEGREE)
        upright = {key: value.copy() for key, value in pose.items()}
        self.posture(pose, sway / 6, self.style)
        for performance in self.performances:
            active = {key: value.copy() for key, value in upright.items()}
            performance.movement.program(active, performance.cycles(times), performance.style)
            pose = blend(pose, active, performance.weight(times))
        return pose_body(self.body, pose, *self.path(times))

    def path(self, times: F64) -> tuple[F64, F64]:
        """Return yaw [T] and position [T, 2]: walking goes to and fro along a line, spinning turns on the spot."""
        spun = np.zeros(len(times))
        walked = np.zeros(len(times))
        for performance in self.performances:
            movement = performance.movement
            active = _integrate(performance.weight, times)
            spun += (
                active * performance.tempo * movement.spin * 2 * np.pi * (1 if performance.style.side == "r" else -1)
            )
            walked += active * movement.speed * performance.tempo * movement.period * (0.0 if self.treadmill else 1.0)
        yaw = self.yaw + spun + 3 * DEGREE * np.sin(0.5 * times + self.sway_phase)
        length = max(2 * self.walk_range, 0.2)
        lap = (walked + self.walk_range) / length
        along = (1 - np.abs(lap % 2 - 1)) * length - self.walk_range
        in_lap = (lap % 1) * length
        # Half of each turn happens before the end of the line, half of it after.
        before = smoothstep((in_lap - length + TURN_METERS) / (2 * TURN_METERS))
        after = smoothstep((TURN_METERS - in_lap) / (2 * TURN_METERS)) * (lap >= 1)
        half_turns = np.floor(lap) + before - after
        heading = np.array([np.sin(self.yaw), np.cos(self.yaw)])
        return yaw + np.pi * half_turns, np.array(self.position) + along[:, None] * heading


def _integrate(weight: Callable[[F64], F64], times: F64) -> F64:
    """Return the integral of a weight from 0 to each time, in seconds.

    The step does not depend on the times, so that a film shows the same world at every frame rate.
    """
    fine = np.linspace(0.0, max(float(times[-1]), 1e-3), max(64, int(times[-1] * 60)) + 1)
    step = fine[1]
    total = np.concatenate([[0.0], np.cumsum(weight(fine[:-1] + step / 2) * step)])
    return np.asarray(np.interp(times, fine, total))


def random_style(rng: Generator) -> Style:
    """Return a random style."""
    return Style(
        side=str(rng.choice(["r", "l"])),
        amplitude=rng.uniform(0.75, 1.15),
        variant=rng.uniform(-1, 1),
        other=rng.uniform(-1, 1),
    )


def random_performance(rng: Generator, name: str, start: float, end: float) -> Performance:
    """Return a performance of the named movement with random tempo, phase and style."""
    movement = ACTION_MOVEMENTS.get(name) or OTHER_MOVEMENTS[name]
    tempo = rng.uniform(0.78, 1.3) / movement.period
    phase = 0.0 if movement.from_start else rng.uniform()
    return Performance(name, movement, start, end, tempo, phase, random_style(rng))


def random_schedule(
    rng: Generator, names: Sequence[str], seconds: float, *, continuous: bool
) -> tuple[Performance, ...]:
    """Return performances one after the other, with rests in between.

    Args:
        rng: random numbers.
        names: movements to perform in turn, over and over.
        seconds: length of the film.
        continuous: the first movement lasts for the whole film.
    """
    if continuous:
        from_start = names[0] in ACTION_MOVEMENTS and ACTION_MOVEMENTS[names[0]].from_start
        start = -rng.uniform(0, 1.5) if from_start else -1.0
        return (random_performance(rng, names[0], start, seconds + 1),)
    performances: list[Performance] = []
    time = rng.uniform(-1.0, 1.2) if seconds < 5 else rng.uniform(0.4, 1.5)
    while time < seconds:
        name = names[len(performances) % len(names)]
        length = rng.uniform(1.4, 3.6) if name in ACTION_MOVEMENTS else rng.uniform(1.0, 4.0)
        performances.append(random_performance(rng, name, time, time + length))
        time += length + rng.uniform(0.7, 2.2)
    return tuple(performances)


def random_person(
    rng: Generator, position: tuple[float, float], room: tuple[float, float], performances: tuple[Performance, ...]
) -> Person:
    """Return a random person, turned so that the performances are visible.

    Args:
        rng: random numbers.
        position: x and z on the ground in meters.
        room: meters to each side, and to the front and back, in which the person may walk.
        performances: movements to perform.
    """
    limit = min([p.movement.max_yaw for p in performances], default=180.0)
    yaw = rng.uniform(-65, 65) if rng.random() < 0.6 else rng.uniform(-limit, limit)
    walks = any(p.movement.speed for p in performances)
    if walks and rng.random() < 0.7:
        # Across the picture more often than towards the camera.
        yaw = rng.choice([-90, 90]) + rng.normal(0, 28)
    sine, cosine = abs(np.sin(yaw * DEGREE)), abs(np.cos(yaw * DEGREE))
    reach = min(room[0] / max(sine, 0.05), room[1] / max(cosine, 0.05))
    treadmill = bool(rng.random() < 0.2 or reach < 0.5)
    return Person(
        body=random_body(rng),
        position=position,
        yaw=np.pi + float(np.clip(yaw, -limit, limit)) * DEGREE,
        walk_range=max(reach, 0.1),
        posture=POSTURES[rng.integers(len(POSTURES))],
        style=random_style(rng),
        sway_phase=rng.uniform(0, 60),
        performances=performances,
        treadmill=treadmill,
    )
