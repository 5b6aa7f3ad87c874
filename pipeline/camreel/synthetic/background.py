"""The surroundings of people in pixels: textured wall and ground, moving objects, an occluder in front, lighting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from camreel.structures import F32, U8
from camreel.synthetic.camera import Camera, CameraMotion, smooth_noise
from camreel.synthetic.poses import F64

Texture = Callable[[Generator, tuple[int, int]], F32]
"""Paint a random texture of a size (width, height): RGB [H, W, 3]."""
Color = tuple[float, float, float]
"""RGB in 0..255."""


def paint_background(rng: Generator, size: tuple[int, int], horizon: float, *, unseen: bool) -> U8:
    """Paint a picture without people.

    Args:
        rng: random numbers.
        size: width and height in pixels.
        horizon: row where the ground begins.
        unseen: use the textures that training films never have.

    Returns:
        RGB [H, W, 3].
    """
    textures = UNSEEN_TEXTURES if unseen else TRAINING_TEXTURES
    wall = np.ascontiguousarray(textures[rng.integers(len(textures))](rng, size))
    if rng.random() < 0.75:
        row = int(np.clip(horizon, 0, size[1]))
        ground = textures[rng.integers(len(textures))](rng, size)
        # Rows are squeezed towards the horizon, for perspective.
        rows = (np.linspace(0, 1, max(size[1] - row, 1)) ** 0.6 * (size[1] - 1)).astype(int)
        wall[row:] = ground[rows[: size[1] - row]] * rng.uniform(0.6, 1.0)
    if rng.random() < 0.7:
        _paint_clutter(rng, wall, size)
    blurred = cv2.GaussianBlur(wall, (0, 0), rng.uniform(0.3, 2.2) * size[1] / 224)
    return np.asarray(np.clip(blurred, 0, 255), np.uint8)


def _paint_clutter(rng: Generator, wall: F32, size: tuple[int, int]) -> None:
    """Paint furniture, windows and pictures as boxes, discs and lines, in place."""
    width, height = size
    for _ in range(rng.integers(1, 14)):
        color = rng.uniform(0, 255, 3).tolist()
        x, y = int(rng.integers(width)), int(rng.integers(height))
        a, b = int(rng.integers(width // 24 + 1, width // 3)), int(rng.integers(height // 24 + 1, height // 2))
        thickness = -1 if rng.random() < 0.7 else int(rng.integers(1, 4))
        kind = rng.random()
        if kind < 0.6:
            cv2.rectangle(wall, (x, y), (x + a, y + b), color, thickness)
        elif kind < 0.8:
            cv2.circle(wall, (x, y), a // 2, color, thickness)
        else:
            cv2.line(wall, (x, y), (x + a, y - b), color, int(rng.integers(1, 2 + height // 24)))


def _gradient(rng: Generator, size: tuple[int, int]) -> F32:
    first, second = rng.uniform(15, 240, 3), rng.uniform(15, 240, 3)
    if rng.random() < 0.6:
        second = first + rng.normal(0, 20, 3)
    ramp = np.linspace(0, 1, size[1] if rng.random() < 0.5 else size[0])
    line = first + (second - first) * ramp[:, None]
    picture = np.broadcast_to(line[:, None] if len(ramp) == size[1] else line[None], (size[1], size[0], 3))
    return np.array(picture, np.float32, order="C")


def _clouds(rng: Generator, size: tuple[int, int]) -> F32:
    picture = np.broadcast_to(rng.uniform(20, 235, 3).astype(np.float32), (size[1], size[0], 3)).copy()
    for octave in range(1, 7):
        cells = rng.normal(0, 1, (2**octave + 2, 2**octave + 3, 3)).astype(np.float32)
        if rng.random() < 0.5:
            cells[:] = cells.mean(2, keepdims=True)
        picture += cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR) * (rng.uniform(4, 38) / octave**0.7)
    return picture


def _bricks(rng: Generator, size: tuple[int, int]) -> F32:
    picture = _gradient(rng, size)
    step = int(rng.uniform(0.05, 0.16) * size[1]) + 2
    color = rng.uniform(10, 245, 3).tolist()
    for i, y in enumerate(range(0, size[1], step)):
        cv2.line(picture, (0, y), (size[0], y), color, 1)
        for x in range((i % 2) * step, size[0], 2 * step):
            cv2.line(picture, (x, y), (x, y + step), color, 1)
    return picture


def _planks(rng: Generator, size: tuple[int, int]) -> F32:
    step = int(rng.uniform(0.04, 0.2) * size[0]) + 2
    shades = rng.normal(1.0, 0.12, size[0] // step + 1).repeat(step)[: size[0]]
    return np.asarray(_gradient(rng, size) * shades[None, :, None], np.float32)


def _checkerboard(rng: Generator, size: tuple[int, int]) -> F32:
    step = int(rng.uniform(0.06, 0.2) * size[1]) + 2
    y, x = np.indices((size[1], size[0])) // step
    odd = ((x + y) % 2)[..., None]
    return np.asarray(rng.uniform(0, 255, 3) * odd + rng.uniform(0, 255, 3) * (1 - odd), np.float32)


def _stripes(rng: Generator, size: tuple[int, int]) -> F32:
    y, x = np.indices((size[1], size[0]))
    angle, step = rng.uniform(0, np.pi), rng.uniform(0.03, 0.15) * size[1]
    wave = 0.5 + 0.5 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / step)[..., None]
    return np.asarray(rng.uniform(0, 255, 3) * wave + rng.uniform(0, 255, 3) * (1 - wave), np.float32)


def _confetti(rng: Generator, size: tuple[int, int]) -> F32:
    picture = _gradient(rng, size)
    for _ in range(160):
        center = (int(rng.integers(size[0])), int(rng.integers(size[1])))
        cv2.circle(picture, center, int(rng.uniform(0.01, 0.06) * size[1]) + 1, rng.uniform(0, 255, 3).tolist(), -1)
    return picture


TRAINING_TEXTURES: tuple[Texture, ...] = (_gradient, _clouds, _clouds, _bricks, _planks)
"""One that is listed twice is chosen twice as often."""
UNSEEN_TEXTURES: tuple[Texture, ...] = (_checkerboard, _stripes, _confetti)
"""Textures of the split "look" alone."""


@dataclass(frozen=True, slots=True)
class MovingObject:
    """A disc or square that moves in the background."""

    path: F64
    """Center [T, 2] in pixels, without the motion of the camera."""
    radius: float
    """Pixels."""
    color: Color
    round: bool


def random_moving_objects(rng: Generator, camera: Camera, times: F64) -> list[MovingObject]:
    """Return one to three objects that move through the picture, at times [T] in seconds."""
    width, height = camera.size
    objects: list[MovingObject] = []
    for _ in range(rng.integers(1, 4)):
        rate = rng.uniform(0.1, 0.9)
        drift = times * rng.normal(0, 0.15) * width
        x = (rng.uniform(0, width) + smooth_noise(rng, times, 0.2 * width, rate) + drift) % (1.2 * width) - 0.1 * width
        y = rng.uniform(0.1, 0.9) * height + smooth_noise(rng, times, 0.15 * height, rate)
        radius = rng.uniform(0.015, 0.07) * height
        objects.append(MovingObject(np.stack([x, y], axis=-1), radius, _random_color(rng, 0, 255), rng.random() < 0.5))
    return objects


def draw_moving_object(picture: U8, item: MovingObject, motion: CameraMotion, frame: int, scale: int) -> None:
    """Draw an object in place; `scale` is the number of drawn pixels per pixel of the camera."""
    matrix = motion.matrices[frame]
    x, y = (matrix[:, :2] @ item.path[frame] + matrix[:, 2]) * scale
    half = max(1, round(item.radius * scale))
    if item.round:
        cv2.circle(picture, (round(x), round(y)), half, item.color, -1, cv2.LINE_AA)
    else:
        cv2.rectangle(picture, (round(x) - half, round(y) - half), (round(x) + half, round(y) + half), item.color, -1)


@dataclass(frozen=True, slots=True)
class Occluder:
    """A post or low wall in front of the people."""

    corners: F64
    """[4, 2] in pixels, without the motion of the camera."""
    color: Color


def random_occluder(rng: Generator, camera: Camera) -> Occluder:
    """Return a random occluder."""
    width, height = camera.size
    if rng.random() < 0.6:
        x, half = rng.uniform(0.1, 0.9) * width, rng.uniform(0.01, 0.04) * height
        corners = [[x - half, -height], [x + half, -height], [x + half, 2 * height], [x - half, 2 * height]]
    else:
        top = height * rng.uniform(0.78, 0.95)
        left, right = sorted(rng.uniform(-0.3, 1.3, 2) * width)
        corners = [[left, top], [right, top], [right, 2 * height], [left, 2 * height]]
    return Occluder(np.array(corners, float), _random_color(rng, 10, 230))


def draw_occluder(
    picture: U8, mask: U8 | None, occluder: Occluder, motion: CameraMotion, frame: int, scale: int
) -> None:
    """Draw an occluder in place, and clear the mask where it hides people."""
    matrix = motion.matrices[frame]
    corners = np.round((occluder.corners @ matrix[:, :2].T + matrix[:, 2]) * scale).astype(np.int32)
    cv2.fillConvexPoly(picture, corners, occluder.color, cv2.LINE_AA)
    if mask is not None:
        cv2.fillConvexPoly(mask, corners, 0)


def _random_color(rng: Generator, low: float, high: float) -> Color:
    red, green, blue = rng.uniform(low, high, 3).tolist()
    return red, green, blue


def random_lighting(rng: Generator, frames: int) -> U8:
    """Return lookup tables for pixel values, one per frame [T, 256]: exposure, contrast, gamma, drift, flicker."""
    gain, offset, gamma = rng.uniform(0.65, 1.25), rng.uniform(-22, 22), rng.uniform(0.75, 1.35)
    drift = 1 + rng.uniform(-0.25, 0.25) * np.linspace(-0.5, 0.5, frames) * (rng.random() < 0.4)
    flicker = 1 + rng.uniform(0, 0.05) * np.sin(np.arange(frames) * rng.uniform(0.5, 3.0)) * (rng.random() < 0.4)
    values = 255 * (np.arange(256) / 255) ** gamma
    table = values * gain * (drift * flicker)[:, None] + offset
    return np.asarray(np.clip(table, 0, 255), np.uint8)
