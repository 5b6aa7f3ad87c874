"""The command line inside a test: words in; exit code, standard output and standard error out."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from camreel.cli.app import main


@dataclass
class Outcome:
    """Result of a command."""

    code: int
    out: str
    err: str


@dataclass
class CommandLine:
    """Runs commands in this process."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: object) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        written = self.capsys.readouterr()
        return Outcome(int(caught.value.code or 0), written.out, written.err)
