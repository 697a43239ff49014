"""What a server says to browsers and to tools, on every path."""

from __future__ import annotations

from instance.awkward.kind import Answer, Kind, Request, World
from instance.routing import Router


class Browsers(Kind):
    name = "browsers"
    sentence = "OPTIONS is answered 204 with Allow and headers of CORS, HEAD like GET; 201 has a Location"
    allowed = "RFC 9110 sections 9.3.2, 9.3.7 and 10.2.2, the Fetch standard: OPTIONS and HEAD belong to HTTP"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._router = Router(world.store.contract.operations.values())

    async def before(self, request: Request) -> Answer | None:
        found = self._router.find(request.scope["raw_path"])
        if found is None:
            return None
        methods = found[0]
        if request.scope["method"] == "OPTIONS":
            allowed = ", ".join([*sorted(methods), "OPTIONS"]).encode()
            cors = [(b"access-control-allow-methods", allowed), (b"access-control-max-age", b"600")]
            return Answer(204, [(b"allow", allowed), *cors], b"")
        if request.scope["method"] == "HEAD" and "GET" in methods:
            request.scope["method"] = "GET"  # the server below leaves the body away
        return None

    def after(self, request: Request, answer: Answer) -> None:
        answer.headers += [
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", b"x-request-id, retry-after"),
        ]
        value = answer.value if answer.status == 201 else None
        if isinstance(value, dict):
            record = next((each for each in (value, *value.values()) if isinstance(each, dict) and "id" in each), {})
            path = request.scope["raw_path"].decode("ascii", "replace").rstrip("/")
            answer.put(b"location", f"{path}/{record.get('id', '')}".encode("ascii", "replace"))
