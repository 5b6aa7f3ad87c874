from __future__ import annotations

import threading

import pytest

from camreel.runtime.concurrency import prefetch


def lanes() -> int:
    return sum(thread.name == "camreel-lane" for thread in threading.enumerate())


class Watched:
    """A generator that remembers whether it was closed, and in which thread."""

    def __init__(self, items, error=None):
        self.closed_in = None
        self.given = 0
        self._generator = self._run(items, error)

    def _run(self, items, error):
        try:
            for item in items:
                self.given += 1
                yield item
            if error:
                raise error
        finally:
            self.closed_in = threading.current_thread().name

    def __iter__(self):
        return self._generator

    def close(self):
        self._generator.close()


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_items_come_in_order_and_the_thread_ends(depth):
    assert list(prefetch(iter(range(50)), depth)) == list(range(50))
    assert lanes() == 0


def test_it_runs_at_most_depth_items_ahead():
    source = Watched(range(100))
    stream = prefetch(source, 3)
    assert next(stream) == 0
    stream.close()
    assert source.given <= 1 + 3 + 1  # taken, waiting, and one in the producer's hand
    assert source.closed_in == "camreel-lane"


def test_an_error_comes_after_the_items_before_it():
    stream = prefetch(Watched([1, 2], ZeroDivisionError("boom")), 8)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(ZeroDivisionError, match="boom"):
        next(stream)
    assert lanes() == 0


def test_closing_early_closes_the_source_in_its_own_thread():
    source = Watched(range(1000))
    stream = prefetch(source, 2)
    next(stream)
    stream.close()
    assert source.closed_in == "camreel-lane"
    assert lanes() == 0


def test_an_error_of_the_consumer_stops_the_producer():
    source = Watched(range(1000))
    with pytest.raises(KeyError):
        for _ in prefetch(source, 2):
            raise KeyError
    assert source.closed_in is not None


def test_an_error_while_closing_is_not_lost():
    class Bad:
        def __iter__(self):
            return iter([1])

        def close(self):
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(prefetch(Bad(), 1))


def test_nothing_is_started_before_the_first_item_is_asked_for():
    source = Watched([1])
    stream = prefetch(source, 1)
    assert lanes() == 0
    stream.close()
    assert source.given == 0


def test_nested_lanes_close_from_the_outside():
    source = Watched(range(10_000))
    outer = prefetch(prefetch(source, 2), 2)
    next(outer)
    outer.close()
    assert source.closed_in is not None
    assert lanes() == 0


def test_a_depth_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        next(prefetch([1], 0))
