"""What bugs of access are made of: tokens that were issued once, refusals that look otherwise or do not hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from instance.faults.model import TOKEN, Alteration, Answer, Request, World

TRACE = 'Traceback (most recent call last):\n  File "/srv/app/views.py", line 12, in get\nKeyError: 7'


def known_token(request: Request, world: World) -> Any:
    """User id and whether it was ended, of a token that was once issued."""
    digest = hashlib.sha256(request.header(TOKEN) or b"").digest()
    return world.store.connection.execute("SELECT user_id, ended FROM token WHERE hash=?", (digest,)).fetchone()


def refusing(status: int, answered: Callable[[Answer], Answer]) -> Alteration:
    """A refusal looks otherwise."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return answered(answer) if answer.status == status else answer

    return alter


def telling(**more: Any) -> Callable[[Answer], Answer]:
    return lambda answer: answer.showing({**answer.json, **more})


def showing(status: int) -> Alteration:
    """A refusal brings what a success would bring, under its key."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        operation = request.operation
        if answer.status != status or operation is None:
            return answer
        if operation.collection is not None:
            return answer.showing({**answer.json, operation.collection.key or "records": [{"id": 1}]})
        return answer.showing({**answer.json, operation.item_key or "record": {"id": 1}})

    return alter


def executed(status: int, whom: Callable[[Request, World], bool] = lambda request, world: True) -> Alteration:
    """What is refused with a status is done all the same, for some callers or for all."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.status == status and whom(request, world):
            await world.forward(world.as_admin(request))
        return answer

    return alter
