"""Output for people: data on standard output, everything else on standard error, plain text if it is not a terminal.

Commands write messages with `Terminal.note`. All other code logs through `logging`, shown by `Terminal.shows_log`.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from camreel.errors import CamreelError

Row = Sequence[str]
MAX_UNWRAPPED_WIDTH = 20
"""Columns of at most this many characters are not wrapped."""
CELL_COLORS = {"ok": "green", "warn": "yellow", "fail": "red", "yes": "green"}
"""Colors of cells with these texts."""


@dataclass(slots=True)
class Terminal:
    """Verbosity of the command line, set by -v, -q and --debug wherever they stand."""

    verbose: int = 0
    quiet: bool = False
    debug: bool = False

    def note(self, text: str) -> None:
        """Write a line for people to standard error; nothing with -q."""
        if not self.quiet:
            typer.echo(text, err=True)

    def error(self, error: BaseException) -> None:
        """Write an error in up to three lines; with --debug, the traceback before them."""
        if self.debug:
            typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)
        what, *more = error_lines(error)
        typer.echo(typer.style("error: ", fg="red", bold=True) + what, err=True)
        for line in more:
            typer.echo(f"       {line}", err=True)

    @contextmanager
    def shows_log(self) -> Iterator[None]:
        """Show the log records of camreel from INFO on (DEBUG with -v) as lines for people."""
        log = logging.getLogger("camreel")
        handler, level = _TerminalHandler(self), log.level
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level)


class _TerminalHandler(logging.Handler):
    """Pass log records on to a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= (logging.DEBUG if self._terminal.verbose else logging.INFO):
            self._terminal.note(record.getMessage())


def error_lines(error: BaseException) -> list[str]:
    """Describe an error in up to three lines: what happened, why, and what to do.

    Example:
        >>> error_lines(ConfigError("unknown setting 'modle'", todo="did you mean 'model'?"))
        ["unknown setting 'modle'", "did you mean 'model'?"]
    """
    if isinstance(error, CamreelError):
        return [line for line in (error.what, error.why, error.todo) if line]
    what = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return [f"this is a bug in camreel: {what}", "run again with --debug and report what it prints"]


def show_table(header: Row, rows: Sequence[Row]) -> None:
    """Write a table to standard output: colored and wrapped on a terminal, else one line per row, for grep and cut."""
    if not sys.stdout.isatty():
        widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
        for row in (header, *rows):
            typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, name in enumerate(header):
        table.add_column(name, overflow="fold", no_wrap=all(len(row[column]) <= MAX_UNWRAPPED_WIDTH for row in rows))
    for row in rows:
        table.add_row(*(Text(cell, style=CELL_COLORS.get(cell, "")) for cell in row))
    Console().print(table)
