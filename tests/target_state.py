"""What a target holds, read from its collections, so that before and after can be compared."""

from __future__ import annotations

from typing import Any

from tests.contract_answers import CONTRACT, LISTS
from tests.running_instance import RunningInstance

# What a login changes, and what stays because the API has no operation that deletes it.
LOGIN_FIELDS = {"last_login", "last_activity", "logged_in"}
Answers = dict[str, Any]


def state(instance: RunningInstance, *, whole: bool = False) -> Answers:
    """Every record in every collection that can be deleted from, children below the first parents, without what a login
    changes. `whole`: in every collection that can be read without a parameter, too."""
    writable = {o.entity for o in CONTRACT.operations.values() if o.method == "DELETE" and o.entity}
    shown: Answers = {}
    for operation in LISTS:
        free = (
            whole and not operation.path_parameters and not any(q.required for q in operation.query_parameters.values())
        )
        if not free and (operation.entity not in writable or operation.action != "list"):
            continue
        parents = [p.entity for p in operation.path_parameters]
        for path in paths(instance, operation.path, parents):
            query: dict[str, Any] = {"show_hidden": 1} if "show_hidden" in operation.query_parameters else {}
            records: list[Any] = []
            while True:
                assert operation.collection is not None
                if operation.collection.paging:
                    query |= {"limit": 100, "offset": len(records)}
                answer = instance.get(path, **query)
                page = answer if operation.collection.key is None else answer[operation.collection.key]
                records += page
                if not page or not operation.collection.paging:
                    break
            shown[path] = [{k: v for k, v in record.items() if k not in LOGIN_FIELDS} for record in records]
    return shown


def paths(instance: RunningInstance, template: str, parents: list[str | None]) -> list[str]:
    if not parents:
        return [template]
    collections = {
        "segment": "/segments",
        "funnel_group": "/funnel_groups",
        "stitching_category": "/stitching_categories",
    }
    above = collections.get(str(parents[0]))
    if above is None or len(parents) > 1:
        return []
    answer = instance.get(above, limit=3)
    records = next(value for value in answer.values() if isinstance(value, list))
    head, tail = template.split("{")[0], template.split("}")[1]
    return [f"{head}{record['id']}{tail}" for record in records]
