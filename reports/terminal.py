"""A run on the terminal: decision, matrix, findings, reasons. Readable at 100 columns, and without colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from cdp.history import Since
from cdp.known_failures import reckon
from cdp.ledger import IN_THE_TRASH
from cdp.results import Run
from cdp.verdicts import CANNOT_TELL, GO, NO_GO, Decision, Result, Verdict, decide
from reports import summary
from reports.console import STYLES, make_console, symbols
from reports.progress import Progress
from reports.summary import RISING, Matrix, Tally
from reports.wording import MEANINGS, SYMBOLS, label, one_line, plural, repeating, shortened, since_in_words, visible

__all__ = [
    "Progress",
    "make_console",
    "print_run",
    "render_decision",
    "render_facts",
    "render_findings",
    "render_matrix",
    "render_reasons",
]

HEADLINE_STYLES = {GO: "bold green", NO_GO: "bold bright_red", CANNOT_TELL: "bold yellow"}

FACTS = (
    *("Target", "Profile", "Seed", "Cells", "Requests", "Requests per second", "Wall time", "Budget"),
    *("Judged again", "Callers made"),
)
LEFTOVERS_SHOWN = 10
PLACES_SHOWN = 3  # of a finding; the number of the others follows
_EXAMPLE_LIMIT = 600
_CURL_LIMIT = 2000


def print_run(run: Run, console: Console, strict: bool | None = None, since: Mapping[str, Since] | None = None) -> None:
    """Print a whole run: decision, matrix, findings, reasons, and the decision again where the reader's eye is.
    `since`: since which run cells are broken, where that is known."""
    decision = decide(run, strict)
    if not run.complete:  # everything below is only a part, and the reader must know that first
        console.print(render_decision(decision))
        console.print()
    console.print(render_matrix(run, console))
    for part in (render_findings(run, since), render_reasons(run)):
        if part is not None:
            console.print()
            console.print(part, crop=False)
    for line in render_known_failures(run):
        console.print()
        console.print(line)
    console.print()
    console.print(render_facts(run))
    for line in render_remains(run):
        console.print(line, soft_wrap=True)
    console.print(render_decision(decision))


def render_known_failures(run: Run) -> Iterator[Text]:
    """What became of the known failures: how many, which entries are not needed any more, and which have run out."""
    broken = [result for result in run.results if result.verdict in (Verdict.FAIL, Verdict.WARN)]
    reckoning = reckon(run, broken)
    for entries, what in (
        (reckoning.used, "accepted"),
        (reckoning.unneeded, "accepted, but no longer fails: take it out of the file"),
        (reckoning.run_out, "no longer accepted: its time has run out"),
    ):
        for entry in entries:
            text = f"{one_line(entry.cell)} until {entry.until.isoformat()} ({one_line(entry.reason)})"
            yield Text.assemble(("known failure  ", "bold"), f"{text}: {what}")


def render_remains(run: Run) -> Iterator[Text]:
    """What is still on the target: a warning with what could have been removed, a line on what cannot be."""
    if run.leftovers:
        shown = [one_line(each) for each in run.leftovers[:LEFTOVERS_SHOWN]]
        rest = len(run.leftovers) - len(shown)
        more = [f"and {rest} more"] if rest else []
        text = f"{plural(len(run.leftovers), 'record')} left on the target: {', '.join([*shown, *more])}"
        yield Text.assemble(("WARNING  ", STYLES[Verdict.WARN]), f"{text} (`cdp clean` removes them)")
    trashed = [each for each in run.stays if each.endswith(IN_THE_TRASH)]
    for what, kept in (
        ("Stays on the target, because no operation removes it", [each for each in run.stays if each not in trashed]),
        ("Deleted, and listed in a trash that no operation empties", trashed),
    ):
        counts = Counter(each.partition(" ")[0] for each in kept)
        kinds = ", ".join(f"{one_line(name)} {count}" for name, count in counts.items())
        if kinds:
            yield Text(f"{what}: {kinds}", style="bright_black")


def render_decision(decision: Decision) -> RenderableType:
    """The run's decision: headline and sentence."""
    return Text.assemble(
        (decision.headline, HEADLINE_STYLES.get(decision.headline, "bold")), "  ", one_line(decision.sentence)
    )


def render_facts(run: Run) -> RenderableType:
    """Target, seed, requests and the like, separated by points."""
    known = dict(summary.facts(run))
    return Text(" · ".join(f"{name} {one_line(known[name])}" for name in FACTS if name in known), style="bright_black")


def render_matrix(run: Run, console: Console | None = None) -> RenderableType:
    """Sections × families, each cell its worst verdict and how many cells have it; then totals by verdict."""
    signs = symbols(console) if console else SYMBOLS
    found = summary.matrix(run)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("Section", no_wrap=True, overflow="ellipsis", min_width=16, max_width=36)
    for family in found.families:
        table.add_column(one_line(family), no_wrap=True, min_width=4)
    for section in found.sections:
        tallies = [found.cells.get((section, family)) for family in found.families]
        table.add_row(one_line(section), *(_matrix_cell(tally, signs) for tally in tallies))
    table.add_row()
    _add_totals(table, found, signs)
    return Group(table, Text(), _legend(signs))  # what the signs mean stands in the names of the totals


def _matrix_cell(tally: Tally | None, signs: dict[Verdict, str]) -> Text:
    if tally is None or not tally.judged:
        return Text(signs[Verdict.NOT_APPLICABLE], style=STYLES[Verdict.NOT_APPLICABLE])
    count = tally[tally.worst]
    of_all = "" if count == tally.judged else f"/{tally.judged}"
    return Text(f"{signs[tally.worst]} {count}{of_all}", style=STYLES[tally.worst])


def _add_totals(table: Table, found: Matrix, signs: dict[Verdict, str]) -> None:
    by_family = [found.of_family(family) for family in found.families]
    total = found.total
    for verdict in RISING:
        if total[verdict]:
            name = Text(f"{signs[verdict]} {label(verdict)} {total[verdict]:,}", style=STYLES[verdict])
            counts = (Text(str(tally[verdict]), STYLES[verdict]) if tally[verdict] else "" for tally in by_family)
            table.add_row(name, *counts)
    table.add_row(
        Text(f"all {total.judged:,}", style="bold"), *(Text(str(tally.judged), style="bold") for tally in by_family)
    )


def _legend(signs: dict[Verdict, str]) -> Text:
    bad, nothing = signs[Verdict.FAIL], signs[Verdict.NOT_APPLICABLE]
    sentence = f"{bad} 2/20: the worst verdict of 20 cells is FAIL, 2 of them have it.  {nothing}: nothing applies."
    return Text(sentence, style="bright_black")


def render_findings(run: Run, since: Mapping[str, Since] | None = None) -> RenderableType | None:
    """Each FAIL, WARN and ERROR: the requirement, what happened, where, the smallest example and a curl line."""
    parts: list[RenderableType] = []
    for verdict in (Verdict.FAIL, Verdict.WARN, Verdict.ERROR):
        groups = summary.findings(run, verdict)
        if not groups:
            continue
        cells = sum(len(group.places) for group in groups)
        title = f"{label(verdict)}: {plural(len(groups), 'finding')} in {plural(cells, 'cell')}, {MEANINGS[verdict]}"
        parts.append(Text(title, style=STYLES[verdict]))
        previous = ""
        for group in groups:
            if group.requirement != previous:
                parts += [Text(), _requirement(group)]
                previous = group.requirement
            parts += _finding(group, since or {})
        parts.append(Text())
    return Group(*parts[:-1]) if parts else None


def _requirement(group: summary.Group) -> Text:
    return Text.assemble(
        (one_line(group.requirement), "bold"),
        (f" {one_line(group.level)}  ", "bright_black"),
        one_line(group.statement),
    )


def _finding(group: summary.Group, since: Mapping[str, Since]) -> Iterator[RenderableType]:
    yield _indented(Text(shortened(one_line(group.sentence), _EXAMPLE_LIMIT), style=STYLES[group.verdict]), 2)
    for line in _places(group):
        yield _indented(line, 4)
    if first := summary.first_since(group, since):
        yield _indented(Text(since_in_words(first), style="bold" if first.new else "bright_black"), 4)
    example = group.smallest
    if example.example:
        text = Text.assemble(("example  ", "bright_black"), shortened(visible(example.example), _EXAMPLE_LIMIT))
        yield _indented(text, 4)
    if example.round > 1:
        yield Unwrapped(visible(f"round {example.round}, repeated by {repeating(example)}"), indent=4)
    if example.curl:
        yield Unwrapped(shortened(visible(example.curl), _CURL_LIMIT), indent=4)


def _indented(text: Text, columns: int) -> RenderableType:
    return Padding(text, (0, 0, 0, columns), expand=False)


def _places(group: summary.Group) -> Iterator[Text]:
    first, rest = group.places[:PLACES_SHOWN], group.places[PLACES_SHOWN:]
    if group.smallest not in first:  # the example below must be among the places named
        first = [group.smallest, *first[: PLACES_SHOWN - 1]]
        rest = [place for place in group.places if not any(place is shown for shown in first)]
    for place in first:
        yield _address(place)
    if rest:
        yield Text(f"and {plural(len(rest), 'more cell')}: {_operations(rest)}", style="bright_black")


def _address(result: Result) -> Text:
    return Text.assemble(one_line(result.cell.address), (f"  {one_line(result.section)}", "bright_black"))


def _operations(places: list[Result], limit: int = 4) -> str:
    names = list(dict.fromkeys(one_line(place.cell.operation) for place in places))
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")


def render_reasons(run: Run) -> RenderableType | None:
    """Why cells were not judged: each reason once, with its count and the operations it holds for."""
    groups = summary.reasons(run)
    if not groups:
        return None
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", title_justify="left")
    table.add_column("Not judged", no_wrap=True)
    table.add_column("Cells", justify="right", no_wrap=True)
    table.add_column("Reason", overflow="fold", ratio=3)
    table.add_column("Where", overflow="fold", ratio=2)
    for group in groups:
        where = f"{_listed(group.requirements)}: {_listed(group.operations)}"
        reason = shortened(one_line(group.sentence), _EXAMPLE_LIMIT)
        table.add_row(
            Text(label(group.verdict), style=STYLES[group.verdict]),
            f"{len(group.places):,}",
            Text(reason),
            Text(one_line(where), style="bright_black"),
        )
    return table


def _listed(names: list[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


class Unwrapped:
    """A line that is made to be copied: it is never wrapped or cut, whatever the width. Print it with `crop=False`."""

    def __init__(self, text: str, indent: int = 0) -> None:
        self.text = text
        self.indent = indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.text.split("\n"):
            yield Segment(" " * self.indent + line)
            yield Segment.line()
