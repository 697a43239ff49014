"""What the checks of one run share: the target, the callers, the records, and what has been read since the last
write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from cdp.cassette import Cassette
from cdp.contract import Contract, Operation
from cdp.http import HUNG, REFUSED, TOKEN_HEADER, Client, Exchange
from cdp.ledger import Ledger
from cdp.pacing import TOO_MANY, UNAVAILABLE
from cdp.prefixes import new_prefix
from cdp.secrets import Secrets
from cdp.targets import Target
from contracts.answers import without_signatures
from contracts.books import Books
from contracts.budget import OutOfTime
from contracts.calls import Call
from contracts.checks import TargetLost
from contracts.kept_exchanges import KeptExchanges
from contracts.observing import rows_of
from contracts.profiles import Profile

MUTE_OPERATIONS = 20  # so many may hang one after the other while the target answers pings alone; then it is the target
BUSY_OPERATIONS = 5  # so many may be refused one after the other for want of time
MUTE_AFTER = 2  # an operation that hung so often is not asked again
PATIENCE = 2  # an operation that stayed refused so often, after all the pauses, is not waited for again
_REMEMBERED_BYTES = 1024 * 1024  # a larger answer is asked for again


class Obstacle(Exception):
    """Nothing can be concluded from this run (target down, token refused, no API there); the message is one line."""


@dataclass(frozen=True)
class Identity:
    """A caller: the name of the role as it stands in cells, and the token. An empty token = none is sent."""

    role: str
    token: str = ""
    user_id: str = ""
    role_id: str = ""


ANONYMOUS = Identity("")


class Session:
    """Sends calls for the checks, remembers reads until the next write, and keeps what was said about each
    operation."""

    def __init__(
        self,
        contract: Contract,
        target: Target,
        profile: Profile,
        seed: int,
        ledger: Ledger,
        secrets: Secrets,
        *,
        prefix: str = "",
        share: int = 0,
    ) -> None:
        """`prefix`: that of the run, where other processes have a part in it; `share`: whose part this is, 0 where
        there is one process only."""
        self.contract = contract
        self.target = target
        self.profile = profile
        self.seed = seed
        self.ledger = ledger
        self.secrets = secrets
        self.client = Client(target, secrets)
        self.prefix = prefix or new_prefix()
        self.share = share
        self.books = Books(contract, target, ledger, self.prefix)
        self.admin = Identity("admin")
        self.beat: Callable[[], None] = lambda: None  # called before every request: the process is at work
        self.stopping = False  # set from outside: no request is sent any more
        self.time_is_up: Callable[[], bool] = lambda: False
        self.ran_out = False
        self.about = ""  # the operation whose cells are being judged
        self.requests_by_cell: dict[tuple[str, str], int] = {}
        self._watched: Counter[str] = Counter()
        self._callers: set[str] = set()
        self._reads: dict[tuple[str, str], Exchange] = {}
        self._judged = KeptExchanges()
        self._lost: Counter[str] = Counter()
        self._lost_in_a_row: set[str] = set()
        self._answers, self._answered_s = 0, 0.0
        self._refused: Counter[tuple[str, int]] = Counter()  # how often an operation stayed at 429 or 503
        self._refused_in_a_row: set[str] = set()
        self._too_much_at_once = 0  # how often several requests at once were too much for the target
        self.health: Call | None = None  # a call that is known to be answered
        self.cassette: Cassette | None = None  # where drawn exchanges are kept
        self._renewed: dict[str, str] = {}  # in place of tokens that ran out
        self.admitted: set[str] = set()  # tokens that were taken or handed out
        self.ended: set[str] = set()  # tokens that were ended on purpose, and are not renewed
        self.answered: dict[int, set[str]] = {}  # operations that need a token, by what the run's own one got there

    def send(
        self,
        call: Call,
        caller: Identity,
        headers: dict[str, Any] | None = None,
        *,
        method: str = "",
        judged: bool = True,
        kept: bool = False,
    ) -> Exchange:
        """Send a call as a caller. Raises TargetLost when there is no answer, Obstacle when the target is gone,
        KeyboardInterrupt when the run is to stop, OutOfTime when its budget is spent.

        `headers`: in place of the usual ones or beside them; None leaves one out. `judged`: whether the exchange counts
        as evidence for the operation's conventions on answers; `kept`: whether it is put on the cassette.
        """
        operation, method = call.operation, method or call.operation.method
        self.stop_in_time()
        self.beat()
        if self._lost[operation.id] >= MUTE_AFTER:
            raise TargetLost(
                f"{operation.method} {operation.id} did not answer {MUTE_AFTER} times and is not asked again"
            )
        if method == operation.method:
            self._count(operation, caller)
        entry = self.books.intend(call, method)
        exchange = self._sent(call, caller, headers, method, kept)
        if entry:
            self.books.answered(entry, call, exchange)
        if (operation.safety != "read" or method != "GET") and not exchange.client_error:
            self._reads.clear()
        if exchange.status == 401 and self.renewed(caller):
            caller = self.admin if caller.role == self.admin.role else caller
            return self.send(call, caller, headers, method=method, judged=judged, kept=kept)
        self._note_admission(operation, caller, exchange)
        self._note(operation, caller, exchange)
        self._watch_refusals(exchange)
        if judged:
            self._judged.add(exchange)
        self._watch(exchange)
        if exchange.status == 401 and caller is self.admin and self.health is not None and self.ping().status == 401:
            raise Obstacle(f"{self.target.base_url} does not take the run's token any more")
        return exchange

    def _sent(self, call: Call, caller: Identity, headers: dict[str, Any] | None, method: str, kept: bool) -> Exchange:
        """Put a call on the wire. For an operation that stayed refused too often there are no more pauses."""
        operation = call.operation
        wanted = {**self._headers(call, caller), **(headers or {})}
        exchange = self.client.send(
            method,
            call.url(self.target),
            headers={name: value for name, value in wanted.items() if value is not None},
            body=call.body,
            operation=operation.id,
            role=caller.role,
            patient=max(self._refused[operation.id, status] for status in (TOO_MANY, UNAVAILABLE)) < PATIENCE,
        )
        if kept and self.cassette is not None:
            self.cassette.add(exchange)
        return without_signatures(self.contract, operation, exchange)

    def _note_admission(self, operation: Operation, caller: Identity, exchange: Exchange) -> None:
        """Note whose token was taken, and what the run's own one got."""
        if caller.token and exchange.status not in (0, 401):
            self.admitted.add(caller.token)
        if caller is self.admin and operation.auth == "token":
            self.answered.setdefault(exchange.status, set()).add(operation.id)

    def send_at_once(self, asked: Sequence[tuple[Call, Identity]]) -> list[Exchange]:
        """Send reads, and changes of the run's own records, at the same moment: the answers in the order of `asked`.
        Empty where they tell nothing: on a target that names a rate, and where one of them was not answered, was too
        much for the target, or came with a token that had run out. A target to which several are too much is asked no
        further. Raises as `send` does when the run is to stop."""
        self.stop_in_time()
        self.beat()
        if self.target.max_rps is not None or self._too_much_at_once >= PATIENCE:
            return []
        exchanges = self.client.at_once([partial(self._sent_by, call, caller) for call, caller in asked])
        if any(call.operation.safety != "read" for call, _ in asked):
            self._reads.clear()
        untold = too_much = False
        for (call, caller), exchange in zip(asked, exchanges, strict=True):
            self._count(call.operation, caller)
            self._note(call.operation, caller, exchange)
            too_much |= exchange.failure in (REFUSED, HUNG) or exchange.status in (TOO_MANY, UNAVAILABLE)
            untold |= exchange.status == 401 and self.renewed(caller)
        self._too_much_at_once += too_much
        if untold or too_much:
            return []
        told = [
            without_signatures(self.contract, call.operation, exchange)
            for (call, _), exchange in zip(asked, exchanges, strict=True)
        ]
        for exchange in told:
            self._judged.add(exchange)
        return told

    def _sent_by(self, call: Call, caller: Identity, client: Client) -> Exchange:
        return client.send(
            call.operation.method,
            call.url(self.target),
            headers=self._headers(call, caller),
            body=call.body,
            operation=call.operation.id,
            role=caller.role,
            patient=False,
        )

    def _headers(self, call: Call, caller: Identity) -> dict[str, Any]:
        """The usual ones of a call."""
        headers: dict[str, Any] = {"Accept": "application/json"}
        if caller.token:
            headers[TOKEN_HEADER] = self._renewed.get(caller.token, caller.token)
        if call.media_type:
            headers["Content-Type"] = call.media_type
        return headers

    def _count(self, operation: Operation, caller: Identity) -> None:
        """Count a request for the cells that are being judged."""
        if operation.id == self.about and operation is self.contract.operations[operation.id]:
            key = (operation.id, caller.role)
            self.requests_by_cell[key] = self.requests_by_cell.get(key, 0) + 1

    @property
    def answer_s(self) -> float:
        """Seconds that an answer has taken so far, on the average."""
        return self._answered_s / max(self._answers, 1)

    def watch(self) -> None:
        """Count what comes from now on."""
        self._watched.clear()
        self._callers.clear()

    def watched(self) -> dict[str, int]:
        """What has come since `watch`: pages of lists, records in them, and callers (different tokens)."""
        counts = {**self._watched, "callers": len(self._callers)}
        return {name: count for name, count in counts.items() if count}

    def _note(self, operation: Operation, caller: Identity, exchange: Exchange) -> None:
        if caller.token:
            self._callers.add(caller.token)
        records = rows_of(operation, exchange)
        if records is not None:
            self._watched["pages"] += 1
            self._watched["records"] += len(records)

    def renewed(self, caller: Identity) -> bool:
        """Renew a caller's token that was taken before and is refused everywhere now: it has run out. Whether another
        one is in its place; a token that one operation alone refuses, or that was ended on purpose, is not renewed."""
        token = self._renewed.get(caller.token, caller.token)
        operation = self.contract.operations.get("refresh_token")
        if caller.token not in self.admitted or caller.token in self.ended or self.health is None or operation is None:
            return False
        if self.ping(token, patient=True).status != 401:
            return False
        call = Call(operation).sending({"token": token})
        headers = {"Accept": "application/json", "Content-Type": call.media_type}
        exchange = self.client.send(
            operation.method, call.url(self.target), headers=headers, body=call.body, operation=operation.id
        )
        found = exchange.json.get("token") if exchange.ok and isinstance(exchange.json, dict) else None
        if not isinstance(found, str) or not found or found == token:
            return False
        self.secrets.add(found)
        if self.ping(found, patient=True).status == 401:  # no token counts any more: it is not that one ran out
            return False
        self._renewed[caller.token] = found
        if caller.token == self.admin.token:
            self.admin = replace(self.admin, token=found)
            self.admitted.add(found)
        return True

    def stop_in_time(self) -> None:
        """Raise KeyboardInterrupt when the run is to stop, OutOfTime when its budget is spent."""
        if self.stopping:
            raise KeyboardInterrupt
        if self.ran_out or self.time_is_up():
            self.ran_out = True
            raise OutOfTime

    def _watch(self, exchange: Exchange) -> None:
        """A dropped answer is judged like any other. When none comes: is it the operation, or is the target gone?"""
        self._answers, self._answered_s = self._answers + 1, self._answered_s + exchange.duration_s
        if exchange.failure not in (REFUSED, HUNG):
            self._lost_in_a_row.clear()
            return
        self._lost[exchange.operation] += 1
        self._lost_in_a_row.add(exchange.operation)
        if self.health is None:
            raise Obstacle(f"{self.target.base_url} cannot be reached: {exchange.detail}")
        if self.ping().failure or len(self._lost_in_a_row) > MUTE_OPERATIONS:
            raise Obstacle(f"{self.target.base_url} does not answer: {exchange.detail}")
        raise TargetLost(f"no answer to {exchange.method} {exchange.operation}: {exchange.detail}")

    def _watch_refusals(self, exchange: Exchange) -> None:
        """A target that has no time for a request says nothing about the rule that the request was for.

        429 is never judged. 503 is judged like any other server error where the target answers others meanwhile: for a
        read that got it three times, and for a write, which is never sent again, from the operation's second on.
        """
        operation, status = exchange.operation, exchange.status
        if status not in (TOO_MANY, UNAVAILABLE):
            if status:
                self._refused_in_a_row.clear()
                self._refused.pop((operation, TOO_MANY), None)
            return
        self._refused[operation, status] += 1
        self._refused_in_a_row.add(operation)
        times = f", {exchange.tries} times with pauses between" if exchange.tries > 1 else ""
        what = f"{exchange.method} {operation} got {status}{times}"
        if self.health is None:
            raise Obstacle(f"{self.target.base_url} has no time: {what}")
        if len(self._refused_in_a_row) > BUSY_OPERATIONS:
            raise Obstacle(f"{self.target.base_url} has no time: {BUSY_OPERATIONS} operations in a row got {status}")
        if status == TOO_MANY:
            raise TargetLost(f"{what}; a smaller max_rps would make it checkable")
        if self.ping().status in (0, TOO_MANY, UNAVAILABLE):
            raise TargetLost(f"{what}, and so does the rest of the target")
        if exchange.method != "GET" and self._refused[operation, status] < PATIENCE:
            raise TargetLost(f"{what}; it may have been done, so it is not sent again")

    def ping(self, token: str = "", *, patient: bool = False) -> Exchange:
        """What a token, the run's own one without, gets where the target is known to answer. It counts nowhere."""
        assert self.health is not None
        headers = {"Accept": "application/json", TOKEN_HEADER: token or self.admin.token}
        return self.client.send("GET", self.health.url(self.target), headers=headers, patient=patient)

    def read(self, call: Call, caller: Identity) -> Exchange:
        """A GET, answered from memory while nothing has been written since the same was asked."""
        key = (caller.token, call.url(self.target))
        exchange = self._reads.get(key)
        if exchange is None:
            exchange = self.send(call, caller)
            if len(exchange.body) <= _REMEMBERED_BYTES:
                self._reads[key] = exchange
        return exchange

    def forget_reads(self) -> None:
        """Let every read be asked anew."""
        self._reads.clear()

    def read_again(self, call: Call, caller: Identity) -> Exchange:
        """A GET that is really sent, and remembered; it counts neither for nor against the operation it asks."""
        exchange = self.send(call, caller, judged=False)
        self._reads[caller.token, call.url(self.target)] = exchange
        return exchange

    def seen(self, operation: Operation) -> list[Exchange]:
        """Every judged exchange with an operation so far."""
        return self._judged.of(operation)

    def forget(self, operation: Operation) -> None:
        """Let go of an operation's exchanges once all its cells are judged."""
        self._judged.forget(operation)
