"""What can be loaded by name, and what of it is here already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.models.table import NETWORKS
from pipeline.models.weights import cache_path, published


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A network of the table and its default weights."""

    name: str
    about: str
    """What it is, in a few words."""
    kind: Literal["video", "image"]
    classes: int
    weights: str
    """Name of the default weights."""
    size_mb: float | None
    """Of the weights' file; None: not known."""
    cached: bool
    path: Path
    """Where the weights are, or would be."""
    url: str


def catalog() -> list[ModelCard]:
    """A card for every network of the table, in its order; builds and downloads nothing."""
    return [_card(name) for name in NETWORKS]


def _card(name: str) -> ModelCard:
    family, entry = NETWORKS[name], published(name)
    path = cache_path(entry.url)
    return ModelCard(
        name=name,
        about=family.about,
        kind="image" if family.clip_len == 1 else "video",
        classes=len(entry.meta["categories"]),
        weights=entry.name,
        size_mb=entry.meta.get("_file_size"),
        cached=path.exists(),
        path=path,
        url=entry.url,
    )
