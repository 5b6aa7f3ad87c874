"""camreel: see where the action is. `pipeline.localize("clip.mp4")` gives what, where and when for every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.errors import CamreelError
    from pipeline.flow import load_recognizer, localize, process
    from pipeline.structures import Action, Box, Frame, Localization, Segment, Summary, Tube

__all__ = [
    "Action",
    "Box",
    "CamreelError",
    "Config",
    "Frame",
    "Localization",
    "Segment",
    "Summary",
    "Tube",
    "load_recognizer",
    "localize",
    "process",
]

_HOMES = {"CamreelError": "errors", "Config": "config", "load_recognizer": "flow", "localize": "flow", "process": "flow"}


def __getattr__(name: str) -> Any:
    """Imports a public name where it is first used: torch takes seconds, `camreel --help` must not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'structures')}"), name)
