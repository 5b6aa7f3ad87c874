"""The virtual camera: position, projection to pixels, and motion over the frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from camreel.synthetic.body import MEAN_HEIGHT
from camreel.synthetic.poses import DEGREE, F64

MIN_DEPTH = 0.2
"""Smallest depth in meters: points nearer to the camera, or behind it, are projected from there."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera at x = 0, tilted down."""

    size: tuple[int, int]
    """Width and height of the picture in pixels."""
    focal: float
    """Focal length in pixels."""
    distance: float
    """Meters to the center of the scene."""
    height: float
    """Meters above the ground."""
    tilt: float
    """Radians downward."""

    def project(self, points: F64) -> tuple[F64, F64]:
        """Project points of the world to the picture.

        Args:
            points: positions [..., 3] in meters.

        Returns:
            x and y in pixels [..., 2], and the depth in meters [...], at least `MIN_DEPTH`.
        """
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        x, y, z = points[..., 0], points[..., 1] - self.height, points[..., 2] + self.distance
        # Tilted down, the camera sees distant points higher in the picture.
        up, depth = c * y + s * z, np.maximum(c * z - s * y, MIN_DEPTH)
        width, height = self.size
        return np.stack([width / 2 + self.focal * x / depth, height / 2 - self.focal * up / depth], axis=-1), depth

    @property
    def half_width(self) -> float:
        """Meters from the center of the scene to the edge of the picture."""
        return self.size[0] / 2 / self.focal * self.distance

    def horizon(self, wall: float) -> float:
        """Return the row in pixels where the ground meets a wall, `wall` meters behind the center of the scene."""
        return float(self.project(np.array([0.0, 0.0, wall]))[0][1])


def random_camera(rng: Generator, size: tuple[int, int], share: float) -> Camera:
    """Return a camera in which a person of mean height takes `share` of the picture's height."""
    focal = size[1] * rng.uniform(1.1, 1.7)
    distance = MEAN_HEIGHT * focal / (share * size[1])
    tilt = rng.uniform(-0.03, 0.24)
    spare = MEAN_HEIGHT * (1 / share - 1) / 2
    return Camera(size, focal, distance, 0.92 + distance * np.tan(tilt) + rng.uniform(-0.55, 0.55) * spare, tilt)


@dataclass(frozen=True, slots=True)
class CameraMotion:
    """Motion of the picture frame by frame, as similarity transforms about its center."""

    matrices: F64
    """From positions without motion to positions with motion, in pixels [T, 2, 3]."""
    moves: bool
    """False: all matrices are the identity."""

    def apply(self, points: F64) -> F64:
        """Transform points [T, ..., 2] in pixels."""
        if not self.moves:
            return points
        flat = points.reshape(len(points), -1, 2)
        moved = flat @ self.matrices[:, :, :2].transpose(0, 2, 1) + self.matrices[:, None, :, 2]
        return np.asarray(moved.reshape(points.shape))

    @property
    def scale(self) -> F64:
        """Magnification [T]."""
        return np.asarray(np.hypot(self.matrices[:, 0, 0], self.matrices[:, 1, 0]))


def random_camera_motion(rng: Generator, times: F64, size: tuple[int, int], strength: float) -> CameraMotion:
    """Return the pan, zoom, roll and shake of a hand-held camera.

    Args:
        rng: random numbers.
        times: times of the frames [T] in seconds.
        size: width and height of the picture in pixels.
        strength: 0 for a fixed camera, 1 for strong motion.
    """
    width, height = size
    zoom = np.exp(strength * smooth_noise(rng, times, 0.05, 0.15))
    slow, shake = smooth_noise(rng, times, 2.0 * DEGREE, 0.3), smooth_noise(rng, times, 0.4 * DEGREE, 3.0)
    angle = strength * slow + strength * shake
    shift = [
        strength * height * (smooth_noise(rng, times, 0.05, 0.2) + smooth_noise(rng, times, 0.008, 3.0))
        for _ in range(2)
    ]
    if rng.random() < 0.5:  # a slow pan to and fro
        phase = times * rng.uniform(0.05, 0.2) + rng.uniform()
        shift[0] = shift[0] + strength * height * 0.1 * np.sin(2 * np.pi * phase)
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    cx, cy = width / 2, height / 2
    rows = [[c, -s, shift[0] + cx - c * cx + s * cy], [s, c, shift[1] + cy - s * cx - c * cy]]
    return CameraMotion(np.stack([np.stack(row, axis=-1) for row in rows], axis=-2), strength > 0)


def smooth_noise(rng: Generator, times: F64, amplitude: float, rate: float) -> F64:
    """Return a smooth random curve [T], a sum of four sines.

    Args:
        rng: random numbers.
        times: times [T] in seconds.
        amplitude: standard deviation of the curve, approximately.
        rate: mean frequency of the sines in hertz.
    """
    total = np.zeros(len(times))
    for _ in range(4):
        total += np.sin(2 * np.pi * (times * rate * rng.uniform(0.4, 1.6) + rng.uniform())) * rng.uniform(0.5, 1.0)
    return amplitude * total / 1.1
