"""What a run is aimed at: the base URL, how to get a token, and what the run may do there.

Without more, a target is read-only: nothing is written, deleted or sent unless it is allowed by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PERMISSIONS = ("writes", "destructive", "sends")
TOKEN_VARIABLE, EMAIL_VARIABLE, PASSWORD_VARIABLE = "CDP_TOKEN", "CDP_EMAIL", "CDP_PASSWORD"


class TargetError(Exception):
    """The target is described wrongly; the message is one line that says what to change."""


@dataclass(frozen=True)
class Credentials:
    """A ready token, or e-mail and password to log in with. Never shown: repr hides them."""

    token: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Target:
    """One instance. `base_url` ends in /api; `origin` is the host itself, where the Audience API lives."""

    name: str
    base_url: str
    credentials: Credentials
    allow: frozenset[str] = frozenset()
    timeout_s: float = 10.0
    disposable: bool = False  # thrown away after the run, with all that the run left on it

    @property
    def origin(self) -> str:
        return self.base_url[: -len("/api")]

    @property
    def loopback(self) -> bool:
        return (urlsplit(self.base_url).hostname or "") in ("localhost", "127.0.0.1", "::1")

    def allows(self, safety: str) -> bool:
        """Whether operations of this safety class may be called (read always)."""
        needed = {
            "read": set(),
            "write": {"writes"},
            "destructive": {"writes", "destructive"},
            "sends": {"writes", "sends"},
        }[safety]
        return needed <= self.allow


def parse_base_url(text: str) -> str:
    """Normalise a base URL to `scheme://host[:port][/prefix]/api`; raises TargetError when it is none."""
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise TargetError(f"the URL {text!r} is malformed: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise TargetError(f"the URL {text!r} needs a scheme and a host, for example https://instance.example/api")
    if parts.query or parts.fragment or parts.username:
        raise TargetError("the URL must hold neither query, fragment nor credentials")
    return url if url.endswith("/api") else url + "/api"


def parse_permissions(text: str) -> frozenset[str]:
    """Read `writes,destructive,sends`; raises TargetError on an unknown word. destructive and sends need writes beside
    them."""
    words = {word.strip() for word in text.split(",") if word.strip()}
    unknown = words.difference(PERMISSIONS)
    if unknown:
        raise TargetError(f"unknown permission {', '.join(sorted(unknown))}; known are {', '.join(PERMISSIONS)}")
    if words and "writes" not in words:
        raise TargetError(f"{', '.join(sorted(words))} needs writes allowed as well")
    return frozenset(words)


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
