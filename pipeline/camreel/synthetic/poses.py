"""Poses: joint angles and hand positions of a person, as arrays over the frames of a film.

A pose is a dict of arrays. Legs and torso are given by angles in radians, arms by the position of their hands: `hand_*`
in arm lengths from the shoulder, in the frame of the torso (x outward, y up, z forward), with `pole_*` as the direction
in which the elbow points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Pose = dict[str, F64]

DEGREE = np.pi / 180
"""One degree in radians."""
SIDES = ("r", "l")
"""Right and left, in the order in which limbs are built."""
SCALAR_JOINTS = (
    "air",  # height of the feet above the ground in meters
    "back",  # distance of the hips behind the person's position in meters
    "tip", "keel",  # rotation of the whole body: forward, sideways
    "pitch", "roll", "twist",  # rotation of the torso: forward, sideways, about the spine
    "nod", "look",  # rotation of the head: down, sideways
    *(f"{joint}_{side}" for side in SIDES for joint in ("thigh", "spread", "knee")),  # forward, outward, bent
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """Variation in how one person performs a movement."""

    side: str
    """Hand or foot of one-sided movements: "r" or "l"."""
    amplitude: float
    """Factor on the size of the movement, about 1."""
    variant: float
    """Choice between forms of a movement (height of a wave, depth of a squat, direction of a fall), in [-1, 1]."""
    other: float
    """A second choice, independent of `variant`, in [-1, 1]."""


def standing_pose(frames: int) -> Pose:
    """Return the pose of a person who stands upright with hanging arms, for a number of frames."""
    pose = {name: np.zeros(frames) for name in SCALAR_JOINTS}
    for side in SIDES:
        place_hand(pose, side, (0.14, -0.95, 0.08), (0.4, -0.1, -1.0))
    return pose


def place_hand(pose: Pose, side: str, hand: Sequence[F64 | float], pole: Sequence[F64 | float]) -> None:
    """Put a hand at a position.

    Args:
        pose: pose to change in place.
        side: "r" or "l".
        hand: position as three numbers or arrays [T], in arm lengths from the shoulder.
        pole: direction in which the elbow points, as three numbers or arrays [T].
    """
    frames = len(pose["air"])
    for name, values in (("hand", hand), ("pole", pole)):
        columns = [np.broadcast_to(np.asarray(value, float), frames) for value in values]
        pose[f"{name}_{side}"] = np.stack(columns, axis=-1)


def swing_arm(pose: Pose, side: str, flex: F64 | float, abduct: F64 | float = 0.12, bend: F64 | float = 0.2) -> None:
    """Rotate an arm in its shoulder and bend its elbow.

    Args:
        pose: pose to change in place.
        side: "r" or "l".
        flex: rotation from hanging, forward and up, in radians.
        abduct: rotation from hanging, outward and up, in radians.
        bend: rotation of the elbow, which brings the hand forward, in radians.
    """
    flex, abduct, bend = (np.asarray(angle, float) for angle in (flex, abduct, bend))
    upper = (np.sin(abduct), -np.cos(abduct) * np.cos(flex), np.cos(abduct) * np.sin(flex))
    lower = (np.sin(abduct), -np.cos(abduct) * np.cos(flex + bend), np.cos(abduct) * np.sin(flex + bend))
    hand = [0.53 * a + 0.47 * b for a, b in zip(upper, lower, strict=True)]
    # The elbow lies on the far side of the line from shoulder to hand: behind it when the arm is bent.
    pole = [a - b + bias for a, b, bias in zip(upper, lower, (0.15, 0.0, -0.15), strict=True)]
    place_hand(pose, side, hand, pole)


def bend_legs(pose: Pose, thigh: F64 | float, knee: F64 | float, spread: F64 | float = 0.05) -> None:
    """Give both legs the same angles in radians; changes the pose in place."""
    for side in SIDES:
        for name, value in (("thigh", thigh), ("knee", knee), ("spread", spread)):
            pose[f"{name}_{side}"] = np.broadcast_to(np.asarray(value, float), len(pose["air"]))


def blend(first: Pose, second: Pose, weight: F64) -> Pose:
    """Return the weighted mean of two poses; `weight` [T] is 0 for the first pose and 1 for the second."""
    mixed = {}
    for name, value in first.items():
        w = weight[:, None] if value.ndim == 2 else weight
        mixed[name] = value * (1 - w) + second[name] * w
    return mixed


def bump(phase: F64, start: float, end: float) -> F64:
    """Return a smooth pulse [T]: 0 - 1 - 0 while the phase goes from start to end, 0 elsewhere."""
    inside = np.clip((phase - start) / (end - start), 0, 1)
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * inside))


def plateau(phase: F64, rise: tuple[float, float], fall: tuple[float, float]) -> F64:
    """Return a curve [T] that rises smoothly from 0 to 1 within `rise` and falls again within `fall`."""
    return smoothstep((phase - rise[0]) / (rise[1] - rise[0])) - smoothstep((phase - fall[0]) / (fall[1] - fall[0]))


def smoothstep(x: F64) -> F64:
    """Return the cubic 3 x^2 - 2 x^3, clamped: 0 below 0, 1 above 1, with zero slope at both ends."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def interpolate_keys(phase: F64, times: Sequence[float], values: Sequence[Sequence[float]]) -> list[F64]:
    """Interpolate smoothly between key values, with zero slope at each key.

    Args:
        phase: positions [T] in [0, 1].
        times: positions of the keys, increasing.
        values: one row of numbers per key.

    Returns:
        One array [T] per column of `values`.
    """
    keys = np.asarray(values, float)
    index = np.clip(np.searchsorted(times, phase, side="right") - 1, 0, len(times) - 2)
    begin, end = np.asarray(times)[index], np.asarray(times)[index + 1]
    share = smoothstep((phase - begin) / (end - begin))[:, None]
    return list((keys[index] * (1 - share) + keys[index + 1] * share).T)
