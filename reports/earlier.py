"""What the history says of a run, as its page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cdp.comparison.history import movements, nights_of
from cdp.history import RunSummary, Since
from cdp.history.model import CAPACITY, P50, P99, PAGE, RATE
from cdp.verdicts import Verdict
from reports.comparison import moved_in_short, moved_in_words
from reports.past import NOTHING, Night, Past
from reports.wording import one_line

_COUNTED = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR, Verdict.PASS, Verdict.SKIP, Verdict.UNCONFIRMED)
_UNITS = {P50: "ms", P99: "ms", RATE: "/s", CAPACITY: "/s"}


def past_of(runs: Path, since: Mapping[str, Since], summaries: Sequence[RunSummary]) -> Past:
    """The earlier runs of a run, which is the last of the summaries, and since which of them its cells are broken. Runs
    whose pages are gone have no link."""
    if len(summaries) < 2:
        return NOTHING
    nights = nights_of(runs, summaries)
    notes: dict[str, list[str]] = {}
    found = movements(nights)
    for moved in found:
        notes.setdefault(moved.night.directory.name, []).append(moved_in_words(moved))
    for night in nights:
        if night.left_out:
            notes.setdefault(night.directory.name, []).append(f"in no series: {night.left_out}")
    shown = [_night(runs, each, "; ".join(notes.get(each.name, []))) for each in summaries]
    by_name = {night.name: night for night in shown}
    firsts = {
        address: by_name.get(each.run, Night(each.run, each.started.isoformat(), href=_href(runs, each.run)))
        for address, each in since.items()
        if each.runs > 1
    }
    return Past(shown, firsts, [moved_in_short(moved) for moved in found])


def _night(runs: Path, run: RunSummary, note: str) -> Night:
    if run.kind.startswith("contract/"):
        figures = {verdict.name: f"{run.counts.get(verdict, 0):,}" for verdict in _COUNTED}
    else:
        figures = {
            name: f"{value:,.4g} {_UNITS.get(name, '')}".replace(" /", "/") for name, value in run.figures.items()
        }
    return Night(run.name, run.started.isoformat(), run.headline, figures, one_line(note), _href(runs, run.name))


def _href(runs: Path, name: str) -> str:
    return f"../{name}/{PAGE}" if (runs / name / PAGE).is_file() else ""
