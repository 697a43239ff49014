"""A contract run as one self-contained HTML page: no network, and nothing from a target can run in it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cdp.results import Run
from cdp.verdicts import Verdict, decide
from reports import summary
from reports.contract_facts import ContractFacts
from reports.exercised import exercised
from reports.findings import BROKEN, Finding, findings, in_full, widest
from reports.gaps import gaps, most_frequent, not_judged
from reports.operations import requirements, sections
from reports.page import Link, Notice, Top, css, moment, render
from reports.past import NOTHING, Past
from reports.roles import role_summary, role_tables
from reports.summary import RISING, Matrix, Tally
from reports.wording import SYMBOLS, duration, label, one_line, plural, write_whole

# What keeps a page of thousands of broken cells small; the results file has everything.
_FULL_PLACES = 3  # places of a finding that show their exchange
_MOST_PLACES = 400  # places of a finding that are named
_MOST_FINDINGS = 400
_MOST_GAPS = 400
_IN_FULL = 800_000  # characters of examples and exchanges in a page
_AT_A_GLANCE = 5


def write_html(run: Run, path: str | os.PathLike[str], past: Past = NOTHING) -> None:
    """Write the run's page. OSError when the file cannot be written."""
    write_whole(path, html(run, past).encode("utf-8"))


def html(run: Run, past: Past = NOTHING) -> str:
    """The run's page. It depends on nothing but the run, and on what earlier runs say where that is handed over."""
    matrix = summary.matrix(run)
    found, missing = findings(run, past), gaps(run)
    kept = {each.anchor for each in widest(found, _MOST_FINDINGS)}
    shown = [each for each in found if each.anchor in kept]
    tables = role_tables(run, matrix.sections)
    counts = [(verdict, count) for verdict in BROKEN if (count := sum(each.verdict is verdict for each in found))]
    return render(
        "page.html",
        _top(run),
        _contents(counts, bool(missing), bool(tables), past),
        broken=BROKEN,
        tells_provenance=ContractFacts(run).tells_provenance,
        leftovers=[one_line(each) for each in run.leftovers],
        stays=[one_line(each) for each in run.stays],
        total=matrix.total,
        facts=[(name, one_line(value)) for name, value in summary.facts(run)],
        matrix=matrix,
        rows=_rows(matrix),
        findings=[(verdict, count, [each for each in shown if each.verdict is verdict]) for verdict, count in counts],
        first_findings=widest(found, _AT_A_GLANCE),
        finding_count=len(found),
        new_count=sum(each.new for each in found),
        first_new=[each for each in widest(shown, len(shown)) if each.new][:_AT_A_GLANCE],
        in_full=in_full(shown, _FULL_PLACES, _IN_FULL),
        most_places=_MOST_PLACES,
        links=_links(found, kept),
        gaps=missing[:_MOST_GAPS],
        gap_count=len(missing),
        first_gaps=most_frequent(missing[:_MOST_GAPS], _AT_A_GLANCE),
        not_judged=not_judged(run),
        sections=sections(run, matrix),
        requirements=requirements(run),
        role_tables=tables,
        role_summary=role_summary(run),
        exercised=exercised(run, matrix.families),
        past=past,
        rising=list(reversed(RISING)),
    )


def _top(run: Run) -> Top:
    decision, header, wall = decide(run), run.header, summary.wall_seconds(run)
    facts = [
        f"Contract {header['contract_version']}" if header.get("contract_version") else "",
        moment(header["started"]) if header.get("started") else "",
        f"took {duration(wall)}" if wall is not None else "",
        f"profile {header['profile']}" if header.get("profile") else "",
        f"seed {header['seed']}" if header.get("seed") is not None else "",
    ]
    notices = []
    if not run.complete:
        torn = "; its last record was cut in the middle and is left out" if run.torn else ""
        notices.append(Notice("This run is not complete.", f" What it judged stands below{torn}."))
    if run.leftovers:
        left = f"{plural(len(run.leftovers), 'record')} left on the target"
        notices.append(Notice(left, "; cdp clean removes what can be removed.", "remains"))
    return Top(
        decision.headline,
        f"Contract of {one_line(str(header.get('target') or header.get('base_url') or 'target'))}",
        one_line(decision.sentence),
        [one_line(fact) for fact in facts if fact],
        notices,
    )


def _contents(counts: list[tuple[Verdict, int]], missing: bool, roles: bool, past: Past) -> list[Link]:
    return [
        Link("matrix", "Matrix"),
        *(Link(css(verdict), label(verdict), count) for verdict, count in counts),
        *([Link("not-judged", "Not judged")] if missing else []),
        Link("sections", "Operations"),
        *([Link("roles", "Roles")] if roles else []),
        Link("evidence", "Evidence"),
        *([Link("history", "History")] if past.nights else []),
        Link("run", "The run"),
    ]


@dataclass(frozen=True)
class MatrixCell:
    """A cell of the matrix as the page shows it. `verdicts`: the first letters of those that are in it, for filters;
    `anchor` is empty where nothing was judged."""

    family: str
    css: str
    text: str
    words: str
    verdicts: str
    anchor: str


def _rows(matrix: Matrix) -> list[tuple[str, list[MatrixCell]]]:
    """The matrix: each cell leads to its section's operations, there to the column of its family."""
    rows = []
    for number, section in enumerate(matrix.sections, start=1):
        cells = []
        for column, family in enumerate(matrix.families, start=1):
            cells.append(_matrix_cell(family, matrix.cells.get((section, family)), f"section-{number}-{column}"))
        rows.append((section, cells))
    return rows


def _matrix_cell(family: str, tally: Tally | None, anchor: str) -> MatrixCell:
    if tally is None or not tally.judged:
        return MatrixCell(family, "not-applicable", SYMBOLS[Verdict.NOT_APPLICABLE], "not applicable", "", "")
    count = tally[tally.worst]
    of_all = "" if count == tally.judged else f"/{tally.judged}"
    letters = "".join(verdict.name[0] for verdict in RISING if tally[verdict])
    return MatrixCell(
        family, css(tally.worst), f"{SYMBOLS[tally.worst]} {count}{of_all}", tally.in_words, letters, anchor
    )


def _links(found: list[Finding], kept: set[str]) -> dict[tuple[str, str], str]:
    """Requirement and operation -> the anchor of the worst finding on them; that of its verdict where the page has no
    room for it."""
    links: dict[tuple[str, str], str] = {}
    for verdict in (Verdict.ERROR, Verdict.FAIL, Verdict.WARN):
        for finding in found:
            if finding.verdict is verdict:
                anchor = finding.anchor if finding.anchor in kept else css(verdict)
                for place in finding.group.places:
                    links.setdefault((place.cell.requirement, place.cell.operation), anchor)
    return links
