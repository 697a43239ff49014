"""HTTP as the suite speaks it: one request, one exchange, whatever happens.

Nothing here raises for what a server does. A refused connection, a hang, a dropped or endless answer is an exchange
with `failure` set, so that a convention can judge it like any other answer. Redirects are never followed: a redirect is
an answer, and the token goes to nobody else. Certificates are always verified.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from cdp.connections import Adapter, Session, Watch
from cdp.pacing import Limiter, Time, pause_before_next
from cdp.secrets import Secrets
from cdp.targets import Target

JSON = "application/json"
_NEEDLESS = re.compile("%(4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A])")  # a letter that is percent-encoded
TOKEN_HEADER = "X-Access-Token"
MAX_BODY_BYTES = 32 * 1024 * 1024
REFUSED, HUNG, DROPPED, TOO_LARGE, UNREADABLE = "refused", "hung", "dropped", "too large", "unreadable"
_SHOWN_REASON = 300
_MANY_VALUES = 2_000_000  # in one body: a list of empty lists takes a hundred times its size once it is decoded
_KEPT_VALUES = 100_000
_PROXY_WANTS_CREDENTIALS = 407
_MISSING = object()
_INVALID = (400, 422)  # one is as good as the other, whichever a section names
_NO_SUCH_OPERATION = (404, 405, 501)


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
    tries: int = 1  # how often it was sent before this answer was left standing
    extra_headers: frozenset[str] = frozenset()  # names, in small letters, of those that only the target asked for
    _json: Any = _MISSING

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refused_access(self) -> bool:
        return self.status in (401, 403)

    @property
    def gone(self) -> bool:
        """Whether there is nothing at the address (any more): RFC 9110 sections 15.5.5 and 15.5.11."""
        return self.status in (404, 410)

    @property
    def refused_as_invalid(self) -> bool:
        return self.status in _INVALID

    @property
    def no_such_operation(self) -> bool:
        """Whether it may be the answer of a server that does not have the operation; 404 may be about a record, too."""
        return self.status in _NO_SUCH_OPERATION

    @property
    def client_error(self) -> bool:
        return 400 <= self.status < 500

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def overfull(self) -> bool:
        """Whether the body holds so many values that it is not decoded: they would fill the memory."""
        return _values(self.body) > _MANY_VALUES

    @property
    def json(self) -> Any:
        """The decoded body, or None when there is none, it is not JSON, or it is overfull."""
        if self._json is not _MISSING:
            return self._json
        decoded = None if self.overfull else _decoded(self.body)
        if _values(self.body) <= _KEPT_VALUES:  # what takes much memory is decoded again rather than kept
            self._json = decoded
        return decoded

    def outcome(self) -> str:
        """Short form for sentences: `200`, or `no answer (hung)`."""
        return str(self.status) if self.status else f"no answer ({self.failure})"

    def answered(self) -> str:
        """What was done, for sentences: `answered 200`, or `gave no answer (hung)`."""
        return f"answered {self.status}" if self.status else f"gave {self.outcome()}"


def _values(body: bytes) -> int:
    """About how many values a JSON body holds; small bodies are not worth counting."""
    return sum(map(body.count, (b",", b"[", b"{"))) if len(body) > _KEPT_VALUES else 0


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _lenient_json(body)


def _lenient_json(body: bytes) -> Any:
    """What Python's own parser makes of a body that the strict one refused (64-bit overflow, lone surrogates)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


class Client:
    """Sends requests to one target over kept-alive connections, as fast as the target allows: one after the other, or
    several at once. Not for use by several threads."""

    def __init__(self, target: Target, secrets: Secrets, clock: Time | None = None) -> None:
        self.target = target
        self.secrets = secrets
        self.sent = 0
        self.waited_s = 0.0  # because the target said that it was asked too much
        for secret in target.secrets():
            secrets.add(secret)
        self._time = clock or Time()
        self._limiter = Limiter(target.max_rps, self._time)
        self._session = Session()
        # Proxies of the environment are for the outside only, and a target's own comes before them.
        self._session.trust_env = not target.loopback and not target.proxy
        if target.proxy:
            self._session.proxies = {"http": target.proxy, "https": target.proxy}
        if target.ca_file:
            self._session.verify = target.ca_file
        if target.client_cert:
            self._session.cert = (target.client_cert, target.client_key) if target.client_key else target.client_cert
        self._watch = Watch(target.timeout_s)
        adapter = Adapter(self._watch)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._beside: list[Client] = []

    def close(self) -> None:
        for client in self._beside:
            client.close()
        self._watch.close()
        self._session.close()

    def at_once(self, wanted: Sequence[Callable[[Client], Exchange]]) -> list[Exchange]:
        """Send several requests at the same moment, each by a client, and over a connection, of its own; their answers,
        in the order in which they are wanted. No connection stays open. Raises ValueError on a target with `max_rps`:
        its owner wants one request after the other."""
        if self.target.max_rps is not None:
            raise ValueError("a target that names a rate is asked one thing after the other")
        while len(self._beside) < len(wanted):
            self._beside.append(Client(self.target, self.secrets, self._time))
        clients, ready = self._beside[: len(wanted)], threading.Barrier(len(wanted))
        before = [(client.sent, client.waited_s) for client in clients]

        def send(client: Client, request: Callable[[Client], Exchange]) -> Exchange:
            ready.wait(self.target.timeout_s)
            return request(client)

        with ThreadPoolExecutor(len(wanted), thread_name_prefix="at-once") as pool:
            exchanges = list(pool.map(send, clients, wanted))
        for client, (sent, waited_s) in zip(clients, before, strict=True):
            client._session.close()  # a server with few threads must not wait for who has nothing more to ask
            self.sent += client.sent - sent
            self.waited_s += client.waited_s - waited_s
        return exchanges

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        operation: str = "",
        role: str = "",
        patient: bool = True,
    ) -> Exchange:
        """Send one request and wait for its whole answer, `timeout_s` of the target at most.

        A read that is cut off on a kept connection is sent once more, because a server may close an idle connection at
        any time. A `patient` one waits and tries again where the target says that it is asked too much (see
        `cdp.pacing`); only the last answer counts.
        """
        given = {name.lower() for name in headers or {}}
        extra = {name: value for name, value in self.target.headers if name.lower() not in given}
        wanted = {**extra, **(headers or {})}
        tries = 1
        while True:
            exchange = self._send(method, url, dict(wanted), body, operation, role)
            if exchange.failure == DROPPED and method == "GET":
                exchange = self._send(method, url, dict(wanted), body, operation, role)
            exchange.tries, exchange.extra_headers = tries, frozenset(map(str.lower, extra))
            asked = exchange.headers.get("Retry-After", "")
            pause = pause_before_next(method, exchange.status, asked, tries, self._time.wall())
            if pause is None or not patient:
                return exchange
            self.waited_s += pause
            self._time.sleep(pause)
            tries += 1

    def _send(
        self, method: str, url: str, headers: dict[str, Any], body: bytes | None, operation: str, role: str
    ) -> Exchange:
        self._limiter.wait()
        exchange = Exchange(operation, role, method, url, headers, body)
        self.sent += 1
        started = time.perf_counter()
        deadline = started + self.target.timeout_s
        try:
            prepared = requests.Request(method, url, data=body).prepare()
            if _NEEDLESS.search(url):
                prepared.url = url  # requests would send the letter itself
            prepared.headers.update(headers)  # past requests' own checks: a blank token has to be sent as it is
            with self._watch.until(deadline):
                response = self._session.send(
                    prepared, timeout=self.target.timeout_s, allow_redirects=False, stream=True
                )
                with response:
                    exchange.status = response.status_code
                    exchange.headers = response.headers
                    self._read(response, exchange, deadline)
        except requests.exceptions.ConnectTimeout:
            exchange.failure, exchange.detail = HUNG, f"no connection within {self.target.timeout_s:g} s"
        except requests.exceptions.Timeout:
            exchange.failure, exchange.detail = HUNG, f"no answer within {self.target.timeout_s:g} s"
        except requests.exceptions.SSLError as error:
            exchange.failure, exchange.detail = REFUSED, f"TLS: {_tls_reason(error) or _innermost(error)}"
        except requests.exceptions.ProxyError as error:
            exchange.failure = REFUSED
            exchange.detail = f"the proxy {self.target.proxy_shown or 'of the environment'}: {_innermost(error)}"
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            exchange.failure, exchange.detail = _how_it_failed(error)
        if self._watch.struck and exchange.failure != TOO_LARGE:
            exchange.failure, exchange.detail = HUNG, f"no whole answer within {self.target.timeout_s:g} s"
        if self.target.proxy and exchange.status == _PROXY_WANTS_CREDENTIALS:
            exchange.failure = REFUSED
            exchange.detail = f"the proxy {self.target.proxy_shown} wants credentials, or other ones (407)"
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
                del chunks[2:]  # its beginning tells what it was
                break
            if time.perf_counter() > deadline:
                exchange.failure, exchange.detail = HUNG, f"the answer did not end within {self.target.timeout_s:g} s"
                break
        exchange.body = b"".join(chunks)


def _how_it_failed(error: BaseException) -> tuple[str, str]:
    """The kind of failure and the reason in one line. Closed and reset connections and answers that end too early are
    dropped; what is no HTTP is unreadable; what never was a connection is refused."""
    causes = list(_causes(error))
    reason = _innermost(error)
    if any(isinstance(cause, http.client.IncompleteRead | urllib3.exceptions.IncompleteRead) for cause in causes):
        if any(isinstance(cause, urllib3.exceptions.InvalidChunkLength) for cause in causes):
            return UNREADABLE, f"no valid chunks: {reason}"
        return DROPPED, f"the answer ended too early: {reason}"
    if any(isinstance(cause, ConnectionRefusedError | socket.gaierror) for cause in causes):
        return REFUSED, reason
    if any(isinstance(cause, ConnectionError) for cause in causes):  # RemoteDisconnected is one, too
        return DROPPED, reason
    if any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) for cause in causes):
        return HUNG, reason
    if any(isinstance(cause, http.client.HTTPException) for cause in causes):
        return UNREADABLE, f"no valid HTTP: {reason}"
    if any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes):
        return REFUSED, reason
    return UNREADABLE, reason


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and everything that it was made of."""
    waiting, seen = [error], set[int]()
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        inner = (getattr(found, "reason", None), *found.args, found.__cause__, found.__context__)
        waiting += [each for each in inner if isinstance(each, BaseException)]


def _innermost(error: BaseException) -> str:
    """The reason under requests' and urllib3's wrappers, in one line: what the system says, where it says anything."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, ssl.SSLError):
            return cause.strerror
    while True:
        parts = (getattr(error, "reason", None), *reversed(error.args))
        inner = next((part for part in parts if isinstance(part, BaseException)), None)
        if inner is None:
            return " ".join(str(error).split())[:_SHOWN_REASON] or type(error).__name__
        error = inner


def _tls_reason(error: BaseException) -> str:
    """What is wrong with the connection's TLS, and what would help; empty when it is not TLS."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, ssl.SSLError):
        below = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        inner = below if isinstance(below, BaseException) else None
    if inner is None:
        return ""
    if not isinstance(inner, ssl.SSLCertVerificationError):
        return (inner.reason or str(inner)).replace("_", " ").lower()
    message = inner.verify_message.rstrip(".")
    help_ = "; name its authority with ca_file" if "self-signed" in message or "issuer" in message else ""
    return f"the certificate is not accepted: {message}{help_}"
