"""What a check gets into its hands: one operation, one role, and everything needed to exercise a rule on it."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

import contracts.steady_draws  # noqa: F401 - the seed alone decides what is drawn
from cdp.contract import Operation
from cdp.http import Exchange
from cdp.verdicts import Cell
from contracts.calls import Call
from contracts.cells import ADMIN, MINIMAL
from contracts.checks import Broken, NotExercised, TargetLost, Unconfirmed
from contracts.drawing import Draw, look_for, try_again
from contracts.session import Identity, Obstacle, Session
from contracts.workbench import Workbench

T = TypeVar("T")


@dataclass
class Subject:
    """One cell at work. `exercised` counts the cases that really put the rule to the test."""

    cell: Cell
    operation: Operation
    bench: Workbench
    evidence: int = 0
    searches: int = 0  # for examples
    rests: dict[str, tuple[Call, Identity, Exchange]] = field(default_factory=dict)  # answers that it goes by

    @property
    def session(self) -> Session:
        return self.bench.session

    @property
    def quick(self) -> bool:
        """Whether the profile is the one that has time for the most telling requests alone."""
        return self.session.profile.name == "quick"

    @property
    def number(self) -> int:
        """Seed of this cell, made of the run's seed and the cell's address."""
        return zlib.crc32(f"{self.session.seed}/{self.cell.address}".encode())

    @property
    def random(self) -> random.Random:
        return random.Random(self.number)

    def resting_on(self, call: Call, caller: Identity, exchange: Exchange | None = None) -> Exchange:
        """Read what the check goes by, or note that it was read."""
        found = exchange or self.session.read(call, caller)
        self.rests[f"{caller.role} {call.url(self.session.target)}"] = call, caller, found
        return found

    def exercised(self, cases: int = 1) -> None:
        self.evidence += cases

    def caller(self) -> Identity:
        """The caller of the cell's role: the run's own, or one whose role holds just enough for the operation."""
        if self.cell.role in ("", ADMIN):
            return self.session.admin
        if self.cell.role == MINIMAL:
            sets = self.operation.features.minimal_sets()
            features = frozenset(sets[0]) if sets else frozenset()
            found = self.bench.identities.holding(features, MINIMAL)
            return Identity(MINIMAL, found.token, found.user_id, found.role_id)
        raise NotExercised(f"no caller is known for the role {self.cell.role}")

    def control(self) -> Exchange:
        """The answer to the valid call; NotExercised when the target does not let it pass, because nothing could be
        told then."""
        exchange = self.bench.control(self.operation)[1]
        if exchange.status == 403:
            raise NotExercised(
                "the role of the run's own token may not call it; a token with its features would make it checkable"
            )
        if not exchange.ok:
            raise NotExercised(
                f"the valid call answers {exchange.outcome()}, so the rule cannot be told from a broken operation"
            )
        return exchange

    def call(self) -> Call:
        return self.bench.control(self.operation)[0]

    def forms(self, forms: Sequence[T]) -> list[T]:
        """As many of the forms as the profile wants; a short profile takes other ones on other operations.

        Lists are asked less often than other operations in the short profile, because so many requirements look at
        them.
        """
        wanted = self.session.profile.list_forms if self.operation.collection else self.session.profile.forms
        count = min(wanted, len(forms))
        start = self.operation.order % len(forms)
        return [forms[(start + i) % len(forms)] for i in range(count)]

    def for_all(
        self,
        strategy: SearchStrategy[T],
        rule: Callable[[T], None],
        examples: int | None = None,
        of: int | None = None,
    ) -> None:
        """Let Hypothesis look for an example that breaks the rule; the smallest one is raised. Those that are kept
        from earlier runs come first. `of`: how many different examples there are, where that is known."""
        wanted = examples or self.session.profile.examples
        self.searches += 1
        kept = self.bench.examples.of(self.cell, f"search {self.searches}") if self.bench.examples else None
        broken: list[Broken] = []
        stopped: list[Exception] = []
        tried = 0

        def hold(example: T) -> None:
            nonlocal tried
            tried += 1
            if stopped:
                return
            try:
                rule(example)
            except Broken as error:
                broken.append(error)
                raise
            except (NotExercised, Unconfirmed, TargetLost, Obstacle) as error:
                stopped.append(error)
                if kept is not None:
                    kept.closed = True

        try:
            if kept is not None:
                try_again(hold, strategy, self.number, wanted, kept)
                tried = 0
            if not stopped:
                look_for(hold, strategy, self.number, wanted, kept)
                self.bench.draws.append(Draw(wanted if stopped else tried, wanted, of))
        except Broken as error:
            raise (broken[-1] if broken else error) from None
        except Flaky:
            last = broken[-1]
            flaky = Broken(f"{last.sentence} (not every time)", last.exchange, last.example)
            flaky.doubtful = last.doubtful
            raise flaky from None
        if stopped:
            raise stopped[0]


def require(
    condition: bool, sentence: str, exchange: Exchange | None = None, example: str = "", softly: bool = False
) -> None:
    """Raise Broken with the sentence unless the condition holds."""
    if not condition:
        raise Broken(sentence, exchange, example, softly)
