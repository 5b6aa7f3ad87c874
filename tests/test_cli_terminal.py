"""Messages for people: notes, errors, log records and tables."""

from __future__ import annotations

import logging
import sys
import types

import pytest

from camreel.cli.terminal import Terminal, error_lines, show_table
from camreel.errors import InputError, ModelError
from tests.command_line import CommandLine

LOG = logging.getLogger("camreel.somewhere")


@pytest.mark.parametrize(
    ("terminal", "shown"),
    [
        (Terminal(), "resuming from x.state\nslow\n"),
        (Terminal(verbose=1), "cache hit\nresuming from x.state\nslow\n"),
        (Terminal(quiet=True), ""),
    ],
)
def test_log_records_are_lines_on_standard_error(
    terminal: Terminal, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with terminal.shows_log():
        LOG.debug("cache %s", "hit")
        LOG.info("resuming from %s", "x.state")
        LOG.warning("slow")
        logging.getLogger("elsewhere").error("of another library")
    assert capsys.readouterr() == ("", shown)


def test_log_records_are_shown_only_inside_the_block(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("camreel")
    before = (log.level, list(log.handlers))
    with pytest.raises(InputError), Terminal().shows_log():
        raise InputError("broken")
    LOG.info("unseen")
    assert (log.level, log.handlers) == before
    assert capsys.readouterr() == ("", "")


def test_commands_show_log_records_with_the_verbosity_of_their_flags(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def json_schema() -> dict[str, str]:
        LOG.debug("details")
        LOG.info("news")
        return {}

    module = types.ModuleType("camreel.records")
    module.__dict__["json_schema"] = json_schema
    monkeypatch.setitem(sys.modules, "camreel.records", module)
    run = CommandLine(capsys)
    assert run("schema").err == "news\n"
    assert run("-v", "schema").err == "details\nnews\n"
    assert run("-q", "schema").err == ""


def test_an_error_is_what_why_and_what_to_do() -> None:
    assert error_lines(ModelError("no weights", "", "give --weights")) == ["no weights", "give --weights"]
    what, todo = error_lines(ValueError("first line\nsecond line"))
    assert what == "this is a bug in camreel: ValueError: first line"
    assert "--debug" in todo


def test_a_table_is_one_line_per_row_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "about"), [("a", "x" * 300), ("long name", "")])
    assert capsys.readouterr().out.splitlines() == ["name       about", "a          " + "x" * 300, "long name"]


def test_a_table_fits_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show_table(("name", "about"), [("a", "[word] " * 30), ("long name", "ok")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 4 and "[word]" in lines[1], "long texts are wrapped, and brackets are no markup"
    assert any("long name" in line for line in lines)
