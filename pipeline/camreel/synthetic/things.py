"""Things: stools, balls, what stands in front and what moves behind."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from camreel.synthetic.body import Capsules
from camreel.synthetic.camera import Camera, Motion, wander
from camreel.synthetic.cast import Person
from camreel.synthetic.poses import F64

U8 = NDArray[np.uint8]
FINGERS = {"r": -4, "l": -1}
"""Capsule of the fingers in a body, by side: each arm ends with them, the right one comes first."""
SEAT = 0.36
"""Metres."""


def stool(rng: Generator, spot: tuple[float, float, float], frames: int) -> Capsules:
    """A seat on four legs.

    Args:
        rng: random numbers.
        spot: x, z and direction.
        frames: how long it stands there.
    """
    x, z, yaw = spot
    ahead, aside = np.array([np.sin(yaw), 0, np.cos(yaw)]), np.array([np.cos(yaw), 0, -np.sin(yaw)])
    middle = np.array([x, SEAT - 0.04, z])
    rows = [
        (middle + 0.05 * k * ahead - 0.14 * aside, middle + 0.05 * k * ahead + 0.14 * aside, 0.04) for k in (-2, 0, 2)
    ]
    for i in (-1, 1):
        for j in (-1, 1):
            top = middle + 0.14 * i * ahead + 0.15 * j * aside
            rows.append((top, top * np.array([1, 0, 1]), 0.018))
    starts, ends, radii = (np.array(column) for column in zip(*rows, strict=True))
    color = rng.uniform(20, 200, 3)
    still = np.broadcast_to(starts, (frames, *starts.shape)), np.broadcast_to(ends, (frames, *ends.shape))
    return Capsules(*still, np.stack([radii, radii], axis=-1), np.broadcast_to(color, (len(rows), 3)))


def ball(rng: Generator, thrower: Person, body: Capsules, times: F64) -> Capsules:
    """A ball that is held, thrown once per cycle, and held again.

    Args:
        rng: random numbers.
        thrower: has bouts of throwing.
        body: the thrower's parts over time.
        times: [T].
    """
    throws = [bout for bout in thrower.bouts if bout.move.prop == "ball"]
    hand = body.end[:, FINGERS[throws[0].style.side]]
    path = hand.copy()
    for bout in throws:
        path = np.where(bout.weight(times)[:, None] > 0.5, body.end[:, FINGERS[bout.style.side]], path)
        phase = bout.cycles(times) % 1
        flying = (bout.weight(times) > 0.5) & (phase > 0.5) & (phase < 0.95)
        elapsed = (phase - 0.5) / bout.tempo
        heading = np.array([np.sin(thrower.yaw), 0.0, np.cos(thrower.yaw)])
        release = np.array([thrower.place[0], 1.05 * thrower.body.height, thrower.place[1]]) + 0.35 * heading
        flight = (
            release
            + elapsed[:, None] * (5.5 * heading + np.array([0, 1.6, 0]))
            - 4.9 * elapsed[:, None] ** 2 * np.array([0, 1, 0])
        )
        path = np.where(flying[:, None], flight, path)
    size = rng.uniform(0.045, 0.1)
    return Capsules(path[:, None], path[:, None], np.full((1, 2), size), rng.uniform(30, 255, (1, 3)))


def occluder(rng: Generator, camera: Camera) -> tuple[F64, list[float]]:
    """Corners [4, 2] in pixels and colour of something that stands in front: a post or a low wall."""
    width, height = camera.size
    if rng.random() < 0.6:
        x, half = rng.uniform(0.1, 0.9) * width, rng.uniform(0.01, 0.04) * height
        corners = [[x - half, -height], [x + half, -height], [x + half, 2 * height], [x - half, 2 * height]]
    else:
        top = height * rng.uniform(0.78, 0.95)
        left, right = sorted(rng.uniform(-0.3, 1.3, 2) * width)
        corners = [[left, top], [right, top], [right, 2 * height], [left, 2 * height]]
    return np.array(corners, float), list(rng.uniform(10, 230, 3))


Mover = tuple[F64, float, list[float], bool]
"""Path [T, 2] in pixels, radius, colour, round."""


def movers(rng: Generator, camera: Camera, times: F64) -> list[Mover]:
    """Balls and boxes that move in the background."""
    width, height = camera.size
    found: list[Mover] = []
    for _ in range(rng.integers(1, 4)):
        rate = rng.uniform(0.1, 0.9)
        drift = times * rng.normal(0, 0.15) * width
        x = (rng.uniform(0, width) + wander(rng, times, 0.2 * width, rate) + drift) % (1.2 * width) - 0.1 * width
        y = rng.uniform(0.1, 0.9) * height + wander(rng, times, 0.15 * height, rate)
        size = rng.uniform(0.015, 0.07) * height
        found.append((np.stack([x, y], axis=-1), size, list(rng.uniform(0, 255, 3)), bool(rng.random() < 0.5)))
    return found


def draw_movers(picture: U8, things: Sequence[Mover], motion: Motion, frame: int, scale: int) -> None:
    """Draws what moves in the background, in place."""
    for path, size, color, is_round in things:
        matrix = motion.matrices[frame]
        x, y = (matrix[:, :2] @ path[frame] + matrix[:, 2]) * scale
        half = max(1, round(size * scale))
        if is_round:
            cv2.circle(picture, (round(x), round(y)), half, color, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(picture, (round(x) - half, round(y) - half), (round(x) + half, round(y) + half), color, -1)
