"""Bugs of values on their way into the database: what is false, empty, nothing or a list is often stored as another."""

from __future__ import annotations

import html as markup
from collections.abc import Callable
from typing import Any

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.life import acting, alone, item, with_item
from instance.faults.model import Alteration, Answer, Fitting, Request, World, breaks, broken, json_answer, refusal
from instance.schemas import Schema

Fields = dict[str, Any]
_FREE = {"type", "description", "x-provenance"}
# The places where such values can be sent differ by section: what has them is told by the schemas.


def takes(suits: Callable[[str, Schema, Contract], bool], *actions: str, least: int = 1) -> Fitting:
    """The body of a create or a change has so many fields that suit, by name and schema."""

    def fits(o: Operation, c: Contract) -> bool:
        if o.action not in actions or not fitting.writes(o, c) or o.body_schema is None:
            return False
        return sum(suits(name, schema, c) for name, schema in c.book.properties(o.body_schema).items()) >= least

    return fits


def a_flag(name: str, schema: Schema, c: Contract) -> bool:
    """A switch, but not the mark of what is in the trash."""
    return c.book.kind(schema) == "boolean" and name != "deleted"


def a_list_of_texts(name: str, schema: Schema, c: Contract) -> bool:
    """A list of texts that are no references."""
    return c.book.kind(schema) == "array" and "x-entity" not in schema and c.book.kind(schema["items"]) == "string"


def a_text(name: str, schema: Schema, c: Contract) -> bool:
    """A text without any form."""
    return schema.get("type") == "string" and set(schema) <= _FREE


several_texts = fitting.every(takes(a_text, "update", least=2), fitting.seen_alone)


async def written(request: Request, world: World, body: Fields) -> Answer:
    """The answer to a write with another body, which counts if it can be taken."""
    answer = await world.forward(request.with_body(body))
    return answer if answer.ok else await world.forward(request)


def stored(change: Callable[[Fields], Fields]) -> Alteration:
    """What is written is changed on its way; the answer shows what was stored."""

    async def alter(request: Request, world: World) -> Answer:
        body = request.json
        if not isinstance(body, dict) or acting(request) not in ("create", "update"):
            return await world.forward(request)
        changed = change(body)
        if changed == body:
            return await world.forward(request)
        return await written(request, world, changed)

    return alter


def onto_what_was(join: Callable[[Any, Any], Any]) -> Alteration:
    """What a change stores of each field is made of the value that was there and the one that was sent."""

    async def alter(request: Request, world: World) -> Answer:
        body = request.json
        if acting(request) != "update" or not isinstance(body, dict):
            return await world.forward(request)
        seen = await world.forward(alone(request))
        before = item(request, seen) if seen.ok else {}
        return await written(request, world, {name: join(before.get(name), value) for name, value in body.items()})

    return alter


broken(
    "true-is-always-stored",
    "a flag is true as soon as it is sent",
    "create_web_banner",
    "LIFE-01",
    stored(lambda body: {name: True if value is False else value for name, value in body.items()}),
    also="LIFE-03 MEDIA-06",
    fits=takes(a_flag, "create", "update"),
)
broken(
    "lists-keep-their-first",
    "of a list of values the first is stored",
    "create_attribute",
    "LIFE-01",
    stored(lambda body: {name: value[:1] if isinstance(value, list) else value for name, value in body.items()}),
    also="LIFE-03 MEDIA-06",
    fits=takes(a_list_of_texts, "create", "update"),
)


broken(
    "lists-are-joined",
    "a change puts the values of a list behind those that were there",
    "update_attribute",
    "LIFE-03",
    onto_what_was(lambda old, new: [*old, *new] if isinstance(new, list) and isinstance(old, list) else new),
    also="MEDIA-06",
    fits=fitting.every(takes(a_list_of_texts, "update"), fitting.seen_alone),
)
broken(
    "nothing-is-left-out",
    "a change to null is taken for a field that was not sent",
    "update_tag",
    "LIFE-03",
    stored(lambda body: {name: value for name, value in body.items() if value is not None}),
    also="LIFE-01 MEDIA-06 CODE-05",
    fits=takes(lambda name, schema, c: c.book.nullable(schema), "update"),
)
broken(
    "empty-text-is-left-out",
    "a field that is empty is taken for one that was not sent",
    "update_email",
    "MEDIA-06",
    stored(lambda body: {name: value for name, value in body.items() if value != ""}),
    also="LIFE-03",
    fits=several_texts,
    profile="release",
)


@breaks(
    "deleted-can-be-changed",
    "a deleted record takes changes as if it were there",
    "delete_tag delete_report",
    "LIFE-04",
    also="CODE-03",
    through="update",
    fits=fitting.every(fitting.acting("delete"), fitting.changed_alone),
)
async def deleted_can_be_changed(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    gone = world.memory.setdefault("gone", set())
    if acting(request) == "delete" and answer.ok:
        gone.add(request.path)
    if acting(request) != "update" or answer.status != 404 or request.path not in gone:
        return answer
    return json_answer(200, {"message": "changed"})


broken(
    "other-texts-escaped",
    "all texts but the name are stored with HTML entities",
    "update_report update_email",
    "MEDIA-06",
    stored(
        lambda body: {
            name: markup.escape(value) if isinstance(value, str) and name not in ("name", "id") else value
            for name, value in body.items()
        }
    ),
    also="LIFE-03",
    fits=several_texts,
)


@breaks(
    "empty-change-is-500",
    "a change that names no field breaks the server",
    "update_tag",
    "CODE-01",
    also="CODE-02 CODE-05",
    fits=fitting.every(fitting.acting("update"), fitting.writes),
)
async def empty_change_is_500(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return refusal(500) if request.json == {} and answer.status not in (401, 403) else answer


def owned(o: Operation, c: Contract) -> bool:
    """Its records have an owner, whom nobody names."""
    return fitting.records_with("user_id")(o, c) and not fitting.body_with("user_id")(o, c)


def setting(*names: str) -> Alteration:
    """Fields that the server keeps itself are taken from the body where it has them (CWE-915)."""

    async def alter(request: Request, world: World) -> Answer:
        body = request.json
        if not isinstance(body, dict) or acting(request) not in ("create", "update") or not set(names) & set(body):
            return await world.forward(request)
        answer = await world.forward(request)
        kept = await world.forward(request.with_body({n: v for n, v in body.items() if n not in names}))
        if answer.ok or not kept.ok:
            return answer
        return with_item(request, kept, {**item(request, kept), **{n: v for n, v in body.items() if n in names}})

    return alter


broken(
    "created-can-be-set",
    "who writes a record may say when it was made",
    "create_tag update_report",
    "CODE-05",
    setting("created", "modified"),
    also="LIFE-03 ORDER-02",
    fits=fitting.every(fitting.acting("create", "update"), fitting.writes, fitting.records_with("created")),
    profile="release",
)
broken(
    "owner-can-be-set",
    "who writes a record may say whose it is",
    "create_tag update_report",
    "CODE-05",
    setting("user_id"),
    fits=fitting.every(fitting.acting("create", "update"), fitting.writes, owned),
    profile="release",
)


def a_choice(name: str, schema: Schema, c: Contract) -> bool:
    """One of several words."""
    words = c.book.enum(schema) or []
    return len(words) > 1 and all(isinstance(word, str) for word in words)


async def first_choice(request: Request, world: World) -> Answer:
    body, operation = request.json, request.operation
    if acting(request) != "create" or not isinstance(body, dict) or operation is None or operation.body_schema is None:
        return await world.forward(request)
    book, contract = world.store.contract.book, world.store.contract
    choices = {n: book.enum(s) for n, s in book.properties(operation.body_schema).items() if a_choice(n, s, contract)}
    return await written(request, world, {n: (choices.get(n) or [v])[0] for n, v in body.items()})


broken(
    "first-choice-of-creates",
    "a choice between words is the first of them at first, whatever is sent",
    "share_segment_with_user create_web_banner",
    "LIFE-01",
    first_choice,
    also="CODE-05",
    fits=takes(a_choice, "create"),
)
