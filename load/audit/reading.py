"""Reading from a target over the load side's own connections, in parallel, and only as fast as the target allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import gevent
import orjson
from gevent.pool import Group

from cdp.addresses import path_of
from cdp.contract import Contract, Operation
from cdp.pacing import FIRST_PAUSE_S, LONGEST_PAUSE_S, Limiter, Time, retry_after
from cdp.targets import Target
from load.access import Access
from load.answer import Answer, Failure
from load.wire.origin import WireError
from load.wire.pool import Pool

Row = dict[str, Any]
T = TypeVar("T")
PARALLEL = 8
PATIENCE_S = 30.0  # for one request that is refused or not answered
_LARGEST_PAGE = 1000
_SMALL_PAGE = 100
_LEAST_PAGE = 20  # what a page holds when nothing is asked; no target gives less
_REFUSED = (429, 500, 502, 503, 504)


class ReadError(Exception):
    """Something could not be read; the message is one line that says why."""


class NotThere(ReadError):
    """What was asked for does not exist, or not any more."""


class Stopped(Exception):
    """Reading was stopped from outside; the message says why."""


class Reading:
    """Asks a target. `wanted` is asked before each request: a text there says why to stop.

    `page`: how many records of a list are asked at a time; it falls where the target does not give so many.
    """

    def __init__(
        self,
        target: Target,
        contract: Contract,
        pool: Pool,
        access: Access,
        *,
        max_rps: float | None,
        wanted: Callable[[], str] = lambda: "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.target = target
        self.contract = contract
        self.requests = 0
        self._pool = pool
        self._access = access
        self._limiter = Limiter(max_rps, Time(sleep=gevent.sleep))
        self._wanted = wanted
        self._patience_s = patience_s
        self._pages: dict[str, int] = {}

    def get(
        self, operation: Operation, path: dict[str, Any] | None = None, query: Iterable[tuple[str, Any]] = ()
    ) -> tuple[int, Any]:
        """Status and decoded body (None when it is no JSON) of an answer below 500.

        Blocks the calling greenlet. What is refused for the moment is asked again, for half a minute; what met a token
        that has run out, once with another one. Raises ReadError, and Stopped.
        """
        where = path_of(self.target, operation, path, query)
        request, renewed = self._access.encode("GET", where), False
        deadline_s = time.monotonic() + self._patience_s
        tries = 0
        while True:
            if why := self._wanted():
                raise Stopped(why)
            self._limiter.wait()
            try:
                answer = self._pool.perform(request)
            except WireError as error:
                raise ReadError(str(error)) from None
            self.requests += 1
            tries += 1
            if answer.status == 401 and not renewed and (signed := self._access.signed_again(request)):
                request, renewed = signed, True
                continue
            if answer.status and answer.status not in _REFUSED:
                return answer.status, _decoded(answer.body)
            pause_s = _pause_s(answer, tries)
            if time.monotonic() + pause_s > deadline_s:
                raise ReadError(f"{operation.id} answers {_in_words(answer)}, also after {tries} tries")
            gevent.sleep(pause_s)

    def pages(self, operation: Operation, path: dict[str, Any] | None = None) -> Iterator[list[Row]]:
        """The pages of a list, the newest records first, to its end. A record that was pushed on to the next page,
        because new ones came in between, stands in both. Raises ReadError as `get`, and when it is no list.

        A page that is not full is the last one, unless it is so long that the target may give no more at a time.
        """
        offset, before = 0, 0
        while True:
            size = self.page_size(operation)
            paged = [("limit", size), ("offset", offset)] if size else []
            status, body = self.get(operation, path, paged)
            if status in (400, 422) and size > _SMALL_PAGE:
                self._pages[operation.id] = _SMALL_PAGE
                continue
            rows = rows_of(operation, status, body)
            if rows and before and before < size:
                self._pages[operation.id] = before
            yield rows
            if not size or len(rows) < min(size, _LEAST_PAGE):
                return
            offset += len(rows)
            before = len(rows)

    def page_size(self, operation: Operation) -> int:
        """How many records of a list are asked at a time; 0 where it is not paged."""
        if operation.id not in self._pages:
            limit = operation.query("limit")
            paged = limit is not None and operation.query("offset") is not None
            most = self.contract.resolved(limit.schema).get("maximum", _SMALL_PAGE) if limit and paged else 0
            self._pages[operation.id] = min(int(most), _LARGEST_PAGE)
        return self._pages[operation.id]

    def newest(self, operation: Operation, path: dict[str, Any], count: int) -> list[Row]:
        """The first records of a list, `count` at most. Raises ReadError."""
        size = min(count, self.page_size(operation))
        status, body = self.get(operation, path, [("limit", size)] if size else [])
        return rows_of(operation, status, body)


def rows_of(operation: Operation, status: int, body: Any) -> list[Row]:
    """The records of a list. Raises ReadError when the answer is none."""
    key = operation.collection.key if operation.collection else None
    rows = body.get(key) if key and isinstance(body, dict) else body
    if status == 404:
        raise NotThere(f"{operation.id} answered 404")
    if not 200 <= status < 300 or not isinstance(rows, list):
        raise ReadError(f"{operation.id} answered {status}" + (" without a list" if 200 <= status < 300 else ""))
    return [row for row in rows if isinstance(row, dict)]


def in_parallel(work: Callable[[T], object], things: Iterable[T], parallel: int = PARALLEL) -> None:
    """Do work on every thing, several at a time, each in a greenlet. The first error ends all, and is raised."""
    source = iter(things)
    failed: list[BaseException] = []

    def go_on() -> None:
        for thing in source:
            if failed:
                return
            try:
                work(thing)
            except Exception as error:
                failed.append(error)
                return

    group = Group()
    for _ in range(parallel):
        group.spawn(go_on)
    try:
        group.join()
    finally:
        group.kill()
    if failed:
        raise failed[0]


def _pause_s(answer: Answer, tries: int) -> float:
    """How long to wait before a request is sent again."""
    asked = retry_after(answer.header("Retry-After"), time.time()) if answer.status else None
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(tries - 3, 4) if asked is None else asked)


def _in_words(answer: Answer) -> str:
    if answer.status:
        return str(answer.status)
    failure = answer.failure or Failure.MALFORMED
    return f"nothing ({failure.value})"


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
