"""One page of each kind, made from runs that were made up: many breakages, an overload, a search for capacity, a gate.

Wherever a target could put a text, one that would like to run stands in it.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from cdp.audit_results import FOUND, PRESENT, Audit, AuditFinding
from cdp.comparison.model import Comparison, Row, Told
from cdp.distribution import Distribution
from cdp.gate.record import NOTE, Gate, Part
from cdp.load_figures import Error, Span
from cdp.load_results import Capacity, Decision, Finding, LoadRun, Step
from cdp.results import Run
from cdp.verdicts import CANNOT_TELL, GO, NO_GO, Verdict
from reports.gate import gate_page
from reports.html import html
from reports.load_page import load_page
from reports.past import Night, Past
from tests.sample_load_runs import INGEST, MS, figures, served, write_run
from tests.sample_runs import HOSTILE, broken, large_run, result, run_of

RUNS = "window.ran = true"
"""What a script of a target would do if one ran."""

HOSTILE_MARKUP = [
    f"<script>{RUNS}</script>",
    f"</pre></script><script>{RUNS}</script><img src=x onerror='{RUNS}'>",
    f"<svg onload='{RUNS}'><a href='javascript:{RUNS}'>x</a>",
    f'" onmouseover="{RUNS}" autofocus onfocus="{RUNS}',
    *HOSTILE,
]

# Requirement, section and sentence: each a bug of its own.
BUGS = [
    ("AUTH-01", "Tags", "a request without a token got 200 instead of 401"),
    ("AUTH-03", "Users", "a token with one character changed got 200 instead of 401"),
    ("ROLE-01", "Feeds", "a role without any feature got 404 instead of 403"),
    ("ROLE-02", "Emails", "a role with just emails/view got 403"),
    ("PAGE-01", "Tags", "without limit 25 records came"),
    ("PAGE-03", "Segments", "offset=20 is not the slice [20:40] of the walk"),
    ("ORDER-01", "Events", "record 7 is newer than record 6"),
    ("STRUCT-02", "Segments", "load_full_structure=1 brings no data of tags"),
    ("MEDIA-01", "Journeys", "a body with status 400 came as text/html"),
    ("MEDIA-06", "Tags", "name came back as 'Robert'); DROP TABLE'"),
    ("CODE-01", "Channels", "a request got 500"),
    ("CODE-06", "Channels", "the error 400 is no JSON object with a text under message"),
    ("SHAPE-01", "Reports", 'report/id: "48" is not of type "integer"'),
    ("SHAPE-03", "Reports", "id is '48' when read and 48 in list_reports"),
    ("CODE-07", "Users", "the error 500 shows internals: a stack trace (Traceback)"),
    ("MEDIA-03", "Tags", "a malformed JSON body got 500 instead of a 4xx"),
]


def contract_run() -> Run:
    """A run with every bug of `BUGS`, one that stands on forty operations, and hostile texts from the target."""
    run = large_run(seed=11, sections=[*dict.fromkeys(section for _, section, _ in BUGS), "Trash", "Debugger"])
    results = [each for each in run.results if each.verdict < Verdict.WARN]
    for number, (requirement, section, sentence) in enumerate(BUGS):
        operation = f"{'create' if number % 3 else 'list'}_{section.lower()}_{number}"
        verdict = Verdict.FAIL if number % 4 else Verdict.WARN
        exchange = {
            "request": {"method": "GET", "url": "http://127.0.0.1/api/x", "headers": {"Accept": "application/json"}},
            "response": {
                "status": 500,
                "headers": {"Content-Type": "text/html"},
                "body": f'{{"id": "48", "text": "{number}"}}',
                "duration_ms": 1.5,
            },
        }
        results.append(
            broken(f"{requirement}/{operation}", verdict, section=section, sentence=sentence, exchange=exchange)
        )
    for number in range(40):
        sentence = f"list_thing_{number} answered 500 for limit={number}"
        results.append(broken(f"PAGE-07/list_thing_{number}/admin", section="Trash", sentence=sentence))
    for number, text in enumerate(HOSTILE_MARKUP):
        fields: dict[str, Any] = {"sentence": text, "example": text, "curl": f"curl '{text}'"}
        exchange = {"request": {"url": text}, "response": {"status": 200, "body": text, "headers": {text: text}}}
        results.append(broken(f"MEDIA-02/list_hostile_{number}", section="Debugger", **fields, exchange=exchange))
        results.append(result(f"MEDIA-04/list_hostile_{number}", Verdict.SKIP, section="Debugger", sentence=text))
    results.append(result("LIFE-01/create_tags_1", Verdict.ERROR, section="Tags", sentence="no answer within 10 s"))
    return run_of(
        *results, header={**run.header, **_told(results), "cells": len(results), "target": "staging"}, wall_s=51
    )


def _told(results: list[Any]) -> dict[str, Any]:
    """What a header tells of the contract."""
    draw = random.Random(3)
    operations = {
        each.cell.operation: {
            "call": f"GET /api/{each.cell.operation.partition('_')[2]}",
            "provenance": draw.choice(("documented", "observed", "assumed")),
            "any_of": [each.cell.role] if "/" in each.cell.role else [],
        }
        for each in results
    }
    provenance: dict[str, Counter[str]] = {}
    for each in results:
        kind = str(operations[each.cell.operation]["provenance"])
        provenance.setdefault(each.section, Counter())[kind] += 1
    return {
        "operations": operations,
        "provenance": {section: dict(counts) for section, counts in provenance.items()},
        "sources": {each.cell.requirement: "overview page" for each in results},
    }


def past_of(run: Run, nights: int = 5) -> Past:
    """Some nights before a run; half of what is broken has been so for three of them."""
    known = [
        Night(
            f"night-{n}", f"2026-02-{20 + n}T02:00:00+00:00", NO_GO, {"FAIL": f"{n}"}, "", f"../night-{n}/report.html"
        )
        for n in range(nights)
    ]
    failed = [each for each in run.results if each.verdict in (Verdict.FAIL, Verdict.WARN)]
    return Past(known, {each.cell.address: known[2] for each in failed[::2]})


def overloaded_run(directory: Path) -> LoadRun:
    """A load run with a phase in which the target falls behind, breaks its contract, and loses events."""
    spans = served(100, 30, stalls=[(8, 11)])
    violation, timeout = Error("segments/0/id is missing", "", "SHAPE-01"), Error("no answer in time", "TIMEOUT")
    hostile = [Error(text, text) for text in HOSTILE_MARKUP]
    for each in spans[18:26]:
        errors = Counter({violation: 2, timeout: 1, **dict.fromkeys(hostile, 1)})
        each.channels[INGEST] = figures(17, 30.0, failed=3 + len(hostile), errors=errors)
        each.offered += 20 + len(hostile)
    body = {"response": {"status": 200, "body": HOSTILE_MARKUP[1], "headers": {"Content-Type": "application/json"}}}
    findings = [Finding("SHAPE-01", violation.text, "POST", INGEST.name, 10.2, "a body has the shape", body)]
    run = write_run(
        directory / "results.jsonl", spans, "p99<300ms,errors<1%,p50@5s<20ms", findings=findings, warm_up_s=2
    )
    run.header.update(target="staging", started="2026-03-01T09:15:00+00:00")
    run.audit = Audit(
        FOUND,
        balance={"acknowledged": {PRESENT: 990, "absent": 10}, "unknown": {"absent": 4}},
        findings=[AuditFinding("lost", 10, "acknowledged, and not there", "EVENT-02", HOSTILE_MARKUP[:3])],
        records=990,
        requests=12,
        read_s=1.5,
        visible=Distribution([5 * MS, 20 * MS, 400 * MS], [700, 280, 20]),
    )
    return run


def capacity_run() -> LoadRun:
    """A search that found where p99 breaks, with a void step and two overloads."""
    rates = [50, 100, 200, 400, 800, 600, 500, 450, 475]
    verdicts = ["passed", "passed", "passed", "passed", "failed", "void", "failed", "passed", "passed"]
    steps, spans, at_s = [], [], 0.0
    for number, (rate, verdict) in enumerate(zip(rates, verdicts, strict=True), start=1):
        p99 = int(10 * MS / max(0.02, 1 - rate / 520))
        curve = {
            name: {"50": [p99 // 4, p99 // 5, p99 // 3], "99": [p99, int(p99 * 0.8), int(p99 * 1.3)]}
            for name in ("latency", "service")
        }
        steps.append(
            Step(
                number,
                ["climb", "bisect"][rate != 50 and number > 5],
                rate,
                at_s,
                at_s + 5,
                judged_s=4,
                verdict=verdict,
                reason=""
                if verdict == "passed"
                else "the generator was the limit"
                if verdict == "void"
                else "p99<100ms was 480 ms",
                clear=True,
                offered_rate=rate,
                good_rate=min(rate, 510),
                in_flight=rate / 100,
                curve=curve,
                objectives=[{"state": "met"}],
                mean_latency_ns=p99 // 3,
            )
        )
        spans += [
            Span(at_s + n, at_s + n + 1, served_for(rate, p99), offered=rate, in_flight=rate // 100) for n in range(5)
        ]
        at_s += 5
    capacity = Capacity(487.0, 470.0, 505.0, "line", "p99<100ms", 475.0, 500.0, "p99<100ms was 480 ms", 475.0, 30.0)
    capacity = replace(capacity, recovery_s=[2.5, 3.1], peak=200.0, headroom=2.35, void=1)
    sentence = "sustains 487/s (95 % between 470 and 505) of search with p99<100ms"
    header = {"load": "search", "target": "staging", "loop": "open", "options": {"find_capacity": True}, "seed": 1}
    decision = Decision("LIMIT FOUND", sentence, 0, [sentence, "475/s was confirmed for 30 s"])
    footer = {
        "decision": vars(decision),
        "capacity": vars(capacity),
        "health": {"inconclusive": False, "reasons": [], "notes": [], "line": "CPU 40 % of a core"},
    }
    return LoadRun(header, spans, steps=steps, footer=footer)


def served_for(rate: int, p99_ns: int) -> dict[Any, Any]:
    """One second of answers at a rate."""
    times = Distribution([p99_ns // 4, p99_ns], [rate - rate // 50, rate // 50])
    return {INGEST: figures(rate, latency=times, service=times)}


def gate_run() -> Gate:
    """A gate that says no: a broken contract, load that got slower, an audit that could not be done."""
    rows = [Row("search", "p99 latency", "210 ms", "260 ms", Told.WORSE, "slower by 19–28 %")]
    rows += [Row(text, text, text, text, Told.UNKNOWN, text) for text in HOSTILE_MARKUP[:4]]
    compared = Comparison("load/search", "20260228", "20260301", Told.WORSE, "p99 is worse", rows)
    parts = [
        Part("doctor", NOTE, "ready", wall_s=0.5),
        Part(
            "contract", NO_GO, "16 MUST requirements broken in 56 cells.", ["PAGE-01 broken", HOSTILE_MARKUP[0]], "../a"
        ),
        Part("load", GO, "all 3 objectives met", run="../b", wall_s=75),
        Part("audit", CANNOT_TELL, "the events could not be read back", run="../b"),
        Part("comparison of load", NO_GO, "p99 is worse", comparison=compared.as_record()),
        Part("comparison of contract", NOTE, "no run of this target was accepted yet"),
    ]
    return Gate(
        "staging", "https://staging.example.com/api", "release", "2026-03-01T09:15:00+00:00", "0.1.0", parts,
        ended="2026-03-01T09:19:00+00:00", wall_s=240,
    )  # fmt: skip


def pages(directory: Path) -> dict[str, str]:
    """Each page by the name of its kind; `directory` is for files that are needed on the way."""
    run = contract_run()
    return {
        "contract": html(run, past_of(run)),
        "load": load_page(overloaded_run(directory)),
        "capacity": load_page(capacity_run()),
        "gate": gate_page(gate_run()),
    }
