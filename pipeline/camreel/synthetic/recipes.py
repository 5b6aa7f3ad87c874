"""The kinds of films that can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from numpy.random import Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a film of one kind is made of."""

    people: tuple[int, int] = (1, 1)
    """From, to."""
    actors: tuple[int, int] = (1, 1)
    """How many of them act, each in another way."""
    kinds: int = 1
    """Actions of one actor."""
    steady: float = 0.4
    """Probability that an actor never rests."""
    moving: float = 0.35
    """Probability of a moving camera."""
    strength: tuple[float, float] = (0.1, 0.4)
    """How much it moves then."""
    unseen: bool = False
    """Textures and shading that training never shows."""
    occluder: float = 0.15
    movers: float = 0.2
    """Probability that things move in the background."""
    compressed: float = 0.0
    """Probability that the film has been through an encoder."""


SINGLE = Recipe()
PAIR = Recipe(people=(2, 2), actors=(2, 2), steady=0.5)
CROWD = Recipe(people=(3, 4), actors=(1, 2), steady=0.5)
RECIPES: Mapping[str, Recipe] = {
    "single": SINGLE,
    "pair": PAIR,
    "crowd": CROWD,
    "sequence": Recipe(kinds=4, steady=0.0),
    "look": Recipe(people=(1, 2), actors=(1, 2), unseen=True),
    "moving": Recipe(people=(1, 2), actors=(1, 2), moving=1.0, strength=(0.6, 1.0)),
    "compressed": Recipe(people=(1, 2), actors=(1, 2)),
}
SPLITS: tuple[str, ...] = tuple(RECIPES)
"""One actor; two actors who do different things; actors among others; one who starts and stops; unseen textures; a restless camera;
films that are meant to be encoded at a low quality."""


def recipe_of(rng: Generator, split: str) -> Recipe:
    """The recipe of a split; "mixed" takes any, "easy" is what training begins with, "train" what it goes on with."""
    if split == "mixed":
        return RECIPES[SPLITS[rng.integers(len(SPLITS))]]
    if split == "easy":  # mostly one who acts all the time
        return Recipe(
            actors=(1, 1) if rng.random() < 0.88 else (0, 0), steady=0.8, moving=0.0, occluder=0.0, movers=0.1
        )
    if split != "train":
        return RECIPES[split]
    kind = rng.random()
    if kind < 0.42:
        recipe = replace(SINGLE, kinds=1 if rng.random() < 0.6 else 3)
    elif kind < 0.68:
        recipe = PAIR
    elif kind < 0.88:
        recipe = CROWD
    else:
        recipe = Recipe(people=(1, 3), actors=(0, 0))
    return replace(recipe, moving=0.5, strength=(0.1, 1.0), movers=0.25, compressed=0.3)
