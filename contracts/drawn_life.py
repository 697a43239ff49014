"""The short life of a record that a drawn request created: read, deleted, read again.

Schemathesis' checks `ensure_resource_availability` and `use_after_free` judge the two reads; they know the requests
before by a recorder, the way its own state machine tells them. That machine is not run, because LIFE sees more: it
found three of sixteen deliberate bugs of LIFE, and takes a record that a change brought back from the trash for one
that was never deleted. What the short life adds to LIFE is records made of drawn bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cdp.contract import Operation
from cdp.http import Exchange
from cdp.ledger import Created
from contracts.answers import DELETED, fields, marked
from contracts.books import recognise
from contracts.calls import Call
from contracts.checks import NotExercised, TargetLost, Unconfirmed
from contracts.response_checks import Judged, Request, ResponseChecks, as_response
from contracts.subject import Subject

if TYPE_CHECKING:
    from schemathesis import Case

    from contracts.unknown_inputs import Drawn

AVAILABLE, FREED, ALIVE = "ensure_resource_availability", "use_after_free", "not_a_server_error"


class Send(Protocol):
    """Sends a call with the run's own token."""

    def __call__(self, call: Call, *, judged: bool) -> Exchange: ...


@dataclass
class DrawnLife:
    """A created record, and the operations that read and delete it."""

    s: Subject
    drawn: Drawn
    created: Exchange
    read: Call | None
    delete: Call
    record_id: str

    @classmethod
    def of(cls, s: Subject, drawn: Drawn, created: Exchange) -> DrawnLife | None:
        """The life that lies before a record; None where it cannot be deleted. Where it cannot be read it is only
        deleted, so that a next one can be created in its place."""
        contract = s.session.contract
        read, delete = (contract.by_action(s.operation.entity, action) for action in ("read", "delete"))
        found = recognise(drawn.call, created)
        if found is None or delete is None or not _reaches(s, delete, found.path):
            return None
        looking = _at(read, found.path) if read is not None and _reaches(s, read, found.path) else None
        return cls(s, drawn, created, looking, _at(delete, found.path), str(found.record.get("id", "")))

    def live(
        self, send: Send, checks: ResponseChecks, operation_of: Callable[[Operation], Any]
    ) -> Iterator[tuple[str, Exchange, Judged]]:
        """Take the steps; answers what the checks say of them, and the operation that it is said of."""
        from schemathesis.engine.recorder import ScenarioRecorder

        recorder = ScenarioRecorder(label=self.s.operation.id)
        recorder.record_case(case=self.drawn.case)
        recorder.record_response(case_id=self.drawn.case.id, response=as_response(self.drawn.case, self.created))

        def step(call: Call, parent: Case) -> tuple[Case, Exchange]:
            exchange = send(call, judged=False)
            case = operation_of(call.operation).Case(path_parameters=dict(call.path), query=dict(call.query))
            recorder.record_case(case=case, parent_id=parent.id)
            if not exchange.failure:
                recorder.record_response(case_id=case.id, response=as_response(case, exchange))
            return case, exchange

        def said(check: str, case: Case, exchange: Exchange, of: Operation) -> Iterator[tuple[str, Exchange, Judged]]:
            if not exchange.failure:
                for judged in checks.judge(case, Request(), exchange, [check], recorder):
                    yield of.id, exchange, judged

        if self.read is not None:
            case, exchange = step(self.read, self.drawn.case)
            yield from said(AVAILABLE, case, exchange, self.s.operation)
        freed, exchange = step(self.delete, self.drawn.case)
        yield from said(ALIVE, freed, exchange, self.delete.operation)
        if not exchange.ok:
            return
        url = self.delete.url(self.s.session.target)
        self.s.session.ledger.removed(Created(self.s.operation.id, self.record_id, url))
        if self.read is not None:
            case, exchange = step(self.read, freed)
            if not self._in_trash(exchange):
                yield from said(FREED, case, exchange, self.delete.operation)

    def _in_trash(self, exchange: Exchange) -> bool:
        """Whether a deleted record is still shown, marked as deleted, where its section has a trash or records carry
        the mark at all."""
        assert self.read is not None
        contract, entity = self.s.session.contract, self.s.operation.entity
        if contract.by_action(entity, "trash") is None and DELETED not in fields(contract, entity):
            return False
        found = recognise(self.read, exchange)
        return found is not None and marked(found.record)


def _reaches(s: Subject, operation: Operation, path: Mapping[str, str]) -> bool:
    """Whether the target has the operation and lets its valid call pass, and the path is known."""
    if not s.session.target.allows(operation.safety) or any(p.name not in path for p in operation.path_parameters):
        return False
    try:
        return s.bench.control(operation)[1].ok
    except (NotExercised, Unconfirmed, TargetLost):
        return False


def _at(operation: Operation, path: Mapping[str, str]) -> Call:
    """The call of an operation on a record; with its optional switches said, so that all of it comes from here."""
    query = [(p.name, "0") for p in operation.query_parameters if p.name == "load_full_structure"]
    return Call(operation, {p.name: path[p.name] for p in operation.path_parameters}, tuple(query))
