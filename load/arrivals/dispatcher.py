"""The dispatcher: fires each arrival when it is due, in order, and keeps those waiting that cannot go yet.

What waits is always the arrivals between the last one that was fired and the last one that is due, so that a backlog
costs no memory of its own: the dispatcher only remembers how far it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from load.arrivals.schedule import Integers
from load.arrivals.timer import Timer, make_timer

AT_ONCE = 64  # fired in one go; between two goes the hub reads answers
Fire = Callable[[int, int], bool]


class Dispatcher:
    """Fires the arrivals of `chunks` (numbers and ns from `start_ns`). `fire(number, intended_ns)` says whether the
    arrival went; when it did not, nothing goes until `retry` is called."""

    def __init__(
        self,
        chunks: Iterator[tuple[Integers, Integers]],
        start_ns: int,
        fire: Fire,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        timer: Callable[[Callable[[], None]], Timer] = make_timer,
    ) -> None:
        self._chunks = chunks
        self._start_ns = start_ns
        self._fire = fire
        self._clock = clock
        self._timer = timer(self._wake)
        self._numbers: list[int] = []
        self._due: list[int] = []  # of the chunk under way, on the clock
        self._place = 0
        self._ahead: list[tuple[Integers, Integers]] = []  # chunks that were looked at and not begun
        self._blocked = False
        self._running = False
        self.fired = 0
        self.never_fired = 0  # known when it has been stopped

    def start(self) -> None:
        """Begin to fire."""
        self._running = True
        self._arm()

    def retry(self) -> None:
        """There is room again: fire what waits."""
        if self._blocked:
            self._blocked = False
            self._wake()

    @property
    def waiting(self) -> int:
        """How many are due and not fired."""
        return self._due_count(self._clock()) if self._running else 0

    @property
    def offered(self) -> int:
        """How many have become due so far."""
        return self.fired + self.waiting + self.never_fired

    def stop(self, end_ns: int | None = None) -> list[tuple[int, int]]:
        """Fire nothing any more. Answers the arrivals that were due (before `end_ns`, else by now) and never fired:
        number and intended time."""
        if not self._running:
            return []
        end_ns = self._clock() if end_ns is None else end_ns
        left = []
        while self._load() and self._due[self._place] <= end_ns:
            left.append((self._numbers[self._place], self._due[self._place]))
            self._place += 1
        self._running = False
        self.never_fired = len(left)
        self._timer.close()
        return left

    def _wake(self) -> None:
        if self._blocked or not self._running:
            return
        now_ns = self._clock()
        for _ in range(AT_ONCE):
            if not self._load() or self._due[self._place] > now_ns:
                break
            place = self._place
            self._place += 1
            if not self._fire(self._numbers[place], self._due[place]):
                self._place -= 1
                self._blocked = True
                return
            self.fired += 1
            if not self._running:
                return
        self._arm()

    def _arm(self) -> None:
        if self._load():
            self._timer.at(self._due[self._place])

    def _load(self) -> bool:
        """Make sure that there is an arrival at the place; False when the schedule is at its end."""
        if self._place < len(self._due):
            return True
        chunk = self._ahead.pop(0) if self._ahead else next(self._chunks, None)
        if chunk is None:
            self._numbers, self._due, self._place = [], [], 0
            return False
        numbers, offsets_ns = chunk
        self._numbers, self._due, self._place = numbers.tolist(), (offsets_ns + self._start_ns).tolist(), 0
        return True

    def _due_count(self, now_ns: int) -> int:
        if not self._load():
            return 0
        count = int(np.searchsorted(np.array(self._due[self._place :]), now_ns, side="right"))
        if count < len(self._due) - self._place:
            return count
        for place in range(10**9):
            if place == len(self._ahead):
                chunk = next(self._chunks, None)
                if chunk is None:
                    return count
                self._ahead.append(chunk)
            offsets_ns = self._ahead[place][1]
            more = int(np.searchsorted(offsets_ns, now_ns - self._start_ns, side="right"))
            count += more
            if more < len(offsets_ns):
                return count
        return count
