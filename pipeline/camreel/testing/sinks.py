"""The contract of `camreel.interfaces.Sink`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from camreel.errors import OutputError
from camreel.interfaces import Sink
from camreel.runtime.files import partial_path
from camreel.structures import Counts, Header, Summary
from camreel.testing.material import header, localizations

MakeSink = Callable[[Path, Header, Any], Sink]
"""(path, header, options or None) -> sink, as in `camreel.sinks.SINKS`."""


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
