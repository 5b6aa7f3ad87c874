"""The contracts of `camreel.interfaces.Source` and `camreel.interfaces.Sink`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from camreel.errors import OutputError
from camreel.interfaces import Sink, Source
from camreel.runtime.files import partial_path
from camreel.structures import Counts, Header, Summary
from camreel.testing.material import header, localizations

OpenSource = Callable[[], Source]
"""Open the source anew; it must yield at least two frames."""


MakeSink = Callable[[Path, Header, Any], Sink]
"""(path, header, options or None) -> sink, as in `camreel.sinks.SINKS`."""


def frames_are_numbered_and_timed(open_source: OpenSource) -> None:
    """Indices count from 0, times increase strictly and start at or after 0."""
    with open_source() as source:
        frames = list(islice(source, 50))
    assert len(frames) >= 2, "the source yields fewer than two frames"
    assert [frame.index for frame in frames] == list(range(len(frames)))
    times = [frame.time for frame in frames]
    assert times[0] >= 0 and all(a < b for a, b in zip(times, times[1:], strict=False)), f"times {times[:5]}"


def pictures_have_the_declared_size(open_source: OpenSource) -> None:
    """Every picture is planar 8-bit YUV 4:2:0 of the size in `info`."""
    with open_source() as source:
        width, height = source.info.width, source.info.height
        for frame in islice(source, 5):
            picture = frame.picture
            assert picture.y.shape == (height, width), f"luma {picture.y.shape} for {width}x{height}"
            chroma = ((height + 1) // 2, (width + 1) // 2)
            assert picture.u.shape == picture.v.shape == chroma, f"chroma {picture.u.shape}, not {chroma}"
            assert picture.y.dtype == np.uint8


def pictures_stay_valid_after_later_frames(open_source: OpenSource) -> None:
    """The planes of a frame do not change while later frames are read, nor after the source is closed."""
    with open_source() as source:
        first, *rest = islice(source, 6)
        copy = first.picture.y.copy()
        del rest
    assert np.array_equal(first.picture.y, copy)


def a_second_iterator_continues(open_source: OpenSource) -> None:
    """Iterating again continues after the last frame that was read."""
    with open_source() as source:
        first = next(iter(source))
        second = next(iter(source))
    assert (first.index, second.index) == (0, 1)


def closing_ends_the_iteration_and_may_be_repeated(open_source: OpenSource) -> None:
    """`close` works at any time and more than once, and no frame comes after it."""
    source = open_source()
    next(iter(source))
    source.close()
    source.close()
    assert list(source) == []


SOURCE_CHECKS: tuple[Callable[[OpenSource], None], ...] = (
    frames_are_numbered_and_timed,
    pictures_have_the_declared_size,
    pictures_stay_valid_after_later_frames,
    a_second_iterator_continues,
    closing_ends_the_iteration_and_may_be_repeated,
)
"""Rules that every source follows."""


def check_source(open_source: OpenSource) -> None:
    """Run all rules on a source.

    Args:
        open_source: open it anew.

    Raises:
        AssertionError: a rule is broken; its text names it.

    Example:
        >>> check_source(lambda: open_source("clip.mp4"))
    """
    for rule in SOURCE_CHECKS:
        try:
            rule(open_source)
        except AssertionError as error:
            raise AssertionError(f"{rule.__name__.replace('_', ' ')}: {error}") from error


def _summary(count: int) -> Summary:
    return Summary(Counts(count, count, 0, 0, count), (), (), 1e-6, {}, ())


@contextmanager
def _opened(make: MakeSink, path: Path) -> Iterator[Sink]:
    """Create a sink, and abandon it at the end, whatever happens."""
    sink = make(path, header(), None)
    try:
        yield sink
    finally:
        sink.abandon()


def a_result_has_its_name_only_when_it_is_complete(make: MakeSink, path: Path) -> None:
    """The file is under its partial name until `close`, and then under its own."""
    with _opened(make, path) as sink:
        for localization in localizations():
            sink.write(localization)
            assert not path.exists(), "the final name exists before the end"
        sink.close(_summary(12))
        assert path.exists() and path.stat().st_size > 0
        assert not partial_path(path).exists(), "the partial file is left behind"
        assert isinstance(sink.notes, list)


def an_abandoned_result_keeps_its_partial_name(make: MakeSink, path: Path) -> None:
    """After an error the content so far is under the partial name, and `abandon` never raises."""
    with _opened(make, path) as sink:
        for localization in localizations()[:6]:
            sink.write(localization)
        sink.abandon()
    assert not path.exists() and partial_path(path).exists()


def abandoning_after_closing_changes_nothing(make: MakeSink, path: Path) -> None:
    """`abandon` may follow `close`."""
    with _opened(make, path) as sink:
        for localization in localizations():
            sink.write(localization)
        sink.close(_summary(12))
        content = path.read_bytes()
        sink.abandon()
    assert path.read_bytes() == content


def folders_are_created(make: MakeSink, path: Path) -> None:
    """Missing folders of the path are created."""
    inside = path.parent / "a" / "b" / path.name
    with _opened(make, inside) as sink:
        for localization in localizations():
            sink.write(localization)
        sink.close(_summary(12))
    assert inside.exists()


def a_path_that_cannot_be_written_is_refused_at_once(make: MakeSink, path: Path) -> None:
    """A folder with the name of the output is an `OutputError` before the first frame."""
    path.mkdir()
    try:
        make(path, header(), None).abandon()
    except OutputError:
        return
    raise AssertionError("a folder with the name of the output was accepted")


SINK_CHECKS: tuple[Callable[[MakeSink, Path], None], ...] = (
    a_result_has_its_name_only_when_it_is_complete,
    an_abandoned_result_keeps_its_partial_name,
    abandoning_after_closing_changes_nothing,
    folders_are_created,
    a_path_that_cannot_be_written_is_refused_at_once,
)
"""Rules that every sink follows."""


def check_sink(make: MakeSink, folder: Path, suffix: str) -> None:
    """Run all rules on a sink.

    Args:
        make: create the sink.
        folder: an empty folder to write into.
        suffix: ending of its files, with the dot.

    Raises:
        AssertionError: a rule is broken; its text names it.

    Example:
        >>> check_sink(JsonSink, tmp_path, ".jsonl")
    """
    for number, rule in enumerate(SINK_CHECKS):
        path = folder / str(number) / f"out{suffix}"
        path.parent.mkdir(parents=True)
        try:
            rule(make, path)
        except AssertionError as error:
            raise AssertionError(f"{rule.__name__.replace('_', ' ')}: {error}") from error
