"""What the parts of a gate amount to, read from what their runs stored."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cdp.audit_results import CLEAN, ERROR, FOUND, NOT_AUDITED, Audit
from cdp.comparison.model import Comparison, Told
from cdp.gate.record import NOTE, Part
from cdp.load_results import INCONCLUSIVE, MET, MISSED, read_load_results
from cdp.records import RESULTS_FILE
from cdp.results import read_results
from cdp.verdicts import CANNOT_TELL, GO, NO_GO, decide

DOCTOR, CONTRACT, LOAD, AUDIT, COMPARISON = "doctor", "contract", "load", "audit", "comparison"

_OF_LOAD = {MET: GO, MISSED: NO_GO, INCONCLUSIVE: CANNOT_TELL}
_OF_COMPARISON = {Told.WORSE: NO_GO, Told.BETTER: GO, Told.UNCHANGED: GO, Told.UNKNOWN: CANNOT_TELL}
_OF_AUDIT = {CLEAN: GO, FOUND: NO_GO, ERROR: CANNOT_TELL, NOT_AUDITED: NOTE}


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
    run = read_load_results(directory / RESULTS_FILE)
    decision = run.decision
    where = _relative(directory, gate)
    outcome = _OF_LOAD.get(decision.headline, CANNOT_TELL)
    parts = [Part(LOAD, outcome, decision.sentence, decision.reasons, where, wall_s)]
    return [*parts, judged_audit(run.audit, where)] if run.audit is not None else parts


def judged_audit(audit: Audit, where: str = "") -> Part:
    """What the audit of a load run found: events that were acknowledged and are not there, or not as they were sent.
    `where` is the run's directory, relative to that of the gate."""
    outcome = _OF_AUDIT.get(audit.verdict, CANNOT_TELL)
    found = [f"{each.count:,} {each.name}: {each.sentence}" for each in audit.findings]
    if outcome == NO_GO:
        names = ", ".join(f"{each.count:,} {each.name}" for each in audit.findings)
        return Part(AUDIT, outcome, f"of {audit.events:,} events {names}", found, where)
    if outcome == GO:
        return Part(AUDIT, outcome, f"all {audit.events:,} events are as the target acknowledged them", [], where)
    return Part(AUDIT, outcome, f"{audit.verdict}: {audit.reason}", audit.notes, where)


def judged_comparison(of: str, found: Comparison | None, why: str = "") -> Part:
    """What the comparison of a part's run with the accepted one says; without any it is a note, and `why`."""
    name = f"{COMPARISON} of {of}"
    if found is None:
        return Part(name, NOTE, why)
    return Part(name, _OF_COMPARISON[found.told], found.sentence, found.reasons, comparison=found.as_record())


def _relative(directory: Path, gate: Path) -> str:
    return os.path.relpath(directory, gate)
