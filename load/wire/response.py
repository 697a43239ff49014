"""What a user gets back: the interface of Locust's own responses, over an answer of the wire client."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import orjson
from locust.exception import CatchResponseError, LocustError, ResponseError
from requests.structures import CaseInsensitiveDict

from load.answer import Answer, Failure

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_OUTSIDE_BLOCK = "use a with-block, with catch_response=True, to say what a response was worth"


class RequestFailed(ResponseError):
    """Why a request counts as failed; its text is what the failure table shows, so it holds no changing values."""


class NoAnswer(RequestFailed):
    """No whole answer came, or one that cannot be used. `indeterminate`: the target may have carried it out."""

    def __init__(self, answer: Answer) -> None:
        assert answer.failure is not None
        detail = f": {answer.detail}" if answer.detail else ""
        super().__init__(f"{answer.failure.value}{detail}")
        self.failure: Failure = answer.failure
        self.indeterminate = answer.indeterminate


class BadStatus(RequestFailed):
    """The status is 400 or above."""


class Redirected(RequestFailed):
    """The answer is a redirect."""


class WireResponse:
    """An answer, as users of Locust know it; a context manager when it was asked for with `catch_response`.

    `status_code` is 0 and `content` None when no whole answer came; `ok` is False for everything that counts as
    failed by itself: no answer, 400 and above, redirects. `error` says why.
    """

    def __init__(
        self,
        method: str,
        name: str,
        url: str,
        answer: Answer,
        started_ns: int,
        context: Callable[[], dict[str, Any]],
        report: Callable[[WireResponse, Exception | None], None],
        catch_response: bool,
    ) -> None:
        self.method = method
        self.url = url
        self.answer = answer
        self.started_ns = started_ns
        self.status_code = answer.status
        self.error = error_of(answer)
        self._name = name
        self._context = context
        self._report = report
        self._catch_response = catch_response
        self._meta: dict[str, Any] | None = None
        self._headers: CaseInsensitiveDict[str] | None = None
        self._entered = False
        self._said: Exception | bool | None = None  # True: success, an exception: failure

    # What came

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def indeterminate(self) -> bool:
        """Bytes of the request may have reached the target, and no whole answer came."""
        return self.answer.indeterminate

    @property
    def content(self) -> bytes | None:
        """The body, its content coding taken away."""
        return self.answer.body if self.answer.failure is None else None

    @property
    def headers(self) -> CaseInsensitiveDict[str]:
        """Headers by name, letter case aside; those of the same name joined by a comma."""
        if self._headers is None:
            self._headers = CaseInsensitiveDict()
            for raw, value in self.answer.headers:
                name, text = raw.decode("latin-1"), value.decode("latin-1")
                self._headers[name] = f"{self._headers[name]}, {text}" if name in self._headers else text
        return self._headers

    @property
    def encoding(self) -> str:
        """The character set that the answer names, else UTF-8 (which JSON is)."""
        message = Message()
        message["Content-Type"] = re.sub(r"[\r\n]", " ", self.headers.get("Content-Type", ""))
        return str(message.get_content_charset("utf-8"))

    @property
    def text(self) -> str:
        """The body as text; what does not decode is replaced."""
        try:
            return (self.content or b"").decode(self.encoding, "replace")
        except LookupError:  # a character set that nobody knows
            return (self.content or b"").decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises json.JSONDecodeError."""
        return orjson.loads(self.content or b"")

    @property
    def elapsed(self) -> datetime.timedelta:
        """From the call to the last byte of the answer, waiting for a free connection included."""
        return datetime.timedelta(microseconds=(self.answer.done_ns - self.started_ns) / 1000)

    def raise_for_status(self) -> None:
        """Raises what the request failed with; what was said by `success` and `failure` comes first."""
        if isinstance(self._said, Exception):
            raise self._said
        if self._said is None and self.error is not None:
            raise self.error

    # What is reported

    @property
    def request_meta(self) -> dict[str, Any]:
        """What Locust's `request` event is fired with; what is changed in a with-block is what is reported."""
        if self._meta is None:
            self._meta = {
                "request_type": self.method,
                "response_time": (self.answer.done_ns - self.started_ns) / 1e6,
                "name": self._name,
                "context": self._context(),
                "response": self,
                "exception": self.error,
                "start_time": time.time() - (time.monotonic_ns() - self.started_ns) / 1e9,
                "url": self.url,
                "response_length": len(self.answer.body),
            }
        return self._meta

    @property
    def name(self) -> str:
        """The row in the tables."""
        return self._name if self._meta is None else str(self._meta["name"])

    @property
    def done_ns(self) -> int:
        """When it was over, by what is to be reported."""
        if self._meta is None:
            return self.answer.done_ns
        return self.started_ns + round(self._meta["response_time"] * 1e6)

    def success(self) -> None:
        """Count the request as good, whatever came."""
        self._within_block()
        self._said = True

    def failure(self, exc: Exception | str) -> None:
        """Count the request as failed."""
        self._within_block()
        self._said = exc if isinstance(exc, Exception) else CatchResponseError(exc)

    def _within_block(self) -> None:
        if not self._entered:
            raise LocustError(_OUTSIDE_BLOCK)

    def __enter__(self) -> WireResponse:
        if not self._catch_response:
            raise LocustError("pass catch_response=True to use a response in a with-block")
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._said is not None:
            self._report(self, None if self._said is True else self._said)  # type: ignore[arg-type]
            return kind is None
        if value is not None and not isinstance(value, ResponseError):
            return False  # an error of the task; Locust shows it, and the request is not counted
        self._report(self, value if value is not None else self.error)
        return True


def error_of(answer: Answer) -> RequestFailed | None:
    """Why an answer counts as failed by itself."""
    if answer.failure is not None:
        return NoAnswer(answer)
    status = answer.status
    if status < 300 or status == 304:
        return None
    if status < 400:
        return Redirected(f"redirects are not followed: {status} to {_place(answer.header('Location'))}")
    return BadStatus(f"{status} {_PHRASES.get(status, '')}".rstrip())


def _place(location: str) -> str:
    """A location without its query, which may hold secrets and changes from answer to answer."""
    try:
        parts = urlsplit(location)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "a place that is no URL"
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path or "nowhere"
