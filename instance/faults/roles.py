"""Bugs of roles (ROLE)."""

from __future__ import annotations

from collections.abc import Callable

from instance import records
from instance.faults import fitting
from instance.faults.callers import executed, known_token, refusing, showing, telling
from instance.faults.model import TOKEN, Alteration, Answer, Request, World, breaks, broken, html, refusal, with_records

# Operations whose features are documented: what is only assumed is worth a WARN.
FEATURED = "list_events get_custom_email_block create_custom_email_block update_email_template delete_journey"
ONE_OF = "get_custom_email_block list_events"
WRITES = (
    "create_report update_report delete_report create_segment_note update_email delete_feed share_segment_with_user"
)
Rule = Callable[[frozenset[str], frozenset[str], bool], bool]


def role(allowed: Rule) -> Alteration:
    """The role is checked in another way: by the features held, those required, and what would be right."""

    async def alter(request: Request, world: World) -> Answer:
        held = world.features(request)
        operation = request.operation
        if held is None or operation is None:
            return await world.forward(request)
        if allowed(held, frozenset(operation.features), operation.allows(held)):
            return await world.forward(world.as_admin(request))
        return refusal(403)

    return alter


NOT_FORBIDDEN = "ROLE-03 ROLE-04 ROLE-06"
broken(
    "role-not-checked",
    "the role is not checked",
    FEATURED,
    "ROLE-01",
    role(lambda *_: True),
    NOT_FORBIDDEN + " ROLE-05",
)
broken(
    "role-not-checked-on-write",
    "the role is checked on GET but not on PATCH",
    "update_report",
    "ROLE-01",
    role(lambda *_: True),
    NOT_FORBIDDEN + " ROLE-05",
    fits=fitting.acting("update"),
)
broken(
    "forbidden-is-404",
    "too small a role is 404",
    FEATURED,
    "ROLE-01",
    refusing(403, lambda a: refusal(404)),
    NOT_FORBIDDEN,
)
broken(
    "forbidden-is-401",
    "too small a role is 401",
    FEATURED,
    "ROLE-01",
    refusing(403, lambda a: refusal(401)),
    NOT_FORBIDDEN,
)
broken(
    "forbidden-is-500",
    "too small a role is 500",
    FEATURED,
    "ROLE-01 CODE-01",
    refusing(403, lambda a: refusal(500)),
    NOT_FORBIDDEN,
)


@breaks(
    "forbidden-is-empty",
    "too small a role sees an empty list",
    "list_reports list_feeds",
    "ROLE-01",
    "ROLE-03 ROLE-06",
    fits=fitting.every(fitting.featured, fitting.lists),
)
async def forbidden_is_empty(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if answer.status != 403:
        return answer
    full = await world.forward(world.as_admin(request))
    return with_records(request, full, []) if full.ok else full


broken(
    "first-feature-only",
    "of a one-of list only the first feature counts",
    ONE_OF,
    "ROLE-02",
    role(lambda held, needed, right: sorted(needed)[0] in held),
    "ROLE-03 ROLE-06",
    fits=fitting.one_of,
)
broken(
    "last-feature-only",
    "of a one-of list only the last feature counts",
    ONE_OF,
    "ROLE-02",
    role(lambda held, needed, right: sorted(needed)[-1] in held),
    "ROLE-03",
    fits=fitting.one_of,
)
broken(
    "all-features-needed",
    "of a one-of list every feature is wanted",
    ONE_OF,
    "ROLE-02",
    role(lambda held, needed, right: needed <= held),
    "ROLE-03 ROLE-06",
    fits=fitting.one_of,
)
broken(
    "wrong-feature-needed",
    "another feature than the documented one opens an operation",
    "create_tag get_push_notification",
    "ROLE-02",
    role(lambda held, needed, right: "settings/users" in held),
    "ROLE-03 ROLE-06",
    fits=fitting.without_feature("settings/users"),
)

broken(
    "nobody-allowed",
    "an operation is forbidden to every role",
    "create_tag list_events get_push_notification",
    "ROLE-02",
    role(lambda *_: False),
    fits=fitting.featured,
)
broken(
    "free-is-forbidden",
    "an operation that needs no feature is forbidden to every role",
    "list_channels list_notifications list_tags",
    "ROLE-03",
    role(lambda *_: False),
    softly=True,  # that it needs none is only assumed
    fits=fitting.free,
)
broken(
    "longer-name-opens",
    "a feature whose name goes on after the required one opens",
    FEATURED,
    "ROLE-03",
    role(lambda held, needed, right: any(h.startswith(n) for h in held for n in needed)),
)
broken(
    "area-opens",
    "the name of the area alone opens",
    FEATURED,
    "ROLE-03",
    role(lambda held, needed, right: right or any(n.startswith(h + "/") for h in held for n in needed)),
    fits=fitting.in_areas,
)
broken(
    "names-without-case",
    "features are compared without case",
    FEATURED,
    "ROLE-03",
    role(lambda held, needed, right: bool({h.lower() for h in held} & needed)),
)
broken(
    "name-inside-opens",
    "features are looked for inside a text",
    FEATURED,
    "ROLE-03",
    role(lambda held, needed, right: any(n in ",".join(held) for n in needed)),
)
broken(
    "any-feature-opens",
    "any feature opens",
    FEATURED,
    "ROLE-03",
    role(lambda held, needed, right: bool(held)),
    "ROLE-06",
)
broken(
    "other-feature-opens",
    "a feature that is not documented opens, too",
    FEATURED,
    "ROLE-03",
    role(lambda held, needed, right: right or "settings/users" in held),
    fits=fitting.without_feature("settings/users"),
)


def earlier(*statuses: int) -> Alteration:
    """Errors with these statuses come before the role is looked at."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.status != 403 or request.operation is None:
            return answer
        if 404 in statuses and request.ids and await missing(request, world):
            return refusal(404)
        if 422 in statuses and request.body and not isinstance(request.json, dict):
            return refusal(422)
        return answer

    return alter


async def missing(request: Request, world: World) -> bool:
    """Whether the record asked about is not there."""
    entity = request.operation.entity if request.operation else None
    return entity is not None and records.get(world.store, entity, request.ids[-1]) is None


broken(
    "unknown-id-before-role",
    "an unknown id is 404 before the role is looked at",
    "get_report update_report delete_report",
    "ROLE-04",
    earlier(404),
    fits=fitting.stored,
)
broken(
    "body-before-role",
    "an invalid body is 422 before the role is looked at",
    "create_report update_report",
    "ROLE-04",
    earlier(422),
    fits=fitting.writes,
)
broken(
    "forbidden-but-done",
    "a write of too small a role is refused, and done all the same",
    WRITES,
    "ROLE-05",
    executed(403),
)


def remembering(which: Callable[[bool], bool]) -> Alteration:
    """What the role was allowed the first time a token came is remembered, where `which` says so."""

    async def alter(request: Request, world: World) -> Answer:
        held, operation = world.features(request), request.operation
        if held is None or operation is None:
            return await world.forward(request)
        key = operation.id, request.header(TOKEN)
        allowed = world.memory.get(key, operation.allows(held))
        if which(allowed):
            world.memory.setdefault(key, allowed)
        return await world.forward(world.as_admin(request)) if allowed else refusal(403)

    return alter


LATE = "get_report list_reports update_report create_report get_feed"
broken(
    "grant-counts-late",
    "a feature that was granted does not count for old tokens",
    LATE,
    "ROLE-06",
    remembering(lambda allowed: not allowed),
)
broken(
    "withdrawal-counts-late",
    "a feature that was withdrawn counts on for old tokens",
    LATE,
    "ROLE-06",
    remembering(lambda allowed: allowed),
)
broken(
    "role-read-at-login", "features are those of the first request", LATE, "ROLE-06", remembering(lambda allowed: True)
)


def user_ended(how: str) -> Alteration:
    """The tokens of a user who was disabled or deleted count on."""

    async def alter(request: Request, world: World) -> Answer:
        row = known_token(request, world)
        if row and not row[1] and world.features(request) is None:
            user = records.get(world.store, "user", row[0], deleted=None)
            if how == ("disabled" if user and user["disabled"] and not user["deleted"] else "deleted"):
                request = world.as_admin(request)
        return await world.forward(request)

    return alter


USED = "get_report list_tags create_tag delete_report get_identity"
broken("disabled-user-goes-on", "the token of a disabled user counts on", USED, "ROLE-07", user_ended("disabled"))
broken("deleted-user-goes-on", "the token of a deleted user counts on", USED, "ROLE-07", user_ended("deleted"))


@breaks("deleted-user-is-500", "the token of a deleted user is 500", USED, "ROLE-07 CODE-01")
async def deleted_user_is_500(request: Request, world: World) -> Answer:
    row = known_token(request, world)
    return refusal(500) if row and not row[1] and world.features(request) is None else await world.forward(request)


broken(
    "forbidden-in-html", "a 403 comes in HTML", FEATURED, "ROLE-08 MEDIA-01 CODE-06", refusing(403, lambda a: html(403))
)
broken(
    "forbidden-shows-record",
    "a 403 brings the record",
    "get_report update_report",
    "ROLE-08",
    showing(403),
    fits=fitting.every(fitting.featured, fitting.item),
)
broken(
    "forbidden-shows-list",
    "a 403 brings the list",
    "list_reports",
    "ROLE-08",
    showing(403),
    fits=fitting.every(fitting.featured, fitting.lists),
)
broken(
    "forbidden-shows-path",
    "a 403 shows a file's path",
    FEATURED,
    "ROLE-08 CODE-07",
    refusing(403, telling(detail="denied in /srv/app/acl.py")),
)
broken(
    "forbidden-without-message",
    "a 403 has no message",
    FEATURED,
    "ROLE-08 CODE-06",
    refusing(403, lambda a: a.showing({"error": 403})),
)
