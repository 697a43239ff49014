"""What the open loop leaves at its end: a long backlog is counted quickly, and a scenario that fails loses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import gevent
from locust.env import Environment

from cdp.load_figures import Figures
from cdp.secrets import Secrets
from load.answer import Answer, Done, Failure
from load.arrivals.dispatcher import Dispatcher
from load.arrivals.schedule import Schedule, steady
from load.engine import OpenLoop
from load.health.sampler import HealthSampler
from load.recording.locust_stats import LocustTables, measure_finely
from load.recording.recorder import Recorder
from load.scenario import GOOD, Shot
from load.witness import Witness


class Places:
    """A pool of so many connections, whose requests are answered when it is told so."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.waiting: list[Done] = []
        self.on_free: Callable[[], None] | None = None

    def start(self, request: bytes, done: Done) -> bool:
        if len(self.waiting) >= self.count:
            return False
        self.waiting.append(done)
        return True

    def answer(self) -> None:
        now_ns = time.monotonic_ns()
        self.waiting.pop(0)(Answer(status=200, body=b"{}", sent_ns=now_ns - 1000, done_ns=now_ns))
        if self.on_free is not None:
            self.on_free()

    def close(self, abandon: bool = False) -> None:
        waiting, self.waiting = self.waiting, []
        for done in waiting:
            done(Answer(sent_ns=1, done_ns=time.monotonic_ns(), failure=Failure.ABANDONED))


class Asking:
    """A scenario that asks the same each time, and fails at some arrivals."""

    name = "search"

    def __init__(self, *broken: int) -> None:
        self.broken = broken

    def prepare(self) -> None:
        """Nothing has to be read."""

    def shot(self, arrival: int) -> Shot:
        if arrival in self.broken:
            raise LookupError(f"nothing to ask at {arrival}")
        return Shot("GET", "/api/customers", b"GET / HTTP/1.1\r\n\r\n", lambda answer: GOOD, scenario="search")


def begin(scenario: Asking, places: Places, due: int, **options: Any) -> tuple[OpenLoop, Recorder, Environment]:
    """An open loop with so many arrivals that are due already."""
    measure_finely()
    environment = Environment()
    recorder = Recorder(LocustTables(environment.stats, closed_loop=False).take)
    sampler: Any = Mock(spec=HealthSampler)
    pool: Any = places
    engine = OpenLoop(scenario, pool, recorder, sampler, Witness(environment, Secrets()))
    schedule = Schedule(steady(due, 1), poisson=False)
    dispatcher = Dispatcher(schedule.times(), time.monotonic_ns() - 10**9, engine.fire, **options)
    engine.start(dispatcher)
    return engine, recorder, environment


def test_a_long_backlog_is_counted_to_the_last_one() -> None:
    places = Places(3)
    engine, recorder, environment = begin(Asking(), places, 50_000)
    gevent.sleep(0.01)
    for _ in range(40):
        places.answer()
    assert engine.waiting == 50_000 - 43
    others = 0

    def look() -> None:
        nonlocal others
        while not engine.ended.is_set():
            others += 1
            gevent.sleep(0)

    looking = gevent.spawn(look)
    engine.stop()
    looking.join(10)
    assert others > 50, "whoever reports gets a turn while a long backlog is counted"
    figures = Figures.merged(recorder.fold().values())
    assert (figures.good, figures.unanswered, figures.never_sent) == (40, 3, 50_000 - 43)
    assert figures.latency.count == 50_000, "all of them are in the latency"
    total = environment.stats.total
    assert total.num_requests == 40 + 50_000 - 43
    assert total.num_failures == 50_000 - 43


def test_an_arrival_without_a_request_is_told_and_counted() -> None:
    told: list[Exception] = []
    engine, recorder, _ = begin(Asking(5, 7), Places(10**6), 20, on_error=told.append)
    gevent.sleep(0.05)
    assert [str(error) for error in told] == ["nothing to ask at 5"]
    engine.stop()
    figures = recorder.fold()
    assert Figures.merged(figures.values()).offered == 20
    assert {key.name: each.never_sent for key, each in figures.items()} == {"/api/customers": 13, "no request": 2}
