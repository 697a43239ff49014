"""The work: what is asked, and what of each answer is checked."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load.server import EVENT


@dataclass(frozen=True)
class Work:
    """One kind of request. `pointer`: the field of the answer that is read, `value` what it has to be."""

    name: str
    method: str
    path: str
    pointer: tuple[str, ...]
    value: int
    body: str = ""
    tls: bool = False


SMALL = Work("GET 100 B", "GET", "/small", ("id",), 4711)
LIST = Work("GET 5 KB list", "GET", "/list", ("selection_settings", "limit"), 20)
EVENT_POST = Work("POST event", "POST", "/events", ("count",), 1, EVENT)
SMALL_TLS = Work("GET 100 B, TLS", "GET", "/small", ("id",), 4711, tls=True)
WORKS = (SMALL, LIST, EVENT_POST, SMALL_TLS)
