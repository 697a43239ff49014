"""A run as one JSON document; what is in it is said by docs/results.schema.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cdp.gate.record import Gate
from cdp.history import Since
from cdp.load_results import LoadRun
from cdp.results import Run
from cdp.verdicts import Result, Verdict, decide
from reports import load_summary, summary
from reports.gate import gate_answer

SCHEMA = 1
_BROKEN = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)


def document(run: Run | LoadRun | Gate, since: Mapping[str, Since] | None = None, cells: bool = True) -> dict[str, Any]:
    """The run as plain data: times in seconds or, where the name says so, in ms; rates a second. `cells` False leaves
    out the single cells of a contract run, which make most of it."""
    if isinstance(run, Run):
        return _contract(run, since or {}, cells)
    return _load(run) if isinstance(run, LoadRun) else _gate(run)


def _head(kind: str, header: Mapping[str, Any], complete: bool, wall_s: Any, **decision: Any) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "kind": kind,
        "target": str(header.get("target") or ""),
        "base_url": str(header.get("base_url") or ""),
        "started": str(header.get("started") or ""),
        "wall_s": wall_s if isinstance(wall_s, int | float) else None,
        "complete": complete,
        "decision": decision,
    }


def _contract(run: Run, since: Mapping[str, Since], cells: bool) -> dict[str, Any]:
    decision, header, matrix = decide(run), run.header, summary.matrix(run)
    told = {"headline": decision.headline, "exit_code": decision.code, "sentence": decision.sentence, "reasons": []}
    found = _head("contract", header, run.complete, summary.wall_seconds(run), **told)
    found |= {
        name: header.get(name)
        for name in ("profile", "seed", "strict", "contract_version", "suite_version", "allow")
        if header.get(name) is not None
    }
    found |= {
        "requests": summary.requests_sent(run),
        "planned": run.planned,
        "verdicts": _counts(matrix.total),
        "families": {family: _counts(matrix.of_family(family)) for family in matrix.families},
        "sections": {
            section: {family: _counts(tally) for (name, family), tally in matrix.cells.items() if name == section}
            for section in dict.fromkeys(name for name, _ in matrix.cells)
        },
        "findings": [_finding(group, since) for verdict in _BROKEN for group in summary.findings(run, verdict)],
        "not_judged": [_reason(group) for group in summary.reasons(run)],
        "leftovers": run.leftovers,
        "stays": run.stays,
    }
    if cells:
        found["cells"] = [_cell(result, since) for result in sorted(run.results, key=lambda item: item.cell)]
    return found


def _counts(tally: Counter[Verdict]) -> dict[str, int]:
    return {verdict.name: tally[verdict] for verdict in Verdict if tally[verdict]}


def _finding(group: summary.Group, since: Mapping[str, Since]) -> dict[str, Any]:
    smallest = group.smallest
    addresses = [place.cell.address for place in group.ordered]
    first = summary.first_since(group, since)
    return {
        "verdict": group.verdict.name,
        "requirement": group.requirement,
        "level": group.level,
        "statement": group.statement,
        "sentence": group.sentence,
        "cells": addresses,
        "sections": list(dict.fromkeys(place.section for place in group.ordered)),
        "smallest": smallest.cell.address,
        "example": smallest.example,
        "curl": smallest.curl,
        "exchange": smallest.exchange,
        "since": _since(first) if first else None,
    }


def _reason(group: summary.Group) -> dict[str, Any]:
    return {
        "verdict": group.verdict.name,
        "sentence": group.sentence,
        "cells": len(group.places),
        "requirements": group.requirements,
        "operations": group.operations,
    }


def _cell(result: Result, since: Mapping[str, Since]) -> dict[str, Any]:
    address = result.cell.address
    return {
        "cell": address,
        "section": result.section,
        "family": result.family,
        "level": result.level,
        "verdict": result.verdict.name,
        "sentence": result.sentence,
        "evidence": result.evidence,
        "requests": result.requests,
        "duration_s": result.duration_s,
        "seed": result.seed,
        "round": result.round,
        **({"since": _since(since[address])} if address in since else {}),
    }


def _since(since: Since) -> dict[str, Any]:
    return {
        "run": since.run,
        "started": since.started.isoformat(),
        "runs": since.runs,
        "known_before": since.known_before,
    }


def _load(run: LoadRun) -> dict[str, Any]:
    decision, told = run.decision, load_summary.summary(run)
    for name in ("decision", "exit_code", "sentence", "reasons", "complete"):
        told.pop(name, None)
    head = _head(
        "capacity" if run.finds_capacity else "load",
        run.header,
        run.complete,
        (run.footer or {}).get("wall_s"),
        headline=decision.headline,
        exit_code=decision.exit_code,
        sentence=decision.sentence,
        reasons=decision.reasons,
    )
    findings = [
        {
            "requirement": error.requirement,
            "sentence": error.text,
            "count": count,
            "operations": places,
            "statement": first.statement if first else "",
            "exchange": first.exchange if first else None,
        }
        for error, count, places, first in load_summary.violations(run)
    ]
    capacity = (run.footer or {}).get("capacity") if run.finds_capacity else None
    return {**head, "scenario": run.scenario, **told, "findings": findings, "capacity": capacity}


def _gate(gate: Gate) -> dict[str, Any]:
    header = {"target": gate.target, "base_url": gate.base_url, "started": gate.started}
    decision = {"headline": gate.headline, "exit_code": gate.exit_code, "sentence": gate_answer(gate)}
    found = _head("gate", header, bool(gate.ended), gate.wall_s, **decision, reasons=gate.reasons)
    found |= {"profile": gate.profile, "suite_version": gate.suite_version, "accepted": gate.accepted}
    found["parts"] = gate.as_record()["parts"]
    return found
