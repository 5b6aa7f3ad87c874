"""The registry of sources: every kind recognizes its own texts, and a new kind is one line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from fractions import Fraction

import camreel
import pytest
from camreel.config.schema import Config
from camreel.errors import InputError
from camreel.interfaces import Source
from camreel.sources import SOURCES, open_source, parse_address
from camreel.sources.address import Address, OpenOptions, SourceType
from camreel.sources.inputs import expand
from camreel.sources.reconnect import connections
from camreel.structures import Frame, VideoInfo

from tests.make import FakeClock, TinyRecognizer, picture

RATE = 30
FRAMES = 45


class GraySource(Source):
    """Flat gray pictures that become lighter from frame to frame."""

    corrupt = 0

    def __init__(self, address: Address, options: OpenOptions) -> None:
        width, height = (int(part) for part in address.target.split("x"))
        base = Fraction(1, RATE)
        self.info = VideoInfo(address.name, width, height, 0, base, Fraction(RATE), FRAMES, FRAMES / RATE)
        self.notes: list[str] = []
        first, last = round((options.start or 0) * RATE), round((options.end or FRAMES / RATE) * RATE)
        self._frames = (
            Frame(index, pts, pts / RATE, base, picture(width, height, luma=20 + 4 * pts))
            for index, pts in enumerate(range(first, last))
        )

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        self._frames.close()


def parse_gray(text: str) -> Address | None:
    match = re.fullmatch(r"gray:(\d+x\d+)", text)
    return Address(text, match[1]) if match else None


GRAY = SourceType(f"{__name__}:parse_gray", f"{__name__}:GraySource", ("gray:WIDTHxHEIGHT",))


@pytest.fixture(params=["first", "last"])
def gray(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Register a new kind of source as one line anywhere in the dict, and return a text that names one."""
    monkeypatch.setitem(SOURCES, "gray", GRAY)
    if request.param == "first":
        for name in list(SOURCES)[:-1]:
            SOURCES[name] = SOURCES.pop(name)
        assert next(iter(SOURCES)) == "gray"
    return "gray:640x360"


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_recognizes_its_own_texts(kind: str) -> None:
    assert SOURCES[kind].forms
    for form in SOURCES[kind].forms:
        address = parse_address(form)
        assert (address.kind, address.name) == (kind, form)
        assert address.target


def test_a_new_kind_is_one_line(gray: str) -> None:
    with open_source(gray, start=0.5, end=1.0) as source:
        assert (source.info.uri, source.info.width, source.info.height) == (gray, 640, 360)
        frames = list(source)
    assert [frame.pts for frame in frames] == list(range(15, 30))
    assert [int(frame.picture.y[0, 0]) for frame in frames] == [20 + 4 * pts for pts in range(15, 30)]


def test_a_new_kind_runs_through_the_whole_flow(gray: str) -> None:
    config = Config.model_validate({"model": {"precision": "float32"}, "localize": {"min_score": 0.0}})
    found = camreel.localize(gray, config=config, recognizer=TinyRecognizer())
    localizations = list(found)
    assert [localization.frame.index for localization in localizations] == list(range(FRAMES))
    assert all(localization.actions for localization in localizations)
    assert found.info.uri == gray
    assert found.summary is not None and found.summary.frames.written == FRAMES


def test_a_new_kind_is_an_input_like_any_other(gray: str) -> None:
    assert expand([gray, "test:", gray]) == [gray, "test:"]


@pytest.mark.parametrize("paced", [False, True])
def test_a_new_kind_is_played_once_in_live_runs(gray: str, paced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "gray", dataclasses.replace(GRAY, paced=paced))
    clock = FakeClock()
    stamps = [[f.captured for f in source] for source in connections(gray, wait=clock.wait, clock=clock)]
    assert stamps == [pytest.approx([100 + n / RATE for n in range(FRAMES)]) if paced else [None] * FRAMES]


def test_errors_list_a_new_kind(gray: str) -> None:
    with pytest.raises(InputError, match="cannot read from this kind of address") as caught:
        parse_address("gopher://host/v.mp4")
    assert all(form in caught.value.why for kind in SOURCES.values() for form in kind.forms)
    assert "gray:WIDTHxHEIGHT" in caught.value.why


def test_unknown_kinds_of_address_are_refused() -> None:
    with pytest.raises(InputError, match="cannot read from this kind of address"):
        open_source("gopher://me:secret@host/v.mp4")
