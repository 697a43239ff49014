"""The ASGI middleware that puts kinds of awkwardness around an application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instance.app import Application, Receive, Scope, Send
from instance.awkward.kind import Answer, Kind, Request
from instance.routing import Router


class Middleware:
    """Lets every kind act before and after the application handles a request."""

    def __init__(self, app: Application, router: Router, kinds: Sequence[Kind]) -> None:
        self.app = app
        self.router = router
        self.kinds = kinds
        self._reads_body = any(kind.reads_body for kind in kinds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = self._request(scope)
        if self._reads_body and request.operation is not None and request.operation.body_schema is not None:
            request.body, receive = await _read(receive)
        answer = None
        for kind in self.kinds:
            answer = await kind.before(request)
            if answer is not None:
                break
        if answer is None:
            answer = await self._forward(scope, receive)
        if answer is None:
            return
        for kind in self.kinds:
            kind.after(request, answer)
        answer.write()
        await answer.send(send)

    def _request(self, scope: Scope) -> Request:
        found = self.router.find(scope["raw_path"])
        if found is None:
            return Request(scope, None)
        methods, values = found
        return Request(scope, methods.get(scope["method"]), tuple(values))

    async def _forward(self, scope: Scope, receive: Receive) -> Answer | None:
        """What the application answers; None when the client went away meanwhile."""
        messages: list[Any] = []

        async def keep(message: Any) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        if not messages:
            return None
        start = messages[0]
        body = b"".join(message.get("body", b"") for message in messages[1:])
        return Answer(start["status"], list(start["headers"]), body)


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """The body of a request, and what tells it once more."""
    kept: list[Any] = []
    while not kept or kept[-1].get("more_body"):
        kept.append(await receive())
    waiting = iter(kept)

    async def again() -> Any:
        message = next(waiting, None)
        return await receive() if message is None else message

    return b"".join(message.get("body", b"") for message in kept), again
