"""What every report says of an audit: its balance, its findings, and how long events took to become visible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from cdp.audit_results import (
    ABSENT,
    CHANGED,
    CLASSES,
    CLEAN,
    DUPLICATED,
    ERROR,
    FOUND,
    MISATTRIBUTED,
    NOT_AUDITED,
    PRESENT,
    REORDERED,
    Audit,
)
from cdp.distribution import in_words
from reports.wording import one_line, plural, shortened

TONES = {CLEAN: "pass", FOUND: "fail", ERROR: "warn", NOT_AUDITED: "quiet"}
_STYLES = {CLEAN: "bold green", FOUND: "bold bright_red", ERROR: "bold yellow", NOT_AUDITED: "bold"}
_EXAMPLES_SHOWN = 3
_TEXT_LIMIT = 300
_INDENT = " " * 11
_STATES = ("acknowledged", "refused", "failed", "unknown", "sent", "unsent")
# What the states of the ledger mean, and what it is called when an event of that state is there, or is not.
STATES_IN_WORDS = {
    "acknowledged": "acknowledged",
    "refused": "refused (4xx)",
    "failed": "failed (5xx)",
    "unknown": "unknown (no whole answer, or 502, 504)",
    "sent": "under way when the run ended",
    "unsent": "never sent",
}
CLASSES_IN_WORDS = {
    PRESENT: "there once",
    REORDERED: "out of order",
    DUPLICATED: "duplicated",
    CHANGED: "corrupted",
    MISATTRIBUTED: "misattributed",
    ABSENT: "not there",
}


def headline(audit: Audit) -> str:
    """The audit in one sentence."""
    if audit.verdict in (ERROR, NOT_AUDITED):
        return f"{'could not be done' if audit.verdict == ERROR else 'not done'}: {audit.reason}"
    acknowledged = audit.of("acknowledged")
    if audit.verdict == FOUND:
        found = ", ".join(f"{each.count:,} {each.name}" for each in audit.findings)
        return f"{found}; {audit.of('acknowledged', PRESENT):,} of {acknowledged:,} acknowledged events are in order"
    whole = f"{plural(acknowledged, 'acknowledged event')}: each is there once, unchanged, with its customer"
    return whole if acknowledged else "no event was acknowledged, and none is there that should not be"


def balance(audit: Audit) -> list[tuple[str, list[int]]]:
    """The balance as rows: a state of the ledger in words, and how many events there are of each class."""
    return [
        (STATES_IN_WORDS[state], [audit.of(state, name) for name in CLASSES]) for state in _STATES if audit.of(state)
    ]


def books(audit: Audit) -> str:
    """The balance on one line; empty where there is nothing to add to the headline."""
    if audit.verdict == CLEAN and audit.events == audit.of("acknowledged"):
        return ""  # the headline says it
    parts = []
    for state in _STATES:
        if state == "unsent" and audit.of(state) == audit.of(state, ABSENT):
            continue  # events whose turn never came
        found = [f"{audit.of(state, name):,} {CLASSES_IN_WORDS[name]}" for name in CLASSES if audit.of(state, name)]
        if found:
            parts.append(f"{audit.of(state):,} {STATES_IN_WORDS[state]} = {' + '.join(found)}")
    return "; ".join(parts)


def recovered(audit: Audit) -> int:
    """How many events are there of which nobody could know whether they were taken in: that is legal."""
    return audit.of("unknown", PRESENT, REORDERED) + audit.of("sent", PRESENT, REORDERED)


def visibility(audit: Audit) -> str:
    """How long events took to become visible; empty where none was watched."""
    times = audit.visible
    if not times.count and not audit.never_visible:
        return ""
    words = f"{plural(times.count + audit.never_visible, 'event')} watched"
    if times.count:
        shown = ", ".join(f"p{each:g} {in_words(times.percentile(each))}" for each in (50, 99))
        words += f": to be read after {shown}, max {in_words(times.max_ns)}"
    if audit.never_visible:
        words += f"; {audit.never_visible:,} not to be seen while the run went on ({audit.deadline_s:g} s at most)"
    return words


def reading(audit: Audit) -> str:
    """What was read, and how quickly."""
    if not audit.requests:
        return ""
    seen = audit.waited_s < audit.deadline_s  # else nobody waited any longer
    until = "until the latest could be seen" if seen else "in which the latest could not be seen"
    waited = f", after {audit.waited_s:.1f} s {until}" if audit.waited_s >= 1 else ""
    return (
        f"{plural(audit.records, 'record')} read back in {audit.read_s:.1f} s "
        f"({audit.records_per_s:,.0f}/s, {plural(audit.requests, 'request')}){waited}"
    )


def summary(audit: Audit) -> dict[str, Any]:
    """The audit as plain data; times in ms."""
    times = audit.visible
    record = audit.as_record()
    del record["kind"], record["visible"]
    record["recovered"] = recovered(audit)
    record["records_per_s"] = round(audit.records_per_s, 1)
    record["visible_ms"] = (
        {"count": times.count, "max": times.max_ns / 1e6}
        | {f"p{each:g}": times.percentile(each) / 1e6 for each in (50, 90, 99)}
        if times.count
        else None
    )
    return record


def on_terminal(audit: Audit) -> Iterator[RenderableType]:
    """The audit as lines for the terminal."""
    yield Text.assemble(("audit      ", _STYLES.get(audit.verdict, "bold")), _line(headline(audit)))
    for each in audit.findings:
        requirement = f" ({each.requirement})" if each.requirement else ""
        yield Text.assemble(
            _INDENT, (f"{each.count:,} {each.name}{requirement}", "bright_red"), f": {_line(each.sentence)}"
        )
        for example in each.examples[:_EXAMPLES_SHOWN]:
            yield Text(f"{_INDENT}  {_line(example)}")
        if each.count > _EXAMPLES_SHOWN:
            yield Text(f"{_INDENT}  and {each.count - _EXAMPLES_SHOWN:,} more", style="bright_black")
    for words in (books(audit), reading(audit), visibility(audit)):
        if words:
            yield Text(f"{_INDENT}{_line(words)}", style="bright_black")
    for note in audit.notes:
        yield Text.assemble(("note       ", "bold"), _line(note))


def _line(text: str) -> str:
    return shortened(one_line(text), _TEXT_LIMIT)
