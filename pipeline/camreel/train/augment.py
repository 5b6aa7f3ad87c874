"""The same film once more, and yet another picture: cropped, mirrored, in other colours, with noise."""

from __future__ import annotations

import cv2
import numpy as np

from camreel.structures import F32, U8

KEPT = 0.75
"""Least share of the picture's area that a crop keeps, so that the label stays true."""
GRAY, NOISY, MIRRORED = 0.1, 0.4, 0.5
"""How often a clip is gray, noisy or mirrored."""
LUMA = np.array((0.299, 0.587, 0.114), np.float32)

_NOISE: F32 = np.random.default_rng(0).standard_normal(1 << 20, dtype=np.float32)
"""Drawing new noise for each frame would cost more than all the rest."""


def vary(pictures: U8, size: tuple[int, int], rng: np.random.Generator, mirror: bool = True) -> U8:
    """A variant of a clip.

    Args:
        pictures: RGB [T, H, W, 3].
        size: (height, width) of the result, of about the pictures' shape.
        rng: chooses the variant.
        mirror: it may be mirrored left to right.

    Returns:
        RGB [T, *size, 3]; all frames are changed alike, but for the noise.
    """
    top, left, height, width = _crop(pictures.shape[1:3], rng)
    clip = fit(pictures[:, top : top + height, left : left + width], size)
    if rng.random() < MIRRORED and mirror:
        clip = np.ascontiguousarray(clip[:, :, ::-1])
    flat = clip.reshape(1, -1, 3)
    flat = np.asarray(cv2.transform(cv2.LUT(flat, _curves(rng)), _mixture(rng)), np.uint8)
    if rng.random() < NOISY:
        flat = _add_noise(flat, float(rng.uniform(1, 8)), rng)
    return flat.reshape(clip.shape)


def fit(pictures: U8, size: tuple[int, int]) -> U8:
    """Pictures [T, H, W, 3] resized to (height, width)."""
    much = pictures.shape[1] > 1.4 * size[0]
    result = np.empty((len(pictures), *size, 3), np.uint8)
    for source, target in zip(pictures, result, strict=True):
        cv2.resize(source, size[::-1], dst=target, interpolation=cv2.INTER_AREA if much else cv2.INTER_LINEAR)
    return result


def _crop(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a rectangle of about the same shape."""
    area, stretch = rng.uniform(KEPT, 1), np.exp(rng.uniform(-0.1, 0.1))
    # Rounded up, so that not less than the area is kept.
    height = min(shape[0], int(np.ceil(shape[0] * np.sqrt(area / stretch))))
    width = min(shape[1], int(np.ceil(shape[1] * np.sqrt(area * stretch))))
    return int(rng.integers(shape[0] - height + 1)), int(rng.integers(shape[1] - width + 1)), height, width


def _curves(rng: np.random.Generator) -> U8:
    """What becomes of each value in each channel [256, 1, 3]: gamma, contrast, brightness and a tint."""
    value = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.uniform(-0.3, 0.3))
    value = (value - 0.5) * rng.uniform(0.7, 1.3) + 0.5 + rng.uniform(-0.15, 0.15)
    curves: U8 = np.clip(value * rng.uniform(0.85, 1.15, 3) * 255 + 0.5, 0, 255).astype(np.uint8)[:, None]
    return curves


def _mixture(rng: np.random.Generator) -> F32:
    """Matrix [3, 3] that changes the saturation, to none at times."""
    saturation = 0.0 if rng.random() < GRAY else rng.uniform(0.5, 1.4)
    return (saturation * np.eye(3) + (1 - saturation) * LUMA).astype(np.float32)


def _add_noise(flat: U8, strength: float, rng: np.random.Generator) -> U8:
    start = int(rng.integers(len(_NOISE)))
    noise = np.resize(np.roll(_NOISE, -start), flat.size)
    noise *= strength
    noise += flat.ravel()
    return np.clip(noise, 0, 255, out=noise).astype(np.uint8).reshape(flat.shape)
