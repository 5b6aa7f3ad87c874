"""Bodies: proportions, clothes, and the capsules that a pose puts where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from camreel.synthetic.poses import F64, SIDES, Pose

SKINS = ((160, 100, 70), (205, 150, 110), (230, 185, 150), (110, 70, 50), (240, 205, 180))
ARM = 0.172, 0.157
LEG = 0.245, 0.245


@dataclass(frozen=True, slots=True)
class Body:
    """A person's build and looks."""

    height: float
    """Metres."""
    girth: float
    """About 1."""
    build: F64
    """Factors about 1 for the lengths of torso, arms, legs and the widths of shoulders and hips [5]."""
    colors: dict[str, tuple[float, float, float]]
    """RGB of the parts."""


def random_body(rng: Generator) -> Body:
    """Anyone."""

    def cloth() -> F64:
        color = rng.uniform(15, 240, 3)
        return color if rng.random() < 0.7 else np.full(3, color.mean()) + rng.normal(0, 8, 3)

    skin = np.array(SKINS[rng.integers(len(SKINS))]) * rng.uniform(0.8, 1.1)
    top, bottom, shoes = cloth(), cloth(), cloth() * 0.5
    colors = {
        "top": top,
        "logo": cloth(),
        "sleeve": top,
        "forearm": skin if rng.random() < 0.5 else top,
        "thigh": bottom,
        "shin": skin if rng.random() < 0.25 else bottom,
        "foot": shoes,
        "skin": skin,
        "face": skin * 0.35,
        "hair": rng.uniform(10, 200, 3) * np.array([0.8, 0.6, 0.5]) if rng.random() < 0.9 else skin,
    }
    tuples = {name: (float(r), float(g), float(b)) for name, (r, g, b) in colors.items()}
    return Body(
        float(np.clip(rng.normal(1.72, 0.1), 1.45, 1.98)), rng.uniform(0.85, 1.35), rng.uniform(0.93, 1.07, 5), tuples
    )


@dataclass(frozen=True, slots=True)
class Capsules:
    """Rounded cones over the frames of a film, in metres of the world (x right, y up, z away from the camera)."""

    start: F64
    """[T, N, 3]"""
    end: F64
    """[T, N, 3]"""
    radii: F64
    """At start and end [N, 2]."""
    colors: F64
    """RGB in 0..255 [N, 3]."""


def turn(axis: str, angle: F64) -> F64:
    """Rotation matrices [T, 3, 3] about x, y or z by angles [T]."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.zeros((len(angle), 3, 3))
    i, j, k = {"x": (0, 1, 2), "y": (1, 2, 0), "z": (2, 0, 1)}[axis]
    matrix[:, i, i] = 1
    matrix[:, j, j] = matrix[:, k, k] = c
    matrix[:, j, k], matrix[:, k, j] = -s, s
    return matrix


def _move(matrix: F64, *vector: float) -> F64:
    return np.asarray(matrix @ np.array(vector))


def pose_body(body: Body, pose: Pose, yaw: F64, place: F64) -> Capsules:
    """Where the parts of a body are.

    The lowest point of the figure touches the ground, but for `air`: whoever bends the knees sinks, whoever falls lies.

    Args:
        body: build and looks.
        pose: joint angles over T frames.
        yaw: [T], 0 looks away from the camera.
        place: [T, 2] metres x and z on the ground.
    """
    parts = _Parts(body)
    h = body.height
    facing = turn("y", yaw)
    frame = facing @ turn("x", pose["tip"]) @ turn("z", pose["keel"])
    torso = frame @ turn("y", pose["twist"]) @ turn("x", pose["pitch"]) @ turn("z", pose["roll"])
    _legs(parts, frame, pose)
    chest = _trunk(parts, torso, pose)
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        _arm(parts, torso, chest, pose, side, sign)
    capsules = parts.done()
    lowest = np.minimum(capsules.start[..., 1] - capsules.radii[:, 0], capsules.end[..., 1] - capsules.radii[:, 1]).min(
        axis=1
    )
    offset = np.stack([place[:, 0], pose["air"] * h / 1.72 - lowest, place[:, 1]], axis=-1)
    offset -= facing[:, :, 2] * pose["back"][:, None]
    return Capsules(capsules.start + offset[:, None], capsules.end + offset[:, None], capsules.radii, capsules.colors)


class _Parts:
    """The capsules of a body while it is put together, hips at the origin."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self._rows: list[tuple[F64, F64, float, float, str]] = []

    def add(self, start: F64, end: F64, first: float, second: float, color: str) -> None:
        self._rows.append((start, end, first, second, color))

    def done(self) -> Capsules:
        starts, ends, firsts, seconds, colors = zip(*self._rows, strict=True)
        return Capsules(
            np.stack(np.broadcast_arrays(*starts), axis=1),
            np.stack(np.broadcast_arrays(*ends), axis=1),
            np.stack([firsts, seconds], axis=-1) * self.body.height,
            np.array([self.body.colors[color] for color in colors]),
        )


def _legs(parts: _Parts, frame: F64, pose: Pose) -> None:
    body = parts.body
    h, thick = body.height, body.girth
    long = body.build[2]
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        hip = _move(frame, sign * 0.052 * body.build[4] * h, 0, 0)
        upper = frame @ turn("z", sign * pose[f"spread_{side}"]) @ turn("x", -pose[f"thigh_{side}"])
        lower = upper @ turn("x", pose[f"knee_{side}"])
        knee = hip + _move(upper, 0, -LEG[0] * long * h, 0)
        ankle = knee + _move(lower, 0, -LEG[1] * long * h, 0)
        toe = ankle + _move(lower, 0, -0.015 * h, 0.105 * h)
        parts.add(hip, knee, 0.056 * thick, 0.038 * thick, "thigh")
        parts.add(knee, ankle, 0.037 * thick, 0.026 * thick, "shin")
        parts.add(ankle, toe, 0.026, 0.02, "foot")


def _trunk(parts: _Parts, torso: F64, pose: Pose) -> F64:
    body = parts.body
    h, thick = body.height, body.girth
    wide = body.build[3]
    chest = _move(torso, 0, 0.285 * body.build[0] * h, 0)
    parts.add(_move(torso, -0.032 * h, 0, 0), _move(torso, 0.032 * h, 0, 0), 0.062 * thick, 0.062 * thick, "thigh")
    parts.add(_move(torso, 0, 0.04 * h, 0), chest + _move(torso, 0, -0.06 * h, 0), 0.068 * thick, 0.08 * thick, "top")
    edge = 0.075 * wide * h
    parts.add(
        chest + _move(torso, -edge, -0.025 * h, 0),
        chest + _move(torso, edge, -0.025 * h, 0),
        0.047 * thick,
        0.047 * thick,
        "top",
    )
    front = (0.0, -0.085 * h, 0.074 * thick * h)
    parts.add(
        chest + _move(torso, -0.025 * h, *front[1:]),
        chest + _move(torso, 0.025 * h, *front[1:]),
        0.024 * thick,
        0.024 * thick,
        "logo",
    )
    head = torso @ turn("y", pose["look"]) @ turn("x", pose["nod"])
    crown = chest + _move(torso, 0, 0.045 * h, 0.008 * h) + _move(head, 0, 0.065 * h, 0.006 * h)
    parts.add(chest, crown, 0.03 * thick, 0.045, "skin")
    parts.add(crown, crown + _move(head, 0, 0.022 * h, 0), 0.058, 0.056, "skin")
    back = crown + _move(head, 0, 0.026 * h, -0.026 * h)
    parts.add(back, back + _move(head, 0, 0.014 * h, 0.012 * h), 0.055, 0.05, "hair")
    for sign in (-1.0, 1.0):
        eye = crown + _move(head, sign * 0.022 * h, 0.014 * h, 0.056 * h)
        parts.add(eye, eye, 0.011, 0.011, "face")
    return np.asarray(chest)


def _arm(parts: _Parts, torso: F64, chest: F64, pose: Pose, side: str, sign: float) -> None:
    """Two bones to where the hand is, by the law of cosines; the elbow goes to the side of the pole."""
    body = parts.body
    h, thick = body.height, body.girth
    upper, fore = ARM[0] * body.build[1] * h, ARM[1] * body.build[1] * h
    mirror = np.array([sign, 1.0, 1.0])
    wanted = pose[f"hand_{side}"] * mirror * (upper + fore)
    distance = np.clip(
        np.linalg.norm(wanted, axis=-1, keepdims=True), abs(upper - fore) + 0.02 * h, 0.998 * (upper + fore)
    )
    along = wanted / np.maximum(np.linalg.norm(wanted, axis=-1, keepdims=True), 1e-6)
    pole = pose[f"pole_{side}"] * mirror
    across = pole - (pole * along).sum(-1, keepdims=True) * along
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    reach = (upper**2 - fore**2 + distance**2) / (2 * distance)
    elbow = reach * along + np.sqrt(np.maximum(upper**2 - reach**2, 0)) * across
    shoulder = chest + _move(torso, sign * 0.118 * body.build[3] * h, -0.03 * h, 0)
    to_elbow, to_wrist = (np.einsum("tij,tj->ti", torso, v) for v in (elbow, distance * along))
    joint, wrist = shoulder + to_elbow, shoulder + to_wrist
    fingers = wrist + (wrist - joint) / fore * 0.035 * h
    parts.add(shoulder, joint, 0.034 * thick, 0.027 * thick, "sleeve")
    parts.add(joint, wrist, 0.026 * thick, 0.02 * thick, "forearm")
    parts.add(wrist, fingers, 0.024 * thick, 0.022 * thick, "skin")
