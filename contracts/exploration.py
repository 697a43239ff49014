"""Drawn requests, sent and judged once per operation, and told to the cells of every requirement that they speak for.

An exploration sends valid and invalid requests at the borders of the schema and random ones, as many of each as the
profile says, and asks Schemathesis' checks about every answer. A record that a drawn request creates is read, deleted
and read again at once. What is broken is sought in smaller requests; when a finding is confirmed, that request is sent
again.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis.errors import Unsatisfiable

import contracts.steady_draws  # noqa: F401 - the seed alone decides what is drawn
from cdp.contract import Operation
from cdp.http import DROPPED, JSON, Exchange
from cdp.verdicts import Cell
from contracts.answers import in_plain_form
from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import Broken, NotExercised, TargetLost, Unconfirmed
from contracts.drawn_life import DrawnLife
from contracts.observing import rows_of
from contracts.response_checks import Judged, Request, ResponseChecks, load_table
from contracts.session import Obstacle
from contracts.subject import Subject, require
from contracts.workbench import Workbench

if TYPE_CHECKING:
    from contracts.unknown_inputs import Drawn

_SMALLER = 30  # requests tried at most to find a smaller one that shows the same
Key = tuple[str, str]  # requirement and operation


@dataclass
class Finding:
    """A rule that a drawn request broke. `told`: how often it was said; from the second time on it is sent again."""

    sentence: str
    exchange: Exchange
    drawn: Drawn
    told: int = 0


@dataclass
class Outcome:
    """What an exploration found. `lost`: why it did not come to its end; `fault`: that of the suite itself, which must
    pass in no cell."""

    found: dict[Key, Finding] = field(default_factory=dict)
    evidence: Counter[Key] = field(default_factory=Counter)
    lost: str = ""
    fault: Exception | None = None


def heed(s: Subject, *, counted: bool = True) -> None:
    """Raise Broken for what drawn requests broke of the cell's rule; what kept it counts as evidence.

    `counted` is false where the check itself looks at all answers that were seen, the drawn ones among them. Does
    nothing in a profile that draws nothing, and for other callers than the run's own.
    """
    spoken_for = s.cell.requirement in load_table().requirements and s.cell.role in ("", ADMIN)
    if not s.session.profile.drawn or not spoken_for:
        return
    for operation in _explored_for(s):
        exploration = _exploration(s.bench, operation)
        outcome = exploration.outcome
        if outcome.fault is not None:
            raise outcome.fault
        key = (s.cell.requirement, s.operation.id)
        if counted:
            s.exercised(outcome.evidence[key])
        finding = outcome.found.get(key)
        if finding is not None and (not finding.told or exploration.confirms(key, finding)):
            finding.told += 1
            error = Broken(finding.sentence, finding.exchange, finding.drawn.shown())
            error.doubtful = s.bench.others_known and finding.exchange.status == 404  # what it was about may be gone
            raise error
        if outcome.lost:
            raise TargetLost(outcome.lost)


def judge_method(s: Subject, exchange: Exchange) -> None:
    """Ask Schemathesis about the answer to a method that the contract does not know; Broken when it is not content."""
    case = s.bench.unknown_inputs.with_method(s.call(), exchange.method)
    for judged in s.bench.response_checks.judge(case, Request(), exchange, ["unsupported_method"]):
        require(not judged.sentence, judged.sentence, exchange, f"the unsupported method {exchange.method}")
        s.exercised()


def _explored_for(s: Subject) -> Iterable[Operation]:
    """The operations whose drawn requests speak for a cell: its own, and for a deletion the one that creates."""
    create = s.session.contract.by_action(s.operation.entity, "create")
    if s.operation.action == "delete" and create is not None:
        return (create,)
    return (s.operation,)


def _exploration(bench: Workbench, operation: Operation) -> Exploration:
    known: dict[tuple[str, int], Exploration] = bench.memory.setdefault("explorations", {})
    key = operation.id, bench.session.seed  # another round draws anew
    if key not in known:
        known[key] = Exploration(Subject(Cell("DRAWN", operation.id, ADMIN), operation, bench))
        known[key].run()
    return known[key]


class Exploration:
    """Drawn requests to one operation."""

    def __init__(self, s: Subject) -> None:
        self.s = s
        self.outcome = Outcome()
        self.inputs = s.bench.unknown_inputs
        self.checks: ResponseChecks = s.bench.response_checks
        self._admitted = False  # whether the valid call succeeds: else nothing but crashes can be told
        self._call: Call | None = None

    def run(self) -> None:
        """Draw, send and judge. Raises Obstacle when the target is gone or takes the token no more."""
        s = self.s
        self.checks.listen(self.inputs.renew())
        try:
            self._admitted = s.bench.control(s.operation)[1].ok
            self._call = s.call() if s.operation.safety == "read" else s.bench.untouched_call(s.operation)
            for valid in (True, False):
                self._explore(self._call, valid)
        except TargetLost as lost:
            self.outcome.lost = str(lost)
        except (NotExercised, Unconfirmed):
            return  # the cells say so themselves
        except Obstacle:
            raise
        except Exception as fault:
            self.outcome.fault = fault

    def _explore(self, call: Call, valid: bool) -> None:
        """All requests of a kind: those at the borders first, then random ones."""
        s, profile = self.s, self.s.session.profile
        borders = self.inputs.at_borders(call, random.Random(s.number), valid=valid)
        found: dict[Key, Finding] = {}
        for drawn in itertools.islice(borders, profile.borders):
            self._look(drawn, found)
        if found:  # only then are the others worth being made
            others = list(borders)
            for key, finding in found.items():
                found[key] = self._smaller(key, finding, others)
        self.outcome.found = found | self.outcome.found
        strategy = self.inputs.at_random(call, valid=valid)
        if strategy is None:
            return
        found = {}
        with suppress(Unsatisfiable):  # a schema that everything fits leaves nothing to break
            s.for_all(strategy, lambda drawn: self._look(drawn, found), profile.drawn)
        for key in found.keys() - self.outcome.found.keys():
            self._shrink(key, found, valid, call)
        self.outcome.found = found | self.outcome.found

    def _smaller(self, key: Key, finding: Finding, drawn: list[Drawn]) -> Finding:
        """The same finding in the smallest request at a border that shows it."""
        smaller = sorted((d for d in drawn if d.size < finding.drawn.size), key=lambda d: d.size)
        for each in smaller[:_SMALLER]:
            again: dict[Key, Finding] = {}
            self._look(self._afresh(each), again, counted=False)
            if key in again:
                return again[key]
        return finding

    def _shrink(self, key: Key, found: dict[Key, Finding], valid: bool, call: Call) -> None:
        """Let Hypothesis draw the same requests again and shrink the one that broke a rule."""

        def rule(drawn: Drawn) -> None:
            again: dict[Key, Finding] = {}
            self._look(drawn, again, counted=False)
            if key in again:
                found[key] = again[key]
                raise Broken(again[key].sentence, again[key].exchange)

        strategy = self.inputs.at_random(call, valid=valid)
        assert strategy is not None
        try:
            self.s.for_all(strategy, rule, self.s.session.profile.drawn)
        except Broken:
            return  # `found` holds the last, which is the smallest

    def confirms(self, key: Key, finding: Finding) -> bool:
        """Whether the request that broke a rule does so again."""
        again: dict[Key, Finding] = {}
        self._look(self._afresh(finding.drawn), again, counted=False)
        if key not in again:
            return False
        finding.exchange = again[key].exchange
        return True

    def _afresh(self, drawn: Drawn) -> Drawn:
        assert self._call is not None
        return self.inputs.again(drawn, self._call)

    # --- one request -------------------------------------------------------------------------------------------------

    def _look(self, drawn: Drawn, found: dict[Key, Finding], *, counted: bool = True) -> None:
        """Send a drawn request and note what the checks say of the answer."""
        exchange = self._send(drawn.call)
        if exchange.failure:
            what = "the connection was dropped" if exchange.failure == DROPPED else "the answer could not be read"
            self._note(Judged("", "CODE-01", f"{what}: {exchange.detail}"), drawn, exchange, found, counted)
            return
        plain = in_plain_form(self.s.session.contract, self.s.operation, exchange)
        judgements = self.checks.judge(drawn.case, drawn.request, plain)
        minded = any(each.sentence and each.requirement == "CODE-02" for each in judgements)
        if minded and drawn.request.valid and self._refused_for_its_values(drawn, exchange):
            judgements = [each for each in judgements if each.requirement != "CODE-02"]
        if self._asked_for_nothing(drawn, exchange):
            judgements = [each for each in judgements if each.requirement != "PAGE-07"]
        for judged in judgements:
            self._note(judged, drawn, exchange, found, counted)
        if self._admitted and exchange.ok and self.s.operation.action == "create":
            self._live(drawn, exchange, found, counted)

    def _refused_for_its_values(self, drawn: Drawn, exchange: Exchange) -> bool:
        """Whether a body that fits the schema is refused for what no page promises to take: an empty change, a text of
        another form than wanted, or one that is too long. With plain values in the same fields it is taken then."""
        sent = drawn.call.sent
        if exchange.refused_as_invalid and sent is None:
            return self._refused_for_its_size(drawn)
        if not exchange.refused_as_invalid or self.s.operation.body_media_type != JSON:
            return False
        plain = self.inputs.bodies.plain(self.s.operation, sent)
        if plain is None:
            return True
        again = self._send(drawn.call.sending(plain), judged=False)
        return again.ok or again.status == 409

    def _asked_for_nothing(self, drawn: Drawn, exchange: Exchange) -> bool:
        """Whether a limit of 0 brought no record, and the offset is in order: a page that holds what was asked for."""
        given = {name: [str(v) for n, v in drawn.call.query if n == name] for name in ("limit", "offset")}
        in_order = not given["offset"] or bool(re.fullmatch(r"[0-9]{1,9}", "&".join(given["offset"])))
        return given["limit"] == ["0"] and in_order and rows_of(self.s.operation, exchange) == []

    def _refused_for_its_size(self, drawn: Drawn) -> bool:
        """Whether a query is refused for numbers or days that no page sets bounds to. With those that the plain call is
        answered with it is taken then."""
        operation, bench = self.s.operation, self.s.bench
        body = bench.control(operation)[1].json
        told = body.get("selection_settings") if isinstance(body, dict) else None
        plain: dict[str, Any] = {}
        for name, _ in drawn.call.query:
            parameter = operation.query(name)
            schema = self.s.session.contract.resolved(parameter.schema) if parameter is not None else {}
            unbounded = schema.get("type") in ("integer", "number") and not {"maximum", "enum"} & set(schema)
            if unbounded or schema.get("format") == "date":
                known = told.get(name) if isinstance(told, dict) else None
                plain[name] = bench.arrangement.sampler.value(schema, name) if known is None else known
        return bool(plain) and self._send(drawn.call.asking(*plain.items()), judged=False).ok

    def _send(self, call: Call, *, judged: bool = True) -> Exchange:
        return self.s.session.send(call, self.s.session.admin, judged=judged, kept=True)

    def _note(
        self,
        judged: Judged,
        drawn: Drawn,
        exchange: Exchange,
        found: dict[Key, Finding],
        counted: bool,
        operation: str = "",
    ) -> None:
        if not self._admitted and judged.requirement != "CODE-01":
            return
        key = (judged.requirement, operation or self.s.operation.id)
        if judged.sentence:
            if key not in found or drawn.size < found[key].drawn.size:
                found[key] = Finding(judged.sentence, exchange, drawn)
        elif judged.evidence and counted:
            self.outcome.evidence[key] += 1

    # --- the short life of a record that was drawn -------------------------------------------------------------------

    def _live(self, drawn: Drawn, created: Exchange, found: dict[Key, Finding], counted: bool) -> None:
        """Read a created record, delete it, read it again: is it there, and is it gone?"""
        life = DrawnLife.of(self.s, drawn, created)
        if life is None:
            return
        for operation, exchange, judged in life.live(self._send, self.checks, self.inputs.operation):
            self._note(judged, drawn, exchange, found, counted, operation)
