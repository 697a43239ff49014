"""A far-away server."""

from __future__ import annotations

from asyncio import sleep

from instance.awkward.kind import Answer, Kind, Request


class Latency(Kind):
    name = "latency"
    sentence = "every request takes 200 ms, half as much more or less (latency_ms=)"
    allowed = "no page promises a time"

    async def before(self, request: Request) -> Answer | None:
        if self.world.settings.latency_ms:
            await sleep(self.world.settings.latency_ms / 1000 * self.rng.uniform(0.5, 1.5))
        return None
