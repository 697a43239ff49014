"""A contract run as SARIF 2.1.0 (OASIS), for code scanning.

A finding has no line of code; its place is the operation (a logical location), and the contract's root file where a
viewer needs a file.
"""

from __future__ import annotations

from typing import Any

from cdp import __version__
from cdp.results import Run
from cdp.verdicts import Result, Verdict, decide
from reports.exports.code_quality import CONTRACT_FILE, fingerprint
from reports.wording import one_line, shortened, visible

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Verdict.FAIL: "error", Verdict.WARN: "warning"}
_LIMIT = 1000


def sarif(run: Run) -> dict[str, Any]:
    """The run as a SARIF log: a rule for each requirement that is broken, a result for each broken cell. Cells that
    could not be judged because the suite or the connection failed are notifications of the tool."""
    broken = sorted((r for r in run.results if r.verdict in _LEVELS), key=lambda item: item.cell)
    errors = sorted((r for r in run.results if r.verdict is Verdict.ERROR), key=lambda item: item.cell)
    rules = {result.cell.requirement: result for result in broken}
    places = {requirement: place for place, requirement in enumerate(rules)}
    decision = decide(run)
    invocation: dict[str, Any] = {
        "executionSuccessful": decision.code != 3,
        "exitCode": decision.code,
        "exitCodeDescription": one_line(decision.sentence),
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": f"{one_line(r.cell.address)}: {_text(r.sentence)}"}} for r in errors
        ],
    }
    return {
        "$schema": SCHEMA_URI,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "cdp-suite",
                        "semanticVersion": __version__,
                        "rules": [_rule(result) for result in rules.values()],
                    }
                },
                "invocations": [invocation],
                "columnKind": "unicodeCodePoints",
                "results": [_result(result, places[result.cell.requirement]) for result in broken],
            }
        ],
    }


def _rule(result: Result) -> dict[str, Any]:
    statement = {"text": _text(result.statement) or one_line(result.cell.requirement)}
    return {
        "id": one_line(result.cell.requirement),
        "shortDescription": statement,
        "fullDescription": statement,
        "help": statement,
        "defaultConfiguration": {"level": "error" if result.level == "MUST" else "warning"},
        "properties": {"tags": ["contract", one_line(result.family), one_line(result.level)]},
    }


def _result(result: Result, place: int) -> dict[str, Any]:
    message = _text(result.sentence)
    if result.example:
        message += f"\nSmallest example: {_text(result.example)}"
    if result.curl:
        message += f"\nRepeat: {shortened(visible(result.curl), _LIMIT)}"
    return {
        "ruleId": one_line(result.cell.requirement),
        "ruleIndex": place,
        "level": _LEVELS[result.verdict],
        "message": {"text": message},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": CONTRACT_FILE}, "region": {"startLine": 1}},
                "logicalLocations": [
                    {
                        "name": one_line(result.cell.operation),
                        "fullyQualifiedName": one_line(result.cell.address),
                        "kind": "function",
                    }
                ],
            }
        ],
        "partialFingerprints": {"cell/v1": fingerprint(result.cell.address)},
        "properties": {"section": one_line(result.section), "evidence": result.evidence, "seed": result.seed},
    }


def _text(value: str) -> str:
    return shortened(one_line(value), _LIMIT)
