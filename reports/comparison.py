"""Two runs compared, and the runs of a target in a row, on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, takewhile

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cdp.comparison.capacity import CAPACITY
from cdp.comparison.history import FIGURES, History, Moved, Night
from cdp.comparison.model import Comparison, Row, Told, per_cent
from cdp.history import RunSummary, Since
from cdp.verdicts import CANNOT_TELL, GO, NO_GO, Verdict
from reports.console import STYLES
from reports.load_terminal import HEADLINE_STYLES, milliseconds
from reports.wording import one_line, plural, shortened, since_in_words

TOLD_STYLES = {
    Told.WORSE: "bold bright_red",
    Told.BETTER: "green",
    Told.UNCHANGED: "",
    Told.UNKNOWN: "yellow",
}
_DECISION_STYLES = {GO: "green", NO_GO: "bold bright_red", CANNOT_TELL: "yellow", **HEADLINE_STYLES}
_COUNTED = (Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.ERROR, Verdict.SKIP, Verdict.UNCONFIRMED)
_ALWAYS = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)
_CELLS_SHOWN = 30
_TEXT_LIMIT = 200
_NAMED = 8  # cells that are named of those that broke together
_NARROW = 100  # columns below which a run's name, which begins with its time, stands for both


def print_comparison(found: Comparison, console: Console) -> None:
    """Print a comparison: the sentence, what was compared, and the notes."""
    for part in _parts(found):
        console.print(part)


def _parts(found: Comparison) -> Iterator[RenderableType]:
    sentence = _line(found.sentence.removeprefix(found.told.value).lstrip(":; "))
    yield Text.assemble((found.told.value.upper(), TOLD_STYLES[found.told] or "bold"), "  ", sentence)
    yield Text(f"{one_line(found.after)} against {one_line(found.before)} ({one_line(found.kind)})", "bright_black")
    if len(found.reasons) > 1:
        yield from (Text(f"  {_line(reason)}") for reason in found.reasons)
    if found.rows:
        yield _cells(found.rows) if found.kind.startswith("contract/") else _measures(found.rows)
        hidden = len(found.rows) - _CELLS_SHOWN
        if hidden > 0:
            yield Text(f"and {plural(hidden, 'more row')}", style="bright_black")
    for note in found.notes:
        yield Text.assemble(("note  ", "bold"), _line(note))


def _cells(rows: list[Row]) -> Table:
    table = _table("", "Cell", "Before", "Now", "What was said")
    for row in rows[:_CELLS_SHOWN]:
        style = TOLD_STYLES[row.told]
        word = {Told.WORSE: "broke", Told.BETTER: "mended"}.get(row.told, "open")
        cells = (word, row.subject, row.before, row.after, shortened(row.sentence, _TEXT_LIMIT))
        table.add_row(*(Text(one_line(cell), style=style if not n else "") for n, cell in enumerate(cells)))
    return table


def _measures(rows: list[Row]) -> Table:
    table = _table("Operation", "Measure", "Before", "Now", "Found")
    for row in rows[:_CELLS_SHOWN]:
        cells = (row.subject, row.measure, row.before, row.after, row.sentence)
        style = TOLD_STYLES[row.told]
        table.add_row(*(Text(one_line(cell), style=style if n == 4 else "") for n, cell in enumerate(cells)))
    return table


def print_history(found: History, console: Console, last: int) -> None:
    """Print the last runs of a kind, the latest at the end, and where their series moved."""
    shown, narrow = found.nights[-last:], console.width < _NARROW
    of_contract = found.kind.startswith("contract/")
    console.print(Text(found.kind, style="bold"))
    console.print(_contract_nights(shown, narrow) if of_contract else _load_nights(shown, found.moved, narrow))
    hidden = len(found.nights) - len(shown)
    if hidden:
        console.print(Text(f"{plural(hidden, 'earlier run')} not shown", style="bright_black"))
    if of_contract:
        return
    for moved in found.moved:
        console.print(Text(moved_in_words(moved), style="bold yellow"), soft_wrap=True)
    series = sum(not night.left_out for night in found.nights)
    if not found.moved:
        few = " (too few to see a change)" if series < 10 else ""
        console.print(Text(f"no change point in {plural(series, 'run')}{few}", style="bright_black"))


def print_endings(found: Sequence[History], console: Console) -> None:
    """Print a line for each kind of runs: what the last one said, since when all have said so, and what moved last. It
    is what is left on a small screen after all the tables."""
    table = _table("Last run of", "Says", "")
    for history in found:
        latest = history.nights[-1]
        alike = list(takewhile(lambda night, said=latest.headline: night.headline == said, reversed(history.nights)))  # type: ignore[misc]
        since = f"since {alike[-1].started:%Y-%m-%d}, {plural(len(alike), 'run')}" if len(alike) > 1 else ""
        moved = [moved_in_short(each) for each in history.moved[-1:]]
        table.add_row(Text(one_line(history.kind)), _headline(latest), "; ".join(filter(None, [since, *moved])))
    console.print(table)


def print_since(run: RunSummary, since: Mapping[str, Since], console: Console) -> None:
    """Print the broken cells of a contract run, those that are new first, and since which run each is broken."""
    console.print(Text.assemble((run.kind, "bold"), "  ", (one_line(run.name), "bright_black")))
    if not since:
        console.print("nothing is broken")
        return
    for first, cells in sorted(by_start(since).items(), key=lambda item: item[0].started, reverse=True):
        names = ", ".join(one_line(name) for name in cells[:_NAMED])
        more = f" and {len(cells) - _NAMED:,} more" if len(cells) > _NAMED else ""
        style = "bold bright_red" if first.new else "bold"
        console.print(Text.assemble((since_in_words(first), style), f": {plural(len(cells), 'cell')}"))
        console.print(Padding(Text(names + more), (0, 0, 0, 2)))


def by_start(since: Mapping[str, Since]) -> dict[Since, list[str]]:
    """The addresses of the cells that have been broken since the same run."""
    found: dict[Since, list[str]] = {}
    for address, each in sorted(since.items()):
        found.setdefault(each, []).append(address)
    return found


def moved_in_words(moved: Moved) -> str:
    """A change point as people read it."""
    if moved.figure in ("rate", CAPACITY):
        values = f"{moved.before:,.1f}/s to {moved.after:,.1f}/s"
    else:
        values = f"{milliseconds(moved.before * 1e6)} ms to {milliseconds(moved.after * 1e6)} ms"
    when = f"{moved.night.started:%Y-%m-%d}"
    return f"{FIGURES[moved.figure]} moved on {when}, with {moved.night.directory.name}: {values} ({_share(moved)})"


def moved_in_short(moved: Moved) -> str:
    """``p99 latency +32 % on 2027-01-23``."""
    return f"{FIGURES[moved.figure]} {_share(moved)} on {moved.night.started:%Y-%m-%d}"


def _share(moved: Moved) -> str:
    return f"{'+' if moved.share >= 0 else '−'}{per_cent(moved.share)} %"


def _contract_nights(nights: list[Night], narrow: bool) -> Table:
    """Runs in a row that counted the same are one line, that of the first. Verdicts that nothing got have no column."""
    counted = [each for each in _COUNTED if each in _ALWAYS or any(night.counts.get(each) for night in nights)]
    heads = ("Run",) if narrow else ("Started",)
    table = _table(*heads, "Verdict", *(verdict.name for verdict in counted), "", *([] if narrow else ["Run"]))
    for column in table.columns[2 : 2 + len(counted)]:
        column.justify = "right"
    for _, group in groupby(nights, key=lambda night: (night.headline, dict(night.counts))):
        alike = list(group)
        night = alike[0]
        counts = [
            Text(f"{night.counts.get(verdict, 0):,}", style=STYLES[verdict] if night.counts.get(verdict) else "")
            for verdict in counted
        ]
        times = Text(f"{len(alike)} runs alike" if len(alike) > 1 else "", style="bright_black")
        table.add_row(*_named(night, narrow, _headline(night), *counts, times))
    return table


def _named(night: Night, narrow: bool, *cells: Text | str) -> list[Text | str]:
    """A row: when the run started, the cells, and its name. Where there is no room for both, the name begins with the
    time, as names of runs do, or is put behind it."""
    name, started = night.directory.name, f"{night.started:%Y-%m-%d %H:%M}"
    if not narrow:
        return [Text(started), *cells, Text(name, style="bright_black")]
    return [Text(name if name.startswith(f"{night.started:%Y%m%d}") else f"{started} {name}"), *cells]


def _load_nights(nights: list[Night], moved: list[Moved], narrow: bool) -> Table:
    searches = any(CAPACITY in night.figures for night in nights)
    heads = ("Verdict", "p50 ms", "p99 ms", "capacity/s" if searches else "good/s", "")
    table = _table(*(("Run", *heads) if narrow else ("Started", *heads, "Run")))
    for column in table.columns[2:5]:
        column.justify = "right"
    for night in nights:
        known = night.figures
        times = [milliseconds(known[name] * 1e6) if name in known else "–" for name in ("p50", "p99")]
        rates = [f"{known[name]:,.1f}" for name in ("rate", CAPACITY) if name in known]
        marks = [
            "◆ moved" if narrow else f"◆ {FIGURES[each.figure]} {_share(each)}" for each in moved if each.night is night
        ]
        marks = list(dict.fromkeys(marks))
        note = Text(_line("; ".join(marks) or (f"left out: {night.left_out}" if night.left_out else "")))
        note.stylize("bold yellow" if marks else "bright_black")
        table.add_row(*_named(night, narrow, _headline(night), *times, *(rates or ["–"]), note))
    return table


def _headline(night: Night) -> Text:
    return Text(night.headline, style=_DECISION_STYLES.get(night.headline, ""))


def _line(text: str) -> str:
    return shortened(one_line(text), _TEXT_LIMIT)


def _table(*heads: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="bright_black")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table
