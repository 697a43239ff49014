"""A contract run as Allure results, one file a cell; `allure generate` makes a report of the directory.

https://allurereport.org/docs/how-it-works-test-result-file/
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from cdp.results import Run
from cdp.verdicts import Result, Verdict
from reports.exports.code_quality import fingerprint
from reports.summary import facts
from reports.wording import one_line, pretty_json, shortened, visible

_STATUSES = {
    Verdict.PASS: "passed",
    Verdict.WARN: "passed",
    Verdict.FAIL: "failed",
    Verdict.ERROR: "broken",
    Verdict.SKIP: "skipped",
    Verdict.UNCONFIRMED: "skipped",
}
_SEVERITIES = {"MUST": "critical", "SHOULD": "normal", "MAY": "minor"}
_CATEGORIES = [
    {"name": "A MUST is broken", "matchedStatuses": ["failed"]},
    {"name": "The suite failed, or the target could not be reached", "matchedStatuses": ["broken"]},
    {"name": "Nothing could be exercised", "matchedStatuses": ["skipped"]},
]
_LIMIT = 4000


def allure(run: Run, name: str) -> dict[str, Any]:
    """The files of the directory by name, as plain data or bytes. `name`: of the run; it makes the ids of its results.

    A cell has no time of its own, only how long it took: they are set one after the other from the run's start.
    """
    strict = bool(run.header.get("strict"))
    files: dict[str, Any] = {
        "categories.json": _CATEGORIES,
        "environment.properties": "".join(_property(*fact) for fact in facts(run)).encode("ascii"),
    }
    at_ms = _started_ms(run)
    for result in sorted(run.results, key=lambda item: item.cell):
        if result.verdict is Verdict.NOT_APPLICABLE:
            continue
        number = str(uuid.uuid5(uuid.NAMESPACE_URL, visible(f"{name}/{result.cell.address}")))
        took_ms = max(0, round(result.duration_s * 1000))
        found = _result(result, number, strict) | {"start": at_ms, "stop": at_ms + took_ms}
        at_ms += took_ms
        if result.exchange:
            source = f"{number}-attachment.json"
            files[source] = visible(pretty_json(result.exchange)).encode("utf-8")
            found["attachments"] = [{"name": "exchange", "source": source, "type": "application/json"}]
        files[f"{number}-result.json"] = found
    return files


def _result(result: Result, number: str, strict: bool) -> dict[str, Any]:
    warned = result.verdict is Verdict.WARN and strict
    lines = [f"{result.level}: {result.statement}"]
    lines += [f"Smallest example: {result.example}"] if result.example else []
    lines += [f"Repeat: {result.curl}"] if result.curl else []
    sentence = f"{result.verdict.name}: {result.sentence}"
    return {
        "uuid": number,
        "historyId": fingerprint(result.cell.address),
        "testCaseId": fingerprint(result.cell.address),
        "fullName": one_line(result.cell.address),
        "name": one_line(result.cell.address),
        "status": "failed" if warned else _STATUSES[result.verdict],
        "stage": "finished",
        "statusDetails": {
            "message": shortened(one_line(sentence), _LIMIT),
            "trace": shortened(visible("\n".join(lines)), _LIMIT),
        },
        "labels": [
            {"name": label, "value": one_line(value)}
            for label, value in (
                ("suite", result.section),
                ("subSuite", result.cell.operation),
                ("epic", result.family),
                ("feature", result.cell.requirement),
                ("severity", _SEVERITIES.get(result.level, "normal")),
                ("tag", result.verdict.name),
                ("framework", "cdp-suite"),
            )
            if value
        ],
        "parameters": [{"name": "role", "value": one_line(result.cell.role)}] if result.cell.role else [],
    }


def _started_ms(run: Run) -> int:
    try:
        started = datetime.fromisoformat(str(run.header.get("started")))
    except ValueError:
        return 0
    return round((started if started.tzinfo else started.replace(tzinfo=UTC)).timestamp() * 1000)


def _property(name: str, value: str) -> str:
    """A line of a Java properties file: what is not ASCII as an escape, in units of UTF-16."""
    escaped = one_line(value).replace("\\", "\\\\")
    key = one_line(name).replace("\\", "\\\\").replace(" ", "\\ ").replace("=", "\\=").replace(":", "\\:")
    return f"{_ascii(key)}={_ascii(escaped)}\n"


def _ascii(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    codes = (int.from_bytes(units[place : place + 2]) for place in range(0, len(units), 2))
    return "".join(chr(code) if code < 0x7F else f"\\u{code:04x}" for code in codes)
