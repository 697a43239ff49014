"""Bugs of a refactoring: joins that drop or repeat rows, keyset paging, another JSON library, ids kept as numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from instance.faults import events, fitting
from instance.faults.events import Rows, in_payload
from instance.faults.listing import arranging, offset
from instance.faults.model import Alteration, Answer, Request, World, broken
from instance.faults.ordering import by_default, embedding
from instance.faults.roles import role
from instance.faults.side_ways import role_left_out, search

Records = list[Any]


# --- EVENT ----------------------------------------------------------------------------------------------------------


def keys(change: Callable[[str], str]) -> Callable[[Rows], Rows]:
    """A change to every key in the payloads."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {change(name): walk(inner) for name, inner in value.items()}
        return [walk(inner) for inner in value] if isinstance(value, list) else value

    return lambda found: [{**row, "payload": walk(row.get("payload"))} for row in found]


def levels(value: Any, left: int) -> Any:
    """A value without what lies deeper than so many levels."""
    if isinstance(value, dict):
        return {name: levels(inner, left - 1) for name, inner in value.items()} if left else {}
    return value


event = partial(events.event, also="EVENT-01")


event("payload-keys-in-lower-case", "the keys of a payload are stored in lower case", keys(str.lower))
event("payload-keys-trimmed", "blanks around the keys of a payload are cut off", keys(str.strip))
event(
    "fractions-cut",
    "fractions of a payload are kept with two digits",
    in_payload(lambda v: round(v, 2) if isinstance(v, float) else v),
)
event(
    "flags-become-numbers",
    "true and false in a payload become 1 and 0",
    in_payload(lambda v: int(v) if isinstance(v, bool) else v),
)
event(
    "numerals-become-numbers",
    "texts of digits in a payload become numbers",
    in_payload(lambda v: int(v) if isinstance(v, str) and v.isascii() and v.isdigit() else v),
)
event(
    "depth-of-payload-cut",
    "of a payload two levels are stored",
    lambda found: [{**row, "payload": levels(row.get("payload"), 2)} for row in found],
)


# --- SEARCH ---------------------------------------------------------------------------------------------------------


search("plus-is-a-blank", "a plus sign is searched as a blank", lambda t: t.replace("+", " "))
search("backslash-escapes", "a backslash in a text is taken for an escape", lambda t: t.replace("\\", ""))


# --- STRUCT ---------------------------------------------------------------------------------------------------------

STRUCTURED = fitting.every(fitting.paged, fitting.asks("load_full_structure"))


def parts(request: Request) -> list[str]:
    """The keys of what a full answer embeds."""
    found = request.operation.sub_entities.values() if request.operation else ()
    return [str(part["key"]) for part in found if part.get("key")]


async def first_in_all(request: Request, world: World) -> Answer:
    return await embedding(lambda found: with_the_first_ones(found, request))(request, world)


def with_the_first_ones(found: Records, request: Request) -> Records:
    """Every record with what the first one embeds."""
    first = found[0] if found else {}
    return [
        {**x, **{n: first[n] for n in parts(request) if isinstance(x.get(n), dict) and first.get(n)}} for x in found
    ]


def struct(name: str, what: str, alter: Alteration) -> None:
    also = "STRUCT-02 STRUCT-04 SHAPE-01 SHAPE-03 PAGE-10"
    broken(name, what, "list_segment_notes", "STRUCT-04", alter, also, fits=STRUCTURED, least=3)


struct("full-repeats-last", "a join repeats the last record of a full page", embedding(lambda f: [*f, *f[-1:]]))
struct("full-oldest-first", "a full page comes oldest first", embedding(lambda f: f[::-1]))
struct("full-drops-last", "a join drops the last record of a full page", embedding(lambda f: f[:-1]))
struct("first-embedded-in-all", "every record embeds what the first one embeds", first_in_all)


# --- ROLE -----------------------------------------------------------------------------------------------------------


role_left_out("limited-needs-no-role", "beside a limit the role is not checked", "list_feeds", "limit")
broken(
    "half-the-features-open",
    "a role with more than half of all features may do everything",
    "list_events",
    "ROLE-03",
    role(lambda held, needed, right: right or len(held) > 30),
    "ROLE-01 ROLE-06",
    fits=fitting.featured,
)


# --- ORDER, PAGE, SHAPE ---------------------------------------------------------------------------------------------


def ties_skipped(found: Records, request: Request) -> Records:
    """Behind the first page, of records with one timestamp the first: what `created < last seen` leaves."""
    if not offset(request) or not by_default(request):
        return found
    return list({str(x.get("created")): x for x in reversed(found)}.values())[::-1]


LISTING = "PAGE-02 PAGE-03 PAGE-04 PAGE-05 PAGE-06 PAGE-10 ORDER-01 ORDER-03 ORDER-04"
broken(
    "keyset-skips-ties",
    "behind the first page one of the records with the same timestamp is there",
    "list_feeds",
    "PAGE-04",
    arranging(ties_skipped),
    LISTING,
    fits=fitting.every(fitting.paged, fitting.records_with("created")),
    least=25,
)
