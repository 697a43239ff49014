"""The part of a run that one process of several has: the same target, prefix, callers and files, and claims of its
own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cdp.contract import Operation
from cdp.secrets import Secrets
from cdp.targets import Target
from cdp.verdicts import Cell, Result, Verdict
from contracts.budget import Budget
from contracts.calls import Call
from contracts.examples import Examples
from contracts.identities import Callers
from contracts.parallel.claims import Claims, Unclaimed
from contracts.parallel.schedule import Schedule
from contracts.plan import Plan
from contracts.run import ContractRun
from contracts.session import Identity, Obstacle


@dataclass(frozen=True)
class Kit:
    """What a process needs to judge cells of a run that another one has started. It holds tokens, and goes through
    pipes only. `share`: the number of the process, which no other one of the run has."""

    plan: Plan
    target: Target
    directory: Path
    prefix: str
    secrets: Secrets
    admin: Identity
    health: Operation | None
    callers: Callers
    found: Mapping[str, Mapping[str, str]]
    share: int
    processes: int
    budget: Budget | None
    examples: Examples | None
    made: int  # records, before the processes began


@dataclass(frozen=True)
class Told:
    """What the process that keeps the run together is told of a judged cell. `number`: how often it has been judged;
    `asked`: requests with the operation so far, by role; `share` and `beside`: who tells, and how many requests so far
    no cell of his has counted, because they cleaned up."""

    cell: Cell
    verdict: Verdict
    number: int
    asked: Mapping[str, int]
    share: int = 0
    beside: int = 0

    @property
    def operation(self) -> str:
        return self.cell.operation

    def as_record(self) -> dict[str, Any]:
        told = {"cell": self.cell.address, "verdict": self.verdict.name, "number": self.number}
        return {**told, "asked": dict(self.asked), "share": self.share, "beside": self.beside}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Told:
        cell, verdict = Cell.parse(record["cell"]), Verdict[record["verdict"]]
        return cls(cell, verdict, record["number"], record["asked"], record["share"], record["beside"])


def kit(run: ContractRun, place: int, share: int) -> Kit:
    """The kit for the process at a place, once the run has started. The processes together keep to the target's
    limit."""
    target, session = run.target, run.session
    if target.max_rps is not None:
        target = replace(target, max_rps=target.max_rps / run.processes)
    return Kit(
        run.plan,
        target,
        run.directory,
        session.prefix,
        run.secrets,
        session.admin,
        session.health.operation if session.health else None,
        run.bench.identities.handed_over(place),
        run.bench.arrangement.finder.found,
        share,
        run.processes,
        run.budget,
        run.examples,
        len(run.ledger.open_records),
    )


class Share(ContractRun):
    """A run that neither starts nor cleans up: it judges what it is given, and keeps others from being disturbed."""

    def __init__(self, given: Kit) -> None:
        super().__init__(
            given.plan,
            given.target,
            given.directory,
            given.budget,
            given.examples,
            secrets=given.secrets,
            prefix=given.prefix,
            share=given.share,
        )
        self.session.admin = given.admin
        self.session.health = Call(given.health) if given.health else None
        self.bench.identities.take_over(given.callers)
        self.bench.arrangement.finder.take_over(given.found)
        self.claims = Claims(given.directory)
        self.schedule = Schedule(given.plan.contract, given.plan.cells)
        self._last = {self.schedule.unit_of(cell): cell for cell in given.plan.cells}
        self._unit = ""
        self._sharers, self._made = given.processes, given.made
        self._counted = 0  # requests of the cells

    def judge(self, cell: Cell, number: int = 1, seed: int | None = None) -> Result:
        """Judge one cell while nobody disturbs it. Raises as `ContractRun.judge` does, and KeyboardInterrupt when the
        run is to stop."""
        unit = self._claim(cell)
        result = super().judge(cell, number, seed)
        self._counted += result.requests
        if cell == self._last[unit]:
            self._tidy()
            self.let_go()
        return result

    def _claim(self, cell: Cell) -> str:
        """Claim what a cell's unit needs, unless it is claimed; the unit's name."""
        unit = self.schedule.unit_of(cell)
        if unit != self._unit:
            self._unit = unit
            try:
                self.claims.hold(self.schedule.footprints[unit], self.waiting)
            except (Unclaimed, OSError) as error:
                raise Obstacle(f"the processes of the run cannot be kept apart: {error}") from None
            self.session.forget_reads()  # others have written since
        return unit

    def _make_room(self, cell: Cell) -> None:
        self._claim(cell)
        super()._make_room(cell)

    @property
    def _removable(self) -> Collection[str]:
        """What the unit may touch that is claimed: removing anything else could disturb somebody."""
        return self.schedule.footprints[self._unit].touched if self._unit else ()

    def _records(self) -> int:
        return self._made + self._sharers * super()._records()

    def waiting(self) -> None:
        """Called again and again while others have what is needed."""
        self.session.stop_in_time()

    def let_go(self) -> None:
        """Let others have what the unit needed."""
        self.claims.release()
        self._unit = ""

    def told(self, result: Result) -> Told:
        asked = {
            role: number
            for (operation, role), number in self.session.requests_by_cell.items()
            if operation == result.cell.operation
        }
        beside = self.session.client.sent - self._counted
        return Told(result.cell, result.verdict, result.round, asked, self.share, beside)

    def close(self) -> None:
        """Let go of claims and files; nothing is removed."""
        self.claims.release()
        self.writer.close()
        self.ledger.close()
        self.session.client.close()
