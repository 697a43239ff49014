"""Whose things an operation changes. A permission to write is one to create records and to change those: what was there
before a run is sent as it is or not at all, unless the target is thrown away afterwards."""

from __future__ import annotations

from cdp.contract import Contract, Operation
from cdp.targets import Target

NOBODY = "x-nobody"  # on a field of a body that creates: a value with which the record holds nobody
NOT_OURS = "it is about what was on the target before the run, and such things stay as they are"


def foreign(contract: Contract, operation: Operation) -> bool:
    """Whether an operation changes, or sends, what was there before the run: a record of a kind that the API cannot
    create, or settings, whose values a valid body repeats."""
    if operation.safety == "read" or operation.action == "create":
        return False
    if operation.path_parameters:
        entity = operation.path_parameters[-1].entity
        return bool(entity) and contract.by_action(entity, "create") is None
    body = contract.resolved(operation.body_schema or {})
    sources = [body, *map(contract.resolved, body.get("properties", {}).values())]
    return any(source.get("x-value-from", {}).get("operation", "") == operation.observe for source in sources)


def of_everybody(operation: Operation) -> bool:
    """Whether an operation changes or removes what is there without being told which part of it."""
    told = operation.path_parameters or operation.query_parameters or operation.body_media_type
    return operation.safety != "read" and operation.method in ("PUT", "PATCH", "DELETE") and not told


def kept_from(contract: Contract, operation: Operation, target: Target) -> str:
    """Why an operation is not called on a target about anything that is there, whatever is allowed; empty where it may
    be."""
    if target.disposable:
        return ""
    if of_everybody(operation):
        return (
            "it changes what belongs to others, too, and no part of that is the run's; "
            "only an instance that is thrown away is asked"
        )
    if operation.safety == "sends" and foreign(contract, operation):
        what = operation.path_parameters[-1].entity.replace("_", " ") if operation.path_parameters else "record"
        return f"the API cannot create a {what}, and what others made is not sent"
    return ""
