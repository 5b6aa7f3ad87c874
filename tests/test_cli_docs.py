"""`camreel docs`: the shipped pages of documentation."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from camreel.cli import docs
from camreel.runtime.files import shipped
from tests.command_line import CommandLine

DESIGN_WORDS = """
clip_len stride dilation span latency logit score saliency heatmap pts time_base VideoInfo Frame Clip ClipActivation
FrameActivation Localization Segment Tube geometry margin frame_rate recognizer source sink stage sample windows
recognize stitch resample smooth localize link checkpoint
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys)


def terms() -> list[str]:
    page = (shipped("docs") / "glossary.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")][1:]
    return [word.strip() for row in rows for word in row[1].split(",")]


def test_without_a_topic_the_pages_are_listed_with_their_first_sentences(run: CommandLine) -> None:
    outcome = run("docs")
    assert outcome.code == 0 and outcome.err == ""
    header, *rows = outcome.out.splitlines()
    assert header.split() == ["topic", "about"]
    assert [row.split()[0] for row in rows] == list(docs.find_pages())
    assert any(re.fullmatch(r"glossary +Words of the code, the records and the messages.*", row) for row in rows)


def test_every_page_is_a_heading_and_a_line_about_the_page() -> None:
    for path in docs.find_pages().values():
        heading, empty, about = path.read_text(encoding="utf-8").splitlines()[:3]
        assert heading.startswith("# ") and not empty and docs.read_about(path) == about, path


@pytest.mark.parametrize("topic", ["glossary", "Glossary", "glossary.md"])
def test_a_page_is_markdown_in_a_pipe(run: CommandLine, topic: str) -> None:
    outcome = run("docs", topic)
    assert outcome.code == 0 and outcome.err == ""
    assert outcome.out == (shipped("docs") / "glossary.md").read_text(encoding="utf-8")


def test_a_page_is_formatted_on_a_terminal(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    text = run("docs", "glossary").out
    assert "saliency" in text
    assert "**" not in text and "# Glossary" not in text


def test_an_unknown_topic_suggests_the_nearest(run: CommandLine) -> None:
    outcome = run("docs", "glosary")
    assert outcome.code == 2
    assert outcome.err.splitlines()[0] == "error: there is no page 'glosary'"
    assert "did you mean 'glossary'?" in outcome.err and "the topics are" in outcome.err


def test_the_glossary_has_the_words_of_the_design_in_alphabetical_order() -> None:
    words = terms()
    assert {word.lower() for word in DESIGN_WORDS.split()} <= {word.lower() for word in words}
    assert words == sorted(words, key=lambda word: re.sub(r"\W|_", "", word.lower()))
    assert len(words) == len(set(words))
