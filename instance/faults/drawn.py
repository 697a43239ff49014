"""Bugs that only drawn requests find: each shows with one unlikely value, and the short profile does not meet it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from instance.faults import fitting
from instance.faults.codes import instead
from instance.faults.life import MADE
from instance.faults.model import (
    FAULTS,
    Alteration,
    Answer,
    Fault,
    Request,
    World,
    broken,
    html,
    json_answer,
    records_of,
    refusal,
    with_records,
)
from instance.faults.shapes import without

DRAWN: dict[str, tuple[Fault, str]] = {}
"""Faults by name, with the check of Schemathesis that speaks of each."""


FAR, LARGEST = 500_000, 1_500_000_000


def drawn(
    name: str,
    what: str,
    on: str,
    by: str,
    check: str,
    alter: Alteration,
    *,
    also: str = "",
    through: str = "",
    beyond: bool = False,
) -> None:
    """Put a fault on the list."""
    broken(name, what, on, by, alter, also, through, beyond=beyond, profile="release", fits=fitting.only(*on.split()))
    DRAWN[name] = FAULTS[name], check


def described(request: Request) -> bool:
    """Whether a record comes with the description that it need not have."""
    return isinstance(request.json, dict) and "description" in request.json


def of_others(request: Request) -> bool:
    """Whether a report comes with a description that does not begin as the suite's own texts do: only a drawn one."""
    text = request.json["description"] if described(request) else None
    return isinstance(text, str) and bool(text) and not text.startswith(MADE)


def taken(where: Callable[[Request], bool], repaired: Callable[[Request], Request]) -> Alteration:
    """Where it fits, another request is answered."""

    async def alter(request: Request, world: World) -> Answer:
        return await world.forward(repaired(request) if where(request) else request)

    return alter


# --- what is asked for in a query ----------------------------------------------------------------------------------

drawn(
    "empty-filter-is-500",
    "an empty text to filter by is 500",
    "list_tags",
    "CODE-01",
    "not_a_server_error",
    instead(lambda r, a: r.get("name_filter") == "", lambda a: refusal(500)),
)
drawn(
    "largest-offset-is-418",
    "an offset near the largest that the contract allows is 418",
    "list_tags list_reports",
    "CODE-02",
    "status_code_conformance",
    instead(lambda r, a: a.ok and r.number("offset", 0) > LARGEST, lambda a: refusal(418)),
)
drawn(
    "odd-offset-is-taken",
    "an offset of letters counts as 0",
    "list_web_banners list_reports",
    "PAGE-07",
    "negative_data_rejection",
    taken(lambda r: (r.get("offset") or "0").isalpha() and r.get("offset") != "ten", lambda r: r.asking(offset=None)),
)
drawn(
    "odd-order-is-taken",
    "an order_dir that is no word is left out",
    "list_tags list_reports",
    "ORDER-05",
    "negative_data_rejection",
    taken(
        lambda r: not (r.get("order_dir") or "ASC").isalpha() and r.get("order_dir") != "-1",
        lambda r: r.asking(order_dir=None),
    ),
)
drawn(
    "odd-order-is-418",
    "an order_dir that is no word is 418",
    "list_tags list_reports",
    "ORDER-05",
    "status_code_conformance",
    instead(
        lambda r, a: a.status == 400 and (r.get("order_dir") or "ASC") not in ("ASC", "DESC", "sideways"),
        lambda a: refusal(418),
    ),
)
drawn(
    "far-page-is-html",
    "a page that is far away comes as HTML",
    "list_tags list_reports",
    "MEDIA-01",
    "content_type_conformance",
    instead(lambda r, a: a.ok and r.number("offset", 0) > FAR, lambda a: html(200)),
)


async def filtered_lack_created(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    everything = {"limit", "order_by", "order_dir", "name_filter"} <= {name for name, _ in request.query}
    if not answer.ok or not everything:
        return answer
    return with_records(request, answer, [without("created")(r) for r in records_of(request, answer)])


drawn(
    "filtered-lack-created",
    "records lack created when everything is asked for at once",
    "list_tags",
    "SHAPE-01",
    "response_schema_conformance",
    filtered_lack_created,
)
drawn(
    "odd-limit-has-no-message",
    "the refusal of a limit of letters has another form",
    "list_web_banners",
    "CODE-06",
    "response_schema_conformance",
    instead(
        lambda r, a: a.status == 400 and (r.get("limit") or "0").isalpha() and r.get("limit") != "ten",
        lambda a: json_answer(400, {"error": "No."}),
    ),
    also="PAGE-07",
)
drawn(
    "odd-id-is-read",
    "an id of letters is read as 1",
    "get_report",
    "CODE-03",
    "negative_data_rejection",
    taken(lambda r: bool(r.ids) and r.ids[-1].isalpha(), lambda r: r.at_id("1")),
)

# --- what stands in a body -----------------------------------------------------------------------------------------

drawn(
    "description-is-500",
    "a report with a description is 500",
    "create_report",
    "CODE-01",
    "not_a_server_error",
    instead(lambda r, a: a.ok and of_others(r), lambda a: refusal(500)),
)
drawn(
    "description-is-refused",
    "what comes with a description is 422",
    "create_source create_user_role update_journey",
    "CODE-02",
    "positive_data_acceptance",
    instead(lambda r, a: a.ok and described(r), lambda a: refusal(422)),
)
drawn(
    "description-of-any-type",
    "a description that is true or false is taken for none",
    "create_report",
    "CODE-05",
    "negative_data_rejection",
    taken(
        lambda r: described(r) and isinstance(r.json["description"], bool),
        lambda r: r.with_body({n: v for n, v in r.json.items() if n != "description"}),
    ),
)
drawn(
    "odd-description-is-418",
    "a description that is true or false is 418",
    "create_report update_report",
    "CODE-05",
    "status_code_conformance",
    instead(
        lambda r, a: a.status == 422 and described(r) and isinstance(r.json["description"], bool),
        lambda a: refusal(418),
    ),
)

# --- methods, and the life of a record -----------------------------------------------------------------------------

drawn(
    "no-allow-header",
    "the refusal of a method does not say which are taken",
    "get_tag list_reports",
    "CODE-04",
    "unsupported_method",
    instead(
        lambda r, a: a.status == 405,
        lambda a: Answer(a.status, tuple((n, v) for n, v in a.headers if n != "allow"), a.body),
    ),
    beyond=True,
)


def of_described(then: Callable[[Request, World], Awaitable[Answer | None]]) -> Alteration:
    """Something else is answered about reports that were created with a description."""

    async def alter(request: Request, world: World) -> Answer:
        marked = world.memory.setdefault("described", set())
        if request.operation is not None and request.operation.id == "create_report":
            answer = await world.forward(request)
            if answer.ok and of_others(request):
                marked.add(str(answer.json["report"]["id"]))
            return answer
        other = await then(request, world) if request.ids and request.ids[-1] in marked else None
        return other or await world.forward(request)

    return alter


async def unread(request: Request, world: World) -> Answer | None:
    assert request.operation is not None
    return refusal(404) if request.operation.id == "get_report" else None


async def undeleted(request: Request, world: World) -> Answer | None:
    assert request.operation is not None
    return json_answer(200, {"message": "OK"}) if request.operation.id == "delete_report" else None


drawn(
    "described-cannot-be-read",
    "a report that was created with a description is not there",
    "create_report",
    "LIFE-01",
    "ensure_resource_availability",
    of_described(unread),
    through="read",
)
drawn(
    "described-survives",
    "a report that was created with a description is not deleted",
    "delete_report",
    "LIFE-04",
    "use_after_free",
    of_described(undeleted),
    through="create read",
)
