"""Bugs of conditions that a customer is held to (SEARCH-05), and of what bounds a list (PAGE-11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instance.faults import fitting
from instance.faults.listing import arranging, misreading
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken

CONDITIONS, TREE = "evaluate_customer_conditions", "conditions_operation"
Tree = dict[str, Any]


def walking(change: Callable[[Tree], Tree]) -> Alteration:
    """Every group of a tree is read as another one, from the leaves up."""

    def changed(tree: Any) -> Any:
        if not isinstance(tree, dict) or not isinstance(tree.get("operands"), list):
            return tree
        return change({**tree, "operands": [changed(each) for each in tree["operands"]]})

    async def alter(request: Request, world: World) -> Answer:
        body = request.json
        if not isinstance(body, dict) or changed(body.get(TREE)) == body.get(TREE):
            return await world.forward(request)
        answer = await world.forward(request)
        return await world.forward(request.with_body({**body, TREE: changed(body[TREE])})) if answer.ok else answer

    return alter


broken(
    "or-of-the-first-two",
    "of a group that is joined by or the first two conditions are looked at",
    CONDITIONS,
    "SEARCH-05",
    walking(lambda group: {**group, "operands": group["operands"][:2]} if group.get("operation") == "or" else group),
    fits=fitting.only(CONDITIONS),
    source="CWE-670 Always-Incorrect Control Flow Implementation",
)
broken(
    "and-is-or",
    "a group that is joined by and holds where one of its conditions does",
    CONDITIONS,
    "SEARCH-05",
    walking(lambda group: {**group, "operation": "or"}),
    fits=fitting.only(CONDITIONS),
    source="CWE-783 Operator Precedence Logic Error",
)
broken(
    "groups-are-not-negated",
    "the negation of a group is not looked at, that of a condition is",
    CONDITIONS,
    "SEARCH-05",
    walking(lambda group: {**group, "negation": False}),
    fits=fitting.only(CONDITIONS),
    source="CWE-670 Always-Incorrect Control Flow Implementation",
)


@breaks(
    "no-condition-holds-nobody",
    "no condition at all is met by nobody",
    CONDITIONS,
    "SEARCH-05",
    fits=fitting.only(CONDITIONS),
    source="CWE-665 Improper Initialization: any() of nothing",
)
async def no_condition(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    empty = answer.ok and isinstance(request.json, dict) and request.json.get(TREE) == {}
    return answer.showing({**answer.json, "result": False}) if empty else answer


# --- bounds ---------------------------------------------------------------------------------------------------------

broken(
    "most-values-not-counted",
    "attribute_values_max_count has no effect: all values come",
    "list_customer_attributes",
    "PAGE-11",
    misreading(lambda r: r.asking(attribute_values_max_count=1000)),
    "PAGE-08 SHAPE-01",
    fits=fitting.asks("attribute_values_max_count"),
    source="CWE-1284 Improper Validation of Specified Quantity in Input",
)
broken(
    "most-values-of-all-together",
    "attribute_values_max_count bounds the whole list, not the values of each attribute",
    "list_customer_attributes",
    "PAGE-11",
    arranging(lambda found, r: found[: r.number("attribute_values_max_count", len(found))]),
    "STRUCT-04",
    fits=fitting.asks("attribute_values_max_count"),
    source="PostgreSQL manual, LIMIT is that of the whole query",
)
broken(
    "last-day-not-looked-at",
    "end_date has no effect",
    "list_customers_per_date",
    "PAGE-11",
    misreading(lambda r: r.asking(end_date=None)),
    "SHAPE-01",
    fits=fitting.asks("end_date"),
    source="CWE-628 Function Call with Incorrectly Specified Arguments",
)
