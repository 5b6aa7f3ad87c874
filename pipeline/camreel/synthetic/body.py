"""Bodies of the drawn people: proportions, colors, and the capsules that a pose places in the world.

The world has x to the right, y up and z away from the camera, in meters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from camreel.synthetic.poses import F64, SIDES, Pose

SKIN_COLORS = ((160, 100, 70), (205, 150, 110), (230, 185, 150), (110, 70, 50), (240, 205, 180))
"""RGB in 0..255."""
ARM_LENGTHS = 0.172, 0.157
"""Upper arm and forearm as shares of the body height."""
LEG_LENGTHS = 0.245, 0.245
"""Thigh and shin as shares of the body height."""
MEAN_HEIGHT = 1.72
"""Body height in meters for which cameras and jumps are designed."""
FINGERS = {"r": -4, "l": -1}
"""Index of the capsule of the fingers, by side: each arm ends with them, and the right arm is built first."""


@dataclass(frozen=True, slots=True)
class Body:
    """Build and colors of a person."""

    height: float
    """Meters."""
    girth: float
    """Factor on the thickness of torso and limbs, about 1."""
    build: F64
    """Factors [5], about 1, on: torso length, arm length, leg length, shoulder width, hip width."""
    colors: dict[str, tuple[float, float, float]]
    """RGB in 0..255 of each part."""


def random_body(rng: Generator) -> Body:
    """Return a body with random proportions and colors."""

    def cloth() -> F64:
        color = rng.uniform(15, 240, 3)
        return color if rng.random() < 0.7 else np.full(3, color.mean()) + rng.normal(0, 8, 3)

    skin = np.array(SKIN_COLORS[rng.integers(len(SKIN_COLORS))]) * rng.uniform(0.8, 1.1)
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
    height = float(np.clip(rng.normal(MEAN_HEIGHT, 0.1), 1.45, 1.98))
    return Body(height, rng.uniform(0.85, 1.35), rng.uniform(0.93, 1.07, 5), tuples)


@dataclass(frozen=True, slots=True)
class Capsules:
    """N rounded cones over the T frames of a film, in meters of the world."""

    start: F64
    """Center of the first end [T, N, 3]."""
    end: F64
    """Center of the second end [T, N, 3]."""
    radii: F64
    """Radii at both ends [N, 2]."""
    colors: F64
    """RGB in 0..255 [N, 3]."""


def rotation(axis: str, angle: F64) -> F64:
    """Return the rotation matrices [T, 3, 3] about the axis "x", "y" or "z" by angles [T] in radians."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.zeros((len(angle), 3, 3))
    i, j, k = {"x": (0, 1, 2), "y": (1, 2, 0), "z": (2, 0, 1)}[axis]
    matrix[:, i, i] = 1
    matrix[:, j, j] = matrix[:, k, k] = c
    matrix[:, j, k], matrix[:, k, j] = -s, s
    return matrix


def _rotate(matrix: F64, *vector: float) -> F64:
    return np.asarray(matrix @ np.array(vector))


def pose_body(body: Body, pose: Pose, yaw: F64, position: F64) -> Capsules:
    """Place the parts of a body by forward kinematics (torso, legs) and two-bone inverse kinematics (arms).

    The lowest point touches the ground, or is `air` above it: a person with bent knees sinks, a falling person lies.

    Args:
        body: build and colors.
        pose: pose over T frames.
        yaw: rotation about the vertical axis [T] in radians; 0 looks away from the camera.
        position: x and z on the ground [T, 2] in meters.

    Returns:
        The capsules of the body; `FINGERS` names those of the hands.

    Example:
        >>> body = random_body(np.random.default_rng(0))
        >>> pose_body(body, standing_pose(1), np.zeros(1), np.zeros((1, 2))).start.shape
        (1, 21, 3)
    """
    builder = _CapsuleBuilder(body)
    h = body.height
    facing = rotation("y", yaw)
    frame = facing @ rotation("x", pose["tip"]) @ rotation("z", pose["keel"])
    torso = frame @ rotation("y", pose["twist"]) @ rotation("x", pose["pitch"]) @ rotation("z", pose["roll"])
    _add_legs(builder, frame, pose)
    chest = _add_trunk(builder, torso, pose)
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        _add_arm(builder, torso, chest, pose, side, sign)
    capsules = builder.build()
    low_start = capsules.start[..., 1] - capsules.radii[:, 0]
    low_end = capsules.end[..., 1] - capsules.radii[:, 1]
    lowest = np.minimum(low_start, low_end).min(axis=1)
    offset = np.stack([position[:, 0], pose["air"] * h / MEAN_HEIGHT - lowest, position[:, 1]], axis=-1)
    offset -= facing[:, :, 2] * pose["back"][:, None]
    return Capsules(capsules.start + offset[:, None], capsules.end + offset[:, None], capsules.radii, capsules.colors)


class _CapsuleBuilder:
    """Collect the capsules of a body, with the hips at the origin."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self._rows: list[tuple[F64, F64, float, float, str]] = []

    def add(self, start: F64, end: F64, radius_start: float, radius_end: float, color: str) -> None:
        """Add a capsule; centers [T, 3] or [3] in meters, radii as shares of the body height."""
        self._rows.append((start, end, radius_start, radius_end, color))

    def build(self) -> Capsules:
        starts, ends, radii_start, radii_end, colors = zip(*self._rows, strict=True)
        return Capsules(
            np.stack(np.broadcast_arrays(*starts), axis=1),
            np.stack(np.broadcast_arrays(*ends), axis=1),
            np.stack([radii_start, radii_end], axis=-1) * self.body.height,
            np.array([self.body.colors[color] for color in colors]),
        )


def _add_legs(builder: _CapsuleBuilder, frame: F64, pose: Pose) -> None:
    body = builder.body
    h, girth = body.height, body.girth
    length = body.build[2]
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        hip = _rotate(frame, sign * 0.052 * body.build[4] * h, 0, 0)
        upper = frame @ rotation("z", sign * pose[f"spread_{side}"]) @ rotation("x", -pose[f"thigh_{side}"])
        lower = upper @ rotation("x", pose[f"knee_{side}"])
        knee = hip + _rotate(upper, 0, -LEG_LENGTHS[0] * length * h, 0)
        ankle = knee + _rotate(lower, 0, -LEG_LENGTHS[1] * length * h, 0)
        toe = ankle + _rotate(lower, 0, -0.015 * h, 0.105 * h)
        builder.add(hip, knee, 0.056 * girth, 0.038 * girth, "thigh")
        builder.add(knee, ankle, 0.037 * girth, 0.026 * girth, "shin")
        builder.add(ankle, toe, 0.026, 0.02, "foot")


def _add_trunk(builder: _CapsuleBuilder, torso: F64, pose: Pose) -> F64:
    """Add hips, torso and head, and return the position of the chest [T, 3]."""
    body = builder.body
    h, girth = body.height, body.girth
    chest = _rotate(torso, 0, 0.285 * body.build[0] * h, 0)
    hips = _rotate(torso, -0.032 * h, 0, 0), _rotate(torso, 0.032 * h, 0, 0)
    builder.add(*hips, 0.062 * girth, 0.062 * girth, "thigh")
    spine = _rotate(torso, 0, 0.04 * h, 0), chest + _rotate(torso, 0, -0.06 * h, 0)
    builder.add(*spine, 0.068 * girth, 0.08 * girth, "top")
    edge = 0.075 * body.build[3] * h
    shoulders = chest + _rotate(torso, -edge, -0.025 * h, 0), chest + _rotate(torso, edge, -0.025 * h, 0)
    builder.add(*shoulders, 0.047 * girth, 0.047 * girth, "top")
    front = -0.085 * h, 0.074 * girth * h
    logo = chest + _rotate(torso, -0.025 * h, *front), chest + _rotate(torso, 0.025 * h, *front)
    builder.add(*logo, 0.024 * girth, 0.024 * girth, "logo")
    head = torso @ rotation("y", pose["look"]) @ rotation("x", pose["nod"])
    crown = chest + _rotate(torso, 0, 0.045 * h, 0.008 * h) + _rotate(head, 0, 0.065 * h, 0.006 * h)
    builder.add(chest, crown, 0.03 * girth, 0.045, "skin")
    builder.add(crown, crown + _rotate(head, 0, 0.022 * h, 0), 0.058, 0.056, "skin")
    back = crown + _rotate(head, 0, 0.026 * h, -0.026 * h)
    builder.add(back, back + _rotate(head, 0, 0.014 * h, 0.012 * h), 0.055, 0.05, "hair")
    for sign in (-1.0, 1.0):
        eye = crown + _rotate(head, sign * 0.022 * h, 0.014 * h, 0.056 * h)
        builder.add(eye, eye, 0.011, 0.011, "face")
    return np.asarray(chest)


def _add_arm(builder: _CapsuleBuilder, torso: F64, chest: F64, pose: Pose, side: str, sign: float) -> None:
    """Add an arm by two-bone inverse kinematics (law of cosines); the elbow points along the pole."""
    body = builder.body
    h, girth = body.height, body.girth
    upper, fore = ARM_LENGTHS[0] * body.build[1] * h, ARM_LENGTHS[1] * body.build[1] * h
    mirror = np.array([sign, 1.0, 1.0])
    wanted = pose[f"hand_{side}"] * mirror * (upper + fore)
    norm = np.linalg.norm(wanted, axis=-1, keepdims=True)
    distance = np.clip(norm, abs(upper - fore) + 0.02 * h, 0.998 * (upper + fore))
    along = wanted / np.maximum(norm, 1e-6)
    pole = pose[f"pole_{side}"] * mirror
    across = pole - (pole * along).sum(-1, keepdims=True) * along
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    reach = (upper**2 - fore**2 + distance**2) / (2 * distance)
    to_elbow = reach * along + np.sqrt(np.maximum(upper**2 - reach**2, 0)) * across
    shoulder = chest + _rotate(torso, sign * 0.118 * body.build[3] * h, -0.03 * h, 0)
    elbow, wrist = (shoulder + np.einsum("tij,tj->ti", torso, v) for v in (to_elbow, distance * along))
    fingers = wrist + (wrist - elbow) / fore * 0.035 * h
    builder.add(shoulder, elbow, 0.034 * girth, 0.027 * girth, "sleeve")
    builder.add(elbow, wrist, 0.026 * girth, 0.02 * girth, "forearm")
    builder.add(wrist, fingers, 0.024 * girth, 0.022 * girth, "skin")
