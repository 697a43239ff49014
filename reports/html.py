"""A run as one self-contained HTML page: no network, and nothing from a target can run in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from cdp.results import Run
from cdp.verdicts import GO, NO_GO, Result, Verdict, decide, worst
from reports import summary
from reports.page import asset, content_hash, make_environment
from reports.summary import RISING, Group, Matrix, Tally
from reports.wording import (
    MEANINGS,
    SYMBOLS,
    label,
    one_line,
    plural,
    pretty_json,
    repeating,
    shortened,
    visible,
    write_whole,
)

# What keeps a page of thousands of broken cells small; the results file has everything.
_FULL_PLACES = 5  # places of a finding that show their exchange
_EXAMPLE_LIMIT = 4000
_EXCHANGE_LIMIT = 12000


def write_html(run: Run, path: str | os.PathLike[str]) -> None:
    """Write the run's page. OSError when the file cannot be written."""
    write_whole(path, html(run).encode("utf-8"))


def html(run: Run) -> str:
    """The run's page. It depends on nothing but the run."""
    matrix = summary.matrix(run)
    groups = {verdict: summary.findings(run, verdict) for verdict in (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)}
    anchors = {
        id(group): f"{verdict.name.lower()}-{number}"
        for verdict, found in groups.items()
        for number, group in enumerate(found, start=1)
    }
    style, script = asset("page.css"), asset("page.js")
    decision = decide(run)
    return (
        _environment()
        .get_template("page.html")
        .render(
            target=one_line(str(run.header.get("target") or run.header.get("base_url") or "target")),
            started=one_line(str(run.header.get("started") or "")),
            decision=decision,
            tone={GO: "pass", NO_GO: "fail"}.get(decision.headline, "warn"),
            cut_off=not run.complete,
            torn=run.torn,
            leftovers=[one_line(each) for each in run.leftovers],
            stays=[one_line(each) for each in run.stays],
            total=matrix.total,
            facts=[(name, one_line(value)) for name, value in summary.facts(run)],
            matrix=matrix,
            rows=_rows(matrix, groups, anchors),
            findings=[(verdict, found) for verdict, found in groups.items() if found],
            anchors=anchors,
            reasons=summary.reasons(run),
            sections=_sections(run, matrix),
            rising=list(reversed(RISING)),
            full_places=_FULL_PLACES,
            style=Markup(style),
            script=Markup(script),
            style_hash=content_hash(style),
            script_hash=content_hash(script),
        )
    )


@dataclass(frozen=True)
class MatrixCell:
    """A cell of the matrix as the page shows it; `href` is empty where nothing stands below it."""

    css: str
    text: str
    words: str
    href: str


def _rows(
    matrix: Matrix, groups: dict[Verdict, list[Group]], anchors: dict[int, str]
) -> list[tuple[str, list[MatrixCell]]]:
    """The matrix: a broken cell leads to its first and worst finding, any other to its section's operations."""
    targets: dict[tuple[str, str], str] = {}
    for verdict in (Verdict.ERROR, Verdict.FAIL, Verdict.WARN):
        for group in groups[verdict]:
            for place in group.places:
                targets.setdefault((place.section, place.family), anchors[id(group)])
    rows = []
    for number, section in enumerate(matrix.sections, start=1):
        cells = []
        for family in matrix.families:
            tally = matrix.cells.get((section, family))
            href = targets.get((section, family), f"section-{number}")
            cells.append(_matrix_cell(tally, href))
        rows.append((section, cells))
    return rows


def _matrix_cell(tally: Tally | None, href: str) -> MatrixCell:
    if tally is None or not tally.judged:
        return MatrixCell("not-applicable", SYMBOLS[Verdict.NOT_APPLICABLE], "not applicable", "")
    count = tally[tally.worst]
    of_all = "" if count == tally.judged else f"/{tally.judged}"
    return MatrixCell(_css(tally.worst), f"{SYMBOLS[tally.worst]} {count}{of_all}", tally.in_words, href)


@dataclass(frozen=True)
class Token:
    """One requirement on one operation, its roles taken together."""

    requirement: str
    verdict: Verdict


@dataclass(frozen=True)
class SectionPart:
    """A section's operations: operation -> family -> requirements with their worst verdict."""

    name: str
    tally: Tally
    families: list[str]
    operations: dict[str, dict[str, list[Token]]]


def _sections(run: Run, matrix: Matrix) -> list[SectionPart]:
    held: dict[str, dict[str, dict[str, Verdict]]] = {}
    family_of: dict[str, str] = {}
    for result in run.results:
        if result.verdict is not Verdict.NOT_APPLICABLE:
            requirement = result.cell.requirement
            family_of[requirement] = result.family
            verdicts = held.setdefault(result.section, {}).setdefault(result.cell.operation, {})
            verdicts[requirement] = worst([result.verdict, verdicts.get(requirement, result.verdict)])
    parts = []
    for name in matrix.sections:
        operations: dict[str, dict[str, list[Token]]] = {}
        for operation, verdicts in sorted(held.get(name, {}).items()):
            tokens = operations.setdefault(operation, {})
            for requirement, verdict in sorted(verdicts.items()):
                tokens.setdefault(family_of[requirement], []).append(Token(requirement, verdict))
        tally = Tally()
        for family in matrix.families:
            tally.update(matrix.cells.get((name, family), {}))
        families = [family for family in matrix.families if any(family in tokens for tokens in operations.values())]
        parts.append(SectionPart(name, tally, families, operations))
    return parts


def _exchange(result: Result) -> str:
    return shortened(visible(pretty_json(result.exchange)), _EXCHANGE_LIMIT) if result.exchange else ""


def _short_requirement(requirement: str) -> str:
    """``03`` of ``PAGE-03``: below its family's heading the number is enough."""
    return requirement.rpartition("-")[2]


def _css(verdict: Verdict) -> str:
    return verdict.name.lower().replace("_", "-")


@cache
def _environment() -> Environment:
    filters: dict[str, Any] = {
        "css": _css,
        "identity": id,
        "label": label,
        "meaning": MEANINGS.__getitem__,
        "sign": SYMBOLS.__getitem__,
        "one_line": one_line,
        "visible": visible,
        "plural": plural,
        "repeating": repeating,
        "exchange": _exchange,
        "example": lambda text: shortened(visible(text), _EXAMPLE_LIMIT),
        "sentence_case": lambda text: text[:1].upper() + text[1:],
        "short_requirement": _short_requirement,
    }
    return make_environment(filters)
