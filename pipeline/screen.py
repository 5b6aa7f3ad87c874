"""The nouns of live pictures: what is chosen to be seen, and what is shown."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.structures import Frame, Localization, Picture


@dataclass(frozen=True, slots=True)
class View:
    """What whoever watches a live picture chose to see."""

    class_id: int | None = None
    """Only this class; None: the best ones."""
    least_score: float = 0.0
    """Actions below it are not drawn."""
    opacity: float = 0.6
    """Of the heat where the evidence is full."""


@dataclass(frozen=True, slots=True)
class Screen:
    """A live picture as it is shown: the newest frame, with the newest answer there is."""

    picture: Picture
    """Annotated, of even size."""
    frame: Frame
    """As it was captured."""
    localization: Localization | None
    """The newest answer, for this frame or an earlier one; None: there is none yet."""
    age: float | None
    """Seconds between the frame of the answer and this one."""
