"""The client of a user: the calls that Locust's own clients have, over a pool that all users of the process share."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlencode, urlsplit

import orjson

from load.wire.origin import WireError, parse_origin
from load.wire.pool import Pool
from load.wire.reporting import Reporter
from load.wire.request import RequestTemplate
from load.wire.response import WireResponse

Params: TypeAlias = Mapping[str, Any] | Sequence[tuple[str, Any]] | str
Data: TypeAlias = bytes | str | Mapping[str, Any] | Sequence[tuple[str, Any]]

_READY = re.compile(r"/[A-Za-z0-9\-._~/%:=&?+!$,;'@()*]*")  # a path that needs no encoding
_SAFE = "/%:=&?~#+!$,;'@()*[]"  # what stands for itself, or was encoded already
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


def split_credentials(url: str) -> tuple[str, str]:
    """A base URL without the user and password in it, and the header value that they make (empty without any)."""
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        return url, ""  # whoever parses it next says what is wrong
    if user is None:
        return url, ""
    clean = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return clean, _basic(unquote(user), unquote(password or ""))


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


class WireClient:
    """Sends the requests of one user. `base_url`: what paths are appended to; other origins are refused.

    Redirects are not followed, cookies not kept, and nothing is sent again: each call is one request at most.
    """

    def __init__(
        self,
        base_url: str,
        pool: Pool,
        reporter: Reporter,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float | None = None,
        scenario: str = "",
        context: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        base_url, credentials = split_credentials(base_url)
        self.base_url = base_url.rstrip("/")
        self.request_name: str | None = None
        self.pool = pool
        self._origin = parse_origin(base_url)
        self._origin_url = str(self._origin)
        self._base_path = urlsplit(self.base_url).path
        self._reporter = reporter
        self._timeout_s = timeout_s
        self._scenario = scenario
        self._context = context
        shared = {"Authorization": credentials} if credentials else {}
        self._template = RequestTemplate(self._origin.authority, {**shared, **(headers or {})})
        self._with_headers = lru_cache(256)(lambda pairs: self._template.with_headers(dict(pairs)))

    def request(
        self,
        method: str,
        url: str,
        name: str | None = None,
        *,
        params: Params | None = None,
        data: Data | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        catch_response: bool = False,
        context: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> WireResponse:
        """Send one request and wait for its answer; only the calling greenlet waits.

        `url`: a path, or an absolute URL of the same origin. `name`: its row in the tables, `url` without it. `data`:
        the body; mappings and pairs are sent as a form. `timeout`: seconds for all of it. Without `catch_response`
        the request is reported at once, else at the end of the with-block.

        Raises WireError for another origin and for `allow_redirects`, ValueError for what cannot be sent.
        """
        if allow_redirects:
            raise WireError("redirects are not followed: a load test measures the request that it names")
        target = self._target(url, params)
        body, media_type = self._body(data, json)
        if auth is not None:
            headers = {**(headers or {}), "Authorization": _basic(*auth)}
        template = self._with_headers(tuple(headers.items())) if headers else self._template
        encoded = template.encode(method, target, body, media_type)
        started_ns = time.monotonic_ns()
        answer = self.pool.perform(encoded, self._timeout_s if timeout is None else timeout)
        response = WireResponse(
            method,
            name or self.request_name or url,
            self._origin_url + target,
            answer,
            started_ns,
            (lambda: {**self._context(), **context}) if context else self._context,
            self._report,
            catch_response,
        )
        if not catch_response:
            self._report(response, response.error)
        return response

    def _report(self, response: WireResponse, error: Exception | None) -> None:
        self._reporter.report(response, self._scenario, error)

    def get(self, url: str, **options: Any) -> WireResponse:
        """GET; options as in `request`."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> WireResponse:
        """HEAD; options as in `request`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> WireResponse:
        """OPTIONS; options as in `request`."""
        return self.request("OPTIONS", url, **options)

    def delete(self, url: str, **options: Any) -> WireResponse:
        """DELETE; options as in `request`."""
        return self.request("DELETE", url, **options)

    def post(self, url: str, data: Data | None = None, json: Any = None, **options: Any) -> WireResponse:
        """POST; options as in `request`."""
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: Data | None = None, json: Any = None, **options: Any) -> WireResponse:
        """PUT; options as in `request`."""
        return self.request("PUT", url, data=data, json=json, **options)

    def patch(self, url: str, data: Data | None = None, json: Any = None, **options: Any) -> WireResponse:
        """PATCH; options as in `request`."""
        return self.request("PATCH", url, data=data, json=json, **options)

    @contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """Within the with-block, requests without a name of their own have this one."""
        self.request_name = name
        try:
            yield
        finally:
            self.request_name = None

    def _target(self, url: str, params: Params | None) -> str:
        """Path and query, encoded."""
        if _ABSOLUTE.match(url):
            if parse_origin(url) != self._origin:
                raise WireError(f"this client speaks to {self._origin} alone, not to {parse_origin(url)}")
            parts = urlsplit(url)
            target = quote(parts._replace(scheme="", netloc="", fragment="").geturl() or "/", safe=_SAFE)
            target = target if target.startswith("/") else "/" + target
        elif _READY.fullmatch(url):
            target = self._base_path + url
        elif url and url[0] not in "/?#":
            raise WireError(f"the path {url!r} needs a leading /, it is appended to {self.base_url}")
        else:
            target = self._base_path + quote(url.partition("#")[0], safe=_SAFE)
            target = target if target.startswith("/") else "/" + target
        if not params:
            return target
        query = quote(params, safe=_SAFE) if isinstance(params, str) else urlencode(_present(params), doseq=True)
        return f"{target}{'&' if '?' in target else '?'}{query}"

    @staticmethod
    def _body(data: Data | None, json: Any) -> tuple[bytes, str]:
        """The bytes of a body and their media type."""
        if data is not None:
            if isinstance(data, bytes | bytearray | memoryview):
                return bytes(data), ""
            if isinstance(data, str):
                return data.encode("utf-8"), ""
            if isinstance(data, Mapping):
                data = list(data.items())
            if not isinstance(data, list | tuple):
                raise TypeError(f"data must be bytes, text, a mapping or pairs, not {type(data).__name__}")
            return urlencode(_present(data), doseq=True).encode("ascii"), _FORM
        if json is not None:
            return orjson.dumps(json), _JSON
        return b"", ""


def _present(pairs: Mapping[str, Any] | Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Pairs whose value is not None, as requests has it."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return [(name, value) for name, value in items if value is not None]
