"""Whether the API is at an address: shown by a list that answers, because a target may serve a part of the API."""

from __future__ import annotations

from collections.abc import Iterable

from cdp.contract import Contract, Operation
from cdp.http import Exchange
from contracts.calls import Call
from contracts.session import Obstacle, Session

_LISTS_ASKED = 16  # at most


def known_list(contract: Contract) -> Operation | None:
    """A list that shows that the API is there and takes the token: a documented one that needs no feature and no id,
    where there is one."""
    return next(iter(_known_lists(contract)), None)


def _known_lists(contract: Contract, planned: Iterable[Operation] = ()) -> list[Operation]:
    """Lists that need no id and no text, the surest first: documented ones that need no feature, then what is planned,
    what else is documented, the others."""
    wanted = {operation.id for operation in planned}
    lists = [
        o
        for o in contract.operations.values()
        if o.collection
        and o.auth == "token"
        and not o.path_parameters
        and not any(p.required for p in o.query_parameters)
    ]
    documented = {o.id for o in lists if o.provenance == "documented"}
    plain = {o.id for o in lists if o.id in documented and not o.features.needed}
    return sorted(lists, key=lambda o: (o.id not in plain, o.id not in plain | wanted, o.id not in documented))


def find_api(session: Session, planned: Iterable[Operation] = ()) -> tuple[Operation, Exchange]:
    """Ask lists until one of them is there, because a target may serve a part of the API: that one, and its answer. The
    first one where none is. Raises Obstacle where the contract has none."""
    first = None
    for operation in _known_lists(session.contract, planned)[:_LISTS_ASKED]:
        exchange = session.send(Call(operation), session.admin, judged=False)
        first = first or (operation, exchange)
        elsewhere = exchange.status == 401 or 300 <= exchange.status < 400
        if exchange.failure or elsewhere or (not exchange.no_such_operation and exchange.json is not None):
            return operation, exchange
    if first is None:
        raise Obstacle("the contract has no list that shows whether the API is there")
    return first
