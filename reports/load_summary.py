"""What every report of a load run shows: its facts, its tables, its series over time, and summary.json."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from cdp.load_figures import ChannelKey, Error, Figures, Span, summarised
from cdp.load_results import OMISSION, Finding, LoadRun
from reports import audit
from reports.wording import duration, plural, write_whole

SUMMARY_FILE = "summary.json"
_MOST_POINTS = 240


def facts(run: LoadRun) -> list[tuple[str, str]]:
    """What repeats the run, and what it was made on."""
    header, footer = run.header, run.footer or {}
    found = [
        ("Target", header.get("target")),
        ("Address", header.get("base_url")),
        ("Scenario", run.scenario),
        ("Loop", loop_in_words(run)),
        ("Schedule", header.get("schedule")),
        ("Objectives", header.get("objectives")),
        ("Warm-up", duration(run.warm_up_s) if run.warm_up_s else None),
        ("Seed", header.get("seed")),
        ("Processes", header.get("processes")),
        ("Started", header.get("started")),
        ("Lasted", duration(run.lasted_s)),
        ("Options", _listed(header.get("options"))),
        ("Machine", _listed(header.get("machine"))),
        ("Versions", _listed(header.get("versions"))),
        ("Ended", footer.get("ended")),
    ]
    return [(name, str(value)) for name, value in found if value not in (None, "")]


def _listed(fields: Any) -> str:
    if not isinstance(fields, dict):
        return ""
    return ", ".join(f"{name} {value}" for name, value in fields.items() if value not in (None, "", False))


def loop_in_words(run: LoadRun) -> str:
    """What kind of load it was, and what that means for its latencies."""
    if run.open_loop:
        return "open loop: arrivals come on their schedule, whether or not the target keeps up"
    return OMISSION


def operations(run: LoadRun) -> list[tuple[str, Figures]]:
    """Each operation with its figures, the busiest first, and all together when there are several."""
    often = Counter(named(key) for key in run.totals)
    rows = [
        (f"{key.scenario}: {named(key)}" if often[named(key)] > 1 else named(key), figures)
        for key, figures in sorted(run.totals.items(), key=lambda item: -item[1].offered)
    ]
    return [*rows, ("all", run.all)] if len(rows) != 1 else rows


def named(key: ChannelKey) -> str:
    """An operation as the tables name it."""
    return key.operation


def error_class(error: Error) -> str:
    """Under which name an error is counted over time: the requirement that it breaks, else what kind of failure."""
    if error.requirement:
        return error.requirement
    return error.kind.lower().replace("_", " ") if error.kind else error.text


def violations(run: LoadRun) -> list[tuple[Error, int, list[str], Finding | None]]:
    """Each way in which the contract was broken: the error, how often, on which operations, and the first exchange."""
    counts: Counter[Error] = Counter()
    places: dict[Error, list[str]] = {}
    for key, figures in run.totals.items():
        for error, count in figures.errors.items():
            if error.requirement:
                counts[error] += count
                places.setdefault(error, []).append(named(key))
    first = {(each.requirement, each.sentence): each for each in reversed(run.findings)}
    return [
        (error, count, places[error], first.get((error.requirement, error.text)))
        for error, count in counts.most_common()
    ]


def errors(run: LoadRun) -> list[tuple[Error, int]]:
    """Errors that break no requirement, the most frequent first; what was never sent or answered among them."""
    found = Counter({error: count for error, count in run.all.errors.items() if not error.requirement})
    for count, text in ((run.all.unanswered, "no answer by the end of the run"), (run.all.never_sent, "never sent")):
        if count:
            found[Error(text, text)] += count
    return found.most_common()


def coarse(spans: Sequence[Span], most: int = _MOST_POINTS) -> list[Span]:
    """The spans put together to at most `most`, each of at least a second."""
    if not spans:
        return []
    least_s = max(0.95, (spans[-1].to_s - spans[0].from_s) / most)
    found: list[Span] = []
    part: list[Span] = []
    for span in spans:
        part.append(span)
        if span.to_s - part[0].from_s >= least_s or span is spans[-1]:
            keys = dict.fromkeys(key for each in part for key in each.channels)
            channels = {key: Figures.merged(s.channels[key] for s in part if key in s.channels) for key in keys}
            offered = sum(each.offered for each in part)
            found.append(Span(part[0].from_s, span.to_s, channels, offered, span.waiting, span.in_flight))
            part = []
    return found


def write_summary(run: LoadRun, path: str | os.PathLike[str]) -> None:
    """Write summary.json: the decision and the figures for other programs. OSError when it cannot be written."""
    write_whole(path, orjson.dumps(summary(run), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def summary(run: LoadRun) -> dict[str, Any]:
    """The decision and the figures as plain data; times in ms, rates a second."""
    decision = run.decision
    return {
        "decision": decision.headline,
        "exit_code": decision.exit_code,
        "sentence": decision.sentence,
        "reasons": decision.reasons,
        "complete": run.complete,
        "loop": "open" if run.open_loop else "closed",
        "note": loop_in_words(run),
        "header": run.header,
        "lasted_s": run.lasted_s,
        "objectives": [asdict(each) for each in run.objectives],
        "health": asdict(health) if (health := run.health_judged) else None,
        "books": asdict(books) if (books := run.books) else None,
        "audit": audit.summary(run.audit) if run.audit else None,
        "operations": [summarised(key, figures, run.lasted_s) for key, figures in run.totals.items()],
        "all": summarised(ChannelKey("", "", ""), run.all, run.lasted_s),
    }


def books_in_words(run: LoadRun) -> str:
    """The books on one line, computed from the figures when the run did not get to its end."""
    books = run.books
    if books is None:
        figures = run.all
        return (
            f"{plural(figures.offered, 'request')} with a known end; the run was cut off before its books were closed"
        )
    sign = "=" if books.balanced else "≠"
    sent = f"{books.sent:,} sent"
    return (
        f"{books.offered:,} offered {sign} {sent} + {books.never_sent:,} never sent; "
        f"{sent} = {books.answered:,} good + {books.failed:,} failed + {books.unanswered:,} unanswered"
    )
