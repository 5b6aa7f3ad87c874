"""The exceptions of camreel. Each class is one exit code.

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
    """An error that a person can act on.

    Args:
        what: what happened, in one line.
        why: the reason, in one line; empty: not known.
        todo: what to do about it, in one line; empty: nothing.
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", todo: str = "") -> None:
        super().__init__("\n".join(line for line in (what, why, todo) if line))
        self.what = what
        self.why = why
        self.todo = todo


class ConfigError(CamreelError):
    """A wrong command line, setting or argument."""

    exit_code = 2


class InputError(CamreelError):
    """An input that cannot be opened or read."""

    exit_code = 4


class OutputError(CamreelError):
    """An output that cannot be written."""

    exit_code = 5


class ModelError(CamreelError):
    """A network or weights that cannot be loaded or do not follow the contract."""

    exit_code = 6


class DeviceError(CamreelError):
    """A device that is missing, or not enough memory."""

    exit_code = 7


SOME_FAILED = 3
"""Exit code if some of several inputs failed."""
INTERRUPTED = 130
"""Exit code after SIGINT (Ctrl-C)."""
TERMINATED = 143
"""Exit code after SIGTERM."""


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """Return a hint "did you mean 'a', 'b'?" with the names closest to `word`; empty if none is close."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=count, cutoff=0.5)
    return f"did you mean {', '.join(repr(by_lower[name]) for name in close)}?" if close else ""
