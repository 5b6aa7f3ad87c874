"""Who is in a film, who does what and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from camreel.synthetic.actions import ACTIONS, MOVES, OTHERS, POSTURES, Move, Program
from camreel.synthetic.body import Body, Capsules, pose_body, random_body
from camreel.synthetic.poses import DEGREE, F64, Style, blend, smooth, still

RAMP = 0.3
"""Seconds in which a movement begins or ends."""


@dataclass(frozen=True, slots=True)
class Bout:
    """One movement from start to end, in seconds."""

    name: str
    move: Move
    start: float
    end: float
    tempo: float
    """Cycles per second."""
    phase: float
    """Of the cycle at the start."""
    style: Style

    def weight(self, times: F64) -> F64:
        """How much of the movement is there [T]."""
        return smooth((times - self.start) / RAMP + 0.5) - smooth((times - self.end) / RAMP + 0.5)

    def cycles(self, times: F64) -> F64:
        """Cycles done [T]."""
        return np.asarray(self.phase + np.maximum(times - self.start + RAMP / 2, 0) * self.tempo)


@dataclass(frozen=True, slots=True)
class Person:
    """A body with its place and what it does."""

    body: Body
    place: tuple[float, float]
    """x and z in metres."""
    yaw: float
    """Radians; 0 looks away from the camera, pi into it."""
    room: float
    """Metres along its line that it can walk to either side."""
    posture: Program
    style: Style
    sway: float
    """Phase of standing still, which nobody does."""
    bouts: tuple[Bout, ...]
    treadmill: bool
    """Walks on the spot, as seen from a camera that follows."""

    def actions(self, times: F64) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        """Class id per frame [T], -1 for none."""
        found = np.full(len(times), -1, np.int16)
        for bout in self.bouts:
            if bout.name in MOVES:
                found[(times >= bout.start) & (times < bout.end)] = ACTIONS.index(bout.name)
        return found

    def capsules(self, times: F64) -> Capsules:
        """The body's parts over time."""
        breath = self.sway + 2.1 * times
        pose = still(len(times))
        pose["pitch"] = 2 * DEGREE + 1.0 * DEGREE * np.sin(breath)
        pose["roll"] = 1.5 * DEGREE * np.sin(0.63 * breath)
        pose["twist"] = 2.5 * DEGREE * np.sin(0.41 * breath + 1)
        pose["look"] = 12 * DEGREE * np.sin(0.37 * breath + 2)
        pose["knee_r"] = pose["knee_l"] = np.full(len(times), 4 * DEGREE)
        pose["thigh_r"] = pose["thigh_l"] = np.full(len(times), 2 * DEGREE)
        pose["spread_r"] = pose["spread_l"] = np.full(len(times), 4 * DEGREE)
        upright = {key: value.copy() for key, value in pose.items()}
        self.posture(pose, breath / 6, self.style)
        for bout in self.bouts:
            active = {key: value.copy() for key, value in upright.items()}
            bout.move.program(active, bout.cycles(times), bout.style)
            pose = blend(pose, active, bout.weight(times))
        yaw, place = self._way(times)
        return pose_body(self.body, pose, yaw, place)

    def _way(self, times: F64) -> tuple[F64, F64]:
        """Yaw [T] and place [T, 2]: who walks goes to and fro along a line, who spins turns."""
        spun = np.zeros(len(times))
        gone = np.zeros(len(times))
        for bout in self.bouts:
            done = _integral(bout.weight, times)
            spun += done * bout.tempo * bout.move.spin * 2 * np.pi * (1 if bout.style.side == "r" else -1)
            gone += done * bout.move.speed * bout.tempo * bout.move.period * (0.0 if self.treadmill else 1.0)
        yaw = self.yaw + spun + 3 * DEGREE * np.sin(0.5 * times + self.sway)
        length = max(2 * self.room, 0.2)
        lap = (gone + self.room) / length
        along = (1 - np.abs(lap % 2 - 1)) * length - self.room
        # Turns around at each end, within the last and first 0.15 m.
        to_end = (lap % 1) * length
        turning = np.floor(lap) + smooth((to_end - length + 0.15) / 0.3) - smooth((0.15 - to_end) / 0.3) * (lap >= 1)
        heading = np.array([np.sin(self.yaw), np.cos(self.yaw)])
        return yaw + np.pi * turning, np.array(self.place) + along[:, None] * heading


def _integral(weight: object, times: F64) -> F64:
    """Seconds of full weight up to each time, from fine steps, so that it does not depend on the frame rate."""
    assert callable(weight)
    fine = np.linspace(0.0, max(float(times[-1]), 1e-3), max(64, int(times[-1] * 60)) + 1)
    step = fine[1]
    total = np.concatenate([[0.0], np.cumsum(weight(fine[:-1] + step / 2) * step)])
    return np.asarray(np.interp(times, fine, total))


def random_style(rng: Generator) -> Style:
    """Any way of doing something."""
    return Style(
        side=str(rng.choice(["r", "l"])),
        amplitude=rng.uniform(0.75, 1.15),
        variant=rng.uniform(-1, 1),
        other=rng.uniform(-1, 1),
    )


def bout(rng: Generator, name: str, start: float, end: float) -> Bout:
    """A movement done in a random way."""
    move = MOVES.get(name) or OTHERS[name]
    tempo = rng.uniform(0.78, 1.3) / move.period
    return Bout(name, move, start, end, tempo, 0.0 if move.once else rng.uniform(), random_style(rng))


def spells(rng: Generator, names: Sequence[str], seconds: float, *, steady: bool) -> tuple[Bout, ...]:
    """Movements one after the other with rests in between.

    Args:
        rng: random numbers.
        names: what is done in turn, over and over.
        seconds: length of the film.
        steady: the first goes on for the whole film.
    """
    if steady:
        return (bout(rng, names[0], -1.0 if not _once(names[0]) else -rng.uniform(0, 1.5), seconds + 1),)
    found: list[Bout] = []
    time = rng.uniform(-1.0, 1.2) if seconds < 5 else rng.uniform(0.4, 1.5)
    turn = 0
    while time < seconds:
        name = names[turn % len(names)]
        length = rng.uniform(1.4, 3.6) if name in MOVES else rng.uniform(1.0, 4.0)
        found.append(bout(rng, name, time, time + length))
        time += length + rng.uniform(0.7, 2.2)
        turn += 1
    return tuple(found)


def _once(name: str) -> bool:
    return name in MOVES and MOVES[name].once


def person(rng: Generator, place: tuple[float, float], room: tuple[float, float], bouts: tuple[Bout, ...]) -> Person:
    """Anyone doing these movements, turned so that they can be seen.

    Args:
        rng: random numbers.
        place: x and z in metres.
        room: metres to each side, and to the front and back, that may be walked.
        bouts: what is done and when.
    """
    limit = min([b.move.yaw for b in bouts], default=180.0)
    yaw = rng.uniform(-65, 65) if rng.random() < 0.6 else rng.uniform(-limit, limit)
    walks = any(b.move.speed for b in bouts)
    if walks and rng.random() < 0.7:
        # Across the picture more often than towards the camera.
        yaw = rng.choice([-90, 90]) + rng.normal(0, 28)
    sine, cosine = abs(np.sin(yaw * DEGREE)), abs(np.cos(yaw * DEGREE))
    reach = min(room[0] / max(sine, 0.05), room[1] / max(cosine, 0.05))
    treadmill = bool(rng.random() < 0.2 or reach < 0.5)
    return Person(
        body=random_body(rng),
        place=place,
        yaw=np.pi + float(np.clip(yaw, -limit, limit)) * DEGREE,
        room=max(reach, 0.1),
        posture=POSTURES[rng.integers(len(POSTURES))],
        style=random_style(rng),
        sway=rng.uniform(0, 60),
        bouts=bouts,
        treadmill=treadmill,
    )
