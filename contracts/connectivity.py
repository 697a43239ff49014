"""The way to a target: whether it answers, how good its certificate is, and how far its clock is off."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from cdp.http import HUNG, Exchange
from cdp.targets import Target
from contracts.calls import Call
from contracts.diagnosis import Diagnosis, State
from contracts.find_api import known_list
from contracts.session import Session

SKEW_S = 30.0
CERTIFICATE_DAYS = 14


def reach_target(session: Session, found: Diagnosis) -> Exchange | None:
    """The first request; None, and a line that says why, when nothing comes back."""
    known = known_list(session.contract)
    if known is None:
        found.add("reachable", State.PROBLEM, "the contract has no list to ask for", "look at the overlay")
        return None
    exchange = session.client.send(
        "GET", Call(known).url(session.target), headers={"Accept": "application/json"}, operation=known.id
    )
    if exchange.failure:
        found.add("reachable", State.PROBLEM, f"no: {exchange.detail}", _unreachable_advice(exchange))
        return None
    took = f"{exchange.duration_s * 1000:.0f} ms"
    found.add("reachable", State.OK, f"{session.target.base_url} answers in {took}")
    return exchange


def _unreachable_advice(exchange: Exchange) -> str:
    detail = exchange.detail.lower()
    if "certificate" in detail or detail.startswith("tls"):
        return "name the certificate authority of the target with ca_file in targets.toml"
    if "name or service not known" in detail or "resolve" in detail or "getaddrinfo" in detail:
        return "check the host in the base URL; this machine cannot resolve it"
    if "proxy" in detail:
        return "check the proxy of the target, or of the environment (HTTPS_PROXY)"
    if exchange.failure == HUNG:
        return "check that this machine may connect (firewall, VPN), or give --timeout more seconds"
    return "check host and port of the base URL, and that the instance runs"


def examine_tls(target: Target, found: Diagnosis) -> None:
    """Whether the way is encrypted, and for how many days the certificate is good."""
    parts = urlsplit(target.base_url)
    if parts.scheme != "https":
        if target.loopback:
            found.add("TLS", State.OK, "none, which is well on this machine")
        else:
            found.add("TLS", State.GAP, "none: the token goes in the clear", "use an https URL")
        return
    if target.proxy:
        found.add("TLS", State.OK, "the certificate is accepted (its days are not seen through the proxy)")
        return
    try:
        days = _days_left(target, parts.hostname or "", parts.port or 443)
    except (OSError, ValueError) as error:
        found.add("TLS", State.OK, f"the certificate is accepted (its days could not be read: {error})")
        return
    if days < CERTIFICATE_DAYS:
        found.add("TLS", State.GAP, f"the certificate ends in {days} days", "have it renewed before it ends")
    else:
        found.add("TLS", State.OK, f"the certificate is good for {days} days")


def examine_clock(exchange: Exchange, found: Diagnosis) -> None:
    """How far the clock that the answer tells is from this machine's."""
    now = datetime.now(UTC)
    try:
        theirs = parsedate_to_datetime(exchange.headers.get("Date", ""))
    except (ValueError, TypeError):
        found.add("clock", State.OK, "not told: the target sends no Date header")
        return
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    skew = (theirs - now).total_seconds()
    if abs(skew) <= SKEW_S:
        found.add("clock", State.OK, f"within {max(1, abs(round(skew)))} s of this machine's")
    else:
        way = "ahead of" if skew > 0 else "behind"
        found.add(
            "clock",
            State.GAP,
            f"{abs(skew):.0f} s {way} this machine's",
            "set both clocks by NTP; checks of new records and of tokens that end compare times",
        )


def _days_left(target: Target, host: str, port: int) -> int:
    context = ssl.create_default_context(cafile=target.ca_file or None)
    if target.client_cert:
        context.load_cert_chain(target.client_cert, target.client_key or None)
    with (
        socket.create_connection((host, port), timeout=target.timeout_s) as raw,
        context.wrap_socket(raw, server_hostname=host) as secured,
    ):
        certificate = secured.getpeercert()
    ends = ssl.cert_time_to_seconds(str((certificate or {})["notAfter"]))
    return int((ends - time.time()) // 86_400)
