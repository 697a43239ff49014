"""A run as Markdown that fits into a comment on a pull request: the answer first, then what broke, then what was not
judged. What comes from a target can be neither markup nor a mention in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from cdp.history import Since
from cdp.load_figures import Figures
from cdp.load_results import FOUND, MET, MISSED, SUSTAINED, LoadRun
from cdp.results import Run
from cdp.verdicts import GO, NO_GO, Verdict, decide
from reports import audit, capacity, load_summary, summary
from reports.wording import MEANINGS, label, one_line, plural, repeating, shortened, since_in_words, visible

MOST_CHARACTERS = 65_536
"""What GitHub takes for a comment; GitLab takes more."""

_SIGNS = {GO: "✅", NO_GO: "❌", MET: "✅", FOUND: "✅", SUSTAINED: "✅", MISSED: "❌"}
_UNSURE = "⚠️"
_BROKEN = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)
_PLACES = 5
_REASONS = 25
_LINE_LIMIT = 300
_BLOCK_LIMIT = 1500
_FOR_REASONS = 12_000  # characters that are kept for what was not judged
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
_LINKS = re.compile(r"://|@|www\.|\bGH-", re.IGNORECASE)


def contract_markdown(run: Run, since: Mapping[str, Since] | None = None) -> str:
    """A contract run: GO or NO-GO, the families, the findings in groups, and what was not judged."""
    decision, matrix = decide(run), summary.matrix(run)
    target = str(run.header.get("target") or "target")
    lines = [*_title(decision.headline, f"contract of {target}", decision.sentence)]
    lines += [_facts(summary.facts(run), ("Profile", "Contract", "Seed", "Cells", "Requests", "Wall time")), ""]
    shown = [verdict for verdict in reversed(Verdict) if matrix.total[verdict] and verdict]
    heads = ["Family", *(label(verdict) for verdict in shown)]
    tallies = [(family, matrix.of_family(family)) for family in matrix.families]
    rows = [[text(family), *(_count(tally[v]) for v in shown)] for family, tally in tallies if tally.judged]
    lines += _table(heads, [*rows, ["**all**", *(_count(matrix.total[v]) for v in shown)]])
    for warning in _remains(run):
        lines += ["", warning]
    reasons = _reasons(run)
    budget = MOST_CHARACTERS - len("\n".join(lines)) - min(_FOR_REASONS, len("\n".join(reasons))) - 500
    lines += _findings(run, since or {}, budget)
    return _fitting([*lines, *reasons])


def load_markdown(run: LoadRun) -> str:
    """A load run or a search for capacity: what it says, the objectives, the operations, violations and the audit."""
    decision = run.decision
    what = f"{'capacity of' if run.finds_capacity else 'load on'} {run.header.get('target') or 'target'}"
    lines = [*_title(decision.headline, f"{what} ({run.scenario})", decision.sentence)]
    lines += [f"- {text(reason)}" for reason in decision.reasons if reason != decision.sentence]
    if run.finds_capacity:
        lines += ["", *(f"- {text(name)}: {text(words)}" for name, words in capacity.facts_of(run))]
    if run.objectives:
        rows = [
            [text(each.objective), text(str(each.judged)), text(each.value), text(each.detail)]
            for each in run.objectives
        ]
        lines += ["", *_table(["Objective", "", "Measured", ""], rows)]
    if run.spans:
        heads = ["Operation", "offered", "good", "failed", "good/s", "p50 ms", "p99 ms"]
        lines += ["", *_table(heads, [_operation(run, name, each) for name, each in load_summary.operations(run)])]
    found = load_summary.violations(run)
    if found:
        lines += ["", f"**{plural(sum(count for _, count, _, _ in found), 'violation')} of the contract**", ""]
        for error, count, places, _ in found[:_REASONS]:
            lines.append(f"- {text(error.requirement)}: {text(error.text)} ({count:,} times; {_named(places)})")
    if errors := load_summary.errors(run):
        lines += ["", "**Errors**", "", *(f"- {text(error.text)}: {count:,}" for error, count in errors[:_REASONS])]
    lines += ["", text(load_summary.books_in_words(run))]
    if run.audit is not None:
        lines += ["", f"**Audit**: {text(audit.headline(run.audit))}"]
    if (health := run.health_judged) is not None:
        lines += ["", f"**Generator**: {text(health.line)}"]
    return _fitting(lines)


def text(value: str) -> str:
    """Text that Markdown takes for nothing but text: one line, no markup, no HTML, no link, no mention."""
    escaped = _MARKUP.sub(r"\\\1", shortened(one_line(value), _LINE_LIMIT))
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = escaped.replace("\\#", "&#35;<!-- -->")
    return _LINKS.sub(lambda found: f"{found.group()[:1]}<!-- -->{found.group()[1:]}", escaped)


def block(value: str) -> list[str]:
    """Text as a block of code, whatever it holds."""
    content = shortened(visible(value), _BLOCK_LIMIT)
    fence = "`" * max(3, 1 + max((len(found) for found in re.findall(r"`+", content)), default=0))
    return [f"{fence}text", *content.split("\n"), fence]


def _title(headline: str, what: str, sentence: str) -> list[str]:
    return [f"## {_SIGNS.get(headline, _UNSURE)} {headline}: {text(what)}", "", text(sentence), ""]


def _facts(known: Sequence[tuple[str, str]], wanted: Iterable[str]) -> str:
    named = dict(known)
    return " · ".join(f"{name} {text(named[name])}" for name in wanted if name in named)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _count(count: int) -> str:
    return f"{count:,}" if count else ""


def _remains(run: Run) -> list[str]:
    if not run.leftovers:
        return []
    shown = ", ".join(text(each) for each in run.leftovers[:_PLACES])
    return [f"**{plural(len(run.leftovers), 'record')} left on the target** ({shown}); `cdp clean` removes them."]


def _findings(run: Run, since: Mapping[str, Since], budget: int) -> list[str]:
    """The findings, those of the worst verdict first, as many as there is room for; the others are counted."""
    lines: list[str] = []
    left_out = 0
    for verdict in _BROKEN:
        groups = summary.findings(run, verdict)
        if not groups:
            continue
        cells = sum(len(group.places) for group in groups)
        head = f"### {label(verdict)}: {plural(len(groups), 'finding')} in {plural(cells, 'cell')}"
        lines += ["", f"{head} ({MEANINGS[verdict]})", ""]
        for group in sorted(groups, key=lambda each: -len(each.places)):
            made = _finding(group, since)
            budget -= sum(len(line) + 1 for line in made)
            if budget < 0:
                left_out += 1
            else:
                lines += made
    if left_out:
        lines += ["", f"{plural(left_out, 'more finding')} for which there is no room here; the page has them."]
    return lines


def _finding(group: summary.Group, since: Mapping[str, Since]) -> list[str]:
    places = [place.cell.address for place in group.ordered]
    first = summary.first_since(group, since)
    when = f"; {text(since_in_words(first))}" if first else ""
    lines = [
        f"- **{text(group.requirement)}** {text(group.sentence)}  ",
        f"  {plural(len(places), 'cell')}: {_named(places)}{when}  ",
        f"  {text(group.level)}: {text(group.statement)}",
    ]
    smallest = group.smallest
    again = repeating(smallest) if smallest.round > 1 else ""
    told = [part for part in (smallest.example, smallest.curl, again) if part]
    if told:
        body = [line for part in told for line in block(part)]
        lines += ["", "  <details><summary>Smallest example</summary>", ""]
        lines += [f"  {line}" for line in body]
        lines += ["", "  </details>", ""]
    return lines


def _reasons(run: Run) -> list[str]:
    groups = summary.reasons(run)
    if not groups:
        return []
    cells = sum(len(group.places) for group in groups)
    lines = ["", f"### Not judged: {plural(cells, 'cell')}", ""]
    rows = [
        [label(group.verdict), f"{len(group.places):,}", text(group.sentence), _named(group.requirements, 8)]
        for group in groups[:_REASONS]
    ]
    lines += _table(["", "Cells", "Why", "Requirements"], rows)
    if len(groups) > _REASONS:
        lines += ["", f"and {plural(len(groups) - _REASONS, 'more reason')}"]
    return lines


def _operation(run: LoadRun, name: str, figures: Figures) -> list[str]:
    times = [f"{figures.latency.percentile(p) / 1e6:,.4g}" if figures.latency.count else "" for p in (50, 99)]
    rate = f"{figures.good / run.lasted_s:,.1f}" if run.lasted_s else ""
    return [text(name), f"{figures.offered:,}", f"{figures.good:,}", f"{figures.bad:,}", rate, *times]


def _named(names: Sequence[str], most: int = _PLACES) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(text(name) for name in names[:most]) + more


def _fitting(lines: Iterable[str]) -> str:
    """The lines that there is room for; where the rest would not fit, a last one says so."""
    kept: list[str] = []
    room = MOST_CHARACTERS - 100
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return "\n".join([*kept, "", "… there is no room for the rest; the page has it.", ""])
        kept.append(line)
    return "\n".join([*kept, ""])
