"""A server that has just been started."""

from __future__ import annotations

from asyncio import sleep

from instance.awkward.kind import Answer, Kind, Request, World

SHARE = 20


class Cold(Kind):
    name = "cold"
    sentence = "the first request takes three seconds, and that to each operation a twentieth of it (cold_ms=)"
    allowed = "no page promises a time; caches are empty after a start"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._met: set[str] = set()

    async def before(self, request: Request) -> Answer | None:
        name = request.operation.id if request.operation is not None else ""
        if name not in self._met:
            slow = 1 if not self._met else SHARE
            self._met.add(name)
            await sleep(self.world.settings.cold_ms / 1000 / slow)
        return None
