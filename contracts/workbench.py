"""What all cells of a run share: the session, the records, the callers, each operation's control call, and what is
known of others at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

import jsonschema_rs

from cdp.contract import Operation
from cdp.http import Exchange
from contracts.answers import with_nulls
from contracts.arrangement import Arrangement, OwnRecord
from contracts.calls import Call
from contracts.checks import Moved, NotExercised, Unconfirmed
from contracts.drawing import Draw
from contracts.examples import Examples
from contracts.finding import Unavailable
from contracts.identities import Identities
from contracts.observing import (
    Doing,
    State,
    by_others,
    came,
    canonical,
    identity,
    own_marks,
    record_of,
    rows_of,
    sent_by,
    shown,
)
from contracts.response_checks import ResponseChecks
from contracts.session import Session
from contracts.unknown_inputs import UnknownInputs

_LOOKS = 20  # at a list that may be changed by others
_LONG_LOOKS = 60  # in the first searches of a run: what it goes by from then on must not hang on luck
_LONG_SEARCHES = 3
_SEARCHES = 2  # for others in one list
_QUIET = 2  # so many of them have to show no change: what changes each time is changed by the look
_STILL = 5  # looks at what was different beside a call, while nobody calls
_TIMES = 4  # what others may have done counts as a call's doing where it was seen beside the call so often


class Workbench:
    """What all subjects of a run share: the session, the records, the callers, and each operation's control call."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.examples: Examples | None = None  # where examples that broke a rule are kept for the next run
        self.draws: list[Draw] = []  # what was tried since somebody looked
        self.arrangement = Arrangement(session)
        self.identities = Identities(session, self.arrangement)
        self._controls: dict[str, tuple[Call, Exchange]] = {}
        self._untouched: dict[str, Call] = {}
        self._unavailable: dict[tuple[str, str], str] = {}
        self._once: dict[str, Exchange] = {}
        self.memory: dict[str, Any] = {}  # what a family finds out once and tells several cells
        self.forgetting: list[Callable[[], None]] = []  # what else is known of records that the run made
        self._validators: dict[tuple[str, int], jsonschema_rs.Validator | None] = {}

    def valid_call(self, operation: Operation, purpose: str) -> Call:
        """A valid call; the reason for having none is remembered, so that it is not sought again for every
        requirement."""
        known = self._unavailable.get((operation.id, purpose))
        if known:
            raise NotExercised(known)
        try:
            return self.arrangement.call(operation)
        except Unavailable as error:
            self._unavailable[operation.id, purpose] = str(error)
            raise NotExercised(str(error)) from None

    def control(self, operation: Operation) -> tuple[Call, Exchange]:
        """The valid call with the run's own token, sent once per operation, and its answer at that time.

        Raises Unconfirmed when an assumed operation is not there.
        """
        if operation.id not in self._controls:
            call = self.valid_call(operation, "control")
            exchange = self.session.read(call, self.session.admin) if operation.safety == "read" else self.execute(call)
            self._controls[operation.id] = call, exchange
            if exchange.status == 404 and self.vanished(operation):
                return self.control(operation)
            if exchange.status == 409:
                self._after_another_step(operation)
            if exchange.status == 404 and operation.safety == "read":
                self._take_another(operation, call)
        call, exchange = self._controls[operation.id]
        if operation.provenance == "assumed" and exchange.no_such_operation:
            raise Unconfirmed(
                f"assumed operation; the target answers {exchange.status} to {operation.method} {operation.template}"
            )
        return call, exchange

    def _take_another(self, operation: Operation, call: Call) -> None:
        """Let a read be about another record of the list that tells of one which cannot be read, where another can: the
        operation is there, and the list contradicts it. SHAPE-03 tells so of what is kept here."""
        finder = self.arrangement.finder
        for path in finder.beside(operation, call.path):
            other = replace(call, path=path)
            exchange = self.session.read(other, self.session.admin)
            if exchange.ok:
                self.memory.setdefault("listed but not read", {})[operation.id] = call
                self._controls[operation.id] = other, exchange
                finder.settle(operation, path)
                return

    def _after_another_step(self, operation: Operation) -> None:
        """Let another step in a record's life come first, where the target refuses this one in the state of a new
        record and takes it behind the other: which state a step needs no page says."""
        for step in self.arrangement.steps_beside(operation):
            self.arrangement.first[operation.id] = [step.id]
            with suppress(Unavailable):
                call = self.arrangement.call(operation)
                exchange = self.execute(call)
                if exchange.ok:
                    self._controls[operation.id] = call, exchange
                    return
            del self.arrangement.first[operation.id]

    def forget(self, operation: Operation) -> None:
        """Let go of what was kept for an operation once all its cells are judged."""
        self.session.forget(operation)
        self._controls.pop(operation.id, None)
        self.ask_anew(operation)

    def ask_anew(self, operation: Operation) -> None:
        """Forget the answers of an operation that several requirements share, because what it shows was changed."""
        for key in [key for key in self._once if key.endswith(f"/{operation.id}")]:
            del self._once[key]

    def look_anew(self, operation: Operation) -> None:
        """Forget what was read of an operation, and what drawn requests found, because others have changed it."""
        self.session.forget_reads()
        self.memory.get("explorations", {}).pop((operation.id, self.session.seed), None)
        self.ask_anew(operation)

    def forget_own_records(self) -> None:
        """Let go of every call about a record that the run made for it: after many examples the record may be gone, or
        not be what it was."""
        operations = self.session.contract.operations
        self._controls = {name: known for name, known in self._controls.items() if operations[name].safety == "read"}
        self._untouched.clear()
        self._once.clear()
        for forget in self.forgetting:
            forget()

    def execute(self, call: Call, **options: Any) -> Exchange:
        """Send a call that changes something with the run's own token."""
        return self.session.send(call, self.session.admin, **options)

    def read_back(self, own: OwnRecord, read: Operation) -> tuple[dict[str, Any], Exchange]:
        """A record of the run's own as reading shows it, empty where it does not, and the exchange."""
        exchange = self.session.send(own.call(read), self.session.admin)
        record = record_of(read, exchange) if exchange.ok else None
        return (record if isinstance(record, dict) else {}), exchange

    def untouched_call(self, operation: Operation) -> Call:
        """A valid call that is never sent with the right token: what a refused caller would change if he were not
        refused."""
        if operation.safety == "read":
            return self.control(operation)[0]
        if operation.id not in self._untouched:
            self._untouched[operation.id] = self.valid_call(operation, "refused call")
        return self._untouched[operation.id]

    def once(self, key: str, make: Callable[[], Exchange]) -> Exchange:
        """An exchange that several requirements need and that is sent once."""
        if key not in self._once:
            self._once[key] = make()
        return self._once[key]

    def validator(self, operation: Operation, status: int) -> jsonschema_rs.Validator | None:
        """Validator of the operation's bodies with this status; None when the contract describes none."""
        key = (operation.id, status)
        if key not in self._validators:
            answers = with_nulls(self.session.contract)
            schema = answers.operations[operation.id].response_schema(status)
            self._validators[key] = answers.validator(schema) if schema else None
        return self._validators[key]

    @cached_property
    def unknown_inputs(self) -> UnknownInputs:
        """Requests drawn from the contract's schemas."""
        return UnknownInputs(self.session.contract, self.arrangement.sampler)

    @cached_property
    def response_checks(self) -> ResponseChecks:
        """Schemathesis' checks of what comes back."""
        checks = ResponseChecks()
        checks.listen(self.unknown_inputs.schema)
        return checks

    def state(self, call: Call, *, now: bool = False) -> State:
        """What the operation that observes this one shows: status and described body. From memory, or really asked
        `now`."""
        observing = self._observing(call)
        read = self.session.read_again if now else self.session.read
        return shown(self.session.contract, observing.operation, read(observing, self.session.admin))

    def _observing(self, call: Call) -> Call:
        """The call of the operation that shows what another call changed."""
        operation = call.operation
        assert operation.observe is not None
        observer = self.session.contract.operations[operation.observe]
        path = {p.name: call.path[p.name] for p in observer.path_parameters if p.name in call.path}
        query = []
        for name, expression in operation.observe_parameters.items():
            value = (call.sent or {}).get(expression.rsplit("/", 1)[-1])
            query.append((name, str(value)))
        observing = Call(observer, path, tuple(query))
        if observer.collection and observer.collection.paging:
            observing = observing.asking(("limit", 100))
        return observing

    def unchanged(self, call: Call, before: State) -> bool:
        """Whether the operation that observes this one shows what it showed before. Raises Moved when other people's
        doing may be all that is different: nothing of it is what the call asks for. What comes again each time, though
        nothing moves while nobody calls, is the call's doing all the same."""
        after = self.state(call, now=True)
        seen: Counter[str] = self.memory.setdefault("changes beside a call", Counter())
        if after == before:
            del seen[call.operation.id]
            return True
        if after[0] != before[0] or self._doing(call).done(before[1], after[1]):
            return False
        if any(self.state(call, now=True) != after for _ in range(_STILL)):
            raise Moved(f"what {call.operation.observe} shows")
        seen[call.operation.id] += 1
        if seen[call.operation.id] < _TIMES:
            raise Moved(f"what {call.operation.observe} shows")
        return False

    def _doing(self, call: Call) -> Doing:
        """What a call would do to the records that are looked at."""
        operation, contract = call.operation, self.session.contract
        parameter = operation.path_parameters[-1] if operation.path_parameters else None
        about = parameter is not None and operation.action != "create" and parameter.entity == operation.entity
        schema = contract.resolved(operation.body_schema) if operation.body_schema else {}
        return Doing(
            (parameter.field, call.path.get(parameter.name, "")) if about and parameter is not None else ("", ""),
            call.sent,
            frozenset(schema.get("properties", {})),
            contract.by_action(operation.entity, "create") is not None,
            sent_by(call, own_marks(self.session.prefix)),
        )

    def may_be_others(self, before: Any, after: Any) -> bool:
        """Whether other people's coming and going may be all that is different between two looks at a list."""
        return by_others(before, after, own_marks(self.session.prefix))

    def may_be_edits(self, before: Any, after: Any) -> bool:
        """The same, if they may have edited records, too, or the server has counted on in them."""
        return by_others(before, after, own_marks(self.session.prefix), edits=True)

    def others_at_work(self, look: Call) -> bool:
        """Whether others are seen to create records on the target. Once they were, it is known for the run.

        A list is read over and over with nothing written between. New records that are nobody's of the run have to
        come now and then, or several at a time: one with every look may come of looking.
        """
        searches: Counter[str] = self.memory.setdefault("searches for others", Counter())
        if not self.others_known and searches[look.operation.id] < _SEARCHES:
            looks = _LONG_LOOKS if searches.total() < _LONG_SEARCHES else _LOOKS
            searches[look.operation.id] += 1
            quiet, new = 0, 0
            if look.operation.collection and look.operation.collection.paging:
                look = look.asking(("limit", 100))
            before = rows_of(look.operation, self.session.read_again(look, self.session.admin))
            seen: set[str] = set()  # what comes back was not created
            for _ in range(looks):
                after = rows_of(look.operation, self.session.read_again(look, self.session.admin))
                if before is None or after is None:
                    break
                quiet += before == after
                seen |= {canonical(identity(r)) for r in before}
                fresh = [r for r in came(before, after) if canonical(identity(r)) not in seen]
                new = max(new, len(fresh) if self.may_be_edits(before, after) else 0)
                if new > 1 or (new and quiet >= _QUIET):
                    self.memory["others"] = self.arrangement.finder.steady = True
                    break
                before = after
        return self.others_known

    @property
    def others_known(self) -> bool:
        """Whether others have been seen at work."""
        return bool(self.memory.get("others"))

    def vanished(self, operation: Operation) -> bool:
        """Whether the record that an operation reads is gone, though the run did not delete it: not to be read any
        more, and not in its list. Another one is sought then."""
        known = self._controls.get(operation.id)
        if operation.safety != "read" or not operation.path_parameters or known is None:
            return False
        call, _ = known
        if any(self.session.read_again(call, self.session.admin).status != 404 for _ in range(_QUIET)):
            return False
        parameter = operation.path_parameters[-1]
        listing = self.session.contract.by_action(parameter.entity, "list") if parameter.entity else None
        if listing is None or any(p.name not in call.path for p in listing.path_parameters):
            return False
        look = Call(listing, {p.name: call.path[p.name] for p in listing.path_parameters})
        if listing.collection and listing.collection.paging:
            look = look.asking(("limit", 100))
        rows = rows_of(listing, self.session.read_again(look, self.session.admin))
        wanted = call.path[parameter.name]
        if rows is None or any(isinstance(r, dict) and str(r.get(parameter.field)) == wanted for r in rows):
            return False
        self.arrangement.finder.forget(operation)
        self.look_anew(operation)
        del self._controls[operation.id]
        return True

    @staticmethod
    def needing_state(call: Call, state: State) -> None:
        """Raise NotExercised unless the observing operation really shows something; not being there yet (404) is a
        state, too."""
        expected = (404,) if call.operation.observe_parameters else ()
        if not (200 <= state[0] < 300 or state[0] in expected):
            raise NotExercised(f"{call.operation.observe}, which would show a change, answers {state[0]}")
