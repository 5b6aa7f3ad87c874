"""The contract of `camreel.interfaces.Source`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np

from camreel.interfaces import Source

OpenSource = Callable[[], Source]
"""Open the source anew; it must yield at least two frames."""


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
