"""Bugs of doors that are a little too wide or a little too narrow: tokens, roles, media types, bodies and ids."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from instance import records
from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.answers import answering, is_error, ok, spoilt
from instance.faults.callers import known_token
from instance.faults.model import TOKEN, Alteration, Answer, Fitting, Request, World, breaks, broken
from instance.faults.roles import FEATURED, role
from instance.faults.tokens import OPERATIONS, token_in
from instance.schemas import Schema

Fields = dict[str, Any]
WRITES = "create_tag update_report"


# --- AUTH -----------------------------------------------------------------------------------------------------------


def in_basic(request: Request) -> str | None:
    """A token as the password or the name of Authorization: Basic."""
    kind, _, told = (request.header(b"authorization") or b"").decode("latin-1").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(told).decode("latin-1").partition(":")
    except ValueError:
        return None
    return password or name


def elsewhere(name: str, what: str, found: Callable[[Request], str | None], profile: str = "quick") -> None:
    broken(name, what, "get_user_role create_tag", "AUTH-04", token_in(found), profile=profile)


def in_header(*names: bytes) -> Callable[[Request], str | None]:
    return lambda r: next((told.decode("latin-1") for n in names if (told := r.header(n))), None)


elsewhere(
    "token-in-bare-authorization",
    "a token in Authorization counts without any word before it",
    lambda r: None if b" " in (t := r.header(b"authorization") or b"") else t.decode("latin-1"),
    "release",
)
elsewhere("token-in-basic-authorization", "a token counts as the password of Authorization: Basic", in_basic, "release")
elsewhere(
    "token-in-another-header", "a token in X-Api-Key or X-Auth-Token counts", in_header(b"x-api-key", b"x-auth-token")
)


@breaks(
    "token-by-its-form",
    "whatever has the length and the letters of a token is let through",
    OPERATIONS,
    "AUTH-03",
    also="AUTH-02 AUTH-05 AUTH-06 ROLE-07",
)
async def token_by_its_form(request: Request, world: World) -> Answer:
    sent = request.header(TOKEN) or b""
    if world.features(request) is not None:
        world.memory["length"] = len(sent)
    formed = len(sent) == world.memory.get("length", 0) and re.fullmatch(rb"[A-Za-z0-9_.-]+", sent)
    counts = formed and known_token(request, world) is None
    return await world.forward(world.as_admin(request) if counts else request)


# --- ROLE -----------------------------------------------------------------------------------------------------------


def access(name: str, what: str, by: str, alter: Alteration, *more: Any, on: str = FEATURED) -> None:
    also = "ROLE-01 ROLE-02 ROLE-03 ROLE-04 ROLE-06"
    broken(name, what, on, by, alter, also, fits=fitting.every(fitting.featured, *more))


access(
    "only-the-first-held-counts",
    "of the features of a role only the first counts",
    "ROLE-03",
    role(lambda held, needed, right: right and (len(held) > 40 or bool(set(sorted(held)[:1]) & needed))),
)
access(
    "only-ten-features-count",
    "of a role's features only the first ten count, but for who has nearly all",
    "ROLE-03",
    role(lambda held, needed, right: right and (len(held) > 40 or bool(set(sorted(held)[:10]) & needed))),
)
access(
    "same-area-opens",
    "any feature of the same area opens",
    "ROLE-03",
    role(
        lambda held, needed, right: (
            right or bool({h.partition("/")[0] for h in held if "/" in h} & {n.partition("/")[0] for n in needed})
        )
    ),
    fitting.in_areas,
)
access(
    "two-together-are-refused",
    "of a one-of list no two may be held together",
    "ROLE-03",
    role(lambda held, needed, right: right and (len(held) > 40 or len(held & needed) < 2)),
    fitting.one_of,
    on="get_custom_email_block list_events",
)
access(
    "no-features-open",
    "a role without any feature may do everything",
    "ROLE-01",
    role(lambda held, needed, right: right or not held),
)


@breaks(
    "administrator-by-name",
    "a role with the word admin in its name may do everything",
    FEATURED,
    "ROLE-03",
    also="ROLE-01 ROLE-04 ROLE-06",
    fits=fitting.featured,
)
async def administrator_by_name(request: Request, world: World) -> Answer:
    found = known_token(request, world)
    user = records.get(world.store, "user", found[0]) if found and not found[1] else None
    held = records.get(world.store, "user_role", user["role_id"]) if user else None
    named = held is not None and "admin" in str(held.get("name")).lower() and world.features(request) is not None
    return await world.forward(world.as_admin(request) if named else request)


# --- MEDIA ----------------------------------------------------------------------------------------------------------


def media(name: str, what: str, by: str, alter: Alteration, also: str = "", fits: Any = None) -> None:
    broken(name, what, OPERATIONS, by, alter, also, fits=fits)


media(
    "successes-begin-with-a-mark",
    "successes begin with a byte order mark",
    "MEDIA-02",
    answering(spoilt(lambda b: b"\xef\xbb\xbf" + b), ok),
    "MEDIA-01 SHAPE-01 SHAPE-02 CODE-02 AUTH-08",
)
media(
    "errors-as-problem-json",
    "errors come as application/problem+json",
    "MEDIA-01",
    answering(lambda a: a.typed("application/problem+json"), is_error),
    "CODE-06",
    fitting.refusing_something,
)
media(
    "errors-without-type",
    "errors come without a media type",
    "MEDIA-01",
    answering(lambda a: replace(a, headers=()), is_error),
    "CODE-06 AUTH-07 ROLE-08",
    fitting.refusing_something,
)


def repaired(repair: Callable[[bytes], bytes]) -> Alteration:
    """A malformed body is read by a parser that takes more than JSON."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if answer.status != 400 or request.json is not None:
            return answer
        changed = repair(request.body)
        return answer if changed == request.body else await world.forward(replace(request, body=changed))

    return alter


def lax_parser(
    name: str,
    what: str,
    repair: Callable[[bytes], bytes],
    on: str = WRITES,
    fits: Fitting = fitting.writes,
    *,
    softly: bool = False,
) -> None:
    broken(name, what, on, "MEDIA-03", repaired(repair), "CODE-05", fits=fits, profile="release", softly=softly)


lax_parser(
    "trailing-comma-taken",
    "a comma behind the last value of a body is taken",
    lambda b: re.sub(rb",\s*([}\]])", rb"\1", b),
)
lax_parser(
    "what-follows-a-body-is-ignored", "what follows the JSON of a body is ignored", lambda b: b[: b.rfind(b"}") + 1]
)
lax_parser(
    "bare-keys-taken", "a body with bare keys is taken", lambda b: re.sub(rb"([{,]\s*)(\w+)(\s*:)", rb'\1"\2"\3', b)
)
lax_parser(
    "line-ends-in-texts-taken",
    "a line may end within a text of a body",
    lambda b: b.replace(b"\n", b" "),
    fits=fitting.body_with("name"),
)
lax_parser(
    "single-quotes-taken", "a body with single quotes is taken", lambda b: b.replace(b"'", b'"') if b'"' not in b else b
)


# --- CODE -----------------------------------------------------------------------------------------------------------


def coerced(
    name: str,
    what: str,
    suits: Callable[[Schema, Contract], bool],
    change: Callable[[Any], Any],
    on: str = "create_report update_report",
    profile: str = "release",
) -> None:
    """Values of another type are made to fit, where the body has fields that suit."""

    def fields(o: Operation, c: Contract) -> set[str]:
        found = c.book.properties(o.body_schema).items() if o.body_schema else ()
        return {n for n, schema in found if suits(schema, c)}

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        body, operation = request.json, request.operation
        if answer.status not in (400, 422) or not isinstance(body, dict) or operation is None:
            return answer
        names = fields(operation, world.store.contract)
        return await world.forward(request.with_body({n: change(v) if n in names else v for n, v in body.items()}))

    fits = fitting.every(fitting.writes, fitting.acting("create", "update"), lambda o, c: bool(fields(o, c)))
    broken(name, what, on, "CODE-05", alter, "MEDIA-03", fits=fits, profile=profile)


def a_text(schema: Schema, c: Contract) -> bool:
    """A text of any form."""
    return c.book.kind(schema) == "string" and not c.book.nullable(schema) and not c.book.enum(schema)


coerced(
    "numbers-become-texts",
    "a number in place of a text is stored as a text",
    a_text,
    lambda v: str(v) if isinstance(v, (int, float)) and not isinstance(v, bool) else v,
)
coerced("null-becomes-a-text", "null in place of a text is stored as one", a_text, lambda v: "none" if v is None else v)
coerced(
    "flags-from-texts",
    "a text or a number in place of a flag is taken for one",
    lambda schema, c: c.book.kind(schema) == "boolean",
    lambda v: v if isinstance(v, bool) else v not in ("false", "0", 0, ""),
    "create_web_banner update_push_notification",
)


def read_as(name: str, what: str, wrong: Callable[[str], str | None], by: str = "CODE-03") -> None:
    """An id that is none is read as one."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        better = wrong(request.ids[-1]) if request.ids else None
        return await world.forward(request.at_id(better)) if better and answer.status in (400, 404, 422) else answer

    fits = fitting.every(fitting.acting("read"), fitting.ends_in_id, fitting.numbered)
    broken(name, what, "get_tag get_report", by, alter, "CODE-01", fits=fits, profile="release")


read_as("minus-in-ids-lost", "an id with a minus is read without it", lambda t: t[1:] if t[:1] == "-" else None)
read_as(
    "fractions-of-ids-cut", "an id of 1.5 is read as 1", lambda t: t.split(".")[0] if re.match(r"\d+\.", t) else None
)
