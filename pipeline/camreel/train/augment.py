"""Random variants of a clip: cropped, mirrored, with other colors, with noise."""

from __future__ import annotations

import cv2
import numpy as np

from camreel.structures import F32, U8

MIN_CROP_AREA = 0.75
"""Minimum share of the picture's area that a crop keeps, so that the label stays true."""
GRAY_SHARE, NOISY_SHARE, MIRRORED_SHARE = 0.1, 0.4, 0.5
"""Share of the clips that are gray, noisy or mirrored."""
MAX_NOISE = 8
"""Largest standard deviation of the noise, of 255."""
LUMA_WEIGHTS = np.array((0.299, 0.587, 0.114), np.float32)

_NOISE: F32 = np.random.default_rng(0).standard_normal(1 << 20, dtype=np.float32)
"""Normal noise. New noise for each frame would cost more than all the rest."""


def augment(pictures: U8, size: tuple[int, int], rng: np.random.Generator, mirror: bool = True) -> U8:
    """Return a random variant of a clip.

    Args:
        pictures: RGB [T, H, W, 3].
        size: (height, width) of the result, of about the same aspect ratio as the pictures.
        rng: chooses the variant.
        mirror: the clip may be mirrored left to right.

    Returns:
        RGB [T, *size, 3]; all frames are changed alike, except for the noise.

    Example:
        >>> augment(clip, (112, 112), np.random.default_rng(0)).shape
        (32, 112, 112, 3)
    """
    top, left, height, width = _crop(pictures.shape[1:3], rng)
    clip = resize(pictures[:, top : top + height, left : left + width], size)
    if rng.random() < MIRRORED_SHARE and mirror:
        clip = np.ascontiguousarray(clip[:, :, ::-1])
    flat = clip.reshape(1, -1, 3)
    flat = np.asarray(cv2.transform(cv2.LUT(flat, _curves(rng)), _saturation(rng)), np.uint8)
    if rng.random() < NOISY_SHARE:
        flat = _add_noise(flat, float(rng.uniform(1, MAX_NOISE)), rng)
    return flat.reshape(clip.shape)


def resize(pictures: U8, size: tuple[int, int]) -> U8:
    """Resize pictures [T, H, W, 3] to (height, width)."""
    shrinks_much = pictures.shape[1] > 1.4 * size[0]
    result = np.empty((len(pictures), *size, 3), np.uint8)
    for source, target in zip(pictures, result, strict=True):
        cv2.resize(source, size[::-1], dst=target, interpolation=cv2.INTER_AREA if shrinks_much else cv2.INTER_LINEAR)
    return result


def _crop(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Return (top, left, height, width) of a random crop of about the same aspect ratio."""
    area, stretch = rng.uniform(MIN_CROP_AREA, 1), np.exp(rng.uniform(-0.1, 0.1))
    # Rounded up, so that no less than the minimum area is kept.
    height = min(shape[0], int(np.ceil(shape[0] * np.sqrt(area / stretch))))
    width = min(shape[1], int(np.ceil(shape[1] * np.sqrt(area * stretch))))
    return int(rng.integers(shape[0] - height + 1)), int(rng.integers(shape[1] - width + 1)), height, width


def _curves(rng: np.random.Generator) -> U8:
    """Return a random look-up table per channel [256, 1, 3]: gamma, contrast, brightness and a tint."""
    value = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.uniform(-0.3, 0.3))
    value = (value - 0.5) * rng.uniform(0.7, 1.3) + 0.5 + rng.uniform(-0.15, 0.15)
    curves: U8 = np.clip(value * rng.uniform(0.85, 1.15, 3) * 255 + 0.5, 0, 255).astype(np.uint8)[:, None]
    return curves


def _saturation(rng: np.random.Generator) -> F32:
    """Return a matrix [3, 3] that changes the saturation, sometimes to gray."""
    saturation = 0.0 if rng.random() < GRAY_SHARE else rng.uniform(0.5, 1.4)
    return (saturation * np.eye(3) + (1 - saturation) * LUMA_WEIGHTS).astype(np.float32)


def _add_noise(flat: U8, strength: float, rng: np.random.Generator) -> U8:
    start = int(rng.integers(len(_NOISE)))
    noise = np.resize(np.roll(_NOISE, -start), flat.size)
    noise *= strength
    noise += flat.ravel()
    return np.clip(noise, 0, 255, out=noise).astype(np.uint8).reshape(flat.shape)
