"""What is broken, as the page shows it: each cause once, with where it stands and how often of how many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from markupsafe import escape

from cdp.results import Run
from cdp.verdicts import Result, Verdict
from reports import summary
from reports.contract_facts import ContractFacts
from reports.exchanges import EXAMPLE_LIMIT, EXCHANGE_LIMIT
from reports.past import Night, Past
from reports.summary import Group
from reports.wording import plural, pretty_json

BROKEN = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)
"""The verdicts that are findings, in the order in which they are shown."""

_EXERCISED = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)


@dataclass(frozen=True)
class Finding:
    """One cause. `exercised`: cells of the requirement that were exercised, these among them; `since`: the first of the
    earlier runs without a break in which it was there, None when none is known; `new`: earlier runs are known, and it
    was in none of the latest."""

    group: Group
    anchor: str
    source: str
    provenance: list[str]
    exercised: int
    since: Night | None
    new: bool

    @property
    def verdict(self) -> Verdict:
        return self.group.verdict

    @cached_property
    def family(self) -> str:
        return self.group.places[0].family

    @cached_property
    def places(self) -> list[Result]:
        return self.group.ordered

    @cached_property
    def sections(self) -> list[str]:
        """Where it is, the section with the most places first."""
        return [name for name, _ in Counter(place.section for place in self.group.places).most_common()]

    @cached_property
    def how_often(self) -> str:
        """``40 operations in 3 sections, 40 of 52 cells in which the rule was exercised``."""
        words = plural(len(self.group.operations), "operation")
        if len(self.sections) > 1:
            words += f" in {plural(len(self.sections), 'section')}"
        count = len(self.places)
        if self.verdict is Verdict.ERROR:
            return f"{words}, {plural(count, 'cell')}"
        return f"{words}, {count:,} of {plural(self.exercised, 'cell')} in which the rule was exercised"


def findings(run: Run, past: Past) -> list[Finding]:
    """All findings: FAIL, WARN, ERROR, each in the catalogue's order, with the anchors ``fail-1``, ``warn-1``."""
    facts = ContractFacts(run)
    exercised = Counter(result.cell.requirement for result in run.results if result.verdict in _EXERCISED)
    found = []
    for verdict in BROKEN:
        for number, group in enumerate(summary.findings(run, verdict), start=1):
            since = past.first_of(group.places)
            found.append(
                Finding(
                    group,
                    f"{verdict.name.lower()}-{number}",
                    facts.source(group.requirement),
                    facts.provenance_of(group.operations),
                    exercised[group.requirement],
                    since,
                    bool(past.nights) and since is None and verdict is not Verdict.ERROR,
                )
            )
    return found


def widest(found: list[Finding], count: int) -> list[Finding]:
    """Those to look at first: the worst verdict, in it the most places, and of as many those that are new."""
    rank = {verdict: place for place, verdict in enumerate(BROKEN)}
    return sorted(found, key=lambda each: (rank[each.verdict], -len(each.places), not each.new))[:count]


def in_full(found: list[Finding], most_places: int, budget: int) -> dict[str, int]:
    """How many places of each finding show their example and exchange, by anchor: one of each and then more, those to
    look at first served first, as long as `budget` characters last."""
    shown = dict.fromkeys((each.anchor for each in found), 0)
    for turn in range(most_places):
        for each in widest(found, len(found)):
            if turn < len(each.places):
                budget -= _size(each.places[turn])
                if budget < 0:
                    return shown
                shown[each.anchor] += 1
    return shown


def _size(place: Result) -> int:
    """About how many characters a place takes in the page."""
    texts = (place.example[:EXAMPLE_LIMIT], place.curl, place.sentence, pretty_json(place.exchange)[:EXCHANGE_LIMIT])
    return 700 + sum(len(escape(text)) for text in texts)
