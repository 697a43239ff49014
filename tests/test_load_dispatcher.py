"""The dispatcher with a clock of the test's own, and over the hub's real timers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import gevent
import gevent.socket
import numpy as np
import pytest
from gevent.event import Event
from hypothesis import given, settings
from hypothesis import strategies as st

from load.arrivals.dispatcher import AT_ONCE, Dispatcher
from load.arrivals.schedule import Schedule, steady
from load.arrivals.timer import DescriptorTimer, LoopTimer, Timer, make_timer

START = 1_000_000


class Bench:
    """A clock that stands still until it is moved, a timer on it, and a target that has so many places."""

    def __init__(self, places: int = 10**9) -> None:
        self.now_ns = START
        self.wanted: int | None = None
        self.callback: Callable[[], None] = lambda: None
        self.places = places
        self.fired: list[tuple[int, int, int]] = []

    def timer(self, callback: Callable[[], None]) -> Timer:
        self.callback = callback
        return self

    def at(self, when_ns: int) -> None:
        self.wanted = when_ns

    def rest(self) -> None:
        self.wanted = None

    def close(self) -> None:
        self.wanted = None

    def fire(self, number: int, intended_ns: int) -> bool:
        if not self.places:
            return False
        self.places -= 1
        self.fired.append((number, intended_ns, self.now_ns))
        return True

    def dispatcher(self, chunks: Iterator[tuple[np.ndarray, np.ndarray]]) -> Dispatcher:
        return Dispatcher(chunks, START, self.fire, clock=lambda: self.now_ns, timer=self.timer)

    def advance(self, to_ns: int) -> None:
        """Let time pass; the timer fires when its time has come."""
        while self.wanted is not None and self.wanted <= to_ns:
            self.now_ns = max(self.now_ns, self.wanted)
            self.wanted = None
            self.callback()
        self.now_ns = to_ns


def chunks(times: list[int], size: int = 3) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for at in range(0, len(times), size):
        part = times[at : at + size]
        yield np.arange(at, at + len(part)), np.array(part, dtype=np.int64)


def test_each_is_fired_when_it_is_due() -> None:
    bench = Bench()
    dispatcher = bench.dispatcher(chunks([10, 20, 20, 35, 90]))
    dispatcher.start()
    bench.advance(START + 34)
    assert [(n, at - START) for n, _, at in bench.fired] == [(0, 10), (1, 20), (2, 20)]
    bench.advance(START + 1000)
    assert [n for n, _, _ in bench.fired] == [0, 1, 2, 3, 4]
    assert (dispatcher.offered, dispatcher.waiting, list(dispatcher.stop())) == (5, 0, [])


def test_what_cannot_go_waits_in_order() -> None:
    bench = Bench(places=2)
    dispatcher = bench.dispatcher(chunks([10, 20, 30, 40, 5000]))
    dispatcher.start()
    bench.advance(START + 50)
    assert (dispatcher.fired, dispatcher.waiting, dispatcher.offered) == (2, 2, 4)
    bench.places = 1
    dispatcher.retry()
    assert [n for n, _, _ in bench.fired] == [0, 1, 2]
    assert bench.fired[-1] == (2, START + 30, START + 50), "the intended time stays what it was"
    assert list(dispatcher.stop()) == [(3, START + 40)]
    assert (dispatcher.offered, dispatcher.never_fired) == (4, 1)


def test_many_that_are_due_at_once_leave_room_for_reading() -> None:
    bench = Bench()
    dispatcher = bench.dispatcher(chunks([1] * (AT_ONCE * 2 + 5), 100))
    dispatcher.start()
    bench.now_ns = START + 10
    bench.callback()
    assert len(bench.fired) == AT_ONCE
    assert bench.wanted is not None and bench.wanted <= bench.now_ns, "the rest is fired as soon as the hub has read"
    bench.advance(START + 20)
    assert len(bench.fired) == AT_ONCE * 2 + 5


def test_a_fire_that_raises_is_told_once_and_loses_nothing() -> None:
    bench = Bench()
    told: list[Exception] = []

    def fire(number: int, intended_ns: int) -> bool:
        if number == 1:
            raise LookupError("no such text")
        return bench.fire(number, intended_ns)

    dispatcher = Dispatcher(
        chunks([10, 20, 30]), START, fire, clock=lambda: bench.now_ns, timer=bench.timer, on_error=told.append
    )
    dispatcher.start()
    bench.advance(START + 100)
    dispatcher.retry()
    assert [str(error) for error in told] == ["no such text"]
    assert (dispatcher.fired, dispatcher.waiting) == (1, 2)
    assert [n for n, _ in dispatcher.stop()] == [1, 2]


def test_room_that_is_made_while_firing_does_not_fire_out_of_order() -> None:
    """A pool may fail a request at once and say in the same breath that there is room again."""
    bench = Bench()

    def fire(number: int, intended_ns: int) -> bool:
        dispatcher.retry()
        assert dispatcher.waiting >= 1, "what is being fired has not gone yet"
        return bench.fire(number, intended_ns)

    dispatcher = Dispatcher(chunks([1] * 9), START, fire, clock=lambda: bench.now_ns, timer=bench.timer)
    dispatcher.start()
    bench.advance(START + 1)
    assert [n for n, _, _ in bench.fired] == list(range(9))


def test_the_hub_reads_while_more_is_due_than_can_be_fired() -> None:
    """Fairness: with an endless backlog, somebody who waits for a byte gets it after one batch, not at the end."""
    reader, writer = gevent.socket.socketpair()
    fired = read_after = 0
    got = Event()

    def fire(number: int, intended_ns: int) -> bool:
        nonlocal fired
        fired += 1
        if fired == 10:
            writer.send(b"x")
        return True

    def read() -> None:
        nonlocal read_after
        reader.recv(1)
        read_after = fired
        got.set()

    waiting = gevent.spawn(read)
    gevent.sleep(0)
    many = 200 * AT_ONCE
    dispatcher = Dispatcher(chunks([0] * many, 4096), time.monotonic_ns() - 1, fire)
    dispatcher.start()
    with gevent.Timeout(20):
        got.wait()
        while fired < many:
            gevent.sleep(0.001)
    list(dispatcher.stop())
    waiting.join()
    reader.close()
    writer.close()
    assert read_after < many / 4


@given(
    st.lists(st.integers(0, 3000), max_size=40).map(sorted),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9)), max_size=30),
    st.integers(1, 5),
)
@settings(max_examples=200, deadline=None)
def test_the_books_balance_whatever_happens(times: list[int], moves: list[tuple[int, int]], size: int) -> None:
    bench = Bench(places=0)
    dispatcher = bench.dispatcher(chunks(times, size))
    dispatcher.start()
    for step, places in moves:
        bench.places = places
        dispatcher.retry()
        bench.advance(bench.now_ns + step)
        due = sum(START + t <= bench.now_ns for t in times)
        assert dispatcher.fired + dispatcher.waiting == dispatcher.offered == due
    left = list(dispatcher.stop())
    assert list(dispatcher.stop()) == []
    assert dispatcher.fired + dispatcher.never_fired == dispatcher.offered
    assert dispatcher.never_fired == len(left)
    numbers = [n for n, _, _ in bench.fired] + [n for n, _ in left]
    assert numbers == list(range(sum(START + t <= bench.now_ns for t in times)))
    assert all(intended == START + times[n] for n, intended, _ in bench.fired)
    assert all(at >= intended for _, intended, at in bench.fired)


@pytest.mark.parametrize("make", [make_timer, LoopTimer, DescriptorTimer])
def test_timers_fire_after_their_time_and_can_be_set_again(make: Callable[[Callable[[], None]], Timer]) -> None:
    fired: list[int] = []
    done = Event()
    wanted = [time.monotonic_ns() + offset for offset in (2_000_000, 4_000_000, -1)]

    def callback() -> None:
        fired.append(time.monotonic_ns())
        if len(fired) < len(wanted):
            timer.at(wanted[len(fired)])
        else:
            done.set()

    timer = make(callback)
    timer.at(wanted[0])
    assert done.wait(10)
    timer.close()
    timer.close()
    slack = 0 if make is not LoopTimer else 1_000_000  # libev rounds, and the dispatcher looks at the clock again
    assert all(at >= due - slack for at, due in zip(fired, wanted, strict=True))


def test_a_timer_that_is_set_anew_forgets_the_earlier_time() -> None:
    fired: list[int] = []

    def callback() -> None:
        fired.append(time.monotonic_ns())
        timer.rest()

    timer = make_timer(callback)
    later = time.monotonic_ns() + 30_000_000
    timer.at(time.monotonic_ns() + 5_000_000)
    timer.at(later)
    gevent.sleep(0.08)
    timer.close()
    assert len(fired) == 1 and fired[0] >= later


def test_over_the_hub_everything_is_fired_in_order_and_not_before_its_time() -> None:
    schedule = Schedule(steady(2000, 0.3), seed=5)
    fired: list[tuple[int, int, int]] = []
    places = random.Random(3)

    def fire(number: int, intended_ns: int) -> bool:
        if places.random() < 0.05:
            gevent.get_hub().loop.run_callback(dispatcher.retry)
            return False
        fired.append((number, intended_ns, time.monotonic_ns()))
        return True

    start_ns = time.monotonic_ns() + 10_000_000
    dispatcher = Dispatcher(schedule.times(), start_ns, fire)
    dispatcher.start()
    expected = schedule.count(0, 1, 10**12)
    with gevent.Timeout(20):
        while len(fired) < expected:
            gevent.sleep(0.01)
    assert [n for n, _, _ in fired] == list(range(expected))
    assert all(at >= intended for _, intended, at in fired)
    assert list(dispatcher.stop()) == []
