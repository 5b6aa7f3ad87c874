"""Films of the action world: pictures, and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from camreel.annotations import Truth
from camreel.synthetic import things
from camreel.synthetic.actions import ACTIONS
from camreel.synthetic.backdrop import backdrop, light
from camreel.synthetic.body import Capsules
from camreel.synthetic.codec import through_encoder
from camreel.synthetic.draw import Shapes, paint, shadows, shapes
from camreel.synthetic.poses import F64
from camreel.synthetic.recipes import Recipe, recipe_of
from camreel.synthetic.scene import Scene, compose

U8 = NDArray[np.uint8]
LEAST_VISIBLE = 0.6
"""Share of a body in the picture below which what it does does not count."""
FINE = 200
"""Pictures less high than this are drawn at twice their size."""


@dataclass(frozen=True, slots=True)
class Film:
    """A film and what is in it."""

    pictures: U8
    """RGB [T, H, W, 3]."""
    truth: Truth


def film(
    seed: int,
    *,
    split: str = "train",
    size: tuple[int, int] = (112, 112),
    frames: int = 32,
    rate: float = 12.0,
    masks: bool = True,
) -> Film:
    """Makes a film; the same arguments make the same film.

    Args:
        seed: of everything random.
        split: one of `SPLITS`, "mixed" for any of them, "train", or "easy": one person in front of a camera that holds still.
        size: width and height in pixels.
        frames: how many.
        rate: frames per second.
        masks: whether the truth shall have masks; without, it is made faster, and boxes do not know what is hidden.

    Returns:
        The pictures, and per frame where everyone is and what they do.
    """
    rng = np.random.default_rng([seed, sum(map(ord, split))])
    recipe = recipe_of(rng, split)
    times = np.arange(frames) / rate
    scene = compose(rng, recipe, size, times, frames / rate)
    everything, owner = _capsules(rng, scene, times)
    scale = 2 if size[1] < FINE else 1
    drawn = shapes(rng, everything, owner, scene.camera, scene.motion, scale, flat=recipe.unseen)
    pictures, labels = _draw(rng, recipe, scene, drawn, scale, times, masks)
    actions = np.stack([person.actions(times) for person in scene.people], axis=-1)
    actions[_visible(drawn, scene) < LEAST_VISIBLE] = -1
    if rng.random() < recipe.compressed:
        pictures = through_encoder(pictures, int(rng.integers(18, 38)))
    boxes = _boxes_of_masks(labels, len(scene.people)) if masks else _boxes_of_shapes(drawn, scene)
    return Film(pictures, Truth(ACTIONS, size[0], size[1], times, actions, boxes, labels))


def _capsules(rng: Generator, scene: Scene, times: F64) -> tuple[Capsules, NDArray[np.int64]]:
    """All parts of people and things, and the person (from 1) whom each belongs to."""
    parts: list[Capsules] = []
    owner: list[int] = []
    for number, person in enumerate(scene.people, 1):
        body = person.capsules(times)
        parts.append(body)
        owner += [number] * len(body.radii)
        if any(bout.move.prop == "ball" for bout in person.bouts):
            parts.append(things.ball(rng, person, body, times))
            owner.append(0)
    for spot in scene.stools:
        parts.append(things.stool(rng, spot, len(times)))
        owner += [0] * len(parts[-1].radii)
    joined = (np.concatenate([getattr(part, name) for part in parts], axis=axis) for name, axis in FIELDS)
    return Capsules(*joined), np.array(owner)


FIELDS = (("start", 1), ("end", 1), ("radii", 0), ("colors", 0))


def _draw(
    rng: Generator, recipe: Recipe, scene: Scene, drawn: Shapes, scale: int, times: F64, masks: bool
) -> tuple[U8, U8 | None]:
    width, height = scene.camera.size
    canvas = (width * scale, height * scale)
    behind = backdrop(rng, canvas, scene.camera.horizon(rng.uniform(0.5, 6.0)) * scale, other=recipe.unseen)
    moving = things.movers(rng, scene.camera, times) if rng.random() < recipe.movers else []
    front = things.occluder(rng, scene.camera) if rng.random() < recipe.occluder else None
    shade = rng.uniform(0.5, 0.85) if rng.random() < 0.6 else 1.0
    finish = _Finish(rng, len(times), (height, width))
    pictures = np.empty((len(times), height, width, 3), np.uint8)
    labels = np.zeros((len(times), height, width), np.uint8) if masks else None
    for frame in range(len(times)):
        picture = _background(behind, scene, frame, scale)
        things.draw_movers(picture, moving, scene.motion, frame, scale)
        if shade < 1:
            _darken(picture, drawn, frame, len(scene.people), shade)
        mask = np.zeros(canvas[::-1], np.uint8) if masks else None
        paint(picture, drawn, frame, mask)
        if front is not None:
            matrix = scene.motion.matrices[frame]
            corners = np.round((front[0] @ matrix[:, :2].T + matrix[:, 2]) * scale).astype(np.int32)
            cv2.fillConvexPoly(picture, corners, front[1], cv2.LINE_AA)
            if mask is not None:
                cv2.fillConvexPoly(mask, corners, 0)
        pictures[frame] = finish(picture, frame)
        if labels is not None and mask is not None:
            labels[frame] = mask if scale == 1 else cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    return pictures, labels


def _background(behind: U8, scene: Scene, frame: int, scale: int) -> U8:
    shift = scene.scroll[frame]
    if not scene.motion.moves and not shift:
        return behind.copy()
    matrix = scene.motion.matrices[frame].copy()
    matrix[:, 2] += matrix[:, 0] * shift
    matrix[:, 2] *= scale
    size = behind.shape[1], behind.shape[0]
    return np.asarray(
        cv2.warpAffine(behind, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )


def _darken(picture: U8, drawn: Shapes, frame: int, people: int, shade: float) -> None:
    """Shadows on the ground, in place."""
    height, width = picture.shape[:2]
    for (x, y), (a, b) in shadows(drawn, frame, people):
        left, right, top, bottom = max(x - a, 0), min(x + a, width), max(y - b, 0), min(y + b, height)
        if right <= left or bottom <= top:
            continue
        patch = picture[top:bottom, left:right]
        inside = ((np.arange(left, right) - x) / a) ** 2 + ((np.arange(top, bottom)[:, None] - y) / b) ** 2 < 1
        patch[inside] = patch[inside] * shade


class _Finish:
    """What lens, light and sensor do to a picture."""

    def __init__(self, rng: Generator, frames: int, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._blur = rng.uniform(0, 0.75) * shape[0] / 112
        self._light = light(rng, frames)
        sigma = rng.uniform(0, 8) if rng.random() < 0.7 else 0.0
        self._noise = rng.normal(0, sigma, (shape[0] + 16, shape[1] + 16, 3)).astype(np.int16) if sigma > 0.4 else None
        self._at = rng.integers(0, 16, (frames, 2))

    def __call__(self, picture: U8, frame: int) -> U8:
        height, width = self._shape
        if picture.shape[:2] != self._shape:
            picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        if self._blur > 0.3:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), self._blur), np.uint8)
        picture = np.asarray(cv2.LUT(picture, self._light[frame]), np.uint8)
        if self._noise is not None:
            y, x = self._at[frame]
            picture = np.asarray(
                cv2.add(picture, self._noise[y : y + height, x : x + width], dtype=cv2.CV_8U), np.uint8
            )
        return picture


def _visible(drawn: Shapes, scene: Scene) -> F64:
    """Share of each person's parts that lie in the picture [T, P]."""
    width, height = scene.camera.size
    middle = drawn.ends.mean(axis=2)
    inside = (middle >= 0).all(-1) & (middle[..., 0] < width) & (middle[..., 1] < height)
    return np.stack([inside[:, drawn.owner == p].mean(axis=1) for p in range(1, len(scene.people) + 1)], axis=-1)


def _boxes_of_masks(labels: U8 | None, people: int) -> NDArray[np.float32]:
    assert labels is not None
    boxes = np.full((len(labels), people, 4), np.nan, np.float32)
    for p in range(people):
        seen = labels == p + 1
        for axis, (low, high) in ((1, (0, 2)), (2, (1, 3))):
            line = seen.any(axis=axis)
            first, last = line.argmax(axis=1), line.shape[1] - line[:, ::-1].argmax(axis=1)
            some = line.any(axis=1)
            boxes[some, p, low], boxes[some, p, high] = first[some], last[some]
    return boxes


def _boxes_of_shapes(drawn: Shapes, scene: Scene) -> NDArray[np.float32]:
    width, height = scene.camera.size
    found = []
    for p in range(1, len(scene.people) + 1):
        own = drawn.owner == p
        ends, radii = drawn.ends[:, own], drawn.radii[:, own][..., None]
        low, high = (ends - radii).min(axis=(1, 2)), (ends + radii).max(axis=(1, 2))
        found.append(np.concatenate([np.maximum(low, 0), np.minimum(high, (width, height))], axis=-1))
    boxes = np.stack(found, axis=1).astype(np.float32)
    boxes[(boxes[..., 2] <= boxes[..., 0]) | (boxes[..., 3] <= boxes[..., 1])] = np.nan
    return boxes
