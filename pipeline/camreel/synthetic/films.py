"""Films of the action world: pictures with their ground truth, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from camreel.annotations import Truth
from camreel.structures import F32, U8
from camreel.synthetic.actions import ACTIONS
from camreel.synthetic.poses import F64
from camreel.synthetic.rendering import Shapes, compress, project_capsules, render
from camreel.synthetic.scene import Scene, build_capsules, choose_recipe, compose

MIN_VISIBLE = 0.6
"""Share of the parts of a body that must lie in the picture for its action to count."""


@dataclass(frozen=True, slots=True)
class Film:
    """Pictures and their ground truth."""

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
    """Make a film.

    The same arguments make the same film, but for compression artifacts ("train" only): libx264 is not deterministic.

    Args:
        seed: seed of the random numbers.
        split: one of `SPLITS`; "mixed": any of them; "train": the distribution of training; "easy": the start of
            training, mostly one actor in front of a fixed camera.
        size: width and height in pixels; even for films that may be compressed.
        frames: number of frames.
        rate: frames per second.
        masks: make masks, too; without them films are made faster, and boxes ignore occlusion.

    Returns:
        The pictures, and for each frame the position and action of each person.

    Example:
        >>> made = film(3, split="pair", size=(160, 96), frames=12)
        >>> made.pictures.shape, made.truth.boxes.shape
        ((12, 96, 160, 3), (12, 2, 4))
    """
    rng = np.random.default_rng([seed, sum(map(ord, split))])
    recipe = choose_recipe(rng, split)
    times = np.arange(frames) / rate
    scene = compose(rng, recipe, size, times, frames / rate)
    capsules, owner = build_capsules(rng, scene, times)
    shapes = project_capsules(rng, capsules, owner, scene, flat=recipe.unseen)
    pictures, labels = render(rng, recipe, scene, shapes, times, masks=masks)
    actions = np.stack([person.class_ids(times) for person in scene.people], axis=-1)
    actions[_visible_share(shapes, scene) < MIN_VISIBLE] = -1
    if rng.random() < recipe.compressed:
        pictures = compress(pictures, int(rng.integers(18, 38)))
    boxes = _boxes_of_shapes(shapes, scene) if labels is None else _boxes_of_masks(labels, len(scene.people))
    return Film(pictures, Truth(ACTIONS, size[0], size[1], times, actions, boxes, labels))


def _visible_share(shapes: Shapes, scene: Scene) -> F64:
    """Return the share of each person's parts that lie in the picture [T, P]."""
    width, height = scene.camera.size
    middle = shapes.ends.mean(axis=2)
    inside = (middle >= 0).all(-1) & (middle[..., 0] < width) & (middle[..., 1] < height)
    numbers = range(1, len(scene.people) + 1)
    return np.stack([inside[:, shapes.owner == number].mean(axis=1) for number in numbers], axis=-1)


def _boxes_of_masks(labels: U8, people: int) -> F32:
    """Return the tight boxes around the visible parts of each person [T, P, 4]; NaN where none is visible."""
    boxes = np.full((len(labels), people, 4), np.nan, np.float32)
    for p in range(people):
        seen = labels == p + 1
        for axis, (low, high) in ((1, (0, 2)), (2, (1, 3))):
            line = seen.any(axis=axis)
            first, last = line.argmax(axis=1), line.shape[1] - line[:, ::-1].argmax(axis=1)
            some = line.any(axis=1)
            boxes[some, p, low], boxes[some, p, high] = first[some], last[some]
    return boxes


def _boxes_of_shapes(shapes: Shapes, scene: Scene) -> F32:
    """Return the boxes around the outlines of each person [T, P, 4], hidden parts included; NaN outside the picture."""
    width, height = scene.camera.size
    boxes = []
    for number in range(1, len(scene.people) + 1):
        own = shapes.owner == number
        ends, radii = shapes.ends[:, own], shapes.radii[:, own][..., None]
        low, high = (ends - radii).min(axis=(1, 2)), (ends + radii).max(axis=(1, 2))
        boxes.append(np.concatenate([np.maximum(low, 0), np.minimum(high, (width, height))], axis=-1))
    stacked = np.stack(boxes, axis=1).astype(np.float32)
    stacked[(stacked[..., 2] <= stacked[..., 0]) | (stacked[..., 3] <= stacked[..., 1])] = np.nan
    return stacked
