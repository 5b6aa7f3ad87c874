"""`camreel docs`: the pages of documentation that are shipped with camreel, in `camreel/docs/*.md`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from camreel.cli.terminal import show_table
from camreel.errors import ConfigError, nearest
from camreel.runtime.files import shipped


def docs(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="TOPIC",
            help="name of a page; without it, all pages are listed",
            show_default=False,
            autocompletion=lambda: list(find_pages()),
        ),
    ] = None,
) -> None:
    """Show a page of the documentation: formatted on a terminal, as Markdown in a pipe or file."""
    pages = find_pages()
    if topic is None:
        show_table(("topic", "about"), [(name, read_about(path)) for name, path in pages.items()])
        return
    name = topic.lower().removesuffix(".md")
    if name not in pages:
        todo = f"the topics are {', '.join(pages)}"
        raise ConfigError(f"there is no page {topic!r}", nearest(name, pages), todo)
    show_page(pages[name].read_text(encoding="utf-8"))


def find_pages() -> dict[str, Path]:
    """Return topic -> file of all pages, in alphabetical order."""
    return {path.stem.lower(): path for path in sorted(shipped("docs").glob("*.md"))}


def read_about(path: Path) -> str:
    """Return the first line of a page below its heading."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.strip() and not line.startswith("#")), "")


def show_page(text: str) -> None:
    """Write Markdown to standard output, formatted if that is a terminal."""
    if not sys.stdout.isatty():
        typer.echo(text, nl=not text.endswith("\n"))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
