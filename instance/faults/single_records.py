"""Bugs of the structure of a single record: what was built for lists, and forgotten where one record is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instance.faults import fitting
from instance.faults.life import item, with_item
from instance.faults.model import Alteration, Answer, Request, World, broken
from instance.faults.ordering import full, odd_flag_is_500, with_user

FLAG = "load_full_structure"
READS = "get_tag get_attribute get_event get_destination"
SINGLE = fitting.every(fitting.acting("read", "create", "update"), fitting.asks(FLAG), fitting.with_sub_entities)
SEEN = fitting.every(fitting.acting("read"), fitting.asks(FLAG), fitting.with_sub_entities)


def flag(change: Callable[[str | None], str | None]) -> Alteration:
    """load_full_structure is taken for another value."""

    async def alter(request: Request, world: World) -> Answer:
        return await world.forward(request.asking(load_full_structure=change(request.get(FLAG))))

    return alter


def shown_in_full(change: Callable[[dict[str, Any]], Any]) -> Alteration:
    """A full record is changed."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        return with_item(request, answer, change(item(request, answer))) if answer.ok and full(request) else answer

    return alter


broken(
    "full-for-lists-alone",
    "load_full_structure is ignored where one record is read",
    READS,
    "STRUCT-02",
    flag(lambda f: None),
    fits=SEEN,
)
broken(
    "full-forgotten-after-writing",
    "load_full_structure is ignored in the answer to a write",
    "create_tag update_tag create_segment_note",
    "STRUCT-02",
    flag(lambda f: None),
    fits=fitting.every(SINGLE, fitting.acting("create", "update")),
)
broken(
    "full-always-alone",
    "a single record always comes with the data of its sub-entities",
    "get_tag get_event update_tag",
    "STRUCT-01",
    flag(lambda f: "1"),
    "STRUCT-03 STRUCT-04",
    fits=SINGLE,
)
broken(
    "full-when-sent-alone",
    "load_full_structure counts as set whatever its value is, where one record is read",
    "get_tag get_attribute",
    "STRUCT-03",
    flag(lambda f: None if f is None else "1"),
    fits=SEEN,
)
broken(
    "embedded-name-of-another",
    "the user in a full record has the name of another one",
    "get_tag get_destination",
    "STRUCT-04",
    shown_in_full(lambda r: with_user(r, name="cdp somebody")),
    fits=fitting.every(SEEN, fitting.embeds("user")),
)
broken(
    "own-name-lost-in-full",
    "a full record has the name of the user in place of its own",
    "get_tag get_destination",
    "STRUCT-04",
    shown_in_full(lambda r: {**r, "name": r["user"]["name"]} if r.get("user") else r),
    fits=fitting.every(SEEN, fitting.embeds("user"), fitting.records_with("name", fitting.of_kind("string"))),
)
broken(
    "odd-flag-is-500-alone",
    "a load_full_structure other than 0 and 1 is 500 where one record is read",
    "get_tag get_event",
    "STRUCT-05",
    odd_flag_is_500,
    "CODE-01",
    fits=SEEN,
)
broken(
    "full-write-embeds-another",
    "the full answer to a write embeds the user with the next id",
    "create_tag update_tag create_segment_note",
    "STRUCT-02",
    shown_in_full(lambda r: with_user(r, id=(r["user"] or {}).get("id", 0) + 1) if r.get("user") else r),
    fits=fitting.every(SINGLE, fitting.acting("create", "update"), fitting.embeds("user")),
    source="CWE-193 Off-by-one Error",
)
