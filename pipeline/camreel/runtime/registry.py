"""Registries: a plain dict per room from a name to an import path, so that names are known without heavy imports."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load_entry(entry: str) -> Any:
    """Import the object that a registry entry "package.module:name" (or "package.module") names.

    Example:
        >>> load_entry("camreel.stages.smooth.averages:EmaSmoother")
        <class 'camreel.stages.smooth.averages.EmaSmoother'>
    """
    module, _, name = entry.partition(":")
    found: Any = import_module(module)
    return getattr(found, name) if name else found
