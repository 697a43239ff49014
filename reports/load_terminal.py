"""A load run on the terminal: decision, objectives, operations, errors, books, the generator.

It fits on one screen at 80 columns, and says the same without colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cdp.load_figures import PERCENTILES, Figures
from cdp.load_results import FOUND, INCONCLUSIVE, MET, MISSED, OMISSION, SUSTAINED, Judged, LoadRun, Step
from reports import audit, capacity, load_summary
from reports.wording import one_line, plural, shortened

HEADLINE_STYLES = {
    MET: "bold green",
    FOUND: "bold green",
    SUSTAINED: "bold green",
    MISSED: "bold bright_red",
    INCONCLUSIVE: "bold yellow",
}
_STYLES = {Judged.MET: "green", Judged.MISSED: "bold bright_red", Judged.NOT_JUDGEABLE: "yellow"}
_SIGNS = {Judged.MET: "✓", Judged.MISSED: "✗", Judged.NOT_JUDGEABLE: "?"}
_ASCII_SIGNS = {Judged.MET: "+", Judged.MISSED: "x", Judged.NOT_JUDGEABLE: "?"}
_COUNTED = ["offered", "sent", "unsent", "good", "failed", "good/s", "late p99"]
_TIMED = [
    f"{kind if name == 'p50' else ''}\n{name}"
    for kind in ("latency", "service")
    for name in (*(f"p{each:g}" for each in PERCENTILES), "max")
]
_LEAST_NAME = 14
_WIDE = 150  # from here on counts and times stand on one line
_TEXT_LIMIT = 300


def print_load_run(run: LoadRun, console: Console, whole: bool = True) -> None:
    """Print a run: the whole of it, or, on a terminal that it does not fit, what matters most, a line each."""
    parts = list(_parts(run, console, _WHOLE))

    def fits() -> bool:
        return sum(len(console.render_lines(part, pad=False)) for part in parts) + _BELOW <= console.height

    if whole or not console.is_terminal or fits():
        for part in parts:
            console.print(part)
        return
    answer, *rest = _parts(run, console, _BRIEF)
    console.print(answer)
    for part in (*rest, Text("Everything: the page, or cdp report RUN --details", style="bright_black")):
        console.print(part, no_wrap=True, overflow="ellipsis")


@dataclass(frozen=True)
class _Most:
    """How much of each kind is shown at most."""

    reasons: int = 5
    steps: int = 1_000
    objectives: int = 1_000
    operations: int = 8
    errors: int = 4
    audit: int = 1_000
    notes: int = 1_000


_WHOLE = _Most()
_BRIEF = _Most(reasons=0, steps=2, objectives=4, operations=0, errors=1, audit=1, notes=1)
_BELOW = 5  # lines that come after a run: the paths of its reports, and the prompt
_ANSWERED = ("Confirmed", "Recovery", "Headroom", "Void steps", "Repeat")


def _parts(run: LoadRun, console: Console, most: _Most) -> Iterator[RenderableType]:
    decision = run.decision
    yield Text.assemble(
        (decision.headline, HEADLINE_STYLES.get(decision.headline, "bold")), "  ", _line(decision.sentence)
    )
    for reason in decision.reasons[1 : most.reasons + 1] if len(decision.reasons) > 1 else []:
        yield Text(f"  {_line(reason)}")
    if len(decision.reasons) > most.reasons + 1 and most.reasons:
        yield Text(f"  and {plural(len(decision.reasons) - most.reasons - 1, 'more reason')}")
    if not run.open_loop:
        yield Text(OMISSION, style="yellow")
    if run.steps:
        yield from _steps(run, most)
    if run.objectives:
        yield _objectives(run, console, most)
    if run.spans and not (run.steps and most is _BRIEF):
        if most is _WHOLE:
            yield Text()
        yield from _operations(run, console, most)
    yield from _errors(run, most)
    yield Text.assemble(("books      ", "bold"), load_summary.books_in_words(run))
    if run.audit is not None:
        yield from islice(audit.on_terminal(run.audit), most.audit)
    yield from _health(run, most)
    yield _facts(run)


def _nearest(steps: Sequence[Step], most: int) -> list[Step]:
    """Of the steps that held the highest, of those that failed the lowest, so many of each, in their order."""
    chosen = []
    for verdict, highest in (("passed", True), ("failed", False)):
        found = sorted((step for step in steps if step.verdict == verdict), key=lambda s: s.rate, reverse=highest)
        chosen += found[:most]
    return [step for step in steps if step in chosen]


def _steps(run: LoadRun, most: _Most) -> Iterator[RenderableType]:
    """The steps of a search for capacity, and what stands behind its answer."""
    steps = run.steps if len(run.steps) <= 2 * most.steps else _nearest(run.steps, most.steps)
    shown = ("step", "for", "rate", "latency", "under way", "by Little", "verdict")
    places = [capacity.HEADS.index(name) for name in shown]
    table = _table()
    for name in shown:
        table.add_column("latency p99" if name == "latency" else name, no_wrap=True)
    for step in steps:
        row = capacity.row_of(step)
        style = {"failed": "bright_red", "void": "bright_black"}.get(step.verdict, "")
        table.add_row(*(Text(row[place]) for place in places), style=style)
    yield Text()
    yield table
    if len(steps) < len(run.steps):
        yield Text(f"and {plural(len(run.steps) - len(steps), 'more step')}", style="bright_black")
    for name, text in capacity.facts_of(run):
        if most is _BRIEF and name not in _ANSWERED:
            continue
        yield Text.assemble((f"{name:<13}", "bold"), one_line(text))


def _objectives(run: LoadRun, console: Console, most: _Most) -> RenderableType:
    signs = _ASCII_SIGNS if console.options.ascii_only else _SIGNS
    scenarios = any(each.scenario for each in run.objectives)
    table = _table()
    table.add_column("Objective", no_wrap=True)
    if scenarios:
        table.add_column("of", no_wrap=True)
    table.add_column("Value", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    # Where there is room for few, those that were missed come first.
    worst = sorted(run.objectives, key=lambda each: each.judged is Judged.MET) if most is _BRIEF else run.objectives
    for each in worst[: most.objectives]:
        style = _STYLES[each.judged]
        name = Text(f"{signs[each.judged]} {one_line(each.objective)}", style=style)
        scenario = [one_line(each.scenario or "all")] if scenarios else []
        words = "not judgeable: " if each.judged is Judged.NOT_JUDGEABLE else ""
        detail = Text(words + one_line(each.detail), style="" if words else "bright_black")
        table.add_row(name, *scenario, Text(one_line(each.value), style=style), detail)
    return table


def _operations(run: LoadRun, console: Console, most: _Most) -> Iterator[RenderableType]:
    """Counts and times: one table where there is room for it, else two below each other."""
    rows = load_summary.operations(run)
    hidden = len(rows) - 1 - most.operations
    if hidden > 0:  # the last row is all of them together
        rows = [*rows[: most.operations], rows[-1]]
    names = [name for name, _ in rows]
    counts = [(_COUNTED, [[*_counts(each), _rate(each, run.lasted_s), _late(each)] for _, each in rows])]
    times = [(_TIMED, [_times(each) for _, each in rows])]
    if console.width >= _WIDE:
        yield _figures(names, counts + times, console.width)
    else:
        yield _figures(names, counts, console.width)
        yield _figures(names, times, console.width)
    note = "times in ms; latency from the intended start, service time from the send"
    more = f"{plural(hidden, 'more operation')} on the page; " if hidden > 0 and most is _WHOLE else ""
    yield Text(more + note, style="bright_black")


def _figures(names: list[str], parts: list[tuple[list[str], list[list[str]]]], width: int) -> RenderableType:
    """A table of numbers, none of which is ever cut: the names have what the numbers leave, but enough to know them."""
    heads = [head for part, _ in parts for head in part]
    rows = [[cell for _, cells in parts for cell in cells[number]] for number in range(len(names))]
    widths = [
        max(max(map(len, head.split("\n"))), *(len(row[column]) for row in rows)) for column, head in enumerate(heads)
    ]
    left = max(_LEAST_NAME, width - sum(widths) - len(widths))
    table = _table()
    table.add_column("Operation", no_wrap=True)
    for head, needed in zip(heads, widths, strict=True):
        table.add_column(head, justify="right", no_wrap=True, min_width=needed)
    for name, row in zip(names, rows, strict=True):
        table.add_row(_operation(name, left), *row, style="bold" if name == "all" else "")
    return table


def _rate(figures: Figures, lasted_s: float) -> str:
    return f"{figures.good / lasted_s:,.1f}" if lasted_s else "–"


def _counts(figures: Figures) -> list[str]:
    numbers = (figures.offered, figures.sent, figures.never_sent, figures.good, figures.failed + figures.unanswered)
    return [f"{each:,}" for each in numbers]


def _times(figures: Figures) -> list[str]:
    found: list[str] = []
    for times in (figures.latency, figures.service):
        if not times.count:
            found += ["–"] * (len(PERCENTILES) + 1)
            continue
        found += [milliseconds(times.percentile(each)) for each in PERCENTILES]
        found.append(milliseconds(times.max_ns))
    return found


def _late(figures: Figures) -> str:
    return milliseconds(figures.lateness.percentile(99)) if figures.lateness.count else "–"


def milliseconds(time_ns: float) -> str:
    """A time in ms in five characters at most: 0.85, 12.3, 212, 12400."""
    number = time_ns / 1e6
    return f"{number:.2f}" if number < 9.995 else f"{number:.1f}" if number < 99.95 else f"{number:.0f}"


def _operation(name: str, width: int) -> str:
    """The name within so many characters; the end of a path tells more than its beginning."""
    name = one_line(name)
    if len(name) <= width:
        return name
    method, blank, _ = name.partition(" ")
    head = f"{method}{blank}" if blank and len(method) < 8 else ""
    return f"{head}…{name[len(name) - (width - len(head) - 1) :]}"


def _errors(run: LoadRun, most: _Most) -> Iterator[RenderableType]:
    for error, count, places, _ in load_summary.violations(run)[: most.errors]:
        text = f"{_line(error.text)} ({', '.join(map(one_line, places[:3]))})"
        yield Text.assemble((f"{one_line(error.requirement):<10} ", "bold bright_red"), f"{count:,} × ", _line(text))
    errors = load_summary.errors(run)
    for error, count in errors[: most.errors]:
        yield Text.assemble(("error      ", "bold"), f"{count:,} × {_line(error.text)}")
    if len(errors) > most.errors:
        yield Text(f"           and {plural(len(errors) - most.errors, 'more kind')} of error", style="bright_black")


def _health(run: LoadRun, most: _Most) -> Iterator[RenderableType]:
    health = run.health_judged
    if health is None:
        return
    style = "bold yellow" if health.inconclusive else "bold"
    yield Text.assemble(("generator  ", style), one_line(health.line) or "not watched")
    for note in health.notes[: most.notes]:
        yield Text.assemble(("note       ", "bold"), _line(note))


def _facts(run: LoadRun) -> RenderableType:
    known = dict(load_summary.facts(run))
    names = ("Target", "Scenario", "Schedule", "Seed", "Processes", "Lasted")
    parts = [f"{name} {one_line(known[name])}" for name in names if name in known]
    parts.insert(2, "open loop" if run.open_loop else "closed loop")
    return Text(" · ".join(parts), style="bright_black")


def _line(text: str) -> str:
    return shortened(one_line(text), _TEXT_LIMIT)


def _table() -> Table:
    return Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bright_black")
