"""Records of the run's own in a list that is sorted (ORDER-04): one that was made with little, and an older one that
was changed after that. What was there before a run may have a value in every column, and have been changed in the
order in which it was made."""

from __future__ import annotations

from contracts.checks import NotExercised
from contracts.conventions.listing import Walk, walk
from contracts.conventions.order.newest import created, of_other_seconds, older_of
from contracts.observing import identity
from contracts.subject import Subject

_COLUMNS = ("modified", "description", "name")


def columns_of(s: Subject) -> list[str]:
    """Columns by which a list may be sorted in which such records tell something; none where none can be made."""
    order, operation = s.operation.query("order_by"), s.operation
    if order is None or operation.action != "list" or operation.path_parameters:
        return []
    return [n for n in _COLUMNS if n in s.session.contract.resolved(order.schema).get("enum", _COLUMNS)]


def with_own_records(s: Subject, columns: list[str]) -> Walk | None:
    """The list with such records in it; None where it does not show them, or they cannot be made."""
    older = older_of(s) if "modified" in columns else None
    try:
        own = created(s)
    except NotExercised:
        return None
    if older is not None:
        own = of_other_seconds(s, older, own)
        s.bench.execute(older.change, judged=False)
    s.session.forget_reads()
    try:
        reference = walk(s)
    except NotExercised:
        return None
    known = {str(identity(r)) for r in reference.records}
    return reference if reference.complete and str(identity(own.record)) in known else None
