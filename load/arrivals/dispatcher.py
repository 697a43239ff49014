"""The dispatcher: fires each arrival when it is due, in order, and keeps those waiting that cannot go yet.

What waits is always the arrivals between the last one that was fired and the last one that is due. So a backlog is a
place in the schedule, and costs no more than the 16 bytes an arrival of the chunks that were looked at ahead.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from load.arrivals.schedule import Integers
from load.arrivals.timer import Timer, make_timer

AT_ONCE = 64  # fired in one go; between two goes the hub reads answers
Fire = Callable[[int, int], bool]


class Dispatcher:
    """Fires the arrivals of `chunks` (numbers and ns from `start_ns`). `fire(number, intended_ns)` says whether the
    arrival went (and must not call `stop`); when it did not, nothing goes until `retry` is called. When it raises
    anything, `on_error` is told and nothing is fired any more; that arrival and all later ones count as waiting."""

    def __init__(
        self,
        chunks: Iterator[tuple[Integers, Integers]],
        start_ns: int,
        fire: Fire,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        timer: Callable[[Callable[[], None]], Timer] = make_timer,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self._chunks = chunks
        self._start_ns = start_ns
        self._fire = fire
        self._clock = clock
        self._timer = timer(self._wake)
        self._numbers: list[int] = []
        self._due: list[int] = []  # of the chunk under way, on the clock
        self._place = 0
        self._ahead: deque[tuple[Integers, Integers]] = deque()  # chunks that were looked at and not begun
        self._on_error = on_error
        self._blocked = False
        self._broken = False
        self._running = False
        self.fired = 0
        self.never_fired = 0  # known when it has been stopped

    def start(self) -> None:
        """Begin to fire."""
        self._running = True
        self._arm()

    def retry(self) -> None:
        """There is room again: fire what waits."""
        if self._blocked and not self._broken:
            self._blocked = False
            self._wake()

    @property
    def blocked(self) -> bool:
        """Whether an arrival found no room, so that those behind it have to wait."""
        return self._blocked

    @property
    def waiting(self) -> int:
        """How many are due and not fired."""
        return self._due_count(self._clock()) if self._running else 0

    @property
    def offered(self) -> int:
        """How many have become due so far."""
        return self.fired + self.waiting + self.never_fired

    def stop(self, end_ns: int | None = None) -> Iterator[tuple[int, int]]:
        """Fire nothing any more. Answers the arrivals that were due (by `end_ns`, else by now) and never fired, one
        after the other, so that a large backlog needs no memory: number and intended time."""
        if not self._running:
            return iter(())
        self.never_fired = self._due_count(self._clock() if end_ns is None else end_ns)
        self._running = False
        self._timer.close()
        return self._left(self.never_fired)

    def _left(self, count: int) -> Iterator[tuple[int, int]]:
        for _ in range(count):
            self._load()
            yield self._numbers[self._place], self._due[self._place]
            self._place += 1

    def _wake(self) -> None:
        if self._blocked or not self._running:
            return
        now_ns = self._clock()
        try:
            for _ in range(AT_ONCE):
                if not self._load() or self._due[self._place] > now_ns:
                    break
                if not self._fire(self._numbers[self._place], self._due[self._place]):
                    self._block()
                    return
                self._place += 1
                self.fired += 1
        except Exception as error:
            # In the hub nobody would catch it, and the timer would never be set again.
            self._broken = True
            self._block()
            if self._on_error is None:
                raise
            self._on_error(error)
            return
        self._arm()

    def _block(self) -> None:
        """Nothing goes until there is room."""
        self._blocked = True
        self._timer.rest()

    def _arm(self) -> None:
        if self._load():
            self._timer.at(self._due[self._place])
        else:
            self._timer.rest()

    def _load(self) -> bool:
        """Make sure that there is an arrival at the place; False when the schedule is at its end."""
        if self._place < len(self._due):
            return True
        chunk = self._ahead.popleft() if self._ahead else next(self._chunks, None)
        if chunk is None:
            self._numbers, self._due, self._place = [], [], 0
            return False
        numbers, offsets_ns = chunk
        self._numbers, self._due, self._place = numbers.tolist(), (offsets_ns + self._start_ns).tolist(), 0
        return True

    def _due_count(self, now_ns: int) -> int:
        """How many of those that were not fired are due."""
        if not self._load():
            return 0
        count = bisect_right(self._due, now_ns, self._place) - self._place
        if count < len(self._due) - self._place:
            return count
        for _, offsets_ns in self._look_ahead():
            more = int(np.searchsorted(offsets_ns, now_ns - self._start_ns, side="right"))
            count += more
            if more < len(offsets_ns):
                break
        return count

    def _look_ahead(self) -> Iterator[tuple[Integers, Integers]]:
        yield from self._ahead
        for chunk in self._chunks:
            self._ahead.append(chunk)
            yield chunk
