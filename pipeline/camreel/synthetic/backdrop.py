"""What is behind people: a wall and a ground with texture, things that move, and light that changes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


def backdrop(rng: Generator, size: tuple[int, int], horizon: float, *, other: bool) -> U8:
    """A picture without people.

    Args:
        rng: random numbers.
        size: width and height in pixels.
        horizon: row where the ground begins.
        other: textures that training never shows.

    Returns:
        RGB [H, W, 3].
    """
    paints = UNSEEN if other else SEEN
    wall = np.ascontiguousarray(paints[rng.integers(len(paints))](rng, size))
    if rng.random() < 0.75:
        row = int(np.clip(horizon, 0, size[1]))
        ground = paints[rng.integers(len(paints))](rng, size)
        # Squeezed towards the horizon, as the ground is.
        rows = (np.linspace(0, 1, max(size[1] - row, 1)) ** 0.6 * (size[1] - 1)).astype(int)
        wall[row:] = ground[rows[: size[1] - row]] * rng.uniform(0.6, 1.0)
    if rng.random() < 0.7:
        clutter(rng, wall, size)
    blurred = cv2.GaussianBlur(wall, (0, 0), rng.uniform(0.3, 2.2) * size[1] / 224)
    return np.asarray(np.clip(blurred, 0, 255), np.uint8)


def clutter(rng: Generator, wall: F32, size: tuple[int, int]) -> None:
    """Furniture, windows, pictures: boxes and discs, painted into `wall`."""
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


def _flat(rng: Generator, size: tuple[int, int]) -> F32:
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
    picture = _flat(rng, size)
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
    return np.asarray(_flat(rng, size) * shades[None, :, None], np.float32)


def _checks(rng: Generator, size: tuple[int, int]) -> F32:
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
    picture = _flat(rng, size)
    for _ in range(160):
        center = (int(rng.integers(size[0])), int(rng.integers(size[1])))
        cv2.circle(picture, center, int(rng.uniform(0.01, 0.06) * size[1]) + 1, rng.uniform(0, 255, 3).tolist(), -1)
    return picture


Paint = Callable[[Generator, tuple[int, int]], F32]
SEEN: tuple[Paint, ...] = (_flat, _clouds, _clouds, _bricks, _planks)
UNSEEN: tuple[Paint, ...] = (_checks, _stripes, _confetti)


def light(rng: Generator, frames: int) -> U8:
    """Tables from value to value, one per frame [T, 256]: exposure, contrast, gamma, a slow change and a flicker."""
    gain, offset, gamma = rng.uniform(0.65, 1.25), rng.uniform(-22, 22), rng.uniform(0.75, 1.35)
    drift = 1 + rng.uniform(-0.25, 0.25) * np.linspace(-0.5, 0.5, frames) * (rng.random() < 0.4)
    flicker = 1 + rng.uniform(0, 0.05) * np.sin(np.arange(frames) * rng.uniform(0.5, 3.0)) * (rng.random() < 0.4)
    values = 255 * (np.arange(256) / 255) ** gamma
    table = values * gain * (drift * flicker)[:, None] + offset
    return np.asarray(np.clip(table, 0, 255), np.uint8)
