"""What a film shows: people in their places, things, a camera, a backdrop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from camreel.synthetic.actions import ACTIONS, OTHERS
from camreel.synthetic.camera import Camera, Motion, random_camera, random_motion
from camreel.synthetic.cast import Bout, Person, person, spells
from camreel.synthetic.poses import F64
from camreel.synthetic.recipes import Recipe

SHARES = {1: (0.42, 0.86), 2: (0.38, 0.74), 3: (0.36, 0.62), 4: (0.34, 0.56)}
"""Height of a person as a share of the picture's, by how many there are."""
ELBOW_ROOM = 0.8
"""Metres that one person takes at least."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything in a film that is not paint."""

    camera: Camera
    motion: Motion
    people: tuple[Person, ...]
    stools: tuple[tuple[float, float, float], ...]
    """x, z and the direction that their sitters look at."""
    scroll: F64
    """Pixels by which the backdrop alone has moved [T], as seen from a camera that follows."""


def compose(rng: Generator, recipe: Recipe, size: tuple[int, int], times: F64, seconds: float) -> Scene:
    """Sets the scene.

    Args:
        rng: random numbers.
        recipe: how many people, who acts, how the camera moves.
        size: of the picture.
        times: of the frames [T].
        seconds: length of the film.
    """
    count = int(rng.integers(recipe.people[0], recipe.people[1] + 1))
    low, high = SHARES[count]
    fits = 1.72 * size[0] / (size[1] * count * ELBOW_ROOM)
    camera = random_camera(rng, size, min(rng.uniform(low, high), max(fits, 0.3)))
    roles = _roles(rng, recipe, count, seconds)
    people = _placed(rng, camera, roles)
    moved = rng.random() < recipe.moving
    motion = random_motion(rng, times, size, rng.uniform(*recipe.strength) if moved else 0.0)
    follows = any(p.treadmill and any(b.move.speed for b in p.bouts) for p in people)
    speed = rng.normal(0, 0.25) * size[1] if rng.random() < (0.5 if follows else 0.06) else 0.0
    return Scene(camera, motion, people, _stools(rng, people), times * speed)


def _roles(rng: Generator, recipe: Recipe, count: int, seconds: float) -> list[tuple[Bout, ...]]:
    """What each person does, all actors something else."""
    acting = min(count, int(rng.integers(recipe.actors[0], recipe.actors[1] + 1)))
    kinds = rng.permutation(len(ACTIONS))
    roles: list[tuple[Bout, ...]] = []
    for i in range(acting):
        mine = [ACTIONS[k] for k in kinds[i::acting][: recipe.kinds]]
        roles.append(spells(rng, mine, seconds, steady=rng.random() < recipe.steady))
    for _ in range(count - acting):
        moves = rng.random() < 0.6
        roles.append(spells(rng, [str(rng.choice(list(OTHERS)))], seconds, steady=rng.random() < 0.5) if moves else ())
    return [roles[i] for i in rng.permutation(count)]


def _placed(rng: Generator, camera: Camera, roles: Sequence[tuple[Bout, ...]]) -> tuple[Person, ...]:
    count = len(roles)
    wide = 0.86 * camera.half_width
    slot = 2 * wide / count
    people = []
    for i, bouts in enumerate(roles):
        spread = 0.55 if count == 1 else 0.12
        x = -wide + (i + 0.5) * slot + rng.uniform(-spread, spread) * slot * 0.5
        passive = not any(bout.name in ACTIONS for bout in bouts)
        z = (
            rng.uniform(0.0, 0.35 * camera.distance)
            if passive and rng.random() < 0.5
            else rng.normal(0, 0.06 * camera.distance)
        )
        room = wide - abs(x) if count == 1 else 0.5 * slot - 0.25
        people.append(person(rng, (x, z), (room, 0.25 * camera.distance), bouts))
    return tuple(people)


def _stools(rng: Generator, people: Sequence[Person]) -> tuple[tuple[float, float, float], ...]:
    """Behind everyone who sits down, and behind some who never do."""
    found = []
    for p in people:
        if any(bout.move.prop == "stool" for bout in p.bouts) or (
            rng.random() < 0.08 and not any(b.move.speed for b in p.bouts)
        ):
            behind = 0.4 + 0.03 * rng.normal()
            found.append((p.place[0] - behind * np.sin(p.yaw), p.place[1] - behind * np.cos(p.yaw), p.yaw))
    return tuple((float(x), float(z), float(yaw)) for x, z, yaw in found)
