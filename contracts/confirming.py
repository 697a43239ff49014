"""Which operations a target really has, and the overlay that says so. The documented ones are taken for granted, but
for a target that serves a part of the API."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cdp.contract import Contract
from cdp.contract.overlay import target_of
from cdp.ledger import Ledger
from cdp.secrets import Secrets
from cdp.targets import Target
from contracts.arrangement import Arrangement
from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import TargetLost
from contracts.find_api import find_api
from contracts.identities import Identities
from contracts.probing import Finding, Presence, Prober, Spent
from contracts.profiles import PROFILES
from contracts.session import Identity, Obstacle, Session

DEADLINE_S = 900.0
_ASKED = ("assumed", "observed")


@dataclass
class Confirmation:
    """What was found, operation by operation. `cut_short`: why not everything was asked."""

    target: str
    day: str
    findings: list[Finding] = field(default_factory=list)
    requests: int = 0
    seconds: float = 0.0
    cut_short: str = ""

    def counts(self) -> str:
        """For instance `115 operations asked for: 110 there, 3 not there, 2 not probed (180 requests, 2 s)`."""
        found = Counter(finding.presence for finding in self.findings)
        told = ", ".join(f"{found[p]} {p}" for p in Presence if found[p])
        return f"{len(self.findings)} operations: {told or 'none'} ({self.requests} requests, {self.seconds:.0f} s)"

    def actions(self) -> list[dict[str, Any]]:
        """The overlay's actions: what is there is confirmed, what is not is removed, the rest stays out."""
        actions: list[dict[str, Any]] = []
        for finding in self.findings:
            operation = finding.operation
            action: dict[str, Any] = {
                "target": target_of(operation.path, operation.method),
                "description": f"{operation.id}: {finding.why}",
            }
            if finding.presence is Presence.THERE and operation.provenance in _ASKED:
                seen = f"seen at {self.target} on {self.day} ({finding.asked})"
                source = seen if operation.provenance == "assumed" else f"{operation.source}; {seen}"
                action["update"] = {"x-provenance": "observed", "x-source": source}
            elif finding.presence is Presence.MISSING:
                action["remove"] = True
            else:
                continue
            actions.append(action)
        return actions


def confirm(
    contract: Contract, target: Target, *, documented: bool = False, deadline_s: float = DEADLINE_S
) -> Confirmation:
    """Ask for every assumed and observed operation, and for the documented ones where that is wanted. Raises Obstacle
    in one line when nothing can be asked."""
    secrets = Secrets()
    for secret in target.secrets():
        secrets.add(secret)
    session = Session(contract, target, PROFILES["quick"], 1, Ledger(None), secrets)
    found = Confirmation(target.name, f"{datetime.now(UTC):%Y-%m-%d}")
    started = time.monotonic()
    try:
        _admit(session)
        prober = Prober(session, deadline_s=deadline_s)
        operations = [o for o in contract.operations.values() if documented or o.provenance in _ASKED]
        # Reads first: a path that is missing for a read is missing for what writes to it.
        told: dict[str, Finding] = {}
        for operation in sorted(operations, key=lambda o: (o.method != "GET", len(o.path_parameters))):
            if not found.cut_short:
                try:
                    told[operation.id] = prober.probe(operation)
                    continue
                except Spent as spent:
                    found.cut_short = str(spent)
            told[operation.id] = Finding(operation, Presence.NOT_PROBED, "", found.cut_short)
        found.findings = [told[operation.id] for operation in operations]
    except TargetLost as lost:
        raise Obstacle(f"{target.base_url} cannot be reached: {lost}") from None
    finally:
        found.requests = session.client.sent
        found.seconds = time.monotonic() - started
        session.client.close()
    return found


def _admit(session: Session) -> None:
    """Get a token and make sure that it is taken, else everything would look refused."""
    target = session.target
    credentials = target.credentials
    token = credentials.token or Identities(session, Arrangement(session)).login(
        credentials.email, credentials.password, ADMIN
    )
    session.admin = Identity(ADMIN, token)
    known, exchange = find_api(session)
    session.health = Call(known)
    if not exchange.ok or exchange.json is None:
        raise Obstacle(
            f"{target.base_url}: GET {known.template} {exchange.answered()} "
            f"({exchange.media_type or 'no media type'}), so nothing can be told; try `cdp doctor`"
        )
