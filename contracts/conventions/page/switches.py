"""Lists under switches, such as show_hidden=1 (PAGE-10)."""

from __future__ import annotations

from typing import Any

from contracts.applicability import HIDDEN, HIDING
from contracts.conventions.listing import Walk, differs, list_call, page, walk
from contracts.observing import identity
from contracts.subject import Subject

_PART = 300


def slices_under_switches(s: Subject, reference: Walk) -> None:
    """Pages are slices of the walk under a switch, too, such as show_hidden=1."""
    for parameter in s.operation.query_parameters:
        if not is_switch(s, parameter.schema) or parameter.required or parameter.name == "load_full_structure":
            continue
        base = list_call(s).asking((parameter.name, 1))
        found = walk(s, base=base).records
        if parameter.name == HIDING:
            _shows_hidden(s, found, reference)
        if len(found) < 3:
            continue
        start = max(1, len(found) // 2 - 1)
        # No more than servers that cap the limit still give; and of a longer list a part will do.
        wanted = min(len(found) - start, _PART)
        got = page(s, ("limit", wanted), ("offset", start), base=base)
        if len(found) <= s.session.profile.window and got.records != found[start : start + wanted]:
            example = f"{parameter.name}=1&limit={wanted}&offset={start}"
            sentence = f"paging under {parameter.name} is not a slice of the walk under it"
            differs(s, reference, sentence, got.exchange, example)
        s.exercised()


def _shows_hidden(s: Subject, found: list[Any], reference: Walk) -> None:
    """Under the switch comes what comes without it, and beside it nothing but what is hidden."""
    known = {str(identity(r)) for r in reference.records}
    lost = known - {str(identity(r)) for r in found}
    if reference.complete and len(found) < s.session.profile.window and lost:
        sentence = f"{HIDING}=1 does not bring {min(lost)!r:.60}, which comes without it"
        differs(s, reference, sentence, reference.exchange, f"{HIDING}=1")
    if s.operation.query("cascade_is_hidden"):
        return  # what is hidden with its source may come, too
    for record in found if reference.complete else ():
        if isinstance(record, dict) and str(identity(record)) not in known and record.get(HIDDEN) in (0, False):
            sentence = f"{HIDING}=1 brings {identity(record)!r:.60}, which is not hidden and does not come without it"
            differs(s, reference, sentence, reference.exchange, f"{HIDING}=1")


def hides_without_switch(s: Subject, reference: Walk) -> None:
    """Without the switch nothing comes that is hidden."""
    rows = [r for r in reference.records if isinstance(r, dict) and HIDDEN in r]
    if s.operation.query(HIDING) is None or not rows:
        return
    shown = next((r for r in rows if r[HIDDEN] in (1, True)), None)
    if shown is not None:
        sentence = f"without {HIDING} {identity(shown)!r:.60} comes, which is hidden"
        differs(s, reference, sentence, reference.exchange, "without parameters")
    s.exercised()


def is_switch(s: Subject, schema: Any) -> bool:
    """Whether a parameter takes 0 and 1 alone."""
    found = s.session.contract.resolved(schema)
    return found.get("enum") == [0, 1] or any(is_switch(s, part) for part in found.get("allOf", ()))
