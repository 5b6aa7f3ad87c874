"""What can be loaded by name, and what of it is here already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.models.family import BUNDLED
from pipeline.models.table import NETWORKS
from pipeline.models.weights import cache_path, published

Kind = Literal["video", "image"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A network of the table and its default weights."""

    name: str
    about: str
    """What it is, in a few words."""
    kind: Kind
    classes: int
    weights: str
    """Name of the default weights."""
    size_mb: float | None
    """Of the weights' file; None: not known."""
    cached: bool
    """The file is here."""
    path: Path
    """Where the weights are, or would be."""
    url: str | None
    """Where they can be had; None: they come with camreel."""


def catalog() -> list[ModelCard]:
    """A card for every network of the table, in its order; builds and downloads nothing."""
    return [_card(name) for name in NETWORKS]


def _card(name: str) -> ModelCard:
    family = NETWORKS[name]
    kind: Kind = "image" if family.clip_len == 1 else "video"
    if family.bundle is not None:
        path, classes = family.bundle.path, len(family.bundle.blank.classes)
        here = path.exists()
        return ModelCard(name, family.about, kind, classes, BUNDLED, path.stat().st_size / 1e6 if here else None, here, path, None)
    entry = published(name)
    path = cache_path(entry.url)
    return ModelCard(
        name=name,
        about=family.about,
        kind=kind,
        classes=len(entry.meta["categories"]),
        weights=entry.name,
        size_mb=entry.meta.get("_file_size"),
        cached=path.exists(),
        path=path,
        url=entry.url,
    )
