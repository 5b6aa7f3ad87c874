"""Draws capsules, far ones first, and the masks of the people they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from camreel.synthetic.body import Capsules
from camreel.synthetic.camera import Camera, Motion
from camreel.synthetic.poses import F64

U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]

ARC = np.linspace(-np.pi / 2, np.pi / 2, 5)
BITS = 3
"""Of a pixel's fraction, as OpenCV takes polygons."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Outlines over the frames, ready to be filled."""

    outlines: I32
    """[T, N, points, 2] in 1/8 pixels."""
    lights: I32 | None
    """The lit part of each, of the same shape; None: flat."""
    dark: F64
    """RGB of the outline's inside [T, N, 3]."""
    bright: F64
    """RGB of the lit part."""
    order: NDArray[np.int64]
    """Far to near [T, N]."""
    owner: NDArray[np.int64]
    """Person (from 1) that each belongs to, 0: a thing [N]."""
    ends: F64
    """Where they are, in pixels [T, N, 2, 2]."""
    radii: F64
    """In pixels [T, N, 2]."""


def shapes(
    rng: Generator,
    capsules: Capsules,
    owner: NDArray[np.int64],
    camera: Camera,
    motion: Motion,
    scale: float,
    *,
    flat: bool,
) -> Shapes:
    """Projects capsules to outlines.

    Args:
        rng: random numbers for the light.
        capsules: of everybody and everything.
        owner: of each capsule [N].
        camera: its pixels are those of the picture.
        motion: of the camera.
        scale: pixels that are drawn per pixel of the picture.
        flat: one colour for a part instead of light and shade.
    """
    points, depth = camera.project(np.stack([capsules.start, capsules.end], axis=2))
    points = motion.apply(points)
    radii = capsules.radii * camera.focal / depth * motion.scale[:, None, None]
    axis = capsules.end - capsules.start
    axis = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-6)
    sun = rng.normal(0, 1, 3)
    sun /= np.linalg.norm(sun)
    shade = 0.7 + 0.3 * np.sqrt(np.clip(1 - (axis @ sun) ** 2, 0, 1))
    color = capsules.colors[None] * shade[..., None]
    side = np.array([np.copysign(0.35, sun[0]), -0.4])
    lit = None
    if not flat:
        lit = _outline((points + radii[..., None] * side) * scale, radii * 0.6 * scale)
    return Shapes(
        outlines=_outline(points * scale, np.maximum(radii, 0.4) * scale),
        lights=lit,
        dark=color * (1.0 if flat else 0.74),
        bright=color,
        order=np.argsort(-depth.mean(-1) + 0.5 * capsules.radii.mean(-1), axis=1, kind="stable"),
        owner=owner,
        ends=points,
        radii=radii,
    )


def _outline(points: F64, radii: F64) -> I32:
    """Polygons around two circles and the belt between them, [T, N, points, 2] in 1/8 pixels."""
    first, second = points[..., 0, :], points[..., 1, :]
    along = second - first
    angle = np.arctan2(along[..., 1], along[..., 0])[..., None]
    ends = []
    for center, radius, turned in ((second, radii[..., 1], ARC), (first, radii[..., 0], ARC + np.pi)):
        around = np.stack([np.cos(angle + turned), np.sin(angle + turned)], axis=-1)
        ends.append(center[..., None, :] + radius[..., None, None] * around)
    return np.asarray(np.round(np.concatenate(ends, axis=-2) * 2**BITS), np.int32)


def paint(picture: U8, shapes: Shapes, frame: int, mask: U8 | None) -> None:
    """Draws one frame.

    Args:
        picture: RGB, changed in place.
        shapes: what is drawn.
        frame: which one.
        mask: gets the owner of every pixel, in place.
    """
    dark, bright = shapes.dark[frame].tolist(), shapes.bright[frame].tolist()
    outlines, owner = shapes.outlines[frame], shapes.owner
    for i in shapes.order[frame]:
        cv2.fillConvexPoly(picture, outlines[i], dark[i], cv2.LINE_AA, BITS)
        if shapes.lights is not None:
            cv2.fillConvexPoly(picture, shapes.lights[frame, i], bright[i], cv2.LINE_AA, BITS)
        if mask is not None:
            cv2.fillConvexPoly(mask, outlines[i], int(owner[i]), cv2.LINE_8, BITS)


def shadows(shapes: Shapes, frame: int, people: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Centre and half axes, in drawn pixels, of the shadow under each person."""
    for p in range(1, people + 1):
        xy = shapes.outlines[frame, shapes.owner == p].reshape(-1, 2) / 2**BITS
        left, right, low = xy[:, 0].min(), xy[:, 0].max(), xy[:, 1].max()
        half = 0.42 * (right - left)
        yield (int((left + right) / 2), int(low - 0.1 * half)), (max(1, int(half)), max(1, int(0.22 * half)))
