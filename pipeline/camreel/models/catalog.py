"""The networks that can be loaded by name, and where their weights are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from camreel.models.architecture import BUNDLED
from camreel.models.registry import ARCHITECTURES, architecture
from camreel.models.weights import cache_path, published

Kind = Literal["video", "image"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A network of the registry and its default weights."""

    name: str
    about: str
    """Short description."""
    kind: Kind
    classes: int
    weights: str
    """Name of the default weights."""
    size_mb: float | None
    """Size of the weights file; None: unknown."""
    cached: bool
    """The file is on this machine."""
    path: Path
    """Where the weights are, or would be."""
    url: str | None
    """Where the weights can be downloaded; None: they are shipped with camreel."""


def catalog() -> list[ModelCard]:
    """Return a card for every network of the registry, in its order; nothing is built or downloaded."""
    return [_card(name) for name in ARCHITECTURES]


def _card(name: str) -> ModelCard:
    row = architecture(name)
    kind: Kind = "image" if row.clip_len == 1 else "video"
    if row.bundle is not None:
        path, classes = row.bundle.path, len(row.bundle.blank.classes)
        here = path.exists()
        size = path.stat().st_size / 1e6 if here else None
        return ModelCard(name, row.about, kind, classes, BUNDLED, size, here, path, None)
    entry = published(name)
    path = cache_path(entry.url)
    return ModelCard(
        name=name,
        about=row.about,
        kind=kind,
        classes=len(entry.meta["categories"]),
        weights=entry.name,
        size_mb=entry.meta.get("_file_size"),
        cached=path.exists(),
        path=path,
        url=entry.url,
    )
