"""What the coordinator knows of each process that sends."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from cdp.load_figures import ChannelKey, Figures
from load.generator import Report


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
