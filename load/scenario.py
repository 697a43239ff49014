"""What a scenario is: it says what the n-th arrival asks, and what its answer has to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from load.answer import Answer


@dataclass(slots=True, frozen=True)
class Outcome:
    """What an answer was worth. `error` is empty for a good one, else one line without any value that changes from
    answer to answer (it is a key of Locust's failure table). `requirement`: the id of the catalogue that a violation
    breaks (`SHAPE-01`), empty for plain errors. `indeterminate` as in `Answer`."""

    error: str = ""
    requirement: str = ""
    indeterminate: bool = False

    @property
    def good(self) -> bool:
        return not self.error


GOOD = Outcome()


class Entries(Protocol):
    """Where a ledger notes what became of the events of a request."""

    def begin(self) -> None:
        """Note that the events are about to be sent; called before the first byte goes out."""

    def withdraw(self) -> None:
        """Note that they were not sent after all."""

    def settle(self, answer: Answer) -> None:
        """Note what the answer says of them."""


@dataclass(slots=True)
class Shot:
    """One request, ready to be sent. `method`, `name` and `scenario` (the part of a mixed one) are its row in the
    tables; `request` the bytes on the wire;
    `judge` says what its answer was worth (called once, cheap, must not block); `events`: how many events it carries;
    `followed_by`: after a good answer, what to ask next outside the schedule (polling an upload), with the seconds to
    wait before; `entries`: where the ledger notes what became of its events, None where there is none."""

    method: str
    name: str
    request: bytes
    judge: Callable[[Answer], Outcome]
    events: int = 0
    followed_by: Callable[[Answer], tuple[float, Shot] | None] | None = None
    scenario: str = ""
    entries: Entries | None = None


class Scenario(Protocol):
    """One kind of load. `prepare` reads what it needs from the target, once, before the first arrival."""

    name: str

    def prepare(self) -> None:
        """Read values from the target. Raises ScenarioError in one line when the target has nothing to work with."""

    def shot(self, arrival: int) -> Shot:
        """The request of an arrival. A pure function of the seed, the worker and the number of the arrival, apart
        from what earlier answers told (a customer to open)."""


class ScenarioError(Exception):
    """A scenario cannot work on this target; the message is one line that says why."""
