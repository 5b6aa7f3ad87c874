"""The command `camreel evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from camreel.cli.app import main
from camreel.synthetic import film
from camreel.synthetic.write import write_film_with_truth
from tests.evaluating import FRAMES, SIZE, shrink


@pytest.fixture
def small_world(monkeypatch):
    """Small short films of two splits."""
    shrink(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder as `camreel figures` writes it."""
    place = tmp_path_factory.mktemp("videos")
    made = film(3, split="pair", size=SIZE, frames=FRAMES, rate=30.0)
    write_film_with_truth(place / "pair-0003.mp4", made, 30.0, 23, seed=3, split="pair")
    return place


def run(capsys, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(words)
    said = capsys.readouterr()
    return int(caught.value.code or 0), said.out, said.err


FACTORY = ("--model", "tests.evaluating:untrained", "--precision", "float32", "--videos", "1")


def test_the_command_writes_a_page_and_json(folder, small_world, tmp_path, capsys):
    html, figures = tmp_path / "report.html", tmp_path / "figures.json"
    code, out, err = run(capsys, "evaluate", str(folder), *FACTORY, "-o", str(html), "--json", str(figures))
    assert code == 0, err
    assert "pointing_two_actors" in out
    assert "pair-0003" in html.read_text()
    assert json.loads(figures.read_text())["splits"]["pair"]["pointing"] >= 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "report.html"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--data", "figurs"), 2, "did you mean 'figures'"),
        (("-o", "report.pdf"), 2, "write -o report.html"),
        (("-o", "a.html", "--json", "a.html"), 2, "different names"),
        (("-o", "/proc/none/report.html"), 5, "cannot write /proc/none/report.html"),
        (("--json", "."), 5, "a folder has this name"),
        (("none",), 4, "no folder none"),
        (("--seed", "5001"), 2, "must not be tested on"),
    ],
)
def test_the_command_refuses_at_once(words, code, text, small_world, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found, _, err = run(capsys, "evaluate", *FACTORY, *words)
    assert found == code
    assert text in err
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_nothing(folder, small_world, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("camreel.evaluate.collector.localize", interrupted)
    code, out, err = run(capsys, "evaluate", str(folder), *FACTORY, "-o", str(tmp_path / "r.html"))
    assert code == 130
    assert "nothing is written" in err and not out
    assert not list(tmp_path.iterdir())
