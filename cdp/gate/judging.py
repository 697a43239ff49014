"""What the parts of a gate amount to, read from what their runs stored."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cdp.comparison.model import Comparison, Told
from cdp.gate.record import NOTE, Part
from cdp.load_results import INCONCLUSIVE, MET, MISSED, read_load_results
from cdp.records import RESULTS_FILE, ResultsError, read_records
from cdp.results import read_results
from cdp.verdicts import CANNOT_TELL, GO, NO_GO, decide

DOCTOR, CONTRACT, LOAD, AUDIT, COMPARISON = "doctor", "contract", "load", "audit", "comparison"

_OF_LOAD = {MET: GO, MISSED: NO_GO, INCONCLUSIVE: CANNOT_TELL}
_OF_COMPARISON = {Told.WORSE: NO_GO, Told.BETTER: GO, Told.UNCHANGED: GO, Told.UNKNOWN: CANNOT_TELL}
_OF_AUDIT = {"clean": GO, "findings": NO_GO, "error": CANNOT_TELL, "not audited": NOTE}


def judged_doctor(exit_code: int, problems: Iterable[str], gaps: Iterable[str], wall_s: float) -> Part:
    """A target that is not usable is no ground for a verdict; gaps are told."""
    problems, gaps = list(problems), list(gaps)
    if exit_code == 3:
        return Part(
            DOCTOR, CANNOT_TELL, f"not usable: {problems[0] if problems else 'see above'}", problems, "", wall_s
        )
    if gaps or exit_code:
        return Part(DOCTOR, NOTE, f"usable, with gaps: {'; '.join(gaps)}", gaps, "", wall_s)
    return Part(DOCTOR, NOTE, "ready", [], "", wall_s)


def judged_contract(directory: Path, gate: Path, wall_s: float) -> Part:
    """What a contract run says. ResultsError when it cannot be read."""
    decision = decide(read_results(directory / RESULTS_FILE))
    return Part(CONTRACT, decision.headline, decision.sentence, [], _relative(directory, gate), wall_s)


def judged_load(directory: Path, gate: Path, wall_s: float) -> list[Part]:
    """What a load run says, and the audit of its events where there was one. ResultsError when it cannot be read."""
    results = directory / RESULTS_FILE
    decision = read_load_results(results).decision
    where = _relative(directory, gate)
    outcome = _OF_LOAD.get(decision.headline, CANNOT_TELL)
    parts = [Part(LOAD, outcome, decision.sentence, decision.reasons, where, wall_s)]
    return [*parts, *([judged_audit(record, where)] if (record := _audit_record(results)) else [])]


def judged_audit(record: dict[str, Any], where: str = "") -> Part:
    """What the audit of a load run found: events that were acknowledged and are not there, or not as they were sent.
    `record` is that of kind audit in the results."""
    verdict = str(record.get("verdict"))
    outcome = _OF_AUDIT.get(verdict, CANNOT_TELL)
    found = [f"{each['count']:,} {each['name']}" for each in record.get("findings") or []]
    if outcome == NO_GO:
        return Part(AUDIT, outcome, f"of the events that were sent: {', '.join(found) or verdict}", found, where)
    if outcome == GO:
        events = sum(sum(row.values()) for row in (record.get("balance") or {}).values())
        return Part(AUDIT, outcome, f"{events:,} events were read back, and all are as they should be", [], where)
    return Part(AUDIT, outcome, f"{verdict}: {record.get('reason') or 'no reason was given'}", [], where)


def judged_comparison(of: str, found: Comparison | None, why: str = "") -> Part:
    """What the comparison of a part's run with the accepted one says; without any it is a note, and `why`."""
    name = f"{COMPARISON} of {of}"
    if found is None:
        return Part(name, NOTE, why)
    return Part(name, _OF_COMPARISON[found.told], found.sentence, found.reasons, comparison=found.as_record())


def _audit_record(results: Path) -> dict[str, Any] | None:
    try:
        return next((record for _, kind, record in read_records(results) if kind == "audit"), None)
    except ResultsError:
        return None


def _relative(directory: Path, gate: Path) -> str:
    return os.path.relpath(directory, gate)
