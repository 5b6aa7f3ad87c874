"""The scene of a film: the recipe of its kind, the people and props in their positions, and the camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from camreel.structures import Ints
from camreel.synthetic.actions import ACTIONS, OTHER_MOVEMENTS
from camreel.synthetic.body import FINGERS, MEAN_HEIGHT, Capsules
from camreel.synthetic.camera import Camera, CameraMotion, random_camera, random_camera_motion
from camreel.synthetic.people import Performance, Person, random_person, random_schedule
from camreel.synthetic.poses import F64

PERSON_SHARES = {1: (0.42, 0.86), 2: (0.38, 0.74), 3: (0.36, 0.62), 4: (0.34, 0.56)}
"""Minimum and maximum height of a person as a share of the picture's height, by number of people."""
PERSON_WIDTH = 0.8
"""Meters of the picture's width that each person needs at least."""
SEAT_HEIGHT = 0.36
"""Height of a stool in meters."""
GRAVITY = 9.8
"""Meters per second squared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Distribution from which the films of one kind are drawn."""

    people: tuple[int, int] = (1, 1)
    """Minimum and maximum number of people."""
    actors: tuple[int, int] = (1, 1)
    """Minimum and maximum number of people who perform actions, each one different actions."""
    actions_per_actor: int = 1
    continuous: float = 0.4
    """Probability that an actor never rests."""
    moving: float = 0.35
    """Probability of a moving camera."""
    strength: tuple[float, float] = (0.1, 0.4)
    """Minimum and maximum strength of the motion of a moving camera."""
    unseen: bool = False
    """Use textures and shading that training films never have."""
    occluder: float = 0.15
    """Probability of an object in front of the people."""
    moving_objects: float = 0.2
    """Probability of objects that move in the background."""
    compressed: float = 0.0
    """Probability that the film is encoded and decoded."""


SINGLE = Recipe()
PAIR = Recipe(people=(2, 2), actors=(2, 2), continuous=0.5)
CROWD = Recipe(people=(3, 4), actors=(1, 2), continuous=0.5)
RECIPES: Mapping[str, Recipe] = {
    "single": SINGLE,
    "pair": PAIR,
    "crowd": CROWD,
    "sequence": Recipe(actions_per_actor=4, continuous=0.0),
    "look": Recipe(people=(1, 2), actors=(1, 2), unseen=True),
    "moving": Recipe(people=(1, 2), actors=(1, 2), moving=1.0, strength=(0.6, 1.0)),
    "compressed": Recipe(people=(1, 2), actors=(1, 2)),
}
"""One actor; two actors with different actions; actors among other people; an actor who starts and stops; unseen
textures; strong camera motion; films to be encoded at a low quality."""
SPLITS: tuple[str, ...] = tuple(RECIPES)
"""Test splits."""


def choose_recipe(rng: Generator, split: str) -> Recipe:
    """Return the recipe of a film.

    Args:
        rng: random numbers.
        split: one of `SPLITS`; "mixed": any of them; "train": the distribution of training; "easy": the start of
            training, mostly one continuous actor in front of a fixed camera.
    """
    if split == "mixed":
        return RECIPES[SPLITS[rng.integers(len(SPLITS))]]
    if split == "easy":
        actors = (1, 1) if rng.random() < 0.88 else (0, 0)
        return Recipe(actors=actors, continuous=0.8, moving=0.0, occluder=0.0, moving_objects=0.1)
    if split != "train":
        return RECIPES[split]
    kind = rng.random()
    if kind < 0.42:
        recipe = replace(SINGLE, actions_per_actor=1 if rng.random() < 0.6 else 3)
    elif kind < 0.68:
        recipe = PAIR
    elif kind < 0.88:
        recipe = CROWD
    else:
        recipe = Recipe(people=(1, 3), actors=(0, 0))
    return replace(recipe, moving=0.5, strength=(0.1, 1.0), moving_objects=0.25, compressed=0.3)


@dataclass(frozen=True, slots=True)
class Stool:
    """A stool behind a person."""

    x: float
    """Meters."""
    z: float
    """Meters."""
    yaw: float
    """Direction in which a sitting person looks, in radians."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything in a film except its textures and lighting."""

    camera: Camera
    motion: CameraMotion
    people: tuple[Person, ...]
    stools: tuple[Stool, ...]
    scroll: F64
    """Pixels by which the background has moved [T], as seen by a camera that follows a walking person."""


def compose(rng: Generator, recipe: Recipe, size: tuple[int, int], times: F64, seconds: float) -> Scene:
    """Return a random scene.

    Args:
        rng: random numbers.
        recipe: kind of film.
        size: width and height of the picture in pixels.
        times: times of the frames [T] in seconds.
        seconds: length of the film.
    """
    count = int(rng.integers(recipe.people[0], recipe.people[1] + 1))
    low, high = PERSON_SHARES[count]
    max_share = MEAN_HEIGHT * size[0] / (size[1] * count * PERSON_WIDTH)
    camera = random_camera(rng, size, min(rng.uniform(low, high), max(max_share, 0.3)))
    schedules = _random_schedules(rng, recipe, count, seconds)
    people = _place_people(rng, camera, schedules)
    moves = rng.random() < recipe.moving
    motion = random_camera_motion(rng, times, size, rng.uniform(*recipe.strength) if moves else 0.0)
    follows = any(person.treadmill and _walks(person) for person in people)
    speed = rng.normal(0, 0.25) * size[1] if rng.random() < (0.5 if follows else 0.06) else 0.0
    return Scene(camera, motion, people, _random_stools(rng, people), times * speed)


def _random_schedules(rng: Generator, recipe: Recipe, count: int, seconds: float) -> list[tuple[Performance, ...]]:
    """Return the performances of each person; no two actors share an action."""
    actors = min(count, int(rng.integers(recipe.actors[0], recipe.actors[1] + 1)))
    order = rng.permutation(len(ACTIONS))
    schedules: list[tuple[Performance, ...]] = []
    for i in range(actors):
        names = [ACTIONS[k] for k in order[i::actors][: recipe.actions_per_actor]]
        schedules.append(random_schedule(rng, names, seconds, continuous=rng.random() < recipe.continuous))
    for _ in range(count - actors):
        performances: tuple[Performance, ...] = ()
        if rng.random() < 0.6:
            names = [str(rng.choice(list(OTHER_MOVEMENTS)))]
            performances = random_schedule(rng, names, seconds, continuous=rng.random() < 0.5)
        schedules.append(performances)
    return [schedules[i] for i in rng.permutation(count)]


def _place_people(rng: Generator, camera: Camera, schedules: Sequence[tuple[Performance, ...]]) -> tuple[Person, ...]:
    """Return people side by side, each one in a slot of equal width; some who perform no action stand farther away."""
    count = len(schedules)
    half_width = 0.86 * camera.half_width
    slot = 2 * half_width / count
    people = []
    for i, performances in enumerate(schedules):
        spread = 0.55 if count == 1 else 0.12
        x = -half_width + (i + 0.5) * slot + rng.uniform(-spread, spread) * slot * 0.5
        passive = not any(performance.name in ACTIONS for performance in performances)
        if passive and rng.random() < 0.5:
            z = rng.uniform(0.0, 0.35 * camera.distance)
        else:
            z = rng.normal(0, 0.06 * camera.distance)
        room = half_width - abs(x) if count == 1 else 0.5 * slot - 0.25
        people.append(random_person(rng, (x, z), (room, 0.25 * camera.distance), performances))
    return tuple(people)


def _walks(person: Person) -> bool:
    return any(performance.movement.speed for performance in person.performances)


def _random_stools(rng: Generator, people: Sequence[Person]) -> tuple[Stool, ...]:
    """Return a stool behind each person who sits down, and behind some who do not, so that a stool is no evidence."""
    stools = []
    for person in people:
        sits = any(performance.movement.prop == "stool" for performance in person.performances)
        if sits or (rng.random() < 0.08 and not _walks(person)):
            behind = 0.4 + 0.03 * rng.normal()
            x = person.position[0] - behind * np.sin(person.yaw)
            z = person.position[1] - behind * np.cos(person.yaw)
            stools.append(Stool(float(x), float(z), float(person.yaw)))
    return tuple(stools)


def build_capsules(rng: Generator, scene: Scene, times: F64) -> tuple[Capsules, Ints]:
    """Build all capsules of a scene.

    Args:
        rng: random numbers for sizes and colors of the props.
        scene: people and stools.
        times: times of the frames [T] in seconds.

    Returns:
        The capsules, and the owner of each [N]: the number of a person, counted from 1, or 0 for a prop.
    """
    parts: list[Capsules] = []
    owner: list[int] = []
    for number, person in enumerate(scene.people, 1):
        body = person.capsules(times)
        parts.append(body)
        owner += [number] * len(body.radii)
        if any(performance.movement.prop == "ball" for performance in person.performances):
            parts.append(_ball(rng, person, body, times))
            owner.append(0)
    for stool in scene.stools:
        parts.append(_stool(rng, stool, len(times)))
        owner += [0] * len(parts[-1].radii)
    capsules = Capsules(
        start=np.concatenate([part.start for part in parts], axis=1),
        end=np.concatenate([part.end for part in parts], axis=1),
        radii=np.concatenate([part.radii for part in parts]),
        colors=np.concatenate([part.colors for part in parts]),
    )
    return capsules, np.array(owner)


def _stool(rng: Generator, stool: Stool, frames: int) -> Capsules:
    """Return a seat of three capsules on four legs."""
    forward = np.array([np.sin(stool.yaw), 0, np.cos(stool.yaw)])
    sideways = np.array([np.cos(stool.yaw), 0, -np.sin(stool.yaw)])
    seat = np.array([stool.x, SEAT_HEIGHT - 0.04, stool.z])
    rows = []
    for k in (-2, 0, 2):
        center = seat + 0.05 * k * forward
        rows.append((center - 0.14 * sideways, center + 0.14 * sideways, 0.04))
    for i in (-1, 1):
        for j in (-1, 1):
            top = seat + 0.14 * i * forward + 0.15 * j * sideways
            rows.append((top, top * np.array([1, 0, 1]), 0.018))
    starts, ends, radii = (np.array(column) for column in zip(*rows, strict=True))
    color = rng.uniform(20, 200, 3)
    still = np.broadcast_to(starts, (frames, *starts.shape)), np.broadcast_to(ends, (frames, *ends.shape))
    return Capsules(*still, np.stack([radii, radii], axis=-1), np.broadcast_to(color, (len(rows), 3)))


def _ball(rng: Generator, thrower: Person, body: Capsules, times: F64) -> Capsules:
    """Return a ball that lies in the hand of a person and flies once per cycle of each throw.

    Args:
        rng: random numbers.
        thrower: a person with performances of "throw".
        body: capsules of that person.
        times: times of the frames [T] in seconds.
    """
    throws = [performance for performance in thrower.performances if performance.movement.prop == "ball"]
    heading = np.array([np.sin(thrower.yaw), 0.0, np.cos(thrower.yaw)])
    release = np.array([thrower.position[0], 1.05 * thrower.body.height, thrower.position[1]]) + 0.35 * heading
    path = body.end[:, FINGERS[throws[0].style.side]].copy()
    for throw in throws:
        active = throw.weight(times) > 0.5
        path = np.where(active[:, None], body.end[:, FINGERS[throw.style.side]], path)
        phase = throw.cycles(times) % 1
        flying = active & (phase > 0.5) & (phase < 0.95)
        elapsed = (phase - 0.5) / throw.tempo
        thrown = elapsed[:, None] * (5.5 * heading + np.array([0, 1.6, 0]))
        fallen = GRAVITY / 2 * elapsed[:, None] ** 2 * np.array([0, 1, 0])
        path = np.where(flying[:, None], release + thrown - fallen, path)
    radius = rng.uniform(0.045, 0.1)
    return Capsules(path[:, None], path[:, None], np.full((1, 2), radius), rng.uniform(30, 255, (1, 3)))
