"""A network in front of a server: every request takes a while to get there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_CHUNK = 65536
_READY_S = 10.0


@contextmanager
def delayed(base_url: str, delay_s: float) -> Iterator[str]:
    """Serve another address on 127.0.0.1 for a server, `delay_s` further away. Yields the base URL there.

    What a client sends is passed on so much later, in its order; answers are passed on at once.
    """
    parts = urlsplit(base_url)
    loop = asyncio.new_event_loop()
    started: list[asyncio.Server] = []
    ready = threading.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(_pass_on(reader, back, delay_s), _pass_on(there, writer, 0))

    async def serve() -> None:
        started.append(await asyncio.start_server(take, "127.0.0.1", 0))
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not ready.wait(_READY_S):
        raise RuntimeError("the delaying server did not start")
    try:
        port = started[0].sockets[0].getsockname()[1]
        yield f"{parts.scheme}://127.0.0.1:{port}{parts.path}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_READY_S)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            if delay_s:
                await asyncio.sleep(delay_s)
            writer.write(data)
            await writer.drain()
    writer.close()
