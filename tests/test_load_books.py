"""The books of a run: process by process, over messages that come twice or never, and with processes that die."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.load_figures import Figures
from cdp.load_results import Books
from load.arrivals.dispatcher import Dispatcher
from load.arrivals.schedule import Schedule, steady
from load.recording.books import close_books
from load.recording.recorder import Recorder, merged
from load.workers import Worker

SECOND_NS = 10**9
SCHEDULE = Schedule(steady(40, 3), seed=9)


class Process:
    """A process that sends its stripe to a target that has so many places, on a clock that is moved by hand."""

    def __init__(self, stripe: int, stripes: int) -> None:
        self.now_ns = 0
        self.places = 3
        self.follow_ups = 0
        self.sequence = 0
        self.final = False
        self.under_way: list[tuple[int, int]] = []
        self.recorder = Recorder()
        self.channel = self.recorder.channel("GET", "/api/customers", "search")
        self.wake: Callable[[], None] = lambda: None
        self.wanted: int | None = None
        self.dispatcher = Dispatcher(
            SCHEDULE.times(stripe, stripes), 0, self._fire, clock=lambda: self.now_ns, timer=self._timer
        )
        self.dispatcher.start()

    def _timer(self, callback: Callable[[], None]) -> Process:
        self.wake = callback
        return self

    def at(self, when_ns: int) -> None:
        self.wanted = when_ns

    def rest(self) -> None:
        self.wanted = None

    def close(self) -> None:
        self.wanted = None

    def _fire(self, number: int, intended_ns: int) -> bool:
        if len(self.under_way) >= self.places:
            return False
        self.under_way.append((intended_ns, self.now_ns + 1))
        return True

    def advance(self, by_ns: int) -> None:
        end_ns = self.now_ns + by_ns
        while self.wanted is not None and self.wanted <= end_ns:
            self.now_ns, self.wanted = max(self.now_ns, self.wanted), None
            self.wake()
        self.now_ns = end_ns

    def answer(self, good: bool) -> None:
        if self.under_way:
            intended_ns, sent_ns = self.under_way.pop(0)
            if good:
                self.channel.add(intended_ns, sent_ns, max(sent_ns, self.now_ns), 10)
            else:
                self.channel.fail(intended_ns, sent_ns, max(sent_ns, self.now_ns), 10, "500")
            self.dispatcher.retry()

    def follow(self) -> None:
        self.follow_ups += 1
        self.channel.add(self.now_ns, self.now_ns, self.now_ns + 5, 1)

    def end(self) -> None:
        for _, intended_ns in self.dispatcher.stop():
            self.channel.never_sent(intended_ns, self.now_ns)
        for intended_ns, sent_ns in self.under_way:
            self.channel.unanswered(intended_ns, sent_ns, self.now_ns)
        self.under_way.clear()
        self.final = True

    def report(self) -> dict[str, Any]:
        self.sequence += 1
        return {
            "seq": self.sequence,
            "channels": [{"key": list(key), "figures": each.as_record()} for key, each in self.recorder.fold().items()],
            "offered": self.dispatcher.offered,
            "waiting": self.dispatcher.waiting,
            "in_flight": len(self.under_way),
            "unfollowed": 0,
            "obstacle": "",
            "renewals": 0,
            "sent_again": 0,
            "unasked": 0,
            "follow_ups": self.follow_ups,
            "final": self.final,
        }


def closed(workers: list[Worker], elapsed_s: float) -> Books:
    parts = [part for worker in workers for part in worker.taken()]
    return close_books(merged(parts).values(), workers, SCHEDULE, elapsed_s)


moves = st.lists(
    st.tuples(
        st.integers(0, 3),  # which process
        st.sampled_from(["wait", "good", "bad", "follow", "report", "twice", "die"]),
        st.integers(0, 400_000_000),
    ),
    max_size=80,
)


@given(st.integers(1, 4), moves)
@settings(max_examples=150, deadline=None)
def test_the_books_balance_whatever_happens_and_whoever_dies(count: int, what: list[tuple[int, str, int]]) -> None:
    processes = [Process(stripe, count) for stripe in range(count)]
    workers = [Worker(f"worker {stripe}", stripe) for stripe in range(count)]
    dead: set[int] = set()
    for who, move, amount in what:
        stripe = who % count
        process, worker = processes[stripe], workers[stripe]
        for number, each in enumerate(processes):
            if move == "wait" and number not in dead:
                each.advance(amount)
        if stripe in dead:
            continue
        if move in ("good", "bad"):
            process.answer(move == "good")
        elif move == "follow":
            process.follow()
        elif move == "die":
            dead.add(stripe)
        elif move in ("report", "twice"):
            report = process.report()
            assert worker.take(report)
            assert move != "twice" or not worker.take(report), "a message that comes twice counts once"
    end_ns = max(process.now_ns for process in processes)
    for stripe, (process, worker) in enumerate(zip(processes, workers, strict=True)):
        worker.dead = stripe in dead
        if not worker.dead:
            process.end()
            assert worker.take(process.report())
    books = closed(workers, end_ns / SECOND_NS)
    assert books.balanced, books.detail
    assert books.offered == books.sent + books.never_sent
    assert books.sent == books.answered + books.failed + books.unanswered
    # Whoever lived or died: what was offered is what the schedule has until the end, and the follow-ups that are known.
    due = sum(SCHEDULE.count(stripe, count, end_ns + 1) for stripe in range(count) if stripe not in dead)
    due += sum(max(SCHEDULE.count(stripe, count, end_ns), workers[stripe].offered) for stripe in dead)
    assert books.offered == due + sum(worker.follow_ups for worker in workers)


def sender(name: str, offered: int, recorded: int, dead: bool = False) -> Worker:
    return Worker(name, 0, offered=offered, recorded=recorded, dead=dead)


def test_what_is_missing_in_one_process_is_not_made_up_for_by_another() -> None:
    books = close_books([Figures(good=20)], [sender("one", 13, 10), sender("two", 7, 10)], SCHEDULE, 3)
    assert not books.balanced
    assert "one: 13 were offered and 10 are accounted for" in books.detail
    assert "two: 7 were offered and 10 are accounted for" in books.detail


def test_a_process_that_died_does_not_hide_what_another_lost() -> None:
    books = close_books([Figures(good=20)], [sender("one", 30, 10, dead=True), sender("two", 12, 10)], SCHEDULE, 0)
    assert not books.balanced and "two: 12" in books.detail and "20 have no known end" in books.detail


def test_figures_that_did_not_arrive_are_missed() -> None:
    books = close_books([Figures(good=9)], [sender("one", 10, 10)], SCHEDULE, 3)
    assert not books.balanced and "10 were reported and 9 are in the figures" in books.detail


def test_a_process_that_never_said_anything_left_all_of_its_stripe() -> None:
    books = close_books([], [Worker("one", 0, dead=True)], SCHEDULE, 3)
    assert books.balanced and books.never_sent == books.offered == SCHEDULE.count(0, 1, 3 * SECOND_NS)
    assert "died were never sent" in books.detail


def test_a_closed_loop_offers_what_it_sends() -> None:
    books = close_books([Figures(good=5, failed=2, unanswered=1)], [], None, 3, open_loop=False)
    assert (books.offered, books.sent, books.never_sent, books.balanced) == (8, 8, 0, True)


def test_a_search_for_capacity_balances_without_a_schedule() -> None:
    books = close_books([Figures(good=20)], [sender("one", 13, 13), sender("two", 7, 7)], None, 3)
    assert (books.offered, books.sent, books.balanced) == (20, 20, True)
    assert not close_books([Figures(good=20)], [sender("one", 14, 13), sender("two", 7, 7)], None, 3).balanced


def test_what_is_withdrawn_at_a_cut_is_taken_off_what_becomes_due_next() -> None:
    worker = Worker("a", 0)
    told = []
    for offered in (5, 4, 4, 7):
        worker.offered = offered
        told.append(worker.newly_offered())
    assert told == [5, 0, 0, 2]
