"""A contract run on one screen: the answer, the families, the widest findings, what was not judged, and where the rest
is. Everything is in `reports.terminal`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdp.history import Since
from cdp.results import Run
from cdp.verdicts import Verdict, decide
from reports import summary
from reports.console import STYLES, symbols
from reports.summary import RISING, Group, Matrix
from reports.terminal import render_baseline, render_decision, render_facts, render_remains
from reports.wording import label, one_line, plural, shortened, since_in_words

LINES = 24
"""What fits where the terminal does not say how high it is."""

_BROKEN = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)
_LEAST_FINDINGS = 3
_REASON_LIMIT = 200


def print_screen(
    run: Run,
    console: Console,
    strict: bool | None = None,
    since: Mapping[str, Since] | None = None,
    paths: Sequence[Path] = (),
    lines: int | None = None,
) -> None:
    """Print what fits on a screen of so many lines, that of the console without; the answer is at the end, where the
    reader's eye is, above the paths of the reports."""
    table = _totals(summary.matrix(run), symbols(console))
    below: list[Text] = [*_not_judged(run), *render_baseline(run), *render_remains(run)]
    facts = render_facts(run)
    assert isinstance(facts, Text)
    below.append(facts)
    for line in below:
        line.no_wrap, line.overflow = True, "ellipsis"
    answer = render_decision(decide(run, strict))
    closing = [*(Text(str(path), no_wrap=True, overflow="fold") for path in paths), _more(run)]
    taken = table.row_count + 1 + len(below) + sum(_height(each, console) for each in (answer, *closing)) + 3
    room = (lines or (console.height if console.is_terminal else LINES)) - taken
    console.print(table)
    for part in _findings(run, since or {}, max(_LEAST_FINDINGS, room), console):
        console.print(part)
    for each in below:
        console.print(each)
    console.print(answer)
    for each in closing:
        console.print(each)


def _height(part: object, console: Console) -> int:
    return len(console.render_lines(part, pad=False))  # type: ignore[arg-type]


def _more(run: Run) -> Text:
    return Text("Everything: --details, or the page", style="bright_black")


def _totals(matrix: Matrix, signs: Mapping[Verdict, str]) -> Table:
    """Verdicts by family, as narrow as can be."""
    families = [family for family in matrix.families if matrix.of_family(family).judged]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("all", justify="right")
    for family in families:
        table.add_column(one_line(family), justify="right", no_wrap=True)
    by_family = [matrix.of_family(family) for family in families]
    for verdict in RISING:
        if matrix.total[verdict]:
            style = STYLES[verdict]
            counts = [f"{tally[verdict]}" if tally[verdict] else "" for tally in by_family]
            name = Text(f"{signs[verdict]} {label(verdict)}", style=style)
            table.add_row(name, *(Text(count, style=style) for count in (f"{matrix.total[verdict]:,}", *counts)))
    return table


def _findings(run: Run, since: Mapping[str, Since], room: int, console: Console) -> list[Text | Table]:
    """One line each, the worst verdict first and the widest in it, as many as there is room for."""
    groups: list[Group] = []
    for verdict in _BROKEN:
        groups += sorted(summary.findings(run, verdict), key=lambda group: -len(group.places))
    if not groups:
        return []
    shown = groups if len(groups) <= room - 1 else groups[: max(1, room - 2)]
    signs = symbols(console)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for group in shown:
        style = STYLES[group.verdict]
        what = Text(one_line(group.sentence))
        if first := summary.first_since(group, since):
            what = Text.assemble((f"{since_in_words(first)}: " if not first.new else "new: ", "bold"), what)
        name = Text(f"{signs[group.verdict]} {one_line(group.requirement)}", style=style)
        table.add_row(name, plural(len(group.places), "cell"), what)
    parts: list[Text | Table] = [Text(), table]
    if len(groups) > len(shown):
        parts.append(Text(f"and {plural(len(groups) - len(shown), 'more finding')}", style="bright_black"))
    return parts


def _not_judged(run: Run) -> list[Text]:
    groups = summary.reasons(run)
    if not groups:
        return []
    cells = sum(len(group.places) for group in groups)
    first = max(groups, key=lambda group: len(group.places))
    text = f"Not judged: {plural(cells, 'cell')} for {plural(len(groups), 'reason')}; of {len(first.places):,}: "
    return [Text(text + shortened(one_line(first.sentence), _REASON_LIMIT))]
