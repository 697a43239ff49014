"""The steps in one process: each is an open loop of its own over the same connections, begun and halted by orders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from gevent.event import Event
from gevent.queue import Empty, Queue

from load.arrivals.dispatcher import Dispatcher
from load.arrivals.schedule import Integers, Schedule, steady
from load.engine import DRAIN_GRACE_S, OpenLoop

_LOOK_S = 0.1
BEGIN, HALT = "begin", "halt"
SENDING, DRAINING, IDLE = "sending", "draining", "idle"


@dataclass(frozen=True)
class StepOrder:
    """What a process is told. `do`: to begin step `number`, or to halt it. A step sends `rate` arrivals a second over
    all processes for `longest_s` at most, from `in_s` seconds on; its arrivals are numbered from `first`, because every
    arrival of a run has a number of its own."""

    do: str
    number: int
    rate: float = 0.0
    longest_s: float = 0.0
    first: int = 0
    seed: int = 1
    in_s: float = 0.0

    def as_message(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Self:
        return cls(**message)

    @property
    def schedule(self) -> Schedule:
        """When its arrivals are due."""
        return Schedule(steady(self.rate, self.longest_s), self.seed)


class StepSender:
    """Carries out the orders of a run. `make_engine` makes an open loop, which is told what to call at a burst of
    errors; `stripe` of `stripes`: which arrivals are this process's."""

    def __init__(
        self,
        make_engine: Callable[[Callable[[], None]], OpenLoop],
        *,
        stripe: int,
        stripes: int,
        answer_timeout_s: float,
        on_error: Callable[[Exception], None],
    ) -> None:
        self._make_engine = make_engine
        self._stripe, self._stripes = stripe, stripes
        self._answer_timeout_s = answer_timeout_s
        self._on_error = on_error
        self._orders: Queue[StepOrder] = Queue()
        self._halted = Event()
        self._engine: OpenLoop | None = None
        self._past = [0, 0, 0]  # offered, unfollowed, follow-ups of the steps before
        self.number = 0
        self.phase = IDLE
        self.burst = False

    def order(self, order: StepOrder) -> None:
        """Take an order; a halt of another step than the one under way is left out."""
        if order.do == BEGIN:
            self._orders.put(order)
        elif order.number == self.number:
            self._halted.set()

    def serve(self, stop: Event) -> None:
        """Carry out orders until `stop` is set."""
        stop.rawlink(lambda _: self._halted.set())
        while not stop.is_set():
            try:
                order = self._orders.get(timeout=_LOOK_S)
            except Empty:
                continue
            self._step(order, stop)

    def _step(self, order: StepOrder, stop: Event) -> None:
        self.number, self.burst = order.number, False
        self._halted.clear()
        engine = self._make_engine(self._on_burst)
        schedule = order.schedule
        start_ns = time.monotonic_ns() + int(order.in_s * 1e9)
        arrivals = _numbered_from(order.first, schedule.times(self._stripe, self._stripes))
        self._engine, self.phase = engine, SENDING
        engine.start(Dispatcher(arrivals, start_ns, engine.fire, on_error=self._on_error))
        if not stop.is_set():
            self._halted.wait(order.in_s + order.longest_s)
        engine.halt(cut=True)
        self.phase = DRAINING
        if not stop.is_set():
            engine.drain(time.monotonic_ns() + int((self._answer_timeout_s + DRAIN_GRACE_S) * 1e9))
        engine.let_go()
        self._past = [self.offered, self.unfollowed, self.follow_ups]
        self._engine, self.phase = None, IDLE

    def _on_burst(self) -> None:
        self.burst = True
        self._halted.set()

    # --- as an open loop, over all steps

    @property
    def offered(self) -> int:
        return self._past[0] + (self._engine.offered if self._engine else 0)

    @property
    def waiting(self) -> int:
        return self._engine.waiting if self._engine else 0

    @property
    def unfollowed(self) -> int:
        return self._past[1] + (self._engine.unfollowed if self._engine else 0)

    @property
    def follow_ups(self) -> int:
        return self._past[2] + (self._engine.follow_ups if self._engine else 0)


def _numbered_from(first: int, chunks: Iterator[tuple[Integers, Integers]]) -> Iterator[tuple[Integers, Integers]]:
    return ((numbers + first, offsets_ns) for numbers, offsets_ns in chunks)
