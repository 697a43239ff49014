"""A run as JUnit XML, for continuous integration: one suite per family, one case per cell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from xml.etree import ElementTree

from cdp.results import Run
from cdp.verdicts import Result, Verdict, decide
from reports.summary import facts, family_rank, wall_seconds
from reports.wording import one_line, pretty_json, repeating, shortened, visible, write_whole

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTACHMENT = "[[ATTACHMENT|"  # GitLab and Jenkins take what follows for the path of a file to attach
_OUTCOMES = {
    Verdict.FAIL: "failure",
    Verdict.ERROR: "error",
    Verdict.SKIP: "skipped",
    Verdict.UNCONFIRMED: "skipped",
}
_EXCHANGE_LIMIT = 4000  # characters; the whole exchange stays in the results file


def write_junit(run: Run, path: str | os.PathLike[str]) -> None:
    """Write the run's JUnit file.

    FAIL is a failure, ERROR an error, SKIP and UNCONFIRMED are skipped with their reason, WARN is written to
    system-out and is a failure when the run was strict; NOT_APPLICABLE is left out. A run that could not be judged
    carries one case more, an error that says so. OSError when the file cannot be written.
    """
    write_whole(path, junit(run))


def junit(run: Run) -> bytes:
    """The run's JUnit document, UTF-8."""
    strict = bool(run.header.get("strict"))
    target = str(run.header.get("target") or "target")
    root = ElementTree.Element("testsuites", {"name": _safe(f"contract of {target}")})
    families: dict[str, list[Result]] = {}
    for result in sorted(run.results, key=lambda item: item.cell):
        if result.verdict is not Verdict.NOT_APPLICABLE:
            families.setdefault(result.family, []).append(result)

    properties = facts(run)
    for family in sorted(families, key=family_rank):
        cases = [_case(result, strict) for result in families[family]]
        root.append(_suite(run, family, cases, sum(result.duration_s for result in families[family]), properties))
    decision = decide(run)
    if decision.code == 3:
        case = ElementTree.Element("testcase", {"name": "run/judged", "classname": "run", "time": "0.000"})
        ElementTree.SubElement(case, "error", {"message": _safe(one_line(decision.sentence)), "type": "CANNOT TELL"})
        root.append(_suite(run, "run", [case], 0.0, properties))

    for name in ("tests", "failures", "errors"):  # Jenkins' schema knows no others here
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    wall = wall_seconds(run)
    root.set("time", f"{wall if wall is not None else sum(result.duration_s for result in run.results):.3f}")
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(
    run: Run, name: str, cases: list[ElementTree.Element], seconds: float, properties: Iterable[tuple[str, str]]
) -> ElementTree.Element:
    attributes = {
        "name": _safe(name),
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": f"{seconds:.3f}",
    }
    if started := re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", str(run.header.get("started", ""))):
        attributes["timestamp"] = started.group().replace(" ", "T")
    suite = ElementTree.Element("testsuite", attributes)
    holder = ElementTree.SubElement(suite, "properties")
    for key, value in properties:
        ElementTree.SubElement(holder, "property", {"name": _safe(key), "value": _safe(one_line(value))})
    suite.extend(cases)
    return suite


def _case(result: Result, strict: bool) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        {
            "name": _safe(one_line(result.cell.address)),
            "classname": _safe(one_line(result.family)),
            "time": f"{result.duration_s:.3f}",
        },
    )
    sentence = _safe(one_line(result.sentence))
    outcome = _OUTCOMES.get(result.verdict)
    if result.verdict is Verdict.WARN:
        if strict:
            outcome = "failure"
        else:
            text = f"WARN: {one_line(result.sentence)}\n{_body(result)}"
            ElementTree.SubElement(case, "system-out").text = _safe(text)
    if outcome == "skipped":
        ElementTree.SubElement(case, "skipped", {"message": f"{result.verdict.name}: {sentence}"})
    elif outcome:
        attributes = {"message": sentence, "type": result.verdict.name}
        ElementTree.SubElement(case, outcome, attributes).text = _safe(_body(result))
    return case


def _body(result: Result) -> str:
    lines = [
        f"{result.cell.requirement} ({result.level}): {result.statement}",
        f"Section: {result.section}",
        f"Seed: {result.seed}",
    ]
    if result.round > 1:
        lines.append(f"Round {result.round}: {repeating(result)}")
    if result.example:
        lines.append(f"Smallest example: {shortened(result.example, _EXCHANGE_LIMIT)}")
    if result.curl:
        lines.append(f"Reproduce: {result.curl}")
    if result.exchange:
        lines.append(f"Exchange: {shortened(pretty_json(result.exchange), _EXCHANGE_LIMIT)}")
    return "\n".join(lines)


def _safe(text: str) -> str:
    """Text that XML 1.0 may carry: control and format characters as escapes, what is left of the illegal as U+FFFD."""
    return _ILLEGAL.sub("\ufffd", visible(text)).replace(_ATTACHMENT, _ATTACHMENT.replace("|", " |"))
