"""camreel: see where the action is.

    import camreel

    for localization in camreel.localize("clip.mp4", model="figures"):
        for action in localization.actions:
            print(localization.frame.time, action.label, action.score, action.boxes)

`camreel.process` writes the annotated video and the records; `camreel.wrap` brings your own torch network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camreel.config.schema import Config
    from camreel.errors import CamreelError
    from camreel.flow import Localizations, load_recognizer, localize, process
    from camreel.models.wrap import wrap
    from camreel.structures import Action, Box, Frame, Localization, Segment, Summary, Tube

_HOMES = {
    "Action": "structures",
    "Box": "structures",
    "CamreelError": "errors",
    "Config": "config.schema",
    "Frame": "structures",
    "Localization": "structures",
    "Localizations": "flow",
    "Segment": "structures",
    "Summary": "structures",
    "Tube": "structures",
    "load_recognizer": "flow",
    "localize": "flow",
    "process": "flow",
    "wrap": "models.wrap",
}
"""Public name -> module that defines it."""

__all__ = [
    "Action",
    "Box",
    "CamreelError",
    "Config",
    "Frame",
    "Localization",
    "Localizations",
    "Segment",
    "Summary",
    "Tube",
    "__version__",
    "load_recognizer",
    "localize",
    "process",
    "wrap",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch takes seconds, `camreel --help` must not."""
    if name == "__version__":
        from importlib.metadata import version

        return version("camreel")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List exactly the public names."""
    return sorted(__all__)
