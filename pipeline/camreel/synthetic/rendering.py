"""Pictures and masks of a scene: capsules are projected to outlines and painted, then lens, sensor and codec act."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# OpenCV before PyAV: the other way round the process can hang.
import cv2  # isort: skip
import av
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from camreel.structures import U8, Ints
from camreel.synthetic.background import (
    MovingObject,
    Occluder,
    draw_moving_object,
    draw_occluder,
    paint_background,
    random_lighting,
    random_moving_objects,
    random_occluder,
)
from camreel.synthetic.body import Capsules
from camreel.synthetic.poses import F64
from camreel.synthetic.scene import Recipe, Scene

I32 = NDArray[np.int32]

HALF_CIRCLE = np.linspace(-np.pi / 2, np.pi / 2, 5)
"""Angles of the corners that approximate the round end of an outline."""
FRACTION_BITS = 3
"""Bits after the binary point of polygon corners, as OpenCV takes them."""
SUPERSAMPLED_HEIGHT = 200
"""Pictures with fewer rows are drawn at twice their size and averaged."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Outlines of N capsules over T frames, ready to be filled."""

    scale: int
    """Drawn pixels per pixel of the picture."""
    outlines: I32
    """Corners [T, N, corners, 2] in 1/8 drawn pixels."""
    lights: I32 | None
    """Outlines of the lit part of each capsule, of the same shape; None: capsules have one color."""
    dark: F64
    """RGB inside the outlines [T, N, 3]."""
    bright: F64
    """RGB of the lit parts [T, N, 3]."""
    order: Ints
    """Indices of the capsules from far to near [T, N]."""
    owner: Ints
    """Number of the person that each capsule belongs to, counted from 1; 0: a prop [N]."""
    ends: F64
    """Centers of both ends in pixels of the picture [T, N, 2, 2]."""
    radii: F64
    """Radii at both ends in pixels of the picture [T, N, 2]."""


def project_capsules(rng: Generator, capsules: Capsules, owner: Ints, scene: Scene, *, flat: bool) -> Shapes:
    """Project capsules to outlines.

    Args:
        rng: random numbers for the direction of the light.
        capsules: capsules of all people and props.
        owner: number of the person that each capsule belongs to, 0 for props [N].
        scene: camera and its motion.
        flat: give each capsule one color instead of light and shade.
    """
    camera, motion = scene.camera, scene.motion
    scale = 2 if camera.size[1] < SUPERSAMPLED_HEIGHT else 1
    points, depth = camera.project(np.stack([capsules.start, capsules.end], axis=2))
    points = motion.apply(points)
    radii = capsules.radii * camera.focal / depth * motion.scale[:, None, None]
    axis = capsules.end - capsules.start
    axis = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-6)
    sun = rng.normal(0, 1, 3)
    sun /= np.linalg.norm(sun)
    # A cylinder is brightest where the light comes at a right angle to its axis.
    shade = 0.7 + 0.3 * np.sqrt(np.clip(1 - (axis @ sun) ** 2, 0, 1))
    color = capsules.colors[None] * shade[..., None]
    lights = None
    if not flat:
        side = np.array([np.copysign(0.35, sun[0]), -0.4])
        lights = _outline((points + radii[..., None] * side) * scale, radii * 0.6 * scale)
    return Shapes(
        scale=scale,
        outlines=_outline(points * scale, np.maximum(radii, 0.4) * scale),
        lights=lights,
        dark=color * (1.0 if flat else 0.74),
        bright=color,
        order=np.argsort(-depth.mean(-1) + 0.5 * capsules.radii.mean(-1), axis=1, kind="stable"),
        owner=owner,
        ends=points,
        radii=radii,
    )


def _outline(points: F64, radii: F64) -> I32:
    """Return polygons around two circles and the belt between them, [T, N, corners, 2] in 1/8 pixels."""
    first, second = points[..., 0, :], points[..., 1, :]
    along = second - first
    angle = np.arctan2(along[..., 1], along[..., 0])[..., None]
    ends = []
    for center, radius, angles in ((second, radii[..., 1], HALF_CIRCLE), (first, radii[..., 0], HALF_CIRCLE + np.pi)):
        around = np.stack([np.cos(angle + angles), np.sin(angle + angles)], axis=-1)
        ends.append(center[..., None, :] + radius[..., None, None] * around)
    return np.asarray(np.round(np.concatenate(ends, axis=-2) * 2**FRACTION_BITS), np.int32)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """Everything in the picture except people and props."""

    background: U8
    """RGB in drawn pixels."""
    objects: Sequence[MovingObject]
    occluder: Occluder | None
    shadow: float
    """Factor on the brightness of the ground in the shadows of people; 1: no shadows."""


def render(
    rng: Generator, recipe: Recipe, scene: Scene, shapes: Shapes, times: F64, *, masks: bool
) -> tuple[U8, U8 | None]:
    """Draw all frames of a film.

    Args:
        rng: random numbers for textures, lighting and noise.
        recipe: kind of film.
        scene: camera, people and stools.
        shapes: outlines of people and props.
        times: times of the frames [T] in seconds.
        masks: draw the masks, too.

    Returns:
        Pictures, RGB [T, H, W, 3], and masks [T, H, W]: 0 background or prop, p + 1 where person p is visible; None
        without `masks`.
    """
    width, height = scene.camera.size
    surroundings = _random_surroundings(rng, recipe, scene, shapes.scale, times)
    effects = _ImagingEffects(rng, len(times), (height, width))
    pictures = np.empty((len(times), height, width, 3), np.uint8)
    labels = np.zeros((len(times), height, width), np.uint8) if masks else None
    for frame in range(len(times)):
        picture = _transform_background(surroundings.background, scene, frame, shapes.scale)
        mask = np.zeros(picture.shape[:2], np.uint8) if masks else None
        _draw_frame(picture, mask, frame, scene, shapes, surroundings)
        pictures[frame] = effects(picture, frame)
        if labels is not None and mask is not None:
            labels[frame] = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    return pictures, labels


def _random_surroundings(rng: Generator, recipe: Recipe, scene: Scene, scale: int, times: F64) -> _Surroundings:
    camera = scene.camera
    size = camera.size[0] * scale, camera.size[1] * scale
    horizon = camera.horizon(rng.uniform(0.5, 6.0)) * scale
    background = paint_background(rng, size, horizon, unseen=recipe.unseen)
    objects = random_moving_objects(rng, camera, times) if rng.random() < recipe.moving_objects else []
    occluder = random_occluder(rng, camera) if rng.random() < recipe.occluder else None
    shadow = rng.uniform(0.5, 0.85) if rng.random() < 0.6 else 1.0
    return _Surroundings(background, objects, occluder, shadow)


def _transform_background(background: U8, scene: Scene, frame: int, scale: int) -> U8:
    """Return a copy of the background, moved as the camera moves."""
    shift = scene.scroll[frame]
    if not scene.motion.moves and not shift:
        return background.copy()
    matrix = scene.motion.matrices[frame].copy()
    matrix[:, 2] += matrix[:, 0] * shift
    matrix[:, 2] *= scale
    size = background.shape[1], background.shape[0]
    moved = cv2.warpAffine(background, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8)


def _draw_frame(
    picture: U8, mask: U8 | None, frame: int, scene: Scene, shapes: Shapes, surroundings: _Surroundings
) -> None:
    """Draw one frame on its background, in place."""
    for item in surroundings.objects:
        draw_moving_object(picture, item, scene.motion, frame, shapes.scale)
    if surroundings.shadow < 1:
        for center, axes in _shadow_ellipses(shapes, frame, len(scene.people)):
            _darken_ellipse(picture, center, axes, surroundings.shadow)
    _draw_shapes(picture, mask, shapes, frame)
    if surroundings.occluder is not None:
        draw_occluder(picture, mask, surroundings.occluder, scene.motion, frame, shapes.scale)


def _draw_shapes(picture: U8, mask: U8 | None, shapes: Shapes, frame: int) -> None:
    """Fill all outlines of one frame from far to near, and write their owners into the mask."""
    dark, bright = shapes.dark[frame].tolist(), shapes.bright[frame].tolist()
    outlines, owner = shapes.outlines[frame], shapes.owner
    for i in shapes.order[frame]:
        cv2.fillConvexPoly(picture, outlines[i], dark[i], cv2.LINE_AA, FRACTION_BITS)
        if shapes.lights is not None:
            cv2.fillConvexPoly(picture, shapes.lights[frame, i], bright[i], cv2.LINE_AA, FRACTION_BITS)
        if mask is not None:
            cv2.fillConvexPoly(mask, outlines[i], int(owner[i]), cv2.LINE_8, FRACTION_BITS)


def _shadow_ellipses(shapes: Shapes, frame: int, people: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield center and half axes, in drawn pixels, of the shadow on the ground under each person."""
    for number in range(1, people + 1):
        xy = shapes.outlines[frame, shapes.owner == number].reshape(-1, 2) / 2**FRACTION_BITS
        left, right, low = xy[:, 0].min(), xy[:, 0].max(), xy[:, 1].max()
        half = 0.42 * (right - left)
        yield (int((left + right) / 2), int(low - 0.1 * half)), (max(1, int(half)), max(1, int(0.22 * half)))


def _darken_ellipse(picture: U8, center: tuple[int, int], axes: tuple[int, int], factor: float) -> None:
    """Multiply the pixels inside an ellipse by a factor, in place."""
    height, width = picture.shape[:2]
    (x, y), (a, b) = center, axes
    left, right, top, bottom = max(x - a, 0), min(x + a, width), max(y - b, 0), min(y + b, height)
    if right <= left or bottom <= top:
        return
    patch = picture[top:bottom, left:right]
    inside = ((np.arange(left, right) - x) / a) ** 2 + ((np.arange(top, bottom)[:, None] - y) / b) ** 2 < 1
    patch[inside] = patch[inside] * factor


class _ImagingEffects:
    """Effects of lens, lighting and sensor: blur, brightness curve and noise.

    Args:
        rng: random numbers.
        frames: number of frames.
        shape: height and width of the picture in pixels.
    """

    def __init__(self, rng: Generator, frames: int, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._blur = rng.uniform(0, 0.75) * shape[0] / 112
        self._lighting = random_lighting(rng, frames)
        sigma = rng.uniform(0, 8) if rng.random() < 0.7 else 0.0
        # One field of noise, shifted differently in each frame: new noise for each would take most of the time.
        field = (shape[0] + 16, shape[1] + 16, 3)
        self._noise = rng.normal(0, sigma, field).astype(np.int16) if sigma > 0.4 else None
        self._offsets = rng.integers(0, 16, (frames, 2))

    def __call__(self, picture: U8, frame: int) -> U8:
        """Return the picture [H, W, 3] as the camera records it, from a drawn one of any size."""
        height, width = self._shape
        if picture.shape[:2] != self._shape:
            picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        if self._blur > 0.3:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), self._blur), np.uint8)
        picture = np.asarray(cv2.LUT(picture, self._lighting[frame]), np.uint8)
        if self._noise is not None:
            y, x = self._offsets[frame]
            noise = self._noise[y : y + height, x : x + width]
            picture = np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)
        return picture


def compress(pictures: U8, crf: int) -> U8:
    """Encode pictures as H.264 and decode them, in memory, so that training sees compression artifacts.

    Args:
        pictures: RGB [T, H, W, 3] with even sides.
        crf: constant rate factor, 0 (best) to 51 (worst).

    Returns:
        RGB of the same shape.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=12, options={"crf": str(crf), "preset": "veryfast", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = pictures.shape[1], pictures.shape[2], "yuv420p"
        for picture in pictures:
            # Colors go through swscale both ways: its rounding and chroma filters are part of the films of a seed.
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as back:
        back.streams.video[0].thread_count = 1
        decoded = [frame.to_ndarray(format="rgb24") for frame in back.decode(video=0)]
    return np.stack(decoded)
