"""Bugs of lists that are put together otherwise than they are cut: rows of joins and of the deleted that are counted,
ties that change with the page, columns that were mixed up, conditions without brackets, settings of somebody else."""

from __future__ import annotations

from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.fitting import FILTERS
from instance.faults.kinship import embeds_lists, keys_of
from instance.faults.life import acting
from instance.faults.listing import arranging, given, limit, misreading, offset, valid
from instance.faults.model import Answer, Request, World, breaks, broken, with_records
from instance.faults.ordering import by_default, embedding_by
from instance.faults.relations import row_of
from instance.faults.side_ways import LISTING, STRUCTURED

Records = list[Any]


# --- PAGE -----------------------------------------------------------------------------------------------------------


def timestamp_of(request: Request) -> str:
    """The field that a list comes by when nothing else is asked."""
    collection = request.operation.collection if request.operation else None
    return (collection.timestamp if collection else None) or "created"


def deletable_from(o: Operation, c: Contract) -> bool:
    """Its living records can be deleted, and lie below no other."""
    return o.action == "list" and fitting.at_the_top(o, c) and bool(c.of_entity(str(o.entity), "delete"))


@breaks(
    "deleted-leave-gaps",
    "pages are cut before the deleted are left out: where a deleted record stood a page lacks one",
    "list_tags list_feeds",
    "PAGE-02",
    also=LISTING + " PAGE-01 LIFE-02 LIFE-04 STRUCT-03",
    through="delete",
    fits=fitting.every(fitting.paged, deletable_from),
    least=3,
    profile="release",
)
async def deleted_leave_gaps(request: Request, world: World) -> Answer:
    gone = world.memory.setdefault("gone", [])
    if acting(request) == "delete":
        row = row_of(request, world)
        answer = await world.forward(request)
        if answer.ok and row is not None:
            gone.append(row[3].replace("T", " ")[:19])
        return answer
    answer = await world.forward(request)
    if not answer.ok or not valid(request) or not by_default(request) or given(request, *FILTERS) or not gone:
        return answer
    name = timestamp_of(request)
    rows = [(str(x.get(name)).replace("T", " ")[:19], 1, x) for x in await world.whole(request)]
    rows += [(moment, 2, None) for moment in gone]
    # Newest first; records keep the order that they have.
    rows.sort(key=lambda row: row[:2], reverse=True)
    cut = rows[offset(request) : offset(request) + limit(request)]
    return with_records(request, answer, [x for _, _, x in cut if x is not None])


@breaks(
    "settings-of-the-call-before",
    "selection_settings are those of the call before: one object serves all calls",
    "list_tags list_feeds",
    "PAGE-08",
    also="ORDER-06 SEARCH-03 SHAPE-01",
    fits=fitting.every(fitting.paged, fitting.with_settings),
    source="CWE-567 Unsynchronized Access to Shared Data; Python manual, mutable default arguments",
)
async def settings_of_the_call_before(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok:
        return answer
    own = answer.json["selection_settings"]
    before = world.memory.get("settings", own)
    world.memory["settings"] = own
    return answer.showing({**answer.json, "selection_settings": before})


def merged(request: Request, found: Records) -> Records:
    """Records of several lists, newest first, cut to the page."""
    name = timestamp_of(request)
    return sorted(found, key=lambda x: str(x.get(name)), reverse=True)[
        offset(request) : offset(request) + limit(request)
    ]


def beside(request: Request, other: str) -> Request:
    """The same list below another record."""
    path = request.path.replace(f"/{request.ids[0]}/", f"/{other}/", 1)
    return Request(**{**request.__dict__, "path": path, "ids": (other, *request.ids[1:])})


@breaks(
    "filter-forgets-the-parent",
    "a filter stands without brackets beside the condition for the customer: events of others are found",
    "list_customer_events",
    "PAGE-10",
    also=LISTING + " SHAPE-03",
    fits=fitting.only("list_customer_events"),
    profile="release",
    source="CWE-783 Operator Precedence Logic Error; CWE-639",
)
async def filter_forgets_the_parent(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok or not valid(request) or not request.get("event_ids") or not by_default(request):
        return answer
    found = await world.whole(request)
    sql = "SELECT id FROM customer WHERE id<>? AND pk IN (SELECT customer FROM customer_event) ORDER BY pk LIMIT 9"
    for (other,) in world.store.connection.execute(sql, (request.ids[0],)).fetchall():
        found += await world.whole(beside(request, other))
    return with_records(request, answer, merged(request, found))


# --- ORDER ----------------------------------------------------------------------------------------------------------


def ties_by_page(found: Records, request: Request) -> Records:
    """Equal values in an order that depends on how many rows were sorted, as the heap of the best n leaves them."""
    name = request.get("order_by")
    if name is None:
        return found
    groups: dict[str, Records] = {}
    for record in found:
        groups.setdefault(repr(record.get(name)), []).append(record)
    turn = offset(request) + limit(request)
    return [x for g in groups.values() for x in g[turn % len(g) :] + g[: turn % len(g)]]


broken(
    "ties-broken-by-page",
    "sorted by a field, records with equal values come in an order that depends on the page",
    "list_attributes list_sources",
    "ORDER-04",
    arranging(ties_by_page),
    "ORDER-03 " + LISTING,
    fits=fitting.every(fitting.paged, fitting.ordered),
    least=10,
    profile="release",
    source="PostgreSQL manual, LIMIT and OFFSET; MySQL manual, LIMIT Query Optimization",
)
broken(
    "modified-sorts-by-created",
    "order_by=modified sorts by created: the columns were mixed up",
    "list_tags list_reports",
    "ORDER-04",
    misreading(lambda r: r.asking(order_by="created") if r.get("order_by") == "modified" else r),
    "ORDER-03",
    fits=fitting.every(
        fitting.paged,
        fitting.ordered,
        fitting.records_with("created", fitting.of_kind("string")),
        fitting.records_with("modified", fitting.of_kind("string")),
    ),
    least=3,
    profile="release",
)

# --- STRUCT ---------------------------------------------------------------------------------------------------------


def in_order_of_ids(found: Records, request: Request) -> Records:
    """What a batch loader returns by id is given out in the order in which it was asked for."""
    changed = [dict(record) for record in found]
    for key in keys_of(request):
        embedded = {str(x[key].get("id")): x[key] for x in found if isinstance(x.get(key), dict)}
        given_out = dict(zip(embedded, sorted(embedded.values(), key=lambda x: str(x.get("id"))), strict=True))
        for record in changed:
            if isinstance(record.get(key), dict):
                record[key] = given_out[str(record[key].get("id"))]
    return changed


broken(
    "embedded-in-order-of-ids",
    "embedded records are loaded in one query and given out in its order, not in that of the ids",
    "list_tags list_segment_notes",
    "STRUCT-04",
    embedding_by(in_order_of_ids),
    "STRUCT-02 SHAPE-03",
    fits=STRUCTURED,
    least=3,
    source="GraphQL DataLoader manual, Batch Function: the order of values and keys",
)
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$Jm9lRk0vGmQ0Uu8w"
broken(
    "embedded-user-shows-password",
    "an embedded user is the whole row, with the hash of the password",
    "list_tags list_segment_exports",
    "SHAPE-01",
    embedding_by(
        lambda found, r: [{**x, "user": {**x["user"], "password": HASH}} if x.get("user") else x for x in found]
    ),
    "STRUCT-04 STRUCT-02",
    fits=fitting.every(fitting.embeds("user"), fitting.asks("load_full_structure"), fitting.lists),
    least=1,
    source="API3:2023 Broken Object Property Level Authorization; CWE-213",
)


def as_many_rows(found: Records, request: Request) -> Records:
    """The records that are there when a join gives one row for each embedded record and limit counts rows."""
    kept: Records = []
    rows = 0
    for record in found:
        lists = [record[key] for key in keys_of(request) if isinstance(record.get(key), list)]
        rows += max([1, *map(len, lists)])
        if rows > limit(request) and kept:
            break
        kept.append(record)
    return kept


broken(
    "limit-counts-joined-rows",
    "with the full structure limit counts rows of the join: who embeds three records counts as three",
    "list_segments list_destinations",
    "STRUCT-04",
    embedding_by(as_many_rows),
    "STRUCT-02 " + LISTING,
    fits=fitting.every(STRUCTURED, embeds_lists),
    least=3,
    source="Hibernate manual, Fetching: HHH000104, firstResult/maxResults with collection fetch",
)

# --- SHAPE: lists of several parents --------------------------------------------------------------------------------
