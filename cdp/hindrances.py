"""What keeps a run from beginning, told in words: no answer, a redirect (they are never followed), or no JSON."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from cdp.http import DROPPED, HUNG, JSON, TOO_LARGE, UNREADABLE, Exchange
from cdp.secrets import Secrets

_SHOWN = 200


@dataclass(frozen=True)
class Hindrance:
    """What keeps a run from beginning, and what to do about it; as a text both in one line."""

    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.text}; {self.advice}"


def unanswered(exchange: Exchange, base_url: str) -> Hindrance | None:
    """Why no answer came that could be read, and what to do about it; None where one came."""
    if not exchange.failure:
        return None
    what = "gives no answer that can be read" if exchange.failure in (TOO_LARGE, UNREADABLE) else "cannot be reached"
    return Hindrance(f"{base_url} {what}: {exchange.detail}", _unanswered_advice(exchange))


def _unanswered_advice(exchange: Exchange) -> str:
    detail = exchange.detail.lower()
    if "certificate" in detail:
        return "name its authority with ca_file in targets.toml, unless it is the certificate that is wrong"
    if detail.startswith("tls"):
        return "check scheme and port of the base URL, and what TLS the target speaks"
    if "name or service not known" in detail or "resolve" in detail or "getaddrinfo" in detail:
        return "check the host in the base URL; this machine cannot resolve it"
    if "proxy" in detail:
        return "check the proxy of the target, or of the environment (HTTPS_PROXY)"
    if exchange.failure == HUNG:
        return "check that this machine may connect (firewall, VPN), or give --timeout more seconds"
    if exchange.failure in (DROPPED, TOO_LARGE, UNREADABLE):
        return "check scheme, host and port of the base URL: it seems to be no API that answers there"
    return "check host and port of the base URL, and that the instance runs"


def led_elsewhere(exchange: Exchange, base_url: str, secrets: Secrets) -> Hindrance | None:
    """Where a redirect leads, and what to do about it; None for other answers."""
    if not 300 <= exchange.status < 400:
        return None
    place = ascii(secrets.redact(exchange.headers.get("Location", "nowhere")))[1:-1]
    told = f"{base_url} answers {exchange.status} and leads to {place:.{_SHOWN}}; redirects are not followed"
    return Hindrance(told, _advice(exchange))


def content_of(exchange: Exchange, secrets: Secrets) -> str:
    """What an answer holds, to follow "answered 200 with"."""
    if not exchange.body:
        return "an empty body"
    kind = secrets.redact(exchange.media_type) or "content of no media type"
    return f"{kind} that is no JSON" if exchange.json is None and kind == JSON else kind


def _advice(exchange: Exchange) -> str:
    try:
        asked, wanted = urlsplit(exchange.url), urlsplit(urljoin(exchange.url, exchange.headers.get("Location", "")))
        hosts = asked.hostname, wanted.hostname
    except ValueError:
        return "name the address itself"
    same_place = hosts[0] == hosts[1] and asked.path.rstrip("/") == wanted.path.rstrip("/")
    if same_place and (asked.scheme, wanted.scheme) == ("http", "https"):
        return "give the base URL with https"
    if same_place and asked.path != wanted.path:
        return "the target wants its paths to end in another way than the contract's, which an overlay can change"
    return "name the address itself"
