"""One tree of exceptions. Each class is one exit code.

CamreelError          1  a bug
  ConfigError         2  usage or configuration
  InputError          4  an input cannot be opened or read
  OutputError         5  an output cannot be written
  ModelError          6  model or weights
  DeviceError         7  device or memory
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CamreelError(Exception):
    """An error that a person can act on: what happened, why, and what to do, one line each."""

    exit_code = 1

    def __init__(self, what: str, why: str = "", todo: str = "") -> None:
        super().__init__("\n".join(line for line in (what, why, todo) if line))
        self.what = what
        self.why = why
        self.todo = todo


class ConfigError(CamreelError):
    """Usage or configuration."""

    exit_code = 2


class InputError(CamreelError):
    """An input cannot be opened or read."""

    exit_code = 4


class OutputError(CamreelError):
    """An output cannot be written."""

    exit_code = 5


class ModelError(CamreelError):
    """Model or weights."""

    exit_code = 6


class DeviceError(CamreelError):
    """Device or memory."""

    exit_code = 7


SOME_FAILED = 3
INTERRUPTED = 130
TERMINATED = 143


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """A hint "did you mean a, b?" with the names closest to `word`; empty where none is close."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=count, cutoff=0.5)
    return f"did you mean {', '.join(repr(by_lower[name]) for name in close)}?" if close else ""
