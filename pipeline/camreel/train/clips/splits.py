"""What is learned from and what the result is measured on; both know no group in common."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from camreel.errors import InputError
from camreel.train.clips.dataset import Catalog, Example

SHARE = 0.2
"""Of the clips of each class that are held out, at least."""


def split(catalog: Catalog, seed: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Divides the examples: by hand where they are in `train` and `val`, else by groups, so that every class is on both sides.

    Args:
        catalog: all examples.
        seed: of the order in which groups are tried.

    Returns:
        To learn from, and held out.

    Raises:
        InputError: a class is on one side only, and cannot be on both.
    """
    examples = catalog.examples
    held = {i for i, example in enumerate(examples) if example.part == "val"}
    if not held and not any(example.part for example in examples):
        held = _chosen(examples, seed)
    sides = (
        tuple(e for i, e in enumerate(examples) if i not in held),
        tuple(e for i, e in enumerate(examples) if i in held),
    )
    _check(catalog, sides)
    return sides


def _chosen(examples: Sequence[Example], seed: int) -> set[int]:
    """Whole groups, as long as a class in them has too few clips held out and keeps enough to learn from."""
    members: dict[str, list[int]] = defaultdict(list)
    for i, example in enumerate(examples):
        members[example.group].append(i)
    total = Counter(example.label for example in examples)
    wanted = {label: max(1, round(SHARE * count)) for label, count in total.items()}
    out: Counter[str] = Counter()
    held: set[int] = set()
    names = sorted(members)
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    # Large groups would take all that is wanted at once: they are tried last.
    for name in sorted(order, key=lambda name: len(members[name])):
        inside = Counter(examples[i].label for i in members[name])
        needed = any(out[label] < wanted[label] for label in inside)
        fits = all(out[label] + count <= max(wanted[label], total[label] // 2) for label, count in inside.items())
        if needed and fits:
            held.update(members[name])
            out.update(inside)
    return held


def _check(catalog: Catalog, sides: tuple[Sequence[Example], Sequence[Example]]) -> None:
    for side, what in zip(sides, ("learned from", "held out"), strict=True):
        missing = sorted(set(catalog.classes) - {example.label for example in side})
        if missing:
            raise InputError(
                f"no clip of {missing[0]!r} can be {what}",
                "its clips are of too few groups to be divided",
                "add clips of other cameras or recordings, or put clips into train/ and val/ by hand",
            )
