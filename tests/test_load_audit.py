"""The audit against faithful instances and against ones that do wrong by events: each is found, counted and named."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import gevent
import orjson
import pytest

from cdp.audit_results import CLEAN, ERROR, FOUND, NOT_AUDITED, PRESENT, Audit, AuditFinding
from cdp.load_results import Books, HealthJudged
from cdp.targets import Credentials, Target
from load.audit.auditing import Auditing
from load.audit.manifest import ledger_path
from load.audit.noting import receive
from load.audit.watch import pause_s
from load.options import LoadOptions
from load.verdict import decide, with_audit
from tests.audited_runs import AuditedRun
from tests.faulty_ingestion import (
    Answering,
    Behind,
    Cutting,
    Doubling,
    Fault,
    Losing,
    Misgiving,
    Remarking,
    Repeating,
    Reversing,
    Showing,
    Sparing,
    Tearing,
    Uploading,
    in_front_of,
)
from tests.running_instance import RunningInstance

ARRIVALS = range(9)


def run_with(
    fault: Fault, instance: RunningInstance, directory: Path, arrivals: range = ARRIVALS, **options: Any
) -> tuple[Audit, AuditedRun]:
    """A run through a fault, audited through it where it does wrong in what it shows."""
    with in_front_of(instance.origin, fault) as origin:
        run = AuditedRun(instance, directory, origin, options)
        run.send(arrivals)
        if not fault.of_reading:
            run.read_from(instance.origin)
        return run.audit(), run


def the_finding(found: Audit, name: str, requirement: str, marks: list[str]) -> None:
    """The only finding is this one, with exactly these events."""
    assert found.verdict == FOUND, found
    (finding,) = found.findings
    assert (finding.name, finding.count, finding.requirement) == (name, len(marks), requirement)
    named = {example.partition(",")[0] for example in finding.examples}
    assert named <= set(marks) and len(named) == min(20, len(marks))


def in_order(found: Audit) -> int:
    return found.of("acknowledged", PRESENT)


@pytest.mark.parametrize("new", [0.0, 0.1, 1.0])
def test_a_faithful_instance_gives_no_finding(new: float, instance: RunningInstance, tmp_path: Path) -> None:
    run = AuditedRun(instance, tmp_path, options={"new_customers": new, "uploads": 0.3})
    run.send(ARRIVALS)
    found = run.audit()
    assert found.verdict == CLEAN, found
    assert found.events == in_order(found) == found.records > 60
    assert not found.notes


FAULTS: list[tuple[Fault, str, str]] = [
    (Losing(), "lost", "EVENT-02"),
    (Doubling(), "duplicated", "EVENT-02"),
    (Cutting(), "corrupted", "EVENT-02"),
    (Remarking(), "corrupted", "EVENT-02"),
    (Remarking(next_digit=True), "corrupted", "EVENT-02"),
    (Tearing(), "corrupted", "EVENT-02"),
    (Tearing(kept=20), "corrupted", "EVENT-02"),
    (Misgiving(), "misattributed", "EVENT-02"),
    (Showing(), "misattributed", "EVENT-02"),
    (Showing(how="moving"), "misattributed", "EVENT-02"),
    (Showing(how="doubling"), "duplicated", "EVENT-02"),
    (Answering(every=4, status=500), "stored in spite of 5xx", ""),
    (Answering(every=4, status=422), "phantom", "EVENT-03"),
    (Behind(delay_s=60.0, dying_at=8), "lost", "EVENT-02"),
]


@pytest.mark.parametrize(
    ("fault", "name", "requirement"),
    FAULTS,
    ids=[f"{type(f).__name__}-{place}" for place, (f, _, _) in enumerate(FAULTS)],
)
def test_each_fault_is_found_counted_and_named(
    fault: Fault, name: str, requirement: str, instance: RunningInstance, tmp_path: Path
) -> None:
    arrivals = range(8) if isinstance(fault, Behind) else ARRIVALS
    found, run = run_with(fault, instance, tmp_path, arrivals)
    marks = [mark for mark in fault.marks if mark.startswith(run.prefix)]  # it has seen those of other runs, too
    assert marks, "it did nothing"
    the_finding(found, name, requirement, marks)
    assert found.events - len(marks) == in_order(found)


@pytest.mark.slow
def test_a_target_that_gives_less_at_a_time_than_it_is_asked(instance: RunningInstance, tmp_path: Path) -> None:
    found, _ = run_with(Sparing(), instance, tmp_path, new_customers=0.0, zipf=3.0)
    assert found.verdict == CLEAN, found
    assert found.events == in_order(found)


def test_a_field_that_no_list_shows_is_not_compared(instance: RunningInstance, tmp_path: Path) -> None:
    found, _ = run_with(Showing(how="without"), instance, tmp_path, range(3))
    assert found.verdict == CLEAN, found
    assert "the lists do not show version, which was not compared" in found.notes


def test_what_becomes_visible_late_is_waited_for(instance: RunningInstance, tmp_path: Path) -> None:
    fault = Behind(delay_s=0.4)
    with in_front_of(instance.origin, fault) as origin:
        run = AuditedRun(instance, tmp_path, origin, deadline_s=20.0)
        run.send(ARRIVALS)
        found = run.audit()
    assert found.verdict == CLEAN, found
    assert found.events == in_order(found)


def test_an_order_that_times_contradict_is_told(instance: RunningInstance, tmp_path: Path) -> None:
    found, _ = run_with(Reversing(), instance, tmp_path, range(2), batch="40", new_customers=0.0)
    (finding,) = found.findings
    assert finding.name == "reordered"
    assert 0 < finding.count < found.events


def test_what_was_stored_again_later_says_nothing_of_the_order(instance: RunningInstance, tmp_path: Path) -> None:
    fault = Repeating()
    found, _ = run_with(fault, instance, tmp_path, range(2), batch="40", new_customers=0.0, zipf=3.0)
    the_finding(found, "duplicated", "EVENT-02", fault.marks)


def test_a_dropped_connection_leaves_it_open_whether_an_event_was_taken_in(
    instance: RunningInstance, tmp_path: Path
) -> None:
    fault = Answering(every=4, status=0)
    found, _ = run_with(fault, instance, tmp_path)
    assert found.verdict == CLEAN, found
    assert found.of("unknown", PRESENT) == len(fault.marks) > 0


def test_rows_of_an_upload_that_are_lost(instance: RunningInstance, tmp_path: Path) -> None:
    fault = Uploading()
    found, _ = run_with(fault, instance, tmp_path, range(4), uploads=1.0)
    the_finding(found, "lost", "EVENT-04", fault.marks)


def test_an_upload_that_failed_and_left_its_rows(instance: RunningInstance, tmp_path: Path) -> None:
    fault = Uploading(failing=True)
    found, _ = run_with(fault, instance, tmp_path, range(2), uploads=1.0)
    the_finding(found, "phantom", "", fault.marks)


def test_several_processes_are_audited_as_one_run(instance: RunningInstance, tmp_path: Path) -> None:
    fault = Losing()
    with in_front_of(instance.origin, fault) as origin:
        run = AuditedRun(instance, tmp_path, origin, workers=3)
        run.send(ARRIVALS)
        found = run.audit()
    the_finding(found, "lost", "EVENT-02", fault.marks)
    assert found.events - len(fault.marks) == in_order(found)


def test_users_are_audited_process_by_process(instance: RunningInstance, tmp_path: Path) -> None:
    run = AuditedRun(instance, tmp_path, options={"rate": None, "time_s": 5}, workers=2)
    run.send_as_people(4)
    found = run.audit()
    assert found.verdict == CLEAN, found
    assert found.events == in_order(found) == found.records > 30


def test_the_ledger_of_one_process_is_missing(instance: RunningInstance, tmp_path: Path) -> None:
    run = AuditedRun(instance, tmp_path, workers=3)
    run.send(ARRIVALS)
    run.close()
    ledger_path(tmp_path, 1).unlink()
    found = run.audit()
    assert found.verdict == CLEAN, found
    assert any("ledger of process 1 is not here" in note for note in found.notes)


def test_what_may_not_be_read_back_is_not_audited_and_says_why(instance: RunningInstance, tmp_path: Path) -> None:
    run = AuditedRun(instance, tmp_path)
    run.send(range(2))
    _, _, token = instance.user_with(["data/dashboard"], "nobody-of-the-audit")
    found = run.audit(token)
    assert found.verdict == NOT_AUDITED, found
    assert "answered 403" in found.reason


def test_whoever_sees_only_the_list_of_all_events_audits_by_it(instance: RunningInstance, tmp_path: Path) -> None:
    fault = Losing()
    _, _, token = instance.user_with(["data/events"], "debugger-of-the-audit")
    with in_front_of(instance.origin, fault) as origin:
        run = AuditedRun(instance, tmp_path, origin)
        run.send(ARRIVALS)
        run.read_from(instance.origin)
        found = run.audit(token)
    the_finding(found, "lost", "EVENT-02", fault.marks)
    assert any("under which customer an event is shown was not audited" in note for note in found.notes)


def test_a_target_that_is_gone_is_no_verdict(instance: RunningInstance, tmp_path: Path) -> None:
    run = AuditedRun(instance, tmp_path)
    run.send(range(1))
    run.target = replace(run.target, base_url="http://127.0.0.1:9/api", credentials=Credentials(token="none"))
    found = run.audit(wanted=lambda: "", patience_s=0.1)
    assert found.verdict == ERROR, found
    assert "connection refused" in found.reason


def test_whoever_stops_it_gets_no_verdict(instance: RunningInstance, tmp_path: Path) -> None:
    run = AuditedRun(instance, tmp_path)
    run.send(range(1))
    found = run.audit(wanted=lambda: "interrupted")
    assert (found.verdict, found.reason) == (ERROR, "reading back was stopped: interrupted")


HEALTHY = HealthJudged(False, [], [], "")
LIMIT = HealthJudged(True, ["it was slow"], [], "")
BOOKS = Books(1, 1, 0, 1, 0, 0, True)


@pytest.mark.parametrize(
    ("audit", "health", "code"),
    [
        (Audit(CLEAN), HEALTHY, 0),
        (Audit(NOT_AUDITED, "it may not be read"), HEALTHY, 0),
        (Audit(ERROR, "it went away"), HEALTHY, 3),
        (Audit(FOUND, findings=[AuditFinding("lost", 1, "gone", "EVENT-02")]), HEALTHY, 1),
        (Audit(FOUND, findings=[AuditFinding("lost", 1, "gone", "EVENT-02")]), LIMIT, 1),
    ],
)
def test_what_an_audit_does_to_the_verdict(audit: Audit, health: HealthJudged, code: int) -> None:
    decision = with_audit(decide([], health, BOOKS), audit)
    assert decision.exit_code == code
    if audit.findings:
        assert decision.sentence == "the audit found: 1 lost (EVENT-02): gone"


def test_an_audit_is_stored_as_it_is(instance: RunningInstance, tmp_path: Path) -> None:
    found, _ = run_with(Losing(), instance, tmp_path, range(2))
    assert Audit.from_record(orjson.loads(orjson.dumps(found.as_record()))) == found


def test_the_ledger_of_another_machine_is_brought_along(instance: RunningInstance, tmp_path: Path) -> None:
    fault, there, here = Losing(), tmp_path / "there", tmp_path / "here"
    here.mkdir()
    with in_front_of(instance.origin, fault) as origin:
        run = AuditedRun(instance, tmp_path / "unseen" / "run", origin, {"runs": str(there)}, shared=False)
        run.send(range(4))
    run.close()
    assert list(there.glob("*/audit-0.ledger")), "it stands in the runs' directory of its own machine"
    receive(run.notings[0].take(final=True), here)
    run.directory = here
    run.read_from(instance.origin)
    the_finding(run.audit(), "lost", "EVENT-02", fault.marks)


def test_a_ledger_that_knows_too_little_is_no_verdict(instance: RunningInstance, tmp_path: Path) -> None:
    run = AuditedRun(instance, tmp_path)
    run.send(range(2))
    found = run.audit(answered=1000)
    assert found.verdict == ERROR and "1,000 were answered well" in found.reason


# --- how soon


def _watched(instance: RunningInstance, directory: Path, delay_s: float, **options: Any) -> dict[str, Any]:
    """What the watch of a short run tells, in which every event can be read only after a while."""
    with in_front_of(instance.origin, Behind(delay_s=delay_s)) as origin:
        run = AuditedRun(
            instance, directory, origin, {"batch": "3", "audit_sample": 1, "new_customers": 0.0, **options}
        )
        (noting,) = run.notings
        noting.start()
        gevent.sleep(0.3)  # it looks up whose identifiers are
        run.send(range(3))
        gevent.sleep(0.2)
        noting.finish()
        told = noting.take(final=False)
    return dict(told)


def test_what_is_not_to_be_seen_when_the_run_ends_counts_with_its_age(
    instance: RunningInstance, tmp_path: Path
) -> None:
    told = _watched(instance, tmp_path, 60.0)
    assert len(told["unseen_ns"]) == 3 and not told["visible_ns"] and not told["never"], told
    assert min(told["unseen_ns"]) > 0
    options = LoadOptions(scenario="ingest", rate=1.0)
    auditing = Auditing(options, Target("t", "http://127.0.0.1:1/api", Credentials(token="t")))
    auditing.take(told, tmp_path)
    assert sorted(auditing.take_times_ns()) == sorted(told["unseen_ns"]) and not auditing.take_times_ns()


def test_an_objective_is_waited_for_at_the_end_of_a_run(instance: RunningInstance, tmp_path: Path) -> None:
    told = _watched(instance, tmp_path, 60.0, slo="visible.p99<500ms")
    assert len(told["unseen_ns"]) == 3 and min(told["unseen_ns"]) >= 500e6, told


def test_no_event_waits_for_another_to_be_seen(instance: RunningInstance, tmp_path: Path) -> None:
    """More than are asked for at a time, each of them late: none looks later than it is by waiting its turn."""
    with in_front_of(instance.origin, Behind(delay_s=0.8)) as origin:
        given = {"batch": "3", "audit_sample": 1, "new_customers": 0.0, "slo": "visible.p99<5s"}
        run = AuditedRun(instance, tmp_path, origin, given)
        (noting,) = run.notings
        noting.start()
        gevent.sleep(0.3)
        run.send(range(12))
        noting.finish()
        told = noting.take(final=False)
    assert len(told["visible_ns"]) == 12 and not told["unseen_ns"], told


def test_the_looks_are_dense_enough_to_judge_by() -> None:
    looks: dict[str, list[float]] = {}
    for name, limits_s in {"usual": (), "limited": (0.4, 2.0)}.items():
        ages = looks[name] = [0.0]
        while ages[-1] < 10:
            ages.append(ages[-1] + pause_s(ages[-1], 0.05, limits_s) + 0.05)
        assert len(ages) < 30
        assert all(later - age <= max(0.25 * age, 0.02) + 0.051 for age, later in pairwise(ages))
    assert not [age for age in looks["usual"] if 1.85 < age < 2.0]
    assert [age for age in looks["limited"] if 1.85 < age < 2.0], "it is looked shortly before a limit decides"
