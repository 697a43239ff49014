"""Bugs of lists that lie below a record: whose they are is forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.cutting import beside, merged
from instance.faults.model import Answer, Request, World, breaks, records_of, with_records
from instance.faults.ordering import by_default

_PARENTS = 10  # whose records are joined


def below(o: Operation, c: Contract) -> bool:
    """A list whose path names the record that it lies below."""
    return o.collection is not None and bool(o.path_parameters) and bool(o.path_parameters[-1].entity)


def of_stored(o: Operation, c: Contract) -> bool:
    """Its records are kept as those of most sections are; what belongs to customers is kept elsewhere."""
    return o.path_parameters[-1].entity != "customer" and o.entity is not None


@breaks(
    "below-the-first",
    "what lies below a record is kept by the route alone: below every other one comes what was asked for first",
    "list_segment_notes list_email_exports",
    "SHAPE-04",
    also="PAGE-01 PAGE-03 PAGE-04 LIFE-02 LIFE-04 EVENT-02 ORDER-02",
    fits=below,
    profile="release",
    source="CWE-524 Use of Cache Containing Sensitive Information; API1:2023 Broken Object Level Authorization",
)
async def below_the_first(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or request.operation is None or not records_of(request, answer):
        return answer
    key = ("first asked", request.operation.id)
    first, path = world.memory.setdefault(key, (request.ids, request.path))
    return answer if first == request.ids else await world.forward(replace(request, ids=first, path=path))


@breaks(
    "below-anything",
    "the list below a record is not narrowed to that record: what lies below others stands in it, too",
    "list_segment_notes list_funnel_charts",
    "SHAPE-04",
    also="PAGE-01 PAGE-03 PAGE-04 LIFE-02 ORDER-02",
    fits=fitting.every(below, of_stored, fitting.paged),
    source="CWE-639 Authorization Bypass Through User-Controlled Key; API1:2023 Broken Object Level Authorization",
)
async def below_anything(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    operation = request.operation
    if not answer.ok or operation is None or operation.collection is None or not by_default(request):
        return answer
    parents = world.store.connection.execute(
        "SELECT DISTINCT parent FROM record WHERE entity=? AND deleted=0 LIMIT ?", (operation.entity, _PARENTS)
    ).fetchall()
    found: list[Any] = list(await world.whole(request))
    for (parent,) in parents:
        if str(parent) != request.ids[-1]:
            found += await world.whole(beside(request, str(parent)))
    return with_records(request, answer, merged(request, found))
