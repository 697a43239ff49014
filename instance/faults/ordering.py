"""Bugs of order (ORDER) and of plain and full responses (STRUCT)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instance.faults import fitting
from instance.faults.life import own
from instance.faults.listing import LEFT_OUT, arranging, direction, given, limit, misreading, offset, settling, valid
from instance.faults.model import (
    Alteration,
    Answer,
    Request,
    World,
    breaks,
    broken,
    records_of,
    refusal,
    with_records,
)

# --- ORDER ----------------------------------------------------------------------------------------------------------


def by_default(request: Request) -> bool:
    return not given(request, "order_by", "order_dir")


async def sorted_within_pages(request: Request, world: World) -> Answer:
    """Pages are cut from the oldest end, and each is turned round."""
    answer = await world.forward(request)
    if not answer.ok or not by_default(request) or not valid(request):
        return answer
    cut = (await world.whole(request))[::-1][offset(request) : offset(request) + limit(request)]
    return with_records(request, answer, cut[::-1])


broken(
    "oldest-first",
    "by default the oldest records come first",
    "list_tags list_feeds list_journeys",
    "ORDER-01 ORDER-02",
    arranging(lambda found, r: found[::-1] if by_default(r) else found),
    fits=fitting.lists,
)
broken(
    "oldest-first-unpaged",
    "the notifications come oldest first",
    "list_notifications",
    "ORDER-01",
    arranging(lambda found, r: found[::-1]),
    "PAGE-04",  # where a walk goes by a cursor
    fits=fitting.unpaged,
)
broken(
    "sorted-within-pages",
    "the pages come oldest first, newest first only within themselves",
    "list_tags list_feeds",
    "ORDER-01",
    sorted_within_pages,
    "PAGE-03 PAGE-04 PAGE-06 ORDER-02",
    fits=fitting.lists,
)
broken(
    "sorted-by-name",
    "by default the list is sorted by name",
    "list_reports list_tags",
    "ORDER-01 ORDER-02",
    arranging(lambda found, r: sorted(found, key=lambda x: str(x["name"])) if by_default(r) else found),
    fits=fitting.every(fitting.ordered, fitting.records_with("name", fitting.of_kind("string"))),
)
broken(
    "two-swapped",
    "one record stands before a newer one",
    "list_tags list_feeds",
    "ORDER-01",
    arranging(lambda found, r: [*found[:30], *found[30:36][::-1], *found[36:]] if by_default(r) else found),
    fits=fitting.lists,
)


broken(
    "new-record-last",
    "a new record comes last until tonight's indexing",
    "list_tags list_feeds list_journeys",
    "ORDER-02",
    arranging(lambda found, r: sorted(found, key=own) if by_default(r) else found),
    fits=fitting.every(fitting.lists, fitting.at_the_top, fitting.records_with("name")),
)
broken(
    "new-record-second",
    "a new record comes second",
    "list_tags list_feeds list_journeys",
    "ORDER-02",
    arranging(
        lambda found, r: (
            [found[1], found[0], *found[2:]] if by_default(r) and len(found) > 1 and own(found[0]) else found
        )
    ),
    fits=fitting.every(fitting.lists, fitting.at_the_top, fitting.records_with("name")),
)
broken(
    "new-record-missing",
    "a new record is not in the list yet",
    "list_tags list_feeds list_journeys",
    "ORDER-02",
    arranging(lambda found, r: [x for x in found if not own(x)]),
    "LIFE-02",
    fits=fitting.every(fitting.lists, fitting.at_the_top, fitting.records_with("name")),
)
SORTED = "list_tags list_reports list_user_roles"
broken(
    "direction-ignored",
    "order_dir is ignored",
    SORTED,
    "ORDER-03",
    misreading(lambda r: r.asking(order_dir="DESC")),
    "ORDER-04",
)
broken(
    "direction-ascending",
    "whatever is sorted comes ascending",
    SORTED,
    "ORDER-03",
    misreading(lambda r: r if by_default(r) else r.asking(order_dir="ASC")),
    "ORDER-04",
)
broken(
    "ascending-differs",
    "ascending is not the reverse of descending",
    SORTED,
    "ORDER-03",
    arranging(lambda found, r: found[3:] + found[:3] if direction(r) == "ASC" else found),
    "ORDER-04",
    profile="release",
)
broken(
    "directions-swapped",
    "ASC and DESC are taken for each other",
    SORTED,
    "ORDER-04",
    misreading(lambda r: r.asking(order_dir={"ASC": "DESC", "DESC": "ASC"}.get(direction(r)))),
)
broken(
    "order-by-ignored",
    "order_by is ignored",
    "list_tags list_reports list_user_roles list_sources list_users list_segments list_attributes list_events "
    "list_segment_export_destinations list_stitching_categories list_cdp_entities list_mi_workspaces",
    "ORDER-04",
    misreading(lambda r: r.asking(order_by=None)),
)
broken(
    "order-loses-records",
    "sorted by a field the list holds other records only",
    SORTED,
    "ORDER-04",
    arranging(lambda found, r: found if by_default(r) else found[1:]),
)
broken(
    "order-repeats-records",
    "sorted by a field a join brings every record twice",
    SORTED,
    "ORDER-04",
    arranging(lambda found, r: found if by_default(r) else [x for x in found for _ in range(2)]),
)


def unknown_order(name: str, status: int = 0, of_signs: bool = False) -> Alteration:
    """An order that does not exist is taken for the default, or gets this status. `of_signs`: only one without a letter
    or digit."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.status != 400 or not given(request, name):
            return answer
        if of_signs and any(map(str.isalnum, request.get(name) or "")):
            return answer
        return refusal(status) if status else await world.forward(request.asking(**{name: None}))

    return alter


broken(
    "unknown-order-by",
    "an unknown order_by is taken",
    "list_tags list_users",
    "ORDER-05",
    unknown_order("order_by"),
    profile="release",
)
broken(
    "order-of-signs-is-taken",
    "an order_by without a letter or digit is left out",
    "list_tags list_reports",
    "ORDER-05",
    unknown_order("order_by", of_signs=True),
    profile="release",
)
broken(
    "unknown-order-dir",
    "an unknown order_dir is taken",
    "list_user_roles",
    "ORDER-05",
    unknown_order("order_dir"),
    profile="release",
)
broken(
    "unknown-order-is-500",
    "an unknown order_by is 500",
    "list_tags",
    "ORDER-05 CODE-01",
    unknown_order("order_by", 500),
    profile="release",
)
TOLD = "list_tags list_reports"
broken(
    "order-told-wrong",
    "selection_settings tells always the default order",
    TOLD,
    "ORDER-06",
    settling(order_by="created", order_dir="DESC"),
)
broken("direction-told-wrong", "selection_settings tells always DESC", TOLD, "ORDER-06", settling(order_dir="DESC"))
broken(
    "order-not-told", "selection_settings tells no order_by", TOLD, "ORDER-06", settling(order_by=LEFT_OUT), "SHAPE-01"
)

# --- STRUCT ---------------------------------------------------------------------------------------------------------

# Sub-entity field and key: a record beside its id, or ids replaced in place.
STRUCTURED = "list_tags list_events"
IN_PLACE = "list_segments list_attributes"


def full(request: Request) -> bool:
    return request.get("load_full_structure") in ("1", "true")


def flag(change: Callable[[str | None], str | None]) -> Alteration:
    """load_full_structure is taken for another value."""
    return misreading(lambda r: r.asking(load_full_structure=change(r.get("load_full_structure"))))


# Where one record is answered, single_records has the same.
broken(
    "full-ignored",
    "load_full_structure is ignored",
    f"{STRUCTURED} {IN_PLACE}",
    "STRUCT-02",
    flag(lambda f: None),
    fits=fitting.lists,
)
broken(
    "full-always",
    "the sub-entities' data always come",
    f"{STRUCTURED} {IN_PLACE}",
    "STRUCT-01",
    flag(lambda f: "1"),
    "STRUCT-04",
    fits=fitting.lists,
)
broken(
    "full-when-sent",
    "load_full_structure counts as set whatever its value is",
    STRUCTURED,
    "STRUCT-03",
    flag(lambda f: None if f is None else "1"),
    fits=fitting.lists,
)
broken(
    "full-inverted",
    "plain by default, full at 0 and plain at 1",
    STRUCTURED,
    "STRUCT-02 STRUCT-03",
    flag(lambda f: {"0": "1", "1": "0"}.get(f or "", f)),
    fits=fitting.lists,
)


def embedding_by(change: Callable[[list[Any], Request], list[Any]]) -> Alteration:
    """Full records are changed, by what was asked."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not answer.ok or not full(request):
            return answer
        return with_records(request, answer, change(records_of(request, answer), request))

    return alter


def embedding(change: Callable[[list[Any]], list[Any]]) -> Alteration:
    """Full records are changed."""
    return embedding_by(lambda records, request: change(records))


def with_user(record: Any, **changes: Any) -> Any:
    """A full record with changes in its user, where it has one."""
    return {**record, "user": {**record["user"], **changes}} if record.get("user") else record


USERS = "list_tags list_segment_exports"
broken(
    "full-in-another-order",
    "with full data the oldest records come first",
    STRUCTURED,
    "STRUCT-04",
    embedding(lambda records: records[::-1]),
    fits=fitting.lists,
)
broken(
    "full-loses-a-record",
    "an inner join drops a record from full answers",
    STRUCTURED,
    "STRUCT-04",
    embedding(lambda records: records[:5] + records[6:]),
    fits=fitting.lists,
)
broken(
    "full-changes-own-field",
    "with full data the name is the sub-entity's",
    "list_tags list_segment_exports",
    "STRUCT-04",
    embedding(lambda records: [{**r, "name": r["user"]["name"]} if r.get("user") else r for r in records]),
    fits=fitting.every(fitting.lists, fitting.embeds("user"), fitting.records_with("name", fitting.of_kind("string"))),
)
broken(
    "embedded-id-wrong",
    "the embedded record has another id",
    USERS,
    "STRUCT-04",
    embedding(lambda records: [with_user(r, id=987) for r in records]),
    fits=fitting.embeds("user"),
)
broken(
    "embedded-data-stale",
    "the embedded record is out of date",
    USERS,
    "STRUCT-04",
    embedding(lambda records: [with_user(r, name="Former Name") for r in records]),
    fits=fitting.embeds("user"),
)
broken(
    "embedded-shared",
    "every record embeds the user of the first",
    "list_tags list_segment_exports",
    "STRUCT-04",
    embedding(lambda records: [{**r, "user": records[0].get("user")} for r in records]),
    fits=fitting.every(fitting.lists, fitting.embeds("user")),
)
broken(
    "embedded-id-field-wrong",
    "the id beside the embedded record is another in full answers",
    USERS,
    "STRUCT-04",
    embedding(lambda records: [{**r, "user_id": 1} if r.get("user_id") != 1 else r for r in records]),
    fits=fitting.every(fitting.embeds("user"), fitting.records_with("user_id", required=False)),
)
broken(
    "embedded-in-first-only",
    "only the first record brings its sub-entity",
    USERS,
    "STRUCT-02",
    embedding(lambda records: [*records[:1], *({**r, "user": None} for r in records[1:])]),
    fits=fitting.every(fitting.lists, fitting.embeds("user")),
)
broken(
    "embedded-list-cut",
    "of a list of sub-entities only the first is embedded",
    "list_segment_export_destinations",
    "STRUCT-04",
    embedding(
        lambda rs: [
            {n: v[:1] if isinstance(v, list) and n.endswith("attributes") else v for n, v in r.items()} for r in rs
        ]
    ),
    fits=fitting.only("list_segment_export_destinations"),
)


@breaks(
    "odd-flag-is-500",
    "a load_full_structure other than 0 and 1 is 500",
    on="list_tags list_events",
    by="STRUCT-05 CODE-01",
)
async def odd_flag_is_500(request: Request, world: World) -> Answer:
    odd = request.get("load_full_structure") not in (None, "0", "1")
    return refusal(500) if odd else await world.forward(request)


@breaks(
    "odd-flag-is-cut-off",
    "a load_full_structure other than 0 and 1 ends the connection",
    on="list_tags",
    by="STRUCT-05 CODE-01",
)
async def odd_flag_is_cut_off(request: Request, world: World) -> Answer:
    odd = request.get("load_full_structure") not in (None, "0", "1")
    return Answer(0) if odd else await world.forward(request)
