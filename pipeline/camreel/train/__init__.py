"""Learning where only whole windows have labels: the procedural action world in, a checkpoint out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camreel.train.films import Outcome, train_figures
    from camreel.train.interfaces import Progress

__all__ = ["Outcome", "Progress", "train_figures"]

_HOMES = {"Progress": "contract"}


def __getattr__(name: str) -> Any:
    """Imports a public name where it is first used: the processes that draw films need no torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'run')}"), name)
