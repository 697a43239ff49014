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
from reports.terminal import render_decision, render_facts, render_known_failures, render_remains
from reports.wording import label, one_line, plural, shortened, since_in_words

LINES = 24
"""What fits where the terminal does not say how high it is."""

_BROKEN = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)
_LEAST = 4  # lines for findings
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
    facts = render_facts(run)
    assert isinstance(facts, Text)
    below = [*_not_judged(run), *render_known_failures(run), *render_remains(run), facts]
    answer = render_decision(decide(run, strict))
    answer_lines = len(console.render_lines(answer, pad=False))
    taken = 1 + table.row_count + len(below) + answer_lines + len(paths) + 2  # the prompt comes after the last line
    room = (lines or (console.height if console.is_terminal else LINES)) - taken
    console.print(table)
    for line in (*_findings(run, since or {}, max(_LEAST, room), console), *below):
        console.print(line, no_wrap=True, overflow="ellipsis")
    console.print(answer)
    for path in paths:
        console.print(Text(str(path)), soft_wrap=True)
    console.print(Text("Everything: --details, or the page", style="bright_black"))


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


def _findings(run: Run, since: Mapping[str, Since], room: int, console: Console) -> list[Text]:
    """One line each, the worst verdict first and the widest in it, as many as there is room for."""
    groups: list[Group] = []
    for verdict in _BROKEN:
        groups += sorted(summary.findings(run, verdict), key=lambda group: -len(group.places))
    if not groups:
        return []
    shown = groups if len(groups) < room else groups[: max(1, room - 2)]
    signs = symbols(console)
    names = [f"{signs[group.verdict]} {one_line(group.requirement)}" for group in shown]
    counts = [plural(len(group.places), "cell") for group in shown]
    name_width, count_width = max(map(len, names)), max(map(len, counts))
    lines = [Text()]
    for group, name, count in zip(shown, names, counts, strict=True):
        first = summary.first_since(group, since)
        when = "" if first is None else "new: " if first.new else f"{since_in_words(first)}: "
        line = Text.assemble((name.ljust(name_width), STYLES[group.verdict]), f"  {count.rjust(count_width)}  ")
        lines.append(line.append(when, "bold").append(one_line(group.sentence)))
    if len(groups) > len(shown):
        lines.append(Text(f"and {plural(len(groups) - len(shown), 'more finding')}", style="bright_black"))
    return lines


def _not_judged(run: Run) -> list[Text]:
    groups = summary.reasons(run)
    if not groups:
        return []
    cells = sum(len(group.places) for group in groups)
    first = max(groups, key=lambda group: len(group.places))
    text = f"Not judged: {plural(cells, 'cell')} for {plural(len(groups), 'reason')}; of {len(first.places):,}: "
    return [Text(text + shortened(one_line(first.sentence), _REASON_LIMIT))]
