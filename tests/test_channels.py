"""Bounded hand-overs between lanes: what overflows, who waits, and how errors and ends travel."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camreel.runtime.concurrency import Channel, Condition, DynamicBatcher, QueueWorker, feed, wait_for_any


def test_the_oldest_goes_where_the_channel_is_full():
    channel: Channel[int] = Channel(3, "drop-oldest")
    assert all(channel.put(n) for n in range(5))
    assert (channel.poll(), channel.dropped) == ([2, 3, 4], 2)


def test_only_the_newest_stays_where_only_that_counts():
    channel: Channel[int] = Channel(3, "latest")
    for n in range(5):
        channel.put(n)
    assert (channel.poll(), channel.dropped) == ([3, 4], 3)


def test_bytes_are_bounded_too_but_one_item_always_has_room():
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
def test_what_was_put_is_taken_dropped_or_waiting_in_order(moves, depth, overflow):
    channel: Channel[tuple[int, int]] = Channel(depth, overflow, size=lambda item: item[1], most_bytes=100)
    put, taken = 0, []
    for give, size in moves:
        if give:
            channel.put((put, size))
            put += 1
        else:
            taken += channel.poll()
        assert channel.waiting <= depth
    taken += channel.poll()
    assert len(taken) + channel.dropped == put
    assert taken == sorted(taken)


def test_a_producer_that_blocks_goes_on_when_there_is_room():
    channel: Channel[int] = Channel(1)
    lane = feed(range(4), [channel])
    assert list(channel) == [0, 1, 2, 3]
    assert lane.join()
    assert channel.dropped == 0


def test_closing_frees_a_producer_that_waits():
    channel: Channel[int] = Channel(1)
    lane = feed(iter(range(10)), [channel])
    assert next(iter(channel)) == 0
    channel.close()
    assert lane.join()
    assert not channel.put(1)


def test_an_error_comes_after_what_was_put_before_it():
    def items():
        yield 1
        raise OSError("broken")

    channel: Channel[int] = Channel(4)
    assert feed(items(), [channel]).join()
    assert channel.poll() == [1]
    with pytest.raises(OSError, match="broken"):
        channel.poll()
    assert channel.over


def test_one_source_feeds_several_and_each_overflows_for_itself():
    narrow: Channel[int] = Channel(1, "latest")
    wide: Channel[int] = Channel(9, "drop-oldest")
    assert feed(range(5), [narrow, wide]).join()
    assert (narrow.poll(), wide.poll()) == ([4], [0, 1, 2, 3, 4])


def test_a_consumer_waits_for_any_of_several():
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
    wait_for_any([one, other], changed, 60)  # nothing will ever come: it does not wait


def test_depth_must_be_positive():
    with pytest.raises(ValueError, match="depth"):
        Channel(0)


def test_a_drain_takes_everything_and_tells_of_the_error():
    taken: list[int] = []
    drain = QueueWorker(Channel(2), taken.append)
    for n in range(5):
        drain.put(n)
    assert drain.finish(10)
    assert taken == list(range(5))

    def refuse(item: int) -> None:
        raise OSError("full")

    broken = QueueWorker(Channel(1), refuse)
    broken.put(1)
    with pytest.raises(OSError, match="full"):
        broken.finish(10)
    with pytest.raises(OSError, match="full"):
        broken.put(2)


def test_who_waits_while_somebody_works_is_worked_for_together():
    began, go_on = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def work(requests):
        batches.append(list(requests))
        if requests == [0]:
            began.set()
            assert go_on.wait(30)
        return [10 * request for request in requests]

    together: DynamicBatcher[int, int] = DynamicBatcher(work, alike=lambda request: request >= 5)
    answers: dict[int, int] = {}
    threads = [threading.Thread(target=lambda n=n: answers.__setitem__(n, together(n))) for n in range(7)]
    threads[0].start()
    assert began.wait(30)
    for thread in threads[1:]:
        thread.start()
    while len(together._waiting) < 6:
        assert threads[0].is_alive()
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert answers == {n: 10 * n for n in range(7)}
    assert [sorted(batch) for batch in sorted(batches, key=lambda b: (len(b), b))] == [[0], [5, 6], [1, 2, 3, 4]]


def test_everybody_of_a_batch_gets_its_error_and_the_next_one_works():
    def work(requests):
        if requests[0] < 0:
            raise ValueError("no")
        return requests

    together: DynamicBatcher[int, int] = DynamicBatcher(work, alike=lambda request: 0)
    with pytest.raises(ValueError, match="no"):
        together(-1)
    assert together(3) == 3
