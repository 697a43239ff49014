"""The token of one process of a load run. When it has run out another one is got, once for all requests that met a 401.

A run may last longer than a token. What tells a token that has run out from an operation that refuses it: a list that
every caller may read refuses it, too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import gevent
import orjson
from gevent.event import AsyncResult

from cdp.addresses import path_of
from cdp.contract import Contract, Operation
from cdp.http import TOKEN_HEADER
from cdp.pacing import retry_after
from cdp.secrets import Secrets
from cdp.targets import Target
from load.answer import Answer
from load.scenario import ScenarioError
from load.wire.origin import WireError
from load.wire.pool import Pool
from load.wire.request import RequestTemplate

LOGINS = 3  # tries, before the run ends for want of a token
LOOK_AGAIN_S = 5.0  # after a look that found a token in force
_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 10.0
_JSON = "application/json"
_BEARING = re.compile(rb"(?mi)^" + TOKEN_HEADER.encode() + rb": [^\r\n]*\r\n")
Then = Callable[[bytes | None], None]


def template_of(target: Target, token: str) -> RequestTemplate:
    """What all requests to a target have in common: the token, and the headers that the target's entry asks for.

    Raises ScenarioError, which shows no value, for headers that cannot be sent.
    """
    try:
        return RequestTemplate(urlsplit(target.origin).netloc, headers_of(target, token))
    except ValueError as error:
        raise ScenarioError(str(error)) from None


def headers_of(target: Target, token: str) -> dict[str, str]:
    """The headers of every request to a target."""
    own = {"Accept": _JSON, TOKEN_HEADER: token}
    given = {name.lower() for name in own}
    return {**own, **{name: value for name, value in target.headers if name.lower() not in given}}


class Lost(Exception):
    """There is no token that counts any more; the message is one line that says why and what to do."""


class Access:
    """The token that requests bear. `encode` writes them, always with the token of the moment; `headers` are those of
    clients that write their own. `renewals`: how often another token was got; `sent_again`: requests that were sent a
    second time with it; `lost`: why no token counts any more, in one line. A look and a login go through the `pool`;
    without one nothing is renewed."""

    def __init__(self, target: Target, contract: Contract, secrets: Secrets, token: str) -> None:
        self.target = target
        self.token = token
        self.headers = headers_of(target, token)
        self.renewals = 0
        self.sent_again = 0
        self.lost = ""
        self.pool: Pool | None = None
        self._secrets = secrets
        self._template = template_of(target, token)
        self.encode = self._template.encode
        self._line = _line_of(token)
        self._plain = _plainest_list(contract)
        self._login = contract.operations.get("login_user")
        self._waiting: list[tuple[bytes, Then]] = []
        self._working = False
        self._in_force_s = 0.0

    def again(self, request: bytes, then: Then) -> None:
        """A request got a 401. `then` is called with the same request bearing a token that counts, as soon as there is
        one; with None when the token is in force and this operation alone refuses it, or no other one is to be had.

        Returns at once; may be called from hub callbacks and greenlets. `then` must not block.
        """
        if self._line not in request:  # another one was got while it was under way
            then(self._signed(request))
        elif self.lost or self.pool is None or self._plain is None or self._login is None or self._looked_lately:
            then(None)
        else:
            self._waiting.append((request, then))
            if not self._working:
                self._working = True
                gevent.spawn(self._renew)

    def signed_again(self, request: bytes) -> bytes | None:
        """The same for who can wait; only the calling greenlet does."""
        result: Any = AsyncResult()
        self.again(request, result.set)
        found: bytes | None = result.get()
        return found

    def other_than(self, token: str) -> bool:
        """A request that bore `token` got a 401: whether another token counts now. Only the calling greenlet waits."""
        return self.signed_again(_line_of(token)) is not None

    @property
    def _looked_lately(self) -> bool:
        return bool(self._in_force_s) and time.monotonic() - self._in_force_s < LOOK_AGAIN_S

    def _signed(self, request: bytes) -> bytes:
        """A request with the token of the moment; its head comes first, so that no body is touched."""
        return _BEARING.sub(lambda _: self._line, request, count=1)

    def _renew(self) -> None:
        """Get another token when this one has run out, and let those go on that wait."""
        renewed = False
        try:
            if self._refused(self.encode):
                self._take(self._other_token())
                renewed = True
            else:
                self._in_force_s = time.monotonic()
        except Lost as error:
            self.lost = self._secrets.redact(str(error))
        except WireError:
            pass  # the run is over meanwhile
        finally:
            self._working = False
            waiting, self._waiting = self._waiting, []
            for request, then in waiting:  # each on its own, so that what goes wrong with one keeps no other waiting
                gevent.get_hub().loop.run_callback(then, self._signed(request) if renewed else None)

    def _take(self, token: str) -> None:
        self.token, self._line = token, _line_of(token)
        self.headers = headers_of(self.target, token)
        self._template.change({TOKEN_HEADER: token})
        self.renewals += 1

    def _refused(self, encode: Callable[[str, str], bytes]) -> bool:
        """Whether a list that every caller may read answers 401. Raises WireError when the pool is closed."""
        assert self.pool is not None and self._plain is not None
        return self.pool.perform(encode("GET", path_of(self.target, self._plain))).status == 401

    def _other_token(self) -> str:
        """Log in again. Raises Lost; WireError when the pool is closed."""
        credentials = self.target.credentials
        if not credentials.password:
            raise Lost(
                "the token has run out or was withdrawn (401), and a ready-made one is not renewed: give e-mail and "
                "password, or a token that lasts longer than the run"
            )
        said, pause_s = "", 0.0
        for _ in range(LOGINS):
            gevent.sleep(pause_s)
            answer = self._log_in(credentials.email, credentials.password)
            token = _token_in(answer)
            pause_s = _pause_s(answer)
            if not token:
                said = str(answer.status or answer.failure or "nothing")
            elif token == self.token or self._refused(template_of(self.target, token).encode):
                said = "with a token that is refused"
            else:
                return token
        raise Lost(f"the token has run out (401), and logging in again failed {LOGINS} times: it was answered {said}")

    def _log_in(self, email: str, password: str) -> Answer:
        assert self.pool is not None and self._login is not None
        headers = {name: value for name, value in self.headers.items() if name != TOKEN_HEADER}
        template = RequestTemplate(urlsplit(self.target.origin).netloc, headers)
        body = orjson.dumps({"email": email, "password": password})
        answer = self.pool.perform(template.encode(self._login.method, path_of(self.target, self._login), body, _JSON))
        self._secrets.add(_token_in(answer))
        return answer


def _line_of(token: str) -> bytes:
    return f"{TOKEN_HEADER}: {token}\r\n".encode("latin-1")


def _plainest_list(contract: Contract) -> Operation | None:
    """A documented list that needs a token and no feature."""
    for operation in contract.operations.values():
        plain = not operation.features.needed and not operation.path_parameters
        if operation.collection and operation.provenance == "documented" and plain and operation.auth == "token":
            return operation
    return None


def _token_in(answer: Answer) -> str:
    """The token of a login; empty where there is none that could be sent."""
    try:
        body = orjson.loads(answer.body) if 200 <= answer.status < 300 else None
    except orjson.JSONDecodeError:
        return ""
    token = body.get("token") if isinstance(body, dict) else None
    return token if isinstance(token, str) and token.isascii() and token.isprintable() else ""


def _pause_s(answer: Answer) -> float:
    """Seconds until the next login."""
    asked = retry_after(answer.header("Retry-After"), time.time()) if answer.status in (429, 503) else None
    return _PAUSE_S if asked is None else min(asked, _LONGEST_PAUSE_S)
