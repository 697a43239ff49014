"""The application with a fault in front of it, and the control address that switches faults.

It exists only with `cdp serve --faults`:

    GET    /-/faults         all kinds: name, sentence, requirements, the operations that each can be put on
    PUT    /-/fault          {"fault": NAME, "operation": ID or null for all}; fresh data, and the fault is on
    DELETE /-/fault          fresh data, no fault
    GET    /-/fault          which fault is on, how many requests it saw, how many answers it changed, what broke in it
"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from instance import access
from instance.app import Application, Receive, Scope, Send
from instance.customers import uploads
from instance.faults.model import (
    FAULTS,
    Answer,
    Fault,
    Request,
    Switched,
    World,
    json_answer,
    parse_query,
    records_of,
    switched,
)
from instance.faults.sources import source_of
from instance.routing import Router
from instance.store import Store

PREFIX = b"/-/"


@dataclass
class Counted:
    """What became of the requests since the fault was switched on."""

    requests: int = 0  # of any operation
    seen: int = 0  # of those that the fault is on
    changed: int = 0
    broke: str = ""  # the last line of an exception in the fault itself


class FaultyApplication:
    """ASGI. One fault at a time; switching one lays the data anew, as they were when the server started."""

    def __init__(self, store: Store, make_app: Callable[[Store], Application]) -> None:
        # Hundreds of users are made and logged in: the cheapest hash is enough where nothing is real.
        access.HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.contract = store.contract
        self.router = Router(self.contract.operations.values())
        self.world = World(make_app(store), store)
        self.switched: Switched | None = None
        self.counted = Counted()
        self.places: frozenset[str] = frozenset()
        self._make_app = make_app
        self._served = Path(store.path)
        self._seeded = self._served.with_suffix(".seeded")
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(self._served, self._seeded)

    @property
    def store(self) -> Store:
        """The data that are served now."""
        return self.world.store

    async def switch(self, fault: Fault | None, operation: str | None = None) -> None:
        """Lay the data anew and put this fault in front, on one operation or on all that it fits; None for no fault."""
        await uploads.stop(self.store)
        self.store.close()
        for left in self._served.parent.glob(self._served.name + "*"):
            left.unlink()
        shutil.copyfile(self._seeded, self._served)
        store = Store(self._served, self.contract)
        self.world, self.counted = World(self._make_app(store), store), Counted()
        self.switched, self.places = None, frozenset()
        if fault is not None:
            names = fault.operations(self.contract) if operation is None else [operation]
            self.switched = switched(fault, names, self.contract)

    def close(self) -> None:
        """Close the data and remove the copy."""
        self.store.close()
        self._seeded.unlink(missing_ok=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = await self._request(scope, receive)
        if scope["raw_path"].startswith(PREFIX):
            answer = await self._control(request)
        else:
            answer = await self.answer(request)
        if not answer.status:
            cycle: Any = getattr(send, "__self__", None)
            cycle.transport.abort()
            return
        await send_answer(answer, send)

    async def answer(self, request: Request) -> Answer:
        """What a client gets, the fault included. A fault that breaks itself leaves the request as it is."""
        world, on = self.world, self.switched
        self.counted.requests += 1
        if on is None or not on.concerns(request):
            return await world.forward(request)
        try:
            answer = await world.alter(on.fault, request)
        except Exception:
            self.counted.broke = traceback.format_exc(limit=-1).strip().replace("\n", " | ")
            return world.true_answer or await world.forward(request)
        self.counted.seen += 1
        self.counted.changed += world.deviates(answer)
        return answer

    async def _control(self, request: Request) -> Answer:
        if request.path == "/-/faults" and request.method == "GET":
            return json_answer(200, {"faults": [await self._told(fault) for fault in FAULTS.values()]})
        if request.path != "/-/fault":
            return json_answer(404, {"message": "There is /-/faults and /-/fault."})
        if request.method == "PUT":
            asked = request.json if isinstance(request.json, dict) else {}
            fault, operation = FAULTS.get(str(asked.get("fault"))), asked.get("operation")
            if fault is None:
                return json_answer(404, {"message": f"no fault is called {asked.get('fault')!r}"})
            if operation is not None and operation not in fault.operations(self.contract):
                return json_answer(422, {"message": f"{fault.name} cannot be put on {operation!r}"})
            await self.switch(fault, operation)
            if operation is not None:
                self.places = fault.places(self.contract.operations[operation], self.contract)
        elif request.method == "DELETE":
            await self.switch(None)
        counted = self.counted
        return json_answer(
            200,
            {
                "fault": self.switched.fault.name if self.switched else None,
                "requests": counted.requests,
                "seen": counted.seen,
                "changed": counted.changed,
                "broke": counted.broke,
                "places": sorted(self.places),
            },
        )

    async def _told(self, fault: Fault) -> dict[str, Any]:
        names = fault.operations(self.contract)
        if fault.least:
            names = [name for name in names if await self._holds(name, fault.least)]
        return {
            "name": fault.name,
            "what": fault.what,
            "by": fault.by,
            "also": sorted(fault.also),
            "operations": names,
            "profile": fault.profile,
            "rate": fault.rate,
            "softly": fault.softly,
            "source": source_of(fault),
        }

    async def _holds(self, name: str, number: int) -> bool:
        """Whether a list holds at least so many records; lists below another record are not looked at."""
        operation = self.contract.operations[name]
        if operation.path_parameters or operation.collection is None:
            return False
        prefix = "/api" if operation.base == "api" else ""
        query = (("limit", "1"), ("offset", str(number - 1)))
        asked = Request("GET", prefix + operation.path, query, (), b"", operation)
        answer = await self.world.forward(self.world.as_admin(asked))
        return answer.ok and bool(records_of(asked, answer))

    async def _request(self, scope: Scope, receive: Receive) -> Request:
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        found = self.router.find(scope["raw_path"])
        return Request(
            scope["method"],
            scope["raw_path"].decode("ascii"),
            parse_query(scope["query_string"]),
            tuple(scope["headers"]),
            b"".join(parts),
            found[0].get(scope["method"]) if found else None,
            tuple(found[1]) if found else (),
            scope["query_string"],
        )


async def send_answer(answer: Answer, send: Send) -> None:
    """Send an answer whose length is counted here, unless the fault counted it otherwise."""
    headers = [(n.encode(), v.encode("latin-1")) for n, v in answer.headers]
    if b"content-length" not in dict(headers):
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


__all__ = ["Counted", "FaultyApplication", "send_answer"]
