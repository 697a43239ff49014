"""What every answer is held to: its status, its shape, and the length of its page. A few microseconds each."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from cdp.contract import Operation
from load.answer import Answer, Failure
from load.decoding import Decoder, NotJson, WrongShape, decoders
from load.sampling import JSON, NOT_JSON_TYPE, NOT_STRICT, PLAINLY, SETTINGS, Asked, Conventions, media_type
from load.scenario import GOOD, Outcome
from load.scenarios.hot import Context, field_of, page_size

# What a target says that is asked too much, or that does not know the caller, is no violation of the contract.
_STATED = {
    401: Outcome("401: the token is refused"),
    403: Outcome("403: the role lacks a feature that is needed"),
    429: Outcome("429 Too Many Requests"),
    503: Outcome("503 Service Unavailable"),
}
# A dropped connection, or one that speaks no HTTP, is the server's fault; silence and refusal may be the load's.
_DROPPED = frozenset({Failure.RESET, Failure.CLOSED, Failure.MALFORMED})
_CUSTOMER_GONE = Outcome("404: a customer that was found is not there any more")


class Judge:
    """Judges the answers of one operation. `kept`: whether its records come newest first even under load; `gone`: a 404
    says that what was asked for has gone meanwhile, and not that the target is wrong."""

    def __init__(self, context: Context, operation: Operation, *, ordered: bool = True, gone: bool = False) -> None:
        self.operation = operation
        self.default_limit = page_size(context.contract, operation)
        self._decoders = decoders(context.contract, operation)
        self._conventions = Conventions(operation, ordered=ordered)
        self._writes = operation.safety != "read"
        self._gone = gone
        collection = operation.collection
        key = collection.key if collection else None
        self._records = field_of(key) if key else _itself
        self._settings, self._text = field_of(SETTINGS), field_of(self._conventions.text_name or "-")

    def decode(self, answer: Answer) -> Any:
        """The decoded body of a success, or the Outcome that says what is wrong."""
        decoder = self._decoders.get(answer.status)
        if decoder is None:
            return self.refused(answer)
        try:
            return decoder.strict(answer.body)
        except (ValueError, RecursionError):  # all that msgspec raises
            return self._unreadable(decoder, answer)

    def page(self, answer: Answer, limit: int = 0) -> Any:
        """The records of a page, or the Outcome that says what is wrong. `limit` 0: none was asked."""
        body = self.decode(answer)
        return body if type(body) is Outcome else self.records(body, limit)

    def tells_another(self, body: Any, text: str) -> bool:
        """Whether an answer says that another text was searched: it is somebody else's."""
        settings = self._settings(body)
        told = None if settings is None else self._text(settings)
        return told is not None and str(told) != text

    def records(self, body: Any, limit: int = 0) -> Any:
        """The records of a decoded page, or the Outcome that says that they are too many."""
        records = self._records(body) or ()
        most = limit or self.default_limit
        if most and len(records) > most:
            return _TOO_MANY[bool(limit)]
        return records

    def sample(self, answer: Answer, asked: Asked = PLAINLY) -> Outcome:
        """Hold a success to the conventions, too."""
        decoder: Decoder = self._decoders[answer.status]
        return self._conventions.hold(answer, decoder, asked)

    def refused(self, answer: Answer) -> Outcome:
        """What is wrong with an answer that is no documented success."""
        status = answer.status
        if answer.failure is not None or not status:
            return self._failed(answer)
        if status in _STATED:
            return _STATED[status]
        if status == 404 and self._gone:
            return _CUSTOMER_GONE
        if status >= 500:
            return Outcome(_phrase(status), "CODE-01")
        what = "a redirect, which is not followed" if 300 <= status < 400 else "to a valid request"
        return Outcome(f"{_phrase(status)}, {what}", "CODE-02")

    def _failed(self, answer: Answer) -> Outcome:
        failure = answer.failure or Failure.MALFORMED
        indeterminate = self._writes and answer.indeterminate
        if failure in _DROPPED and answer.sent_ns:
            return Outcome(failure.value, "CODE-01", indeterminate)
        return Outcome(failure.value, "", indeterminate)

    def _unreadable(self, decoder: Decoder, answer: Answer) -> Any:
        try:
            return decoder(answer.body)
        except WrongShape as error:
            return Outcome(str(error), "SHAPE-01")
        except NotJson:
            return NOT_JSON_TYPE if media_type(answer) != JSON else NOT_STRICT


class ListAnswer:
    """Judges one page of a list."""

    __slots__ = ("asked", "judge", "limit", "sampled")

    def __init__(self, judge: Judge, limit: int, asked: Asked, sampled: bool) -> None:
        self.judge = judge
        self.limit = limit
        self.asked = asked
        self.sampled = sampled

    def __call__(self, answer: Answer) -> Outcome:
        records = self.judge.page(answer, self.limit)
        if type(records) is Outcome:
            return records
        outcome = self.hold(records, answer.done_ns)
        return self.judge.sample(answer, self.asked) if self.sampled and outcome is GOOD else outcome

    def hold(self, records: Sequence[Any], at_ns: int) -> Outcome:
        """What else is wrong with the records; GOOD when nothing is."""
        return GOOD


_TOO_MANY = {
    False: Outcome("a page without a limit holds more records than the default", "PAGE-01"),
    True: Outcome("a page holds more records than the limit", "PAGE-02"),
}


def _itself(body: Any) -> Any:
    return body


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
