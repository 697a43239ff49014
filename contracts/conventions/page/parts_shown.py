"""Switches that are on by default and show a part of a list each: own, shared and foreign segments (PAGE-10)."""

from __future__ import annotations

from cdp.contract import Parameter
from contracts.checks import Broken
from contracts.conventions.listing import Walk, differs, list_call, walk
from contracts.observing import identity
from contracts.subject import Subject

_LEAST = 3  # such switches: of two, what is shown may be both


def shows_parts(s: Subject, reference: Walk) -> None:
    """Each switch is left on alone. A record that all of them bring, each alone, stands there because one is not looked
    at. What a switch means is documented by its name alone, so this is never more than a WARN."""
    names = [p.name for p in s.operation.query_parameters if _shows_by_default(s, p)]
    if len(names) < _LEAST or not reference.complete:
        return
    parts = {name: _alone(s, name, names) for name in names}
    known = {str(identity(r)) for r in reference.records}
    for name, part in parts.items():
        stranger = next((r for r in part.records if str(identity(r)) not in known), None)
        if stranger is not None:
            sentence = f"{name} alone brings {identity(stranger)!r:.60}, which the list does not hold without it"
            differs(s, reference, sentence, part.exchange, _asked(name, names))
    first, *others = ({str(identity(r)) for r in part.records} for part in parts.values())
    everywhere = sorted(first.intersection(*others))
    if everywhere:
        sentence = (
            f"{everywhere[0]!r:.60} is brought by each of {', '.join(names)} alone: one of them counts for nothing"
        )
        raise Broken(sentence, parts[names[0]].exchange, _asked(names[0], names), softly=True)
    s.exercised()


def _shows_by_default(s: Subject, parameter: Parameter) -> bool:
    """Whether a parameter takes 0 and 1, and is 1 where it is not sent."""
    schema = s.session.contract.resolved(parameter.schema)
    parts = [schema, *(s.session.contract.resolved(part) for part in schema.get("allOf", ()))]
    return schema.get("default") == 1 and any(part.get("enum") == [0, 1] for part in parts)


def _alone(s: Subject, name: str, names: list[str]) -> Walk:
    return walk(s, base=list_call(s).asking(*((other, int(other == name)) for other in names)))


def _asked(name: str, names: list[str]) -> str:
    return "&".join(f"{other}={int(other == name)}" for other in names)
