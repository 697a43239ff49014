"""A target, and the rules that hold for every one, wherever its description came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

PERMISSIONS = ("writes", "destructive", "sends", "load")
TOKEN_VARIABLE, EMAIL_VARIABLE, PASSWORD_VARIABLE = "CDP_TOKEN", "CDP_EMAIL", "CDP_PASSWORD"
EMBEDDED = "embedded"  # the name of the instance that the suite brings
PRODUCTION_FLAG = "--i-know-this-is-production"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NEEDED: Mapping[str, frozenset[str]] = {
    "read": frozenset(),
    "write": frozenset({"writes"}),
    "destructive": frozenset({"writes", "destructive"}),
    "sends": frozenset({"writes", "sends"}),
}
_PRODUCTION = re.compile(r"(prod|production|live|www)\d*")


class TargetError(Exception):
    """The target is described wrongly; the message is one line that says what to change."""


@dataclass(frozen=True)
class Credentials:
    """A ready token, or e-mail and password to log in with. Never shown: repr hides them."""

    token: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class ReadyRole:
    """A ready-made token of a user whose role holds exactly these features, for targets where no users are made."""

    name: str
    features: frozenset[str]
    token: str = field(repr=False)


@dataclass(frozen=True)
class Peak:
    """The load that a target has to bear, as it was agreed: what a gate puts on it. `rate` in requests a second, `time`
    and `warm_up` as `cdp load` takes them (90s, 5m), `slo` what has to hold; empty `batch`: as usual."""

    rate: float
    scenario: str = "mixed"
    time: str = "60s"
    slo: str = ""
    warm_up: str = "5s"
    batch: str = ""


@dataclass(frozen=True)
class Target:
    """One instance. `base_url` ends in /api; `origin` is the host itself, where the Audience API lives."""

    name: str
    base_url: str
    credentials: Credentials
    allow: frozenset[str] = frozenset()
    timeout_s: float = 10.0
    disposable: bool = False  # thrown away after the run, with all that the run left on it
    max_rps: float | None = None
    ca_file: str = ""
    client_cert: str = ""
    client_key: str = ""
    proxy: str = field(default="", repr=False)  # may hold credentials
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # sent with every request
    secret_headers: frozenset[str] = frozenset()  # names of those whose values came from the environment
    roles: tuple[ReadyRole, ...] = ()
    production: bool = False
    overlay: str | None = None  # an OpenAPI Overlay that corrects the contract for this target
    peak: Peak | None = None

    @property
    def origin(self) -> str:
        return self.base_url[: -len("/api")]

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK

    @property
    def proxy_shown(self) -> str:
        """The proxy without its credentials."""
        parts = urlsplit(self.proxy)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if self.proxy else ""

    def allows(self, safety: str) -> bool:
        """Whether operations of this safety class may be called (read always)."""
        return _NEEDED[safety] <= self.allow

    def lacking(self, safety: str) -> str:
        """Why operations of this class are not called, and what would change that."""
        missing = " and ".join(word for word in PERMISSIONS if word in _NEEDED[safety] - self.allow)
        return f"{safety} calls are not allowed on this target; allow {missing} to judge it"

    def secrets(self) -> Iterator[str]:
        """Everything about the target that must never be written down."""
        yield from (self.credentials.token, self.credentials.password)
        yield from (role.token for role in self.roles)
        yield from (value for name, value in self.headers if name in self.secret_headers)
        password = urlsplit(self.proxy).password
        if password:
            yield from (password, unquote(password))


def parse_base_url(text: str) -> str:
    """Normalise a base URL to `scheme://host[:port][/prefix]/api`; raises TargetError when it is none."""
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise TargetError(f"the URL {text!r} is malformed: {error}") from None
    if parts.username or parts.password:
        raise TargetError("the URL must hold neither query, fragment nor credentials")
    if parts.scheme not in ("http", "https") or not host:
        raise TargetError(f"the URL {text!r} needs a scheme and a host, for example https://instance.example/api")
    if not _can_be_looked_up(host):
        raise TargetError(f"the URL {text!r} is malformed: {host!r} is no name of a host")
    if parts.query or parts.fragment:
        raise TargetError("the URL must hold neither query, fragment nor credentials")
    return url if url.endswith("/api") else url + "/api"


def _can_be_looked_up(host: str) -> bool:
    """Whether the resolver takes a host for a name: parts of 1 to 63 bytes between dots, and no white space."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return not any(sign.isspace() or not sign.isprintable() or sign in '\\"<>^`{|}' for sign in host)


def check_permissions(words: Iterable[str]) -> frozenset[str]:
    """Permissions by name; raises TargetError on an unknown one. destructive and sends need writes beside them, and
    nothing implies another one."""
    asked = frozenset(words)
    unknown = asked.difference(PERMISSIONS)
    if unknown:
        raise TargetError(f"unknown permission {', '.join(sorted(unknown))}; known are {', '.join(PERMISSIONS)}")
    leaning = asked & {"destructive", "sends"}
    if leaning and "writes" not in asked:
        raise TargetError(f"{' and '.join(sorted(leaning))} needs writes allowed as well")
    return asked


def parse_permissions(text: str) -> frozenset[str]:
    """Read `writes,destructive,sends,load`. Raises TargetError as `check_permissions` does."""
    return check_permissions(word.strip() for word in text.split(",") if word.strip())


def target_from_url(
    url: str, environment: Mapping[str, str], allow: Iterable[str] = (), timeout_s: float = 10.0
) -> Target:
    """A target by its URL, with credentials from the environment: CDP_TOKEN, or CDP_EMAIL and CDP_PASSWORD.

    Raises TargetError when neither is there or the URL is malformed.
    """
    base_url = parse_base_url(url)
    credentials = Credentials(
        token=environment.get(TOKEN_VARIABLE, "").strip(),
        email=environment.get(EMAIL_VARIABLE, "").strip(),
        password=environment.get(PASSWORD_VARIABLE, ""),
    )
    if not credentials.token and not (credentials.email and credentials.password):
        raise TargetError(
            f"no credentials: set {TOKEN_VARIABLE}, or {EMAIL_VARIABLE} and {PASSWORD_VARIABLE}, in the environment"
        )
    name = (urlsplit(base_url).netloc or "target").replace(":", "-")
    return Target(name, base_url, credentials, frozenset(allow), timeout_s)


def read_only(target: Target) -> Target:
    """The same target with every permission taken away."""
    return replace(target, allow=frozenset())


def looks_like_production(name: str, base_url: str, *, declared: bool = False) -> str:
    """Why a target is taken for production, in words; empty when it is not.

    Names say nothing about a host that is this machine; a declaration does, because of tunnels.
    """
    if declared:
        return "production = true"
    host = urlsplit(base_url).hostname or ""
    if host in LOOPBACK:
        return ""
    for what, text in (("name", name), ("host", host)):
        if any(_PRODUCTION.fullmatch(part) for part in re.split(r"[^a-z0-9]+", text.lower())):
            return f"its {what} is {text}"
    return ""


def guard_production(target: Target, known: bool) -> Target:
    """The target itself; raises TargetError when it looks like production and nobody said that this is `known`."""
    why = looks_like_production(target.name, target.base_url, declared=target.production)
    if why and not known:
        raise TargetError(f"target {target.name!r} looks like production ({why}); if it is meant: {PRODUCTION_FLAG}")
    return target
