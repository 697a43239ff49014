"""Which fields a list is sorted by: those on which an order shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from contracts.checks import NotExercised
from contracts.conventions.listing import walk
from contracts.conventions.order.collation import in_order, may_be_choices
from contracts.subject import Subject

_MOST = 6  # fields in a long profile


@dataclass
class _Sortable:
    """Fields that hold different values of one kind: those on which an order shows (`telling`), those that the default
    order sorts anyway (`others`), and choices between names. `numbers`: of all these, numbers of different lengths."""

    telling: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)


def _sortable(s: Subject) -> _Sortable:
    """The fields that the contract lists, or else those of a record, as far as they can be sorted by."""
    parameter = s.operation.query("order_by")
    assert parameter is not None
    records = [r for r in walk(s).records if isinstance(r, dict)]
    first = records[0] if records else {}
    plain = [name for name, value in first.items() if not isinstance(value, dict | list)]
    found = _Sortable()
    for name in s.session.contract.resolved(parameter.schema).get("enum") or plain:
        values = [r.get(name) for r in records]
        present = [v for v in values if v is not None]
        kinds = set(map(type, present))
        if len(set(map(str, values))) < 2 or len(kinds) != 1 or kinds & {dict, list}:
            continue
        if may_be_choices(present):
            found.choices.append(name)
        elif in_order(values, True) or in_order(values, False):
            found.others.append(name)
        else:
            found.telling.append(name)
        if kinds == {int} and len({len(str(v)) for v in present}) > 1:
            found.numbers.append(name)
    return found


def fields_to_sort_by(s: Subject) -> tuple[list[str], list[str]]:
    """Fields to sort by: those that the contract lists and that hold different values of one kind; few in a short
    profile. And those that could take their place.

    Those that the default order does not sort anyway come first: on the others an order that is ignored would not
    show. Choices between names come last, because a database may sort them as they were defined.
    """
    found = _sortable(s)
    telling, others = found.telling, found.others or ([] if found.telling else found.choices)
    if not telling and not others:
        raise NotExercised(f"{s.operation.id} holds no field with different values to sort by")
    if s.session.profile.list_forms == 1:
        fields = s.forms(telling or others)
    else:
        fields = [*(s.forms(telling) if telling else ()), *(s.forms(others) if others else ())][:_MOST]
        # What clients sort by most is never left out.
        fields += [name for name in ("created", "id") if name in (*telling, *others) and name not in fields][:1]
        # Sorting numbers as texts shows on numbers of different lengths alone.
        fields += [] if set(found.numbers) & set(fields) else found.numbers[:1]
    return fields, [name for name in dict.fromkeys((*telling, *others, *found.choices)) if name not in fields]
