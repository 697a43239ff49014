"""What the coordinator knows of the processes that send."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cdp.load_figures import ChannelKey, Figures
from load.generator import Report

SILENT_S = 6.0  # a process that said nothing for so long is given up


@dataclass
class Worker:
    """One process. `stripe`: which part of the schedule it has; `offered`: arrivals of it that became due so far;
    `recorded`: how many requests it gave an account of; `sent_again`: how many were sent again with a renewed token."""

    name: str
    stripe: int
    ready: bool = False
    heard_s: float = 0.0
    sequence: int = 0
    offered: int = 0
    waiting: int = 0
    in_flight: int = 0
    unfollowed: int = 0
    follow_ups: int = 0
    recorded: int = 0
    renewals: int = 0  # of the token
    sent_again: int = 0
    unasked: int = 0  # connections on which more came than was asked for
    final: bool = False
    dead: bool = False
    error: str = ""
    step: int = 0  # of a search for capacity: which one it is at, in what phase, and whether a burst of errors ended it
    phase: str = ""
    burst: bool = False
    _figures: list[dict[ChannelKey, Figures]] = field(default_factory=list)
    _told: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing more is to be expected of it."""
        return self.final or self.dead or bool(self.error)

    def take(self, report: Report) -> bool:
        """Take in a report; False when it was taken before, so that a message that comes twice counts once."""
        if report["seq"] <= self.sequence:
            return False
        self.sequence = report["seq"]
        self.heard_s = time.monotonic()
        self.offered, self.waiting, self.in_flight = report["offered"], report["waiting"], report["in_flight"]
        self.unfollowed, self.follow_ups, self.final = report["unfollowed"], report["follow_ups"], report["final"]
        self.renewals, self.sent_again = report["renewals"], report["sent_again"]
        self.unasked = report["unasked"]
        if report.get("step"):
            self.step, self.phase, self.burst = report["step"]
        figures = {ChannelKey(*each["key"]): Figures.from_record(each["figures"]) for each in report["channels"]}
        self.recorded += sum(each.offered for each in figures.values())
        self._figures.append(figures)
        return True

    def taken(self) -> list[dict[ChannelKey, Figures]]:
        """The figures that came since this was asked last."""
        figures, self._figures = self._figures, []
        return figures

    def newly_offered(self) -> int:
        """How many arrivals became due since this was asked last.

        Where a step of a search is cut short, an arrival that was due and only waited for its turn is withdrawn, so
        that `offered` goes back by it: what was told of it already is taken off what becomes due next, never told as
        less than none.
        """
        new = max(0, self.offered - self._told)
        self._told += new
        return new


class Crew:
    """All processes that send, in the order of their parts of the schedule."""

    def __init__(self, names: Iterable[str]) -> None:
        self._workers = {name: Worker(name, stripe) for stripe, name in enumerate(sorted(names))}

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def __len__(self) -> int:
        return len(self._workers)

    def get(self, name: str) -> Worker | None:
        return self._workers.get(name)

    @property
    def ready(self) -> bool:
        """Whether nobody is waited for any more before it can begin."""
        return all(worker.ready or worker.over for worker in self)

    @property
    def over(self) -> bool:
        """Whether nobody sends any more."""
        return all(worker.over for worker in self)

    @property
    def dead(self) -> list[str]:
        """Those that died, in words."""
        return [f"worker {worker.stripe}" for worker in self if worker.dead]

    @property
    def renewals(self) -> int:
        """How often the token was renewed, by all of them."""
        return sum(worker.renewals for worker in self)

    @property
    def sent_again(self) -> int:
        """How many requests were sent again with a renewed token."""
        return sum(worker.sent_again for worker in self)

    def without_the_unready(self) -> str:
        """Give up those that did not become ready: why, of the first one; empty where all did."""
        errors = []
        for worker in self:
            if not (worker.ready or worker.over):
                worker.error = f"worker {worker.stripe} was not ready within a minute"
                errors.append(worker.error)
        return errors[0] if errors else ""

    def without_the_silent(self, now_s: float) -> None:
        """Give up those that began and have not been heard of for long."""
        for worker in self:
            if worker.ready and not worker.over and now_s - worker.heard_s > SILENT_S:
                worker.dead = True

    def give_up(self, *, begun: bool = False) -> None:
        """Give up all that have not come to their end; `begun`: of those that were ready to send."""
        for worker in self:
            worker.dead = worker.dead or (not worker.over and (worker.ready or not begun))
