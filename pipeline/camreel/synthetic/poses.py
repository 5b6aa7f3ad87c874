"""Poses: what the joints of a figure do, as arrays over the frames of a film.

A pose is a dict of arrays. Angles are in radians, arms are given by where their hands are: `hand_*` in lengths of the arm from the
shoulder, in the frame of the torso (x outwards, y up, z forwards), with `pole_*` as the direction in which the elbow points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Pose = dict[str, F64]

DEGREE = np.pi / 180
SIDES = ("r", "l")
SCALARS = (
    "air",  # metres of the feet above the ground
    "back",  # metres that the hips are behind their place
    "tip", "keel",  # the whole body forwards, sideways
    "pitch", "roll", "twist",  # the torso forwards, sideways, around
    "nod", "look",  # the head down, around
    *(f"{joint}_{side}" for side in SIDES for joint in ("thigh", "spread", "knee")),  # forwards, outwards, bent
)  # fmt: skip
VECTORS = tuple(f"{name}_{side}" for side in SIDES for name in ("hand", "pole"))


@dataclass(frozen=True, slots=True)
class Style:
    """How one person does things: one action has many looks."""

    side: str
    """The hand or foot that is used where one is: "r" or "l"."""
    amplitude: float
    """About 1."""
    variant: float
    """In [-1, 1]: height of a wave, depth of a squat, way of falling."""
    other: float
    """In [-1, 1], independent of `variant`."""


def still(frames: int) -> Pose:
    """Standing upright, arms hanging."""
    pose = {name: np.zeros(frames) for name in SCALARS}
    for side in SIDES:
        place(pose, side, (0.14, -0.95, 0.08), (0.4, -0.1, -1.0))
    return pose


def place(pose: Pose, side: str, hand: Sequence[F64 | float], pole: Sequence[F64 | float]) -> None:
    """Puts a hand somewhere.

    Args:
        pose: changed in place.
        side: "r" or "l".
        hand: three numbers or arrays [T], in arm lengths from the shoulder.
        pole: where the elbow points.
    """
    frames = len(pose["air"])
    for name, values in (("hand", hand), ("pole", pole)):
        pose[f"{name}_{side}"] = np.stack(
            [np.broadcast_to(np.asarray(value, float), frames) for value in values], axis=-1
        )


def swing(pose: Pose, side: str, flex: F64 | float, abduct: F64 | float = 0.12, bend: F64 | float = 0.2) -> None:
    """Turns an arm in its shoulder and bends its elbow.

    Args:
        pose: changed in place.
        side: "r" or "l".
        flex: forwards and up from hanging.
        abduct: outwards and up from hanging.
        bend: of the elbow, bringing the hand forwards.
    """
    flex, abduct, bend = (np.asarray(angle, float) for angle in (flex, abduct, bend))
    elbow = (np.sin(abduct), -np.cos(abduct) * np.cos(flex), np.cos(abduct) * np.sin(flex))
    fore = (np.sin(abduct), -np.cos(abduct) * np.cos(flex + bend), np.cos(abduct) * np.sin(flex + bend))
    hand = [0.53 * upper + 0.47 * lower for upper, lower in zip(elbow, fore, strict=True)]
    # The elbow lies on the far side of the line to the hand: behind it when bent.
    pole = [upper - lower + bias for upper, lower, bias in zip(elbow, fore, (0.15, 0.0, -0.15), strict=True)]
    place(pose, side, hand, pole)


def legs(pose: Pose, thigh: F64 | float, knee: F64 | float, spread: F64 | float = 0.05) -> None:
    """Bends both legs alike; changes the pose in place."""
    for side in SIDES:
        for name, value in (("thigh", thigh), ("knee", knee), ("spread", spread)):
            pose[f"{name}_{side}"] = np.broadcast_to(np.asarray(value, float), len(pose["air"]))


def blend(first: Pose, second: Pose, weight: F64) -> Pose:
    """Goes from one pose to another; `weight` [T] is 0 for the first and 1 for the second."""
    mixed = {}
    for name, value in first.items():
        w = weight[:, None] if value.ndim == 2 else weight
        mixed[name] = value * (1 - w) + second[name] * w
    return mixed


def bump(phase: F64, start: float, end: float) -> F64:
    """Smoothly 0 - 1 - 0 while the phase goes from start to end, 0 elsewhere."""
    inside = np.clip((phase - start) / (end - start), 0, 1)
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * inside))


def plateau(phase: F64, rise: tuple[float, float], fall: tuple[float, float]) -> F64:
    """Smoothly up from 0 to 1 over `rise`, and down again over `fall`."""
    return smooth((phase - rise[0]) / (rise[1] - rise[0])) - smooth((phase - fall[0]) / (fall[1] - fall[0]))


def smooth(x: F64) -> F64:
    """0 below 0, 1 above 1, with zero slope at both."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def through(phase: F64, times: Sequence[float], values: Sequence[Sequence[float]]) -> list[F64]:
    """Passes through key values, stopping smoothly at each.

    Args:
        phase: [T] in [0, 1].
        times: of the keys, increasing.
        values: one row of numbers per key.

    Returns:
        One array [T] per column.
    """
    keys = np.asarray(values, float)
    index = np.clip(np.searchsorted(times, phase, side="right") - 1, 0, len(times) - 2)
    begin, end = np.asarray(times)[index], np.asarray(times)[index + 1]
    share = smooth((phase - begin) / (end - begin))[:, None]
    return list((keys[index] * (1 - share) + keys[index + 1] * share).T)
