"""HTTP as the suite speaks it: one request, one exchange, whatever happens.

Nothing here raises for what a server does. A refused connection, a hang, a dropped or endless answer is an exchange
with `failure` set, so that a convention can judge it like any other answer. Redirects are never followed: a redirect is
an answer.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from cdp.secrets import REDACTED, Secrets
from cdp.targets import TOKEN_VARIABLE, Target

TOKEN_HEADER = "X-Access-Token"
MAX_BODY_BYTES = 32 * 1024 * 1024
REFUSED, HUNG, DROPPED, TOO_LARGE, UNREADABLE = "refused", "hung", "dropped", "too large", "unreadable"
_SHOWN_BYTES = 4_000
_SECRET_HEADERS = ("x-access-token", "authorization", "cookie", "set-cookie")
_MISSING = object()


@dataclass(slots=True)
class Exchange:
    """A request and what came back. `status` is 0 when nothing did; then `failure` says how, `detail` why."""

    operation: str
    role: str
    method: str
    url: str
    request_headers: dict[str, Any]
    request_body: bytes | None
    status: int = 0
    headers: CaseInsensitiveDict[str] = field(default_factory=CaseInsensitiveDict)
    body: bytes = b""
    duration_s: float = 0.0
    failure: str = ""
    detail: str = ""
    _json: Any = _MISSING

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refused_access(self) -> bool:
        return self.status in (401, 403)

    @property
    def client_error(self) -> bool:
        return 400 <= self.status < 500

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def json(self) -> Any:
        """The decoded body, or None when there is none or it is not JSON."""
        if self._json is _MISSING:
            try:
                self._json = orjson.loads(self.body)
            except orjson.JSONDecodeError:
                self._json = _lenient_json(self.body)
        return self._json

    def outcome(self) -> str:
        """Short form for sentences: `200`, or `no answer (hung)`."""
        return str(self.status) if self.status else f"no answer ({self.failure})"


def _lenient_json(body: bytes) -> Any:
    """What Python's own parser makes of a body that the strict one refused (64-bit overflow, lone surrogates)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


class Client:
    """Sends requests to one target over kept-alive connections. Not for use by several threads at once."""

    def __init__(self, target: Target, secrets: Secrets) -> None:
        self.target = target
        self.secrets = secrets
        self.sent = 0
        self._session = requests.Session()
        self._session.trust_env = not target.loopback  # proxies of the environment are for the outside only
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=2, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        operation: str = "",
        role: str = "",
    ) -> Exchange:
        """Send one request and wait for its whole answer, `timeout_s` of the target at most.

        A read that is cut off on a kept connection is sent once more, because a server may close an idle connection at
        any time.
        """
        exchange = self._send(method, url, dict(headers or {}), body, operation, role)
        if exchange.failure == DROPPED and method == "GET":
            exchange = self._send(method, url, dict(headers or {}), body, operation, role)
        return exchange

    def _send(
        self, method: str, url: str, headers: dict[str, Any], body: bytes | None, operation: str, role: str
    ) -> Exchange:
        exchange = Exchange(operation, role, method, url, headers, body)
        self.sent += 1
        started = time.perf_counter()
        deadline = started + self.target.timeout_s
        try:
            prepared = requests.Request(method, url, data=body).prepare()
            prepared.headers.update(headers)  # past requests' own checks: a blank token has to be sent as it is
            response = self._session.send(prepared, timeout=self.target.timeout_s, allow_redirects=False, stream=True)
            with response:
                exchange.status = response.status_code
                exchange.headers = response.headers
                self._read(response, exchange, deadline)
        except requests.exceptions.ConnectTimeout:
            exchange.failure, exchange.detail = HUNG, f"no connection within {self.target.timeout_s:g} s"
        except requests.exceptions.Timeout:
            exchange.failure, exchange.detail = HUNG, f"no answer within {self.target.timeout_s:g} s"
        except requests.exceptions.SSLError as error:
            exchange.failure, exchange.detail = REFUSED, f"TLS: {_innermost(error)}"
        except requests.exceptions.ConnectionError as error:
            reason = _innermost(error)
            dropped = "timed out" not in reason and (
                "aborted" in reason or "reset" in reason or "closed" in reason or "Broken pipe" in reason
            )
            exchange.failure = HUNG if "timed out" in reason.lower() else DROPPED if dropped else REFUSED
            exchange.detail = reason
        except (requests.exceptions.RequestException, ValueError, OSError) as error:
            exchange.failure, exchange.detail = UNREADABLE, _innermost(error)
        if exchange.failure:
            exchange.status = 0
        exchange.detail = self.secrets.redact(exchange.detail)
        exchange.duration_s = time.perf_counter() - started
        return exchange

    def _read(self, response: requests.Response, exchange: Exchange, deadline: float) -> None:
        chunks, size = [], 0
        for chunk in response.iter_content(65536):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                exchange.failure, exchange.detail = TOO_LARGE, f"more than {MAX_BODY_BYTES} bytes"
                break
            if time.perf_counter() > deadline:
                exchange.failure, exchange.detail = HUNG, f"the answer did not end within {self.target.timeout_s:g} s"
                break
        exchange.body = b"".join(chunks)


def _innermost(error: BaseException) -> str:
    """The reason under requests' and urllib3's wrappers, in one line."""
    while True:
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            return " ".join(str(error).split()) or type(error).__name__
        error = inner


def curl_line(exchange: Exchange, secrets: Secrets) -> str:
    """A command that repeats the request; the token stands as $CDP_TOKEN, so that the line can be shared."""
    words = ["curl", "-sS", "-i"]
    if exchange.method != "GET":
        words += ["-X", exchange.method]
    text = " ".join(shlex.quote(word) for word in words)
    for name, value in exchange.request_headers.items():
        shown = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if name.lower() in _SECRET_HEADERS:
            text += (
                f' -H "{name}: ${TOKEN_VARIABLE}"'
                if _is_real(shown, secrets)
                else " -H " + shlex.quote(f"{name}: {_printable(shown)}")
            )
        else:
            text += " -H " + shlex.quote(f"{name}: {secrets.redact(shown)}")
    if exchange.request_body is not None:
        try:
            text += " --data-binary " + shlex.quote(secrets.redact(exchange.request_body.decode("utf-8")))
        except UnicodeDecodeError:
            text += " --data-binary @body.bin"
    return text + " " + shlex.quote(secrets.redact(exchange.url))


def _is_real(value: str, secrets: Secrets) -> bool:
    return secrets.redact(value) != value


def _printable(value: str) -> str:
    """A made-up token as it may be shown: the start is enough to tell which kind it was."""
    return "".join(c if c.isprintable() and ord(c) < 127 else "?" for c in value[:24])


def describe(exchange: Exchange, secrets: Secrets) -> dict[str, Any]:
    """The exchange as it is stored in results: redacted, and cut where it is long."""
    headers = {
        name: REDACTED
        if name.lower() in _SECRET_HEADERS
        else secrets.redact(value.decode("latin-1") if isinstance(value, bytes) else str(value))
        for name, value in exchange.request_headers.items()
    }
    return {
        "request": {
            "method": exchange.method,
            "url": secrets.redact(exchange.url),
            "headers": headers,
            "body": _shown(exchange.request_body, secrets) if exchange.request_body is not None else None,
        },
        "response": {
            "status": exchange.status,
            "failure": " ".join(filter(None, (exchange.failure, exchange.detail))),
            "headers": {
                n: REDACTED if n.lower() in _SECRET_HEADERS else secrets.redact(str(v))
                for n, v in exchange.headers.items()
            },
            "body": _shown(exchange.body, secrets),
            "duration_ms": round(exchange.duration_s * 1000, 1),
        },
    }


def _shown(body: bytes, secrets: Secrets) -> str:
    text = secrets.redact(body.decode("utf-8", "backslashreplace"))
    return text if len(text) <= _SHOWN_BYTES else f"{text[:_SHOWN_BYTES]} … ({len(text)} characters)"
