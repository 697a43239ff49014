"""Which operations a target has, found out by calls that change nothing.

What tells an unknown route from an unknown record is the answer to paths that certainly do not exist. Reads are sent as
they are. For what writes, OPTIONS is asked; where writes are allowed and OPTIONS tells nothing, the method itself, with
no body, on a record that cannot exist. PUT is never sent: it may create what is not there.
"""

from __future__ import annotations

import re
import secrets as randomness
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cdp.contract import Contract, Operation, Parameter
from cdp.http import TOKEN_HEADER, Exchange
from contracts.arrangement import Arrangement
from contracts.calls import Call
from contracts.checks import TargetLost
from contracts.find_api import known_list
from contracts.finding import Finder, Leads, Unavailable
from contracts.session import Obstacle, Session

NO_SUCH_NUMBER = 2_147_483_641
LOST_IN_A_ROW = 4  # so many calls without an answer end the probing
_JSON = "application/json"
_FOR_THEMSELVES = (405, 501)  # statuses that tell the same whatever an unknown path gets
Signature = tuple[int, str, str]


class Presence(StrEnum):
    """What could be told of an operation."""

    THERE = "there"
    MISSING = "not there"
    UNTOLD = "could not be told"
    NOT_PROBED = "not probed"


class Spent(Exception):
    """The limit of requests or of time is reached; the message says which."""


@dataclass(frozen=True)
class Finding:
    """What a probe told of one operation. `asked`: the call in short; `why`: what was concluded from it; `refused`: the
    token's role may not call it."""

    operation: Operation
    presence: Presence
    asked: str
    why: str
    refused: bool = False
    answered: bool = False


class Prober:
    """Probes operations one by one. `limit`: requests that the session may have sent in all."""

    def __init__(self, session: Session, limit: int | None = None, deadline_s: float | None = None) -> None:
        self.session = session
        self.contract = session.contract
        self.finder = Finder(session, Arrangement(session).sampler, _make_none)
        self.limit = limit
        self.ends = time.monotonic() + deadline_s if deadline_s else None
        self.deadline_s = deadline_s
        self.real_ids: dict[str, bool] = {}
        self._unknown: dict[tuple[str, str], Exchange | None] = {}
        self._stable = True
        self._alike = False
        self._options_tell = False
        self._options: dict[str, Exchange] = {}
        self._gone: set[str] = set()
        self._lost = 0
        self._calibrated = False

    # --- sending ---------------------------------------------------------------------------------------------------

    def check_limits(self) -> None:
        """Raise Spent when no more may be asked."""
        if self.limit is not None and self.session.client.sent >= self.limit:
            raise Spent(f"the limit of {self.limit} requests is reached")
        if self.ends is not None and time.monotonic() > self.ends:
            raise Spent(f"the time limit of {self.deadline_s:g} s is reached")

    def _send(self, method: str, url: str) -> Exchange:
        self.check_limits()
        headers = {"Accept": _JSON}
        if self.session.admin.token:
            headers[TOKEN_HEADER] = self.session.admin.token
        return self._counted(self.session.client.send(method, url, headers=headers, operation="probe"))

    def _counted(self, exchange: Exchange) -> Exchange:
        self._lost = self._lost + 1 if exchange.failure else 0
        if self._lost >= LOST_IN_A_ROW:
            raise Obstacle(f"{self.session.target.base_url} does not answer: {exchange.detail}")
        return exchange

    # --- what an unknown path looks like ---------------------------------------------------------------------------

    def calibrate(self) -> None:
        """Learn how the target answers what it does not have."""
        if self._calibrated:
            return
        first, second = self._unknown_answer("GET", "api"), self._send("GET", self._nowhere("api") + "/1")
        self._stable = first is None or _signature(first) == _signature(second)
        self._alike = self._records_look_like_routes()
        health = self.session.health
        known = health.operation if health is not None else known_list(self.contract)
        if known is not None:
            answer = self._send("OPTIONS", Call(known).url(self.session.target))
            unknown = self._unknown_answer("OPTIONS", "api")
            allowed = _allowed(answer)
            self._options_tell = "GET" in allowed and (unknown is None or _allowed(unknown) != allowed)
        self._calibrated = True

    def _nowhere(self, base: str) -> str:
        target = self.session.target
        return f"{target.origin if base == 'origin' else target.base_url}/cdp_no_such_path_{randomness.token_hex(6)}"

    def _unknown_answer(self, method: str, base: str) -> Exchange | None:
        """The answer to a path that certainly does not exist; None when none came."""
        if (method, base) not in self._unknown:
            exchange = self._send(method, self._nowhere(base))
            self._unknown[method, base] = None if exchange.failure else exchange
        return self._unknown[method, base]

    def _records_look_like_routes(self) -> bool:
        """Whether an unknown record is answered like an unknown route, seen on documented reads, some of which may not
        be there. True when no such read could be asked."""
        for operation in self.contract.operations.values():
            if operation.provenance == "documented" and operation.action == "read" and operation.method == "GET":
                exchange = self._send("GET", Call(operation, self.impossible(operation)).url(self.session.target))
                if exchange.status == 404:
                    if not self._like_unknown_route(exchange, operation.base):
                        return False
                elif exchange.status not in (401, 403):
                    return True
                if self.session.client.sent > 20:
                    return True
        return True

    def _like_unknown_route(self, exchange: Exchange, base: str) -> bool:
        unknown = self._unknown_answer(exchange.method, base)
        if unknown is None:
            return False
        if self._stable:
            return _signature(exchange) == _signature(unknown)
        return _form(exchange) == _form(unknown)

    def impossible(self, operation: Operation) -> dict[str, str]:
        """Path parameters of the right form that lead to no record."""
        return {p.name: _no_such(self.contract, p) for p in operation.path_parameters}

    # --- probing ---------------------------------------------------------------------------------------------------

    def probe(self, operation: Operation) -> Finding:
        """Find out whether the target has the operation. Raises Spent at the limits, Obstacle when the target is
        gone."""
        self.calibrate()
        self.check_limits()
        try:
            if operation.method == "GET":
                if operation.safety != "read":
                    return Finding(operation, Presence.NOT_PROBED, "", "a GET that does more than read")
                return self._probe_read(operation)
            return self._probe_other(operation)
        except TargetLost as lost:
            return Finding(operation, Presence.UNTOLD, operation.method, str(lost))

    def _probe_read(self, operation: Operation) -> Finding:
        path, real = self._path(operation)
        try:
            query = self.finder.required_query(operation)
        except Unavailable:
            query = ()
        call = Call(operation, path, query)
        if operation.collection and operation.collection.paging and operation.query("limit"):
            call = call.asking(("limit", 100))  # as the search for ids asks, so that one answer serves both
        self.check_limits()
        finding = self._conclude(operation, self._counted(self.session.read(call, self.session.admin)), real)
        for other in self.finder.beside(operation, path) if real and finding.presence is Presence.MISSING else ():
            self.check_limits()  # a list may tell of a record that is none of its own
            exchange = self._counted(self.session.read(Call(operation, other, query), self.session.admin))
            if exchange.ok:
                finding = self._conclude(operation, exchange, real)
                break
        if finding.presence is Presence.MISSING:
            self._gone.add(operation.path)
        return finding

    def _path(self, operation: Operation) -> tuple[dict[str, str], bool]:
        """Ids of records that are there, or ones that cannot exist where none is found; and which of the two."""
        if not operation.path_parameters:
            return {}, True
        try:
            path = self.finder.existing_path(operation)
            self.real_ids[operation.id] = True
            return path, True
        except (Unavailable, TargetLost):
            self.real_ids[operation.id] = False
            return self.impossible(operation), False

    def _probe_other(self, operation: Operation) -> Finding:
        if operation.path in self._gone and not self._shadowed(operation):
            return Finding(operation, Presence.MISSING, "", "the path itself is not there")
        url = Call(operation, self.impossible(operation)).url(self.session.target)
        if self._options_tell:
            finding = self._by_options(operation, url)
            if finding is not None:
                return finding
        return self._by_method(operation, url)

    def _by_options(self, operation: Operation, url: str) -> Finding | None:
        exchange = self._options.get(operation.path)
        if exchange is None:
            exchange = self._options[operation.path] = self._send("OPTIONS", url)
        allowed = _allowed(exchange)
        asked = f"OPTIONS {exchange.outcome()}"
        if self._shadowed(operation):
            return None  # another route of the contract takes this URL, and its methods would be seen
        if allowed:
            names = ", ".join(sorted(allowed))
            if operation.method in allowed:
                return Finding(operation, Presence.THERE, asked, f"the path takes {names}")
            return Finding(operation, Presence.MISSING, asked, f"the path takes {names} only")
        if exchange.status == 404 and self._like_unknown_route(exchange, operation.base):
            return Finding(operation, Presence.MISSING, asked, "answered like a path that does not exist")
        return None

    def _by_method(self, operation: Operation, url: str) -> Finding:
        """The method itself, without a body, on a record that cannot exist; only where that much is allowed."""

        def unprobed(why: str) -> Finding:
            return Finding(operation, Presence.NOT_PROBED, "", why)

        if operation.method not in ("POST", "PATCH", "DELETE"):
            return unprobed(f"{operation.method} may create what is not there")
        if not operation.path_parameters:
            return unprobed(f"nothing tells it without a real {operation.method}")
        target = self.session.target
        if not target.allows("write") or not target.allows(operation.safety):
            return unprobed("would need writes, and what it does, to be allowed")
        read = next((o for o in self.contract.operations.values() if o.path == operation.path and o.method == "GET"), 0)
        if read and self._send("GET", url).ok:
            return unprobed("the id that cannot exist is answered with a record")
        return self._conclude(operation, self._send(operation.method, url), real=False)

    def _shadowed(self, operation: Operation) -> bool:
        """Whether a router could take the path for another one of the contract, with a parameter in place of a word."""
        own = operation.template.split("/")
        return any(
            len(other := o.template.split("/")) == len(own)
            and o.template != operation.template
            and all(x == y or y.startswith("{") for x, y in zip(own, other, strict=True))
            for o in self.contract.operations.values()
        )

    def _conclude(self, operation: Operation, exchange: Exchange, real: bool) -> Finding:
        """What an answer tells. `real`: the ids in the path are of records that are there."""
        for_itself = exchange.status in (0, *_FOR_THEMSELVES)
        as_unknown = not for_itself and self._like_unknown_route(exchange, operation.base)
        if as_unknown:
            presence, why = self._told_as_unknown(operation, exchange, real)
        else:
            presence, why = self._told(operation, exchange)
        return Finding(
            operation,
            presence,
            f"{exchange.method} {exchange.outcome()}",
            why,
            refused=exchange.status == 403 and not as_unknown,
            answered=exchange.ok and presence is Presence.THERE,
        )

    def _told_as_unknown(self, operation: Operation, exchange: Exchange, real: bool) -> tuple[Presence, str]:
        """What it tells that an answer is that to a path which does not exist."""
        if exchange.refused_access or exchange.status >= 500:
            return Presence.UNTOLD, "every path is answered so"
        if operation.path_parameters and self._alike and not real:
            return Presence.UNTOLD, "an unknown record and an unknown route are answered alike"
        return Presence.MISSING, "answered like a path that does not exist"

    def _told(self, operation: Operation, exchange: Exchange) -> tuple[Presence, str]:
        """What any other answer tells."""
        status = exchange.status
        if not status:
            return Presence.UNTOLD, f"no answer: {exchange.detail}"
        if status == 405:
            if self._shadowed(operation):
                return Presence.UNTOLD, "the method is refused, perhaps by another route"
            return Presence.MISSING, "the path does not take this method"
        if status == 501:
            return Presence.MISSING, "the target says that it does not implement it"
        if exchange.gone:
            return self._told_gone(operation)
        if status == 403:
            unknown = self._unknown_answer("GET", operation.base)
            if unknown is not None and unknown.status == 403:
                return Presence.UNTOLD, "every path is refused so"
            return Presence.THERE, "refused for the role of the token, unlike an unknown path"
        if status in (401, 429) or status >= 500 or 300 <= status < 400:
            return Presence.UNTOLD, f"the answer {status} tells nothing"
        if exchange.ok:
            return self._told_by_success(operation, exchange)
        if self._shadowed(operation):
            return Presence.UNTOLD, "refused, perhaps by another route"
        return Presence.THERE, "the request is refused for its content"

    def _told_gone(self, operation: Operation) -> tuple[Presence, str]:
        """What 404 tells where it is none of an unknown path."""
        if not operation.path_parameters and not any(p.required for p in operation.query_parameters):
            return Presence.UNTOLD, "404, but not as an unknown path is answered"
        if self._shadowed(operation):
            return Presence.UNTOLD, "the record is not found, perhaps by another route"
        return Presence.THERE, "the record is not found, unlike an unknown path"

    @staticmethod
    def _told_by_success(operation: Operation, exchange: Exchange) -> tuple[Presence, str]:
        wants_json = operation.response_schema(operation.success_status) is not None
        if wants_json and exchange.media_type != _JSON:
            return Presence.UNTOLD, f"the answer is {exchange.media_type or 'of no type'}, not JSON"
        key = operation.collection.key if operation.collection else operation.item_key
        if key and not (isinstance(exchange.json, Mapping) and key in exchange.json):
            return Presence.THERE, f"answered, but without the key {key}"
        return Presence.THERE, "answered"


def _make_none(entity: str) -> Leads:
    """In place of creating a record whose id no list tells: probing creates nothing, whatever is allowed."""
    raise Unavailable(f"no list tells the id of a {entity.replace('_', ' ')}")


def _no_such(contract: Contract, parameter: Parameter) -> str:
    schema = contract.resolved(parameter.schema)
    if schema.get("type") in ("integer", "number"):
        return str(NO_SUCH_NUMBER)
    if schema.get("format") == "uuid":
        return str(uuid.uuid4())
    return f"cdp-no-such-{randomness.token_hex(6)}"


def _allowed(exchange: Exchange) -> frozenset[str]:
    return frozenset(word.strip().upper() for word in exchange.headers.get("Allow", "").split(",") if word.strip())


def _signature(exchange: Exchange) -> Signature:
    """An answer without what differs from call to call: the path it is about, numbers, ids, times."""
    text = exchange.body[:4000].decode("utf-8", "replace").lower()
    path = re.sub(r"^https?://[^/]+", "", exchange.url.lower().partition("?")[0])
    for part in sorted({path, path.removeprefix("/api"), *path.split("/")}, key=len, reverse=True):
        if len(part) > 3:
            text = text.replace(part, "~")
    text = re.sub(r"\b(get|post|put|patch|delete|options)\b", "~", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{12,}\b|\d+", "#", text)
    return exchange.status, exchange.media_type, re.sub(r"(~[/~]*)+", "~", text)


def _form(exchange: Exchange) -> tuple[int, str, tuple[str, ...]]:
    """What stays of an answer when even equal calls are answered differently."""
    body = exchange.json
    return exchange.status, exchange.media_type, tuple(sorted(body)) if isinstance(body, dict) else ()
