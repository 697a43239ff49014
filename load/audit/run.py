"""One audit from end to end: from the ledgers in a run's directory to what it says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cdp.audit_results import CLEAN, ERROR, FOUND, NOT_AUDITED, Audit
from cdp.contract import Contract
from cdp.distribution import Distribution
from cdp.secrets import Secrets
from cdp.targets import Target, TargetError
from load.access import Access
from load.admission import sign_in
from load.audit.judging import Judgement
from load.audit.ledger import ACKNOWLEDGED, UNSENT, LedgerError
from load.audit.owners import Ways
from load.audit.readback import Readback
from load.audit.reading import PARALLEL, PATIENCE_S, ReadError, Reading, Stopped
from load.audit.sent import Sent, read_sent
from load.scenario import ScenarioError
from load.scenarios.ingest import UPLOAD_DEADLINE_S
from load.wire.origin import WireError
from load.wire.target import open_pool

DEADLINE_S = 30.0


@dataclass(frozen=True)
class Visible:
    """What the watch of a run saw: of a sample of acknowledged events, the times in ns until they could be read, how
    many of it were not seen while the run went on, and what else is to be known."""

    times_ns: tuple[int, ...] = ()
    never: int = 0
    notes: tuple[str, ...] = ()


def audit_run(
    directory: Path,
    target: Target,
    contract: Contract,
    *,
    lasted_s: float,
    deadline_s: float,
    answered: int,
    wanted: Callable[[], str],
    say: Callable[[str], None],
    visible: Visible = Visible(),
) -> Audit:
    """Sign in and audit a run that sent for `lasted_s`, and its uploads for as long as they may take after it; the rest
    as in `audit`. Whatever goes wrong is in what it answers."""
    secrets = Secrets()
    try:
        access = Access(target, contract, secrets, sign_in(target, contract, secrets))
    except (TargetError, ScenarioError) as error:
        return Audit(ERROR, secrets.redact(str(error)))
    return audit(
        directory,
        target,
        contract,
        access,
        lasted_s=lasted_s + UPLOAD_DEADLINE_S,
        deadline_s=deadline_s,
        visible=visible,
        wanted=wanted,
        say=say,
        answered=answered,
    )


def audit(
    directory: Path,
    target: Target,
    contract: Contract,
    access: Access,
    *,
    lasted_s: float,
    deadline_s: float = DEADLINE_S,
    visible: Visible = Visible(),
    wanted: Callable[[], str] = lambda: "",
    say: Callable[[str], None] = lambda line: None,
    parallel: int = PARALLEL,
    patience_s: float = PATIENCE_S,
    answered: int = 0,
) -> Audit:
    """Audit the run whose ledgers stand in `directory`. Whatever goes wrong is in what it answers.

    `lasted_s`: how long the run sent and its uploads went on, at most; `deadline_s`: how long something acknowledged
    may take to be seen; `wanted`: asked before each request, a text says why to stop; `say`: told how it goes;
    `patience_s`: how long a request is sent again that is refused or not answered; `answered`: how many events were in
    requests with good answers by the results of the run, which is the least that the ledgers must know of.
    """
    seen = {
        "visible": Distribution.of(visible.times_ns) if visible.times_ns else Distribution(),
        "never_visible": visible.never,
        "notes": list(visible.notes),
        "deadline_s": deadline_s,
    }
    try:
        sent = read_sent(directory, contract, target)
        ways = Ways(contract)
    except (LedgerError, ScenarioError) as error:
        return Audit(ERROR, str(error), **seen)  # type: ignore[arg-type]
    noted = int((sent.states != UNSENT).sum())
    if noted < answered and not sent.missing:
        reason = f"the ledgers know of {noted:,} events, and {answered:,} were answered well"
        return Audit(ERROR, reason, **seen)  # type: ignore[arg-type]
    if not noted:
        return Audit(NOT_AUDITED, "no event was sent", **seen)  # type: ignore[arg-type]
    try:
        pool = open_pool(target, max_connections=parallel + 1)
    except WireError as error:
        return Audit(ERROR, str(error), **seen)  # type: ignore[arg-type]
    try:
        access.pool = pool
        reading = Reading(target, contract, pool, access, max_rps=target.max_rps, wanted=wanted, patience_s=patience_s)
        readback = Readback(sent, ways, reading, lasted_s, deadline_s, say, parallel)
        found = _audit(readback)
    finally:
        pool.close()
    return replace(found, **{**seen, "notes": [*found.notes, *visible.notes]})  # type: ignore[arg-type]


def _audit(readback: Readback) -> Audit:
    began_s = time.monotonic()
    try:
        readback.read()
    except Stopped as error:
        return Audit(ERROR, f"reading back was stopped: {error}")
    except (ReadError, ScenarioError) as error:
        return Audit(*_unreadable(readback, str(error)), notes=readback.ways.notes)
    read_s = time.monotonic() - began_s - readback.waited_s
    judgement = Judgement(readback)
    findings = judgement.findings()
    reason = judgement.unbalanced() or _blind(readback)
    verdict = ERROR if reason else FOUND if findings else CLEAN
    return Audit(
        verdict,
        reason,
        judgement.balance,
        findings,
        [*readback.ways.notes, *_uncompared(readback), *_unaudited(readback.sent)],
        records=max(readback.tally.records, readback.everywhere.records),
        strays=len(readback.tally.strays) or len(readback.everywhere.strays),
        requests=readback.reading.requests,
        read_s=round(max(read_s, 0.0), 3),
        waited_s=round(readback.waited_s, 3),
    )


def _unreadable(readback: Readback, why: str) -> tuple[str, str]:
    """A target whose lists the caller may not see does not allow to be audited; anything else is an error."""
    words = (
        "answered 401",
        "answered 403",
        "answered 404",
        "answered 405",
        "knows none of",
        "names no list",
        "does not show",
    )
    if any(word in why for word in words) and not readback.tally.records:
        return NOT_AUDITED, f"the target does not let events be read back: {why}"
    return ERROR, f"events could not be read back: {why}"


def _blind(readback: Readback) -> str:
    """Why nothing can be said where nothing at all was seen; empty when it can."""
    acknowledged = int((readback.sent.states == ACKNOWLEDGED).sum())
    seen = readback.tally.records or readback.everywhere.records
    if seen or not acknowledged or readback.control:
        return ""
    return (
        f"not one of {acknowledged:,} acknowledged events is to be seen: all are lost, or the target does not show "
        "there what it takes in"
    )


def _uncompared(readback: Readback) -> list[str]:
    unshown = sorted(readback.tally.unshown | readback.everywhere.unshown)
    return [f"the lists do not show {', '.join(unshown)}, which was not compared"] if unshown else []


def _unaudited(sent: Sent) -> list[str]:
    if not sent.missing:
        return []
    numbers = ", ".join(map(str, sent.missing))
    return [
        f"the ledger of process {numbers} is not here: what it sent was not audited. It stands in the runs' directory "
        "of the machine where the process ran; copy audit-*.ledger and audit-*.json beside these, and audit again"
    ]
