"""Bugs of writes, roles and routes that show beside the usual case: other words, other rows, a path further."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.callers import known_token
from instance.faults.events import UPLOAD, rewriting
from instance.faults.fitting import FILTERS
from instance.faults.life import acting
from instance.faults.listing import arranging, given, limit, misreading, offset, valid
from instance.faults.model import Alteration, Answer, Request, World, breaks, broken, records_of, refusal, with_records
from instance.faults.ordering import by_default, full
from instance.faults.roles import role
from instance.faults.search import SEARCH
from instance.faults.side_ways import LISTING, STRUCTURED
from instance.faults.texts import mangling
from instance.faults.values import several_texts, stored

Records = list[Any]
MANY, ALL = 40, 48  # features of a role


# --- MEDIA, LIFE: what is written -----------------------------------------------------------------------------------


def text(name: str, what: str, change: Callable[[str], str]) -> None:
    broken(name, what, "update_tag create_report", "MEDIA-06", mangling(change), also="LIFE-01 LIFE-03 CODE-05")


text("dashes-become-typographic", "two dashes become one long one", lambda t: t.replace("--", "\u2013"))
text("joiners-stripped", "joiners between characters are taken out", lambda t: t.replace("\u200d", ""))
text("templates-filled", "what looks like a template is worked out", lambda t: t.replace("${7*7}", "49"))
text("marks-become-quotes", "doubled quotes become one", lambda t: t.replace("''", "'"))
text("backslash-pairs-halved", "two backslashes become one", lambda t: t.replace("\\\\", "\\"))
text("crlf-becomes-lf", "the line ends of Windows become those of Unix", lambda t: t.replace("\r\n", "\n"))


def words(change: Callable[[str], Any]) -> Alteration:
    return stored(lambda body: {n: change(v) if isinstance(v, str) else v for n, v in body.items()})


def word(name: str, what: str, change: Callable[[str], Any]) -> None:
    on, fits = "update_report update_email", several_texts
    broken(name, what, on, "MEDIA-06", words(change), also="LIFE-03", fits=fits, profile="release")


word("word-null-is-nothing", "the text null is stored as an empty one", lambda t: "" if t == "null" else t)
word("formulas-quoted", "what a spreadsheet would work out gets a quote", lambda t: "'" + t if t[:1] == "=" else t)
word("zeros-in-front-lost", "texts of digits lose the zeros in front", lambda t: t.lstrip("0") if t.isdigit() else t)


def listed_again(when: Callable[[Request], bool]) -> Alteration:
    """What was deleted is still there where a list is asked in some way, as in an index that is kept beside."""

    async def alter(request: Request, world: World) -> Answer:
        gone = world.memory.setdefault("gone", {})
        action = acting(request)
        if action == "list":
            answer = await world.forward(request)
            if not answer.ok or not when(request) or not valid(request) or offset(request):
                return answer
            again = [record for place, record in gone.items() if place.startswith(request.path.rstrip("/") + "/")]
            return with_records(request, answer, [*again, *records_of(request, answer)][: limit(request)])
        if action != "delete":
            return await world.forward(request)
        before = await world.forward(replace(world.as_admin(request), method="GET", body=b""))
        answer = await world.forward(request)
        if answer.ok and before.ok:
            body = before.json
            record = next(iter(body.values())) if len(body) == 1 else body
            gone[request.path] = record
        return answer

    return alter


def lingers(name: str, what: str, on: str, when: Callable[[Request], bool], asked: str) -> None:
    def fits(o: Operation, c: Contract) -> bool:
        lists = c.of_entity(o.entity, "list") if o.entity else ()
        return fitting.changed_alone(o, c) and any(asked in other.query_parameters for other in lists)

    also = LISTING + " LIFE-02 SHAPE-01 STRUCT-02"
    more = fitting.every(fitting.acting("delete"), fitting.seen_alone, fits)
    broken(name, what, on, "LIFE-04", listed_again(when), also=also, through="list", fits=more)


lingers(
    "deleted-listed-when-sorted",
    "sorted, the list holds what was deleted",
    "delete_tag delete_report",
    lambda r: given(r, "order_by"),
    "order_by",
)
lingers("deleted-listed-in-full", "full answers hold what was deleted", "delete_tag", full, "load_full_structure")
lingers(
    "deleted-found-by-filter",
    "a filter finds what was deleted",
    "delete_tag",
    lambda r: given(r, *FILTERS),
    "name_filter",
)


# --- EVENT ----------------------------------------------------------------------------------------------------------


def of_the_first(found: list[list[str]]) -> list[list[str]]:
    """Rows of the second customer, put down to the first."""
    customers = list(dict.fromkeys(row[3] for row in found if len(row) == 6))
    if len(customers) < 2:
        return found
    return [[*row[:3], customers[0], *row[4:]] if len(row) == 6 and row[3] == customers[1] else row for row in found]


def one_a_moment(found: list[list[str]]) -> list[list[str]]:
    return list({(tuple(row[3:5]) if len(row) == 6 else n): row for n, row in enumerate(found)}.values())


def upload(name: str, what: str, change: Callable[[list[list[str]]], list[list[str]]]) -> None:
    broken(name, what, UPLOAD, "EVENT-02", rewriting(change), also="EVENT-04 EVENT-05", fits=fitting.only(UPLOAD))


upload("second-of-upload-is-first", "rows of an upload's second customer go to the first", of_the_first)
upload("one-row-a-moment", "of an upload one row of a customer and a moment is stored", one_a_moment)


# --- ROLE, AUTH -----------------------------------------------------------------------------------------------------

broken(
    "many-features-count-as-none",
    "of a role with more than forty features none counts, but of one that has them all",
    "list_events get_custom_email_block",
    "ROLE-03",
    role(lambda held, needed, right: right and not MANY < len(held) < ALL),
    "ROLE-02 ROLE-06",
    fits=fitting.featured,
)


@breaks(
    "body-before-token",
    "an invalid body is 422 before the token is looked at",
    "create_tag update_report",
    "AUTH-01",
    also="AUTH-02 AUTH-03 AUTH-04 AUTH-05 AUTH-06 AUTH-07 ROLE-07",
    fits=fitting.every(fitting.writes, fitting.acting("create", "update")),
    softly=True,
)
async def body_before_token(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    wrong = not isinstance(request.json, dict)
    return refusal(422) if wrong and answer.status == 401 and known_token(request, world) is None else answer


@breaks(
    "limited-needs-no-token",
    "beside a limit no token is needed",
    "list_feeds list_tags",
    "AUTH-01",
    also="AUTH-02 AUTH-03 AUTH-04 AUTH-06 AUTH-07",
    fits=fitting.every(fitting.paged, lambda o, c: o.auth == "token"),
)
async def limited_needs_no_token(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return await world.forward(world.as_admin(request)) if answer.status == 401 and given(request, "limit") else answer


# --- ORDER, PAGE, STRUCT, SEARCH ------------------------------------------------------------------------------------

broken(
    "sorted-by-id-as-text",
    "by default records come by their ids, which are compared as texts",
    "list_feeds list_tags",
    "ORDER-01",
    arranging(lambda f, r: sorted(f, key=lambda x: str(x.get("id")), reverse=True) if by_default(r) else f),
    LISTING,
    fits=fitting.every(fitting.paged, fitting.records_with("id"), fitting.records_with("created")),
    least=12,
)
broken(
    "sorted-up-to-a-hundred",
    "behind the first hundred records come oldest first",
    "list_debugger_events",
    "ORDER-01",
    arranging(lambda f, r: [*f[:100], *f[100:][::-1]] if by_default(r) else f),
    LISTING,
    fits=fitting.every(fitting.paged, fitting.records_with("created")),
    least=130,
    profile="release",
)
broken(
    "limit-of-one-is-two",
    "a limit of one brings two records",
    "list_feeds",
    "PAGE-06",
    misreading(lambda r: r.asking(limit=2) if limit(r) == 1 else r),
    LISTING,
    fits=fitting.paged,
    least=3,
    profile="release",
)


def last_part_left_out(request: Request, found: Records) -> Records:
    subs = [str(part["key"]) for part in request.operation.sub_entities.values()] if request.operation else []
    return [{n: v for n, v in x.items() if n != subs[-1]} for x in found] if full(request) and len(subs) > 1 else found


async def without_the_last_part(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return (
        with_records(request, answer, last_part_left_out(request, records_of(request, answer))) if answer.ok else answer
    )


broken(
    "last-part-not-embedded",
    "of several sub-entities the last is not embedded",
    "list_segment_notes list_segment_exports",
    "STRUCT-02",
    without_the_last_part,
    "STRUCT-04 SHAPE-01",
    fits=fitting.every(STRUCTURED, lambda o, c: len(o.sub_entities) > 1),
    least=1,
)
broken(
    "found-pages-of-everybody",
    "from the second page on the results of another text come",
    SEARCH,
    "SEARCH-04",
    misreading(lambda r: r.asking(search_text="com") if offset(r) else r),
    "SEARCH-01 SEARCH-02 SEARCH-03 " + LISTING,
    fits=fitting.only(SEARCH),
)


# --- CODE, MEDIA ----------------------------------------------------------------------------------------------------


@breaks(
    "below-a-record-is-the-record",
    "a path that goes one step further than a record's brings the record",
    "get_tag get_report",
    "CODE-04",
    beyond=True,
    fits=fitting.every(fitting.acting("read"), fitting.ends_in_id),
    profile="release",
)
async def below_a_record(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if request.operation is not None or answer.status != 404 or request.method != "GET":
        return answer
    return await world.forward(replace(request, path=request.path.rpartition("/")[0]))


@breaks(
    "large-answers-compressed",
    "answers of more than two thousand bytes come compressed, which no header says",
    "list_tags list_feeds",
    "MEDIA-02",
    also="MEDIA-01 SHAPE-01 SHAPE-02 CODE-02 AUTH-08 "
    + LISTING
    + " PAGE-01 PAGE-07 PAGE-08 PAGE-09 ORDER-05 ORDER-06 STRUCT-01 STRUCT-02 STRUCT-03",
    fits=fitting.every(fitting.paged, fitting.at_the_top),
    least=20,
)
async def large_answers_compressed(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if len(answer.body) <= 2000:
        return answer
    return Answer(answer.status, answer.headers, gzip.compress(answer.body, mtime=0))


# --- CODE: who is looked up -----------------------------------------------------------------------------------------


def looks_up(o: Operation, c: Contract) -> bool:
    """A query parameter says whom it is about."""
    return any(p.get("x-finds") for p in o.raw.get("parameters", ()))


async def nobody_is_fine(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return replace(answer, status=200) if answer.status == 404 else answer


async def record_left_out(request: Request, world: World) -> Answer:
    parameters = request.operation.raw.get("parameters", ()) if request.operation else ()
    names = [p["name"] for p in parameters if p.get("x-finds") and "x-entity" in p]
    return await world.forward(request.asking(**dict.fromkeys(names)))


LOOK_UP = "get_wbs_customer"
broken("look-up-of-nobody-is-200", "nobody found is 200", LOOK_UP, "CODE-03", nobody_is_fine, "SHAPE-01", fits=looks_up)
broken("look-up-in-any-segment", "the segment has no say", LOOK_UP, "CODE-03", record_left_out, fits=looks_up)
