"""What a load run says: MET (0), MISSED (1) or INCONCLUSIVE (3).

What makes the figures worthless comes first, whatever they are: a generator that was the limit, a worker that died,
books that do not balance. Then a missed objective is a missed objective. Only a run that went to its end, with every
objective judged, has met them. A broken contract rests on single answers and no figure: a slow generator can make a
target look slow, and never makes it break its contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cdp.audit_results import ERROR, FOUND, Audit, AuditFinding
from cdp.load_results import INCONCLUSIVE, MET, MISSED, Books, Decision, HealthJudged, Judged, ObjectiveJudged

MET_CODE, MISSED_CODE, INCONCLUSIVE_CODE = 0, 1, 3


def decide(
    objectives: Sequence[ObjectiveJudged],
    health: HealthJudged,
    books: Books,
    *,
    dead_workers: Sequence[str] = (),
    obstacle: str = "",
    stopped: str = "",
    open_loop: bool = True,
) -> Decision:
    """The decision of a run, with one reason a line.

    `obstacle`: why nothing was learnt (the target could not be reached, the token was refused). `stopped`: why the run
    ended before its time (Ctrl-C, a burst of server errors); its objectives are judged by what came until then.
    `dead_workers`: their names; what they should have sent was not sent, and no figure is that of the planned load.
    """
    missed = [each for each in objectives if each.judged is Judged.MISSED]
    open_ = [each for each in objectives if each.judged is Judged.NOT_JUDGEABLE]
    worthless = _worthless(health, books, dead_workers, obstacle)
    reasons = [*worthless, *([f"the run ended before its time: {stopped}"] if stopped else [])]
    if worthless:
        broken = [each for each in missed if each.objective.startswith("violations")]
        reasons += [f"missed, but it may not be the target: {_named(each)}" for each in missed if each not in broken]
        if not broken or not books.balanced:
            return Decision(INCONCLUSIVE, _sentence(worthless), INCONCLUSIVE_CODE, reasons)
        named = [f"the contract is broken, whatever the generator did: {_named(each)}" for each in broken]
        return Decision(MISSED, named[0], MISSED_CODE, [*named, *reasons])
    reasons = [_named(each) for each in missed] + reasons + [f"not judgeable: {_named(each)}" for each in open_]
    if missed:
        count = len(missed)
        of = f"{count} of {len(objectives)} objectives"
        return Decision(MISSED, f"{of} missed: {_named(missed[0])}", MISSED_CODE, reasons)
    if stopped or open_:
        return Decision(INCONCLUSIVE, reasons[0], INCONCLUSIVE_CODE, reasons)
    held = f"all {len(objectives)} objectives met" if len(objectives) > 1 else "the objective is met"
    load = f"{books.offered:,} requests offered" if open_loop else f"{books.sent:,} requests"
    return Decision(MET, f"{held}, {load}, {books.answered:,} answered well", MET_CODE, reasons)


def _worthless(health: HealthJudged, books: Books, dead_workers: Sequence[str], obstacle: str) -> list[str]:
    """Why the figures say nothing of the target, a line each."""
    found = []
    if obstacle:
        found.append(obstacle)
    elif not books.sent:
        found.append("nothing was sent")
    if dead_workers:
        names = ", ".join(dead_workers)
        found.append(f"{len(dead_workers)} of the processes that send died ({names}): the planned load was not offered")
    if not books.balanced:
        found.append(f"the books do not balance: {books.detail}")
    if not obstacle and books.sent:  # nobody asks how healthy a generator was that had nothing to do
        found += [f"the generator was the limit: {reason}" for reason in health.reasons if health.inconclusive]
    return found


def with_audit(decision: Decision, audit: Audit | None) -> Decision:
    """The decision of a run, with what its audit says.

    What the audit found is missed, whatever else there is: it rests on no figure, and a generator that was the limit
    loses no event of the target's. Without the audit that was wanted nothing is met.
    """
    if audit is None or audit.verdict not in (FOUND, ERROR):
        return decision
    others = decision.reasons or ([decision.sentence] if decision.exit_code else [])
    if audit.verdict == FOUND:
        found = [_found(each) for each in audit.findings]
        return Decision(MISSED, f"the audit found: {found[0]}", MISSED_CODE, [*found, *others])
    failed = f"the audit could not be done: {audit.reason}"
    if decision.exit_code:
        return replace(decision, reasons=[*others, failed])
    return Decision(INCONCLUSIVE, failed, INCONCLUSIVE_CODE, [failed])


def _found(each: AuditFinding) -> str:
    requirement = f" ({each.requirement})" if each.requirement else ""
    return f"{each.count:,} {each.name}{requirement}: {each.sentence}"


def _sentence(worthless: list[str]) -> str:
    more = len(worthless) - 1
    return worthless[0] + (f" (and {more} more)" if more else "")


def _named(each: ObjectiveJudged) -> str:
    scenario = f"{each.scenario}: " if each.scenario else ""
    detail = f", {each.detail}" if each.detail else ""
    return (
        f"{scenario}{each.objective} was {each.value}{detail}"
        if each.value != "–"
        else (f"{scenario}{each.objective}{detail}")
    )
