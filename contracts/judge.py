"""Turning a cell into a verdict: run the check, and say what it said."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

from cdp.evidence import curl_line, describe
from cdp.verdicts import Cell, Result, Verdict, kept_in
from contracts.catalogue import Requirement
from contracts.checks import CHECKS, Broken, Moved, NotExercised, TargetLost, Unconfirmed
from contracts.session import Obstacle
from contracts.subject import Subject
from contracts.workbench import Workbench

CONFIRMATIONS = 5
MOST_LOOKS = 12  # at what others change meanwhile
ENOUGH = 3  # looks, where others could have done and undone a difference


def judge(cell: Cell, requirement: Requirement, bench: Workbench, *, strict: bool) -> Result:
    """Exercise one cell. Whatever goes wrong inside the suite becomes ERROR; a lost target raises Obstacle when it
    stays lost."""
    session = bench.session
    operation = session.contract.operations[cell.operation]
    subject = Subject(cell, operation, bench)
    started, sent = time.perf_counter(), session.client.sent
    session.watch()
    result = Result(
        cell=cell,
        section=operation.section,
        family=requirement.family,
        level=requirement.level,
        verdict=Verdict.PASS,
        sentence="",
        evidence=0,
        requests=0,
        seed=session.seed,
        statement=requirement.statement,
    )
    session.about = operation.id
    try:
        subject = _patiently(requirement, subject)
        if subject.evidence:
            result.sentence = kept_in(subject.evidence)
        else:
            result.verdict, result.sentence = Verdict.SKIP, "nothing was exercised"
    except Broken as broken:
        soft = broken.softly or requirement.level != "MUST"
        result.verdict = Verdict.FAIL if strict or not soft else Verdict.WARN
        result.sentence = session.secrets.redact(broken.sentence) + _intermittent(cell, requirement, bench)
        result.example = session.secrets.redact(broken.example)
        if broken.exchange is not None:
            result.exchange = describe(broken.exchange, session.secrets)
            result.curl = curl_line(broken.exchange, session.secrets)
    except NotExercised as reason:
        result.verdict, result.sentence = Verdict.SKIP, session.secrets.redact(str(reason))
    except Unconfirmed as reason:
        result.verdict, result.sentence = Verdict.UNCONFIRMED, session.secrets.redact(str(reason))
    except TargetLost as reason:
        result.verdict, result.sentence = Verdict.ERROR, session.secrets.redact(str(reason))
    except Obstacle:
        raise
    except Exception as error:  # the suite's own fault must not end the run, nor pass for the target's
        result.verdict, result.sentence = Verdict.ERROR, session.secrets.redact(_own_fault(error))
    result.evidence = subject.evidence
    result.requests = session.client.sent - sent
    result.duration_s = time.perf_counter() - started
    result.seen = session.watched()
    return result


def _patiently(requirement: Requirement, subject: Subject) -> Subject:
    """Exercise the rule, and once more where the target was away as a whole meanwhile and is back."""
    try:
        return _looked_at(requirement, subject)
    except TargetLost as lost:
        if not lost.passed:
            raise
    subject.bench.session.forget_reads()
    return _looked_at(requirement, Subject(subject.cell, subject.operation, subject.bench))


def _looked_at(requirement: Requirement, subject: Subject) -> Subject:
    """Exercise the rule, again where other people changed what it looked at. Answers the subject that was exercised to
    the end. What they could have done and undone has to be seen broken several times, or kept as often, and there are
    twice as many looks for that; where neither comes about, nothing is known."""
    bench, look, doubts, kept, doubtful = subject.bench, 0, 0, 0, False
    while True:
        look += 1
        try:
            CHECKS[requirement.id](subject)
            kept += 1
            if not doubtful or kept == ENOUGH:
                return subject
        except Moved as moved:
            doubtful |= moved.doubtful
            if look >= MOST_LOOKS and not doubtful:
                raise
        except Broken as broken:
            gone = bench.vanished(subject.operation)
            doubts += broken.doubtful and not gone
            doubtful |= broken.doubtful
            if not gone and (not broken.doubtful or doubts == ENOUGH):
                raise
        if look >= (2 * MOST_LOOKS if doubtful else MOST_LOOKS):
            raise Moved()
        bench.look_anew(subject.operation)
        subject = Subject(subject.cell, subject.operation, bench)


def _intermittent(cell: Cell, requirement: Requirement, bench: Workbench) -> str:
    """Try a broken rule again. Broken twice on end is settled; otherwise the words that say how often it was broken.

    What fails only sometimes has failed: it is marked, never averaged away.
    """
    broken = 1
    for tries in range(2, CONFIRMATIONS + 1):
        bench.session.forget_reads()
        try:
            CHECKS[requirement.id](Subject(cell, bench.session.contract.operations[cell.operation], bench))
        except Broken:
            broken += 1
            if tries == 2:
                return ""
        except Obstacle:
            raise
        except Exception:  # nothing could be seen, be it for a fault of the suite's: what was seen before stands
            continue
    return f" (intermittent: broken in {broken} of {CONFIRMATIONS} tries)"


def _own_fault(error: Exception) -> str:
    """An error of the suite in one line, with the place it happened at."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if "contracts" in f.filename
    ] or traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"the suite failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}{place}"
