"""The camera: where it stands, how it moves, and what of the world lies where in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from camreel.synthetic.poses import DEGREE, F64


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera at the origin of x, turned down by `tilt`."""

    size: tuple[int, int]
    """Width and height of the picture in pixels."""
    focal: float
    """Pixels."""
    distance: float
    """Metres to the middle of the scene."""
    height: float
    """Metres above the ground."""
    tilt: float
    """Radians downwards."""

    def project(self, points: F64) -> tuple[F64, F64]:
        """Pixels and depth of points.

        Args:
            points: [..., 3] metres in the world.

        Returns:
            x and y [..., 2] in pixels, and depth in metres [...], at least 0.2.
        """
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        x, y, z = points[..., 0], points[..., 1] - self.height, points[..., 2] + self.distance
        up, depth = c * y + s * z, np.maximum(c * z - s * y, 0.2)
        # Turned down: what lies ahead moves up in the picture.
        width, height = self.size
        return np.stack([width / 2 + self.focal * x / depth, height / 2 - self.focal * up / depth], axis=-1), depth

    @property
    def half_width(self) -> float:
        """Metres from the middle of the scene to the edge of the picture."""
        return self.size[0] / 2 / self.focal * self.distance

    def horizon(self, wall: float) -> float:
        """Row in pixels where the ground meets a wall, `wall` metres behind the middle of the scene."""
        return float(self.project(np.array([0.0, 0.0, wall]))[0][1])


def random_camera(rng: Generator, size: tuple[int, int], share: float) -> Camera:
    """A camera that sees a person of 1.72 m as `share` of the picture's height."""
    focal = size[1] * rng.uniform(1.1, 1.7)
    distance = 1.72 * focal / (share * size[1])
    tilt = rng.uniform(-0.03, 0.24)
    spare = 1.72 * (1 / share - 1) / 2
    return Camera(size, focal, distance, 0.92 + distance * np.tan(tilt) + rng.uniform(-0.55, 0.55) * spare, tilt)


@dataclass(frozen=True, slots=True)
class Motion:
    """How the picture moves, frame by frame: a similarity about its centre."""

    matrices: F64
    """[T, 2, 3], from where things would be to where they are, in pixels."""
    moves: bool

    def apply(self, points: F64) -> F64:
        """Moves points [T, ..., 2]."""
        if not self.moves:
            return points
        flat = points.reshape(len(points), -1, 2)
        moved = flat @ self.matrices[:, :, :2].transpose(0, 2, 1) + self.matrices[:, None, :, 2]
        return np.asarray(moved.reshape(points.shape))

    @property
    def scale(self) -> F64:
        """Factor on sizes [T]."""
        return np.asarray(np.hypot(self.matrices[:, 0, 0], self.matrices[:, 1, 0]))


def random_motion(rng: Generator, times: F64, size: tuple[int, int], strength: float) -> Motion:
    """Pan, zoom, roll and shake of a hand.

    Args:
        rng: random numbers.
        times: of the frames in seconds [T].
        size: of the picture.
        strength: 0 holds still, 1 is a restless hand.
    """
    width, height = size
    zoom = np.exp(strength * wander(rng, times, 0.05, 0.15))
    angle = strength * wander(rng, times, 2.0 * DEGREE, 0.3) + strength * wander(rng, times, 0.4 * DEGREE, 3.0)
    shift = [strength * height * (wander(rng, times, 0.05, 0.2) + wander(rng, times, 0.008, 3.0)) for _ in range(2)]
    if rng.random() < 0.5:
        # A slow pan to and fro.
        shift[0] = shift[0] + strength * height * 0.1 * np.sin(
            2 * np.pi * (times * rng.uniform(0.05, 0.2) + rng.uniform())
        )
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    cx, cy = width / 2, height / 2
    rows = [[c, -s, shift[0] + cx - c * cx + s * cy], [s, c, shift[1] + cy - s * cx - c * cy]]
    return Motion(np.stack([np.stack(row, axis=-1) for row in rows], axis=-2), strength > 0)


def wander(rng: Generator, times: F64, amplitude: float, rate: float) -> F64:
    """A smooth random curve [T] of this standard deviation, changing about `rate` times per second."""
    total = np.zeros(len(times))
    for _ in range(4):
        total += np.sin(2 * np.pi * (times * rate * rng.uniform(0.4, 1.6) + rng.uniform())) * rng.uniform(0.5, 1.0)
    return amplitude * total / 1.1
