"""Channels between threads: overflow, waiting, errors and ends; lanes that close; batches of several threads."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camreel.runtime.concurrency import (
    Channel,
    Condition,
    DynamicBatcher,
    QueueWorker,
    Worker,
    feed,
    prefetch,
    wait_for_any,
)

LANE = "camreel-worker"
"""Name of the threads of `prefetch` and `feed`."""


def lanes() -> int:
    """Return the number of running lanes."""
    return sum(thread.name == LANE for thread in threading.enumerate())


class WatchedItems:
    """A generator that records in which thread it was closed."""

    def __init__(self, items, error=None):
        self.closed_in = None
        self.produced = 0
        self._generator = self._run(items, error)

    def _run(self, items, error):
        try:
            for item in items:
                self.produced += 1
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


def test_prefetch_runs_at_most_depth_items_ahead():
    source = WatchedItems(range(100))
    stream = prefetch(source, 3)
    assert next(stream) == 0
    stream.close()
    assert source.produced <= 1 + 3 + 1  # taken, waiting, and one that the producer holds
    assert source.closed_in == LANE


def test_an_error_of_the_producer_is_raised_after_the_items_before_it():
    stream = prefetch(WatchedItems([1, 2], ZeroDivisionError("boom")), 8)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(ZeroDivisionError, match="boom"):
        next(stream)
    assert lanes() == 0


def test_closing_early_closes_the_source_in_its_own_thread():
    source = WatchedItems(range(1000))
    stream = prefetch(source, 2)
    next(stream)
    stream.close()
    assert source.closed_in == LANE
    assert lanes() == 0


def test_an_error_of_the_consumer_stops_the_producer():
    source = WatchedItems(range(1000))
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


def test_no_thread_is_started_before_the_first_item_is_requested():
    source = WatchedItems([1])
    stream = prefetch(source, 1)
    assert lanes() == 0
    stream.close()
    assert source.produced == 0


def test_closing_the_outer_of_two_nested_lanes_closes_both():
    source = WatchedItems(range(10_000))
    outer = prefetch(prefetch(source, 2), 2)
    next(outer)
    outer.close()
    assert source.closed_in is not None
    assert lanes() == 0


def test_prefetch_refuses_a_depth_below_one():
    with pytest.raises(ValueError, match="at least 1"):
        next(prefetch([1], 0))


def test_a_full_channel_drops_the_oldest_item():
    channel: Channel[int] = Channel(3, "drop-oldest")
    assert all(channel.put(n) for n in range(5))
    assert (channel.poll(), channel.dropped) == ([2, 3, 4], 2)


def test_a_full_channel_of_latest_items_drops_all_waiting_ones():
    channel: Channel[int] = Channel(3, "latest")
    for n in range(5):
        channel.put(n)
    assert (channel.poll(), channel.dropped) == ([3, 4], 3)


def test_bytes_are_bounded_but_a_single_item_always_fits():
    channel: Channel[int] = Channel(10, "drop-oldest", size=lambda item: item, most_bytes=100)
    for size in (40, 40, 40, 500, 10):
        channel.put(size)
    assert (channel.poll(), channel.dropped) == ([10], 4)
    channel.put(500)
    assert channel.poll() == [500]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=60),
    st.integers(1, 5),
    st.sampled_from(["drop-oldest", "latest"]),
)
def test_every_item_is_taken_dropped_or_waiting_in_order(moves, depth, overflow):
    channel: Channel[tuple[int, int]] = Channel(depth, overflow, size=lambda item: item[1], most_bytes=100)
    put, taken = 0, []
    for gives, size in moves:
        if gives:
            channel.put((put, size))
            put += 1
        else:
            taken += channel.poll()
        assert channel.waiting <= depth
    taken += channel.poll()
    assert len(taken) + channel.dropped == put
    assert taken == sorted(taken)


def test_a_waiting_producer_continues_when_there_is_room():
    channel: Channel[int] = Channel(1)
    lane = feed(range(4), [channel])
    assert list(channel) == [0, 1, 2, 3]
    assert lane.join()
    assert channel.dropped == 0


def test_closing_frees_a_waiting_producer():
    channel: Channel[int] = Channel(1)
    lane = feed(iter(range(10)), [channel])
    assert next(iter(channel)) == 0
    channel.close()
    assert lane.join()
    assert not channel.put(1)


def test_poll_raises_the_error_of_the_producer_after_the_waiting_items():
    def items():
        yield 1
        raise OSError("broken")

    channel: Channel[int] = Channel(4)
    assert feed(items(), [channel]).join()
    assert channel.poll() == [1]
    with pytest.raises(OSError, match="broken"):
        channel.poll()
    assert channel.over


def test_one_source_feeds_several_channels_and_each_has_its_own_overflow():
    narrow: Channel[int] = Channel(1, "latest")
    wide: Channel[int] = Channel(9, "drop-oldest")
    assert feed(range(5), [narrow, wide]).join()
    assert (narrow.poll(), wide.poll()) == ([4], [0, 1, 2, 3, 4])


def test_a_consumer_waits_for_any_of_several_channels():
    changed = Condition()
    one: Channel[int] = Channel(1, changed=changed)
    other: Channel[int] = Channel(1, changed=changed)
    waits = threading.Thread(target=wait_for_any, args=([one, other], changed, 60))
    waits.start()
    other.put(1)
    waits.join(10)
    assert not waits.is_alive()
    one.finish()
    assert other.poll() == [1]
    other.finish()
    wait_for_any([one, other], changed, 60)  # all have ended: it does not wait


def test_a_channel_refuses_a_depth_below_one():
    with pytest.raises(ValueError, match="depth"):
        Channel(0)


def test_a_queue_worker_consumes_all_items_and_raises_the_error_of_its_consumer():
    taken: list[int] = []
    worker = QueueWorker(Channel(2), taken.append)
    for n in range(5):
        worker.put(n)
    assert worker.finish(10)
    assert taken == list(range(5))

    def refuse(item: int) -> None:
        raise OSError("full")

    broken = QueueWorker(Channel(1), refuse)
    broken.put(1)
    with pytest.raises(OSError, match="full"):
        broken.finish(10)
    with pytest.raises(OSError, match="full"):
        broken.put(2)


def test_requests_that_arrive_while_a_batch_runs_are_batched_by_key():
    begun, resume = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def work(requests):
        batches.append(list(requests))
        if requests == [0]:
            begun.set()
            assert resume.wait(30)
        return [10 * request for request in requests]

    batcher: DynamicBatcher[int, int] = DynamicBatcher(work, key=lambda request: request >= 5)
    answers: dict[int, int] = {}
    threads = [threading.Thread(target=lambda n=n: answers.__setitem__(n, batcher(n))) for n in range(7)]
    threads[0].start()
    assert begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    while len(batcher._waiting) < 6:
        assert threads[0].is_alive()
    resume.set()
    for thread in threads:
        thread.join(30)
    assert answers == {n: 10 * n for n in range(7)}
    assert [sorted(batch) for batch in sorted(batches, key=lambda b: (len(b), b))] == [[0], [5, 6], [1, 2, 3, 4]]


def test_each_request_of_a_batch_gets_its_error_and_the_next_batch_works():
    def work(requests):
        if requests[0] < 0:
            raise ValueError("no")
        return requests

    batcher: DynamicBatcher[int, int] = DynamicBatcher(work, key=lambda request: 0)
    with pytest.raises(ValueError, match="no"):
        batcher(-1)
    assert batcher(3) == 3


def test_joining_a_worker_that_hangs_is_bounded():
    resume = threading.Event()
    worker = Worker(resume.wait)
    assert not worker.join(0.01)
    resume.set()
    assert worker.join(10)
