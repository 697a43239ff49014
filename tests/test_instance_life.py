"""Records of every entity: created, read, listed, changed, deleted, restored; answers fit the contract."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from instance.contract import Operation
from instance.schemas import Schema
from tests.contract_answers import BOOK, CONTRACT, conforms, items, newest
from tests.running_instance import RunningInstance

CREATES = [
    operation
    for operation in CONTRACT.operations.values()
    if operation.action == "create" and operation.body_media == "application/json" and operation.entity in BOOK
]
AWKWARD = "Žluťoučký \u202eשלום\u202c 👩‍🚀 \u0000 \\ \" ' <b>&amp;</b> %_* ; DROP TABLE record;-- e\u0301"


class Sample:
    """Makes a body that fits a schema, with ids of records that exist."""

    def __init__(self, instance: RunningInstance, number: int) -> None:
        self.instance = instance
        self.number = number

    def value(self, schema: Schema, name: str = "") -> Any:
        """A value that fits; `x-entity` is honoured."""
        book = CONTRACT.book
        entity = schema.get("x-entity")
        if entity:
            id = self.reference(entity)
            if book.kind(schema) == "array":
                item = schema["items"]
                return [int(id) if "integer" in book.types(item) else id]
            return int(id) if "integer" in book.types(schema) else id
        options = book.enum(schema)
        if options is not None:
            # What is deleted or hidden is not in the list.
            return options[0 if name in ("deleted", "is_hidden") else -1]
        inner = book.resolve(schema)
        if "anyOf" in inner and book.kind(schema) == "any":
            return self.value(inner["anyOf"][-1], name)
        kind = book.kind(schema)
        if kind == "object":
            required = book.required(schema)
            return {key: self.value(part, key) for key, part in book.properties(schema).items() if key in required}
        if kind == "array":
            return [self.value(inner["items"], name)] if inner.get("minItems") else []
        if kind == "integer":
            return inner.get("minimum", 0) + 7
        if kind == "boolean":
            return False
        return self.text(schema, name)

    def text(self, schema: Schema, name: str) -> str:
        """A string in the form that the schema asks for."""
        structure = CONTRACT.book.name(schema)
        inner = CONTRACT.book.resolve(schema)
        if structure == "Uuid":
            return str(uuid.uuid4())
        if structure == "JsonString":
            return '{"a": 1}' if name != "segments_acl" else "{}"
        if inner.get("format") == "email":
            return f"somebody.{uuid.uuid4().hex}@example.org"
        if name == "data_type":
            return "string"
        if name == "id":
            return "".join(chr(97 + digit % 26) for digit in uuid.uuid4().bytes)
        return f"{AWKWARD} {self.number}"

    def reference(self, entity: str) -> str:
        """The id of a record that exists."""
        if entity == "user":
            # Somebody with whom nothing is shared yet.
            return str(self.fresh_user())
        if entity == "tag":
            return str(self.instance.call("POST", "/tags", json={"name": "fresh"}).json()["tag"]["id"])
        return newest(self.instance, entity, {})

    def fresh_user(self) -> int:
        """The id of a new user."""
        body = {"name": "n", "email": f"{uuid.uuid4().hex}@example.org", "password": "x", "role_id": 2}
        return int(self.instance.call("POST", "/users", json=body).json()["user"]["id"])

    def body(self, operation: Operation, optional: bool) -> dict[str, Any]:
        """A body for the operation, with or without the fields that may be left out."""
        assert operation.body_schema is not None
        required = CONTRACT.book.required(operation.body_schema)
        return {
            name: self.value(schema, name)
            for name, schema in CONTRACT.book.properties(operation.body_schema).items()
            if optional or name in required
        }


def unwrapped(operation: Operation, answer: Any) -> dict[str, Any]:
    """The record in an answer."""
    record: dict[str, Any] = answer if operation.item_key is None else answer[operation.item_key]
    return record


def same(sent: Any, got: Any) -> bool:
    """Whether a sent value stands in the record, JSON texts and single items of lists taken into account."""
    return (
        sent == got or (isinstance(sent, str) and isinstance(got, dict)) or (isinstance(sent, dict) and got == [sent])
    )


def one(entity: str, action: str) -> Operation | None:
    """The entity's operation for an action."""
    found = CONTRACT.of_entity(entity, action)
    return found[0] if found else None


@pytest.mark.parametrize("optional", [False, True], ids=["required", "all"])
@pytest.mark.parametrize("create", CREATES, ids=lambda each: each.id)
def test_life(instance: RunningInstance, create: Operation, optional: bool) -> None:
    """Create, read, list, change, delete and delete again; nothing but what was sent changes."""
    assert create.entity is not None
    entity = BOOK[create.entity]
    path = {parameter.name: newest(instance, parameter.entity or "", {}) for parameter in create.path_parameters}
    sample = Sample(instance, 1)
    body = sample.body(create, optional)
    response = instance.call("POST", create.path.format(**path), json=body)
    assert response.status_code == create.status, (response.text, body)
    conforms(create, response.json())
    record = unwrapped(create, response.json())
    hidden = {"password", "segments_acl"}
    assert all(same(value, record[name]) for name, value in body.items() if name in record)
    assert set(body) - set(record) <= hidden
    key = str(record[entity.key_field])

    listed = one(entity.name, "list")
    assert listed is not None
    first = items(listed, instance.get(listed.path.format(**path)))[0]
    assert str(first[entity.key_field]) == key

    read, update, delete = (one(entity.name, action) for action in ("read", "update", "delete"))
    last = next((each.path_parameters[-1].name for each in (read, update, delete) if each is not None), None)
    if last is not None:
        path[last] = key
    if read is not None:
        answer = instance.get(read.path.format(**path))
        conforms(read, answer)
        got = unwrapped(read, answer)
        assert {name: value for name, value in got.items() if name in record and name != "id"} == {
            name: value for name, value in record.items() if name in got and name != "id"
        }
        common = set(first) & set(got)
        assert {name: first[name] for name in common} == {name: got[name] for name in common}
    if update is not None:
        change = Sample(instance, 2).body(update, True)
        change.pop("deleted", None)
        response = instance.call("PATCH", update.path.format(**path), json=change)
        assert response.status_code == 200, response.text
        conforms(update, response.json())
        changed = unwrapped(update, response.json())
        assert all(same(value, changed[name]) for name, value in change.items() if name in changed)
        touched = {"modified", "modified_by", "last_modified_by", "id", "customers_count", *change}
        assert {n: v for n, v in changed.items() if n not in touched} == {
            n: v for n, v in record.items() if n not in touched and n in changed
        }
    if delete is not None:
        where = delete.path.format(**path)
        assert instance.call("DELETE", where).json() == {"message": "OK"}
        for operation in (read, delete, update):
            if operation is not None:
                body_sent: dict[str, Any] | None = {} if operation.body_media else None
                gone = instance.call(operation.method, operation.path.format(**path), json=body_sent)
                assert gone.status_code == 404, gone.text
                assert gone.json()["message"]
        records = items(listed, instance.get(listed.path.format(**path)))
        assert key not in [str(each[entity.key_field]) for each in records]


def test_segment_trash_and_restore(instance: RunningInstance) -> None:
    """A deleted segment is in the trash, first; restoring brings it back as it was."""
    body = {"name": "Gone and back", "settings": {"conditions_operation": {}}}
    before = instance.call("POST", "/segments", json=body).json()["segment"]
    where = f"/segments/{before['id']}"
    assert instance.call("POST", f"{where}/restore").status_code == 404
    instance.call("DELETE", where)
    trashed = instance.get("/segments/trash")["segments"]
    assert [each["deleted"] for each in trashed if each["id"] == before["id"]] == [1]
    response = instance.call("POST", f"{where}/restore")
    assert response.status_code == 200
    assert response.json()["segment"] == before
    assert instance.get(where)["segment"] == before
    assert before["id"] not in [each["id"] for each in instance.get("/segments/trash", limit=1000)["segments"]]


@pytest.mark.parametrize("kind", ["emails", "push_notifications", "whatsapp_campaigns", "users", "segments"])
def test_deleted_can_be_set(instance: RunningInstance, kind: str) -> None:
    """PATCH puts a record into the trash and takes it out again."""
    key = kind[:-1]
    record = instance.get(f"/{kind}")[kind][0]
    yes, no = (
        (1, 0) if isinstance(record["deleted"], int) and not isinstance(record["deleted"], bool) else (True, False)
    )
    where = f"/{kind}/{record['id']}"
    gone = instance.call("PATCH", where, json={"deleted": yes})
    assert gone.json()[key]["deleted"] == yes
    assert instance.call("GET", where).status_code == 404
    assert instance.call("PATCH", where, json={"name": "x"}).status_code == 404
    back = instance.call("PATCH", where, json={"deleted": no})
    assert back.json()[key]["deleted"] == no
    assert instance.call("GET", where).status_code == 200


def test_ids_are_taken_once(instance: RunningInstance) -> None:
    """An id, an e-mail, a share or a tag that is there already is refused with 400 and nothing changes."""
    body = {"id": "twice", "name": "Twice", "type": "web"}
    assert instance.call("POST", "/customers/sources", json=body).status_code == 201
    assert instance.call("POST", "/customers/sources", json={**body, "name": "Other"}).status_code == 400
    assert instance.get("/customers/sources/twice")["source"]["name"] == "Twice"
    user = {"name": "n", "email": "Twice@example.org", "password": "x", "role_id": 2}
    assert instance.call("POST", "/users", json=user).status_code == 201
    assert instance.call("POST", "/users", json={**user, "email": "tWICE@example.org"}).status_code == 400
    where = f"/acl/segments/{newest(instance, 'segment', {})}"
    share = {"user_id": Sample(instance, 1).fresh_user(), "permission": "read"}
    assert instance.call("POST", where, json=share).status_code == 201
    assert instance.call("POST", where, json=share).status_code == 400


def test_tags_of_segments(instance: RunningInstance) -> None:
    """Assigned tags show in the segment, in the filter and in the tag's count; a deleted tag leaves the segments."""
    tag = instance.call("POST", "/tags", json={"name": "Counted"}).json()["tag"]["id"]
    body = {"name": "Tagged", "settings": {"conditions_operation": {}}}
    segment = instance.call("POST", "/segments", json=body).json()["segment"]["id"]
    assert instance.call("POST", f"/segments/{segment}/tags", json={"tag_id": tag}).status_code == 201
    assert instance.call("POST", f"/segments/{segment}/tags", json={"tag_id": tag}).status_code == 400
    assert instance.call("POST", f"/segments/{segment}/tags", json={"tag_id": 99999999}).status_code == 422
    assert instance.get(f"/segments/{segment}")["segment"]["tags"] == [tag]
    assert [each["id"] for each in instance.get("/segments", tag_ids=tag)["segments"]] == [segment]
    assert instance.get("/tags")["tags"][0]["segments_count"] == 1
    full = instance.get("/segments", tag_ids=tag, load_full_structure=1)["segments"][0]
    assert [each["name"] for each in full["tags"]] == ["Counted"]
    assert instance.call("DELETE", f"/tags/{tag}").status_code == 200
    assert instance.get(f"/segments/{segment}")["segment"]["tags"] == []


def test_filters(instance: RunningInstance) -> None:
    """Filters narrow the list to what they say, in any case of letters; empty ones do not."""
    instance.call("POST", "/segments", json={"name": "ŽLUŤOUČKÝ 100%_*", "settings": {}})
    for text, found in (("žluťoučký 100%_", True), ("ŽLUŤOUČKÝ", True), ("100x_", False)):
        answer = instance.get("/segments", name_filter=text, limit=1000)
        assert ("ŽLUŤOUČKÝ 100%_*" in [each["name"] for each in answer["segments"]]) is found
        assert answer["selection_settings"]["name_filter"] == text
        assert all(text.casefold() in each["name"].casefold() for each in answer["segments"])
    walk = instance.get("/segments", limit=1000)
    assert instance.get("/segments", limit=1000, name_filter="") == walk
    assert walk["selection_settings"]["name_filter"] is None
    shown = instance.get("/events", limit=1000)
    every = instance.get("/events", limit=1000, show_hidden=1)
    assert shown["selection_settings"]["show_hidden"] is False
    assert every["selection_settings"]["show_hidden"] is True
    assert len(every["events"]) > len(shown["events"]) >= 45
    assert [each for each in every["events"] if not each["is_hidden"]] == shown["events"]
    cascade = instance.get("/events", limit=1000, cascade_is_hidden=1)["events"]
    assert len(cascade) <= len(shown["events"])
    emails = instance.get("/emails", limit=1000)["emails"]
    word = emails[3]["subject"].split()[0]
    found = instance.get("/emails", limit=1000, searched_text=word.upper())["emails"]
    assert emails[3] in found
    assert [each for each in emails if each in found] == found
    source = instance.get("/attributes")["attributes"][0]["source_id"]
    only = instance.get("/attributes", source_ids=f"{source},nothing", limit=1000)["attributes"]
    assert only
    assert {each["source_id"] for each in only} == {source}
    assert (
        instance.call("GET", "/attributes", params={"source_ids[]": source, "limit": 1000}).json()["attributes"] == only
    )


def test_journeys_and_schedules(instance: RunningInstance) -> None:
    """A journey's state follows the calls; a campaign's schedules can be set."""
    journey = instance.call("POST", "/journeys", json={"name": "Welcome"}).json()
    assert journey["status"] == "draft"
    for action, state in (("activate", "active"), ("deactivate", "inactive"), ("stop", "stopped")):
        answer = instance.call("POST", f"/journeys/{journey['id']}/{action}", json={} if action == "activate" else None)
        assert answer.json()["status"] == state
    campaign = instance.get("/whatsapp_campaigns")["whatsapp_campaigns"][0]["id"]
    body = {"schedules": [{"segment_ids": [1]}]}
    answer = instance.call("PUT", f"/whatsapp_campaigns/activation/settings/{campaign}", json=body)
    assert answer.json()["whatsapp_campaign"]["schedules"] == body["schedules"]


@pytest.mark.parametrize(
    ("kind", "key", "exports"),
    [
        ("emails", "email_export", "email_exports"),
        ("push_notifications", "push_notification_export", "push_notification_exports"),
        ("whatsapp_campaigns", "whatsapp_export", "whatsapp_exports"),
    ],
)
def test_activation(instance: RunningInstance, kind: str, key: str, exports: str) -> None:
    """An activation becomes an export, finished, with the number of customers; test sends change nothing."""
    body = {"name": "Everybody", "settings": {"conditions_operation": {}}}
    segment = instance.call("POST", "/segments", json=body).json()["segment"]
    assert segment["customers_count"] == instance.get("/customers_count")["customer_entities_count"]
    campaign = instance.get(f"/{kind}")[kind][0]["id"]
    answer = instance.call("POST", f"/{kind}/{campaign}/manual_activation", json={"segment_ids": [str(segment["id"])]})
    assert answer.status_code == 201
    started = answer.json()[key]
    assert started["segment_ids"] == [segment["id"]]
    first = instance.get(f"/{kind}/{campaign}/exports")[exports][0]
    assert first["id"] == started["id"]
    assert first["status"] == "finished"
    assert first["message_counts"]["total"] == segment["customers_count"]
    assert instance.get(f"/{kind}/{campaign}/exports/{started['id']}")[key]["segments"][0]["name"] == "Everybody"
    wrong = instance.call("POST", f"/{kind}/{campaign}/manual_activation", json={"segment_ids": [99999999]})
    assert wrong.status_code == 422


def test_segment_export(instance: RunningInstance) -> None:
    """An export of a segment is recorded with its conditions, and noted in segment and destination."""
    segment = instance.get("/segments")["segments"][0]
    destination = instance.get("/segments/export/destinations")["segment_export_destinations"][0]["id"]
    body = {"segment_export_destination_id": destination}
    response = instance.call("POST", f"/segments/{segment['id']}/exports", json=body)
    assert response.status_code == 201
    export = response.json()["segment_export"]
    conforms(CONTRACT.operations["run_segment_export"], response.json())
    assert export["settings"]["conditions_operation"] == segment["settings"].get("conditions_operation", {})
    assert instance.get(f"/segments/{segment['id']}")["segment"]["last_export"] == export["created"]


def test_promo_codes(instance: RunningInstance) -> None:
    """Codes are uploaded from CSV, handed out once each in order, and counted; then there are none."""
    made = instance.call("POST", "/promo_codes_lists", json={"name": "Sale"}).json()
    where = f"/promo_codes_lists/{made['id']}"
    response = instance.call("POST", where, files={"file": ("codes.csv", 'ONE\r\n\r\n"TW,O"\n', "text/csv")})
    assert response.json() == {"message": "OK"}
    assert instance.get(where)["codes_count"] == 2
    take = instance.url(f"/promo_codes/{made['id']}", "origin")
    assert [instance.session.get(take).json()["promo_code"] for _ in range(2)] == ["ONE", "TW,O"]
    assert instance.session.get(take).status_code == 404
    assert instance.get(where)["codes_count"] == 0
    broken = instance.call("POST", where, files={"file": ("codes.csv", b"A,B\n", "text/csv")})
    assert broken.status_code == 422
    assert instance.call("POST", where, files={"other": ("x", b"")}).status_code == 422


def test_images(instance: RunningInstance) -> None:
    """A picture's record tells name and size."""
    response = instance.call("POST", "/images", files={"file": ("pić.png", b"\x89PNG\x00\xff", "image/png")})
    assert response.status_code == 201
    conforms(CONTRACT.operations["upload_image"], response.json())
    image = response.json()["image"]
    assert image["size"] == 6
    assert instance.call("DELETE", f"/images/{image['id']}").status_code == 200


def test_settings_history_and_channels(instance: RunningInstance) -> None:
    """A changed setting leaves its former value in the history; the push channel keeps what it is given."""
    setting = instance.get("/global_settings")["global_settings"][0]
    where = f"/global_settings/{setting['id']}"
    answer = instance.call("PATCH", where, json={"value": "new"}).json()["global_setting"]
    assert answer == {**setting, "value": "new"}
    past = instance.get(f"{where}/history")["global_setting_history"][0]
    assert past["value"] == setting["value"]
    assert past["key"] == setting["key"]
    cap = {"max_count": 5, "period": {"type": "WEEKS", "size": 2}}
    answer = instance.call("POST", "/channels/push_notifications/frequency_cap", json=cap)
    assert answer.status_code == 200
    assert instance.get("/channels/push_notifications")["push_notification_channel"]["frequency_cap"] == cap


def test_notifications(instance: RunningInstance) -> None:
    """Paged backwards by id; an unknown id is 404; all can be marked as read."""
    first = instance.get("/notifications")
    assert len(first["notifications"]) == 20 == first["meta"]["result_count"]
    second = instance.get("/notifications", until_id=first["meta"]["oldest_id"], limit=5)
    assert [each["id"] for each in instance.get("/notifications", limit=25)["notifications"]] == [
        each["id"] for each in first["notifications"] + second["notifications"]
    ]
    unknown = instance.call("GET", "/notifications", params={"until_id": str(uuid.uuid4())})
    assert unknown.status_code == 404
    assert unknown.json()["message"] == "Notification doesn't exist"
    response = instance.call("PATCH", "/notifications")
    assert (response.status_code, response.content) == (200, b"")
    assert all(each["is_read"] for each in instance.get("/notifications", limit=100)["notifications"])


def test_fields_that_carry_json(instance: RunningInstance) -> None:
    """JSON texts in requests become objects in answers; what is no object is 422; segments_acl gives access."""
    segment = int(newest(instance, "segment", {}))
    body = {"name": "n", "email": f"{uuid.uuid4().hex}@example.org", "password": "x", "role_id": 2}
    body |= {"frontend_settings": '{"a": [1]}', "segments_acl": f'{{"{segment}": "write"}}'}
    response = instance.call("POST", "/users", json=body)
    user = response.json()["user"]
    assert user["frontend_settings"] == {"a": [1]}
    assert isinstance(user["id"], str)
    assert "password" not in user
    assert "segments_acl" not in user
    users = instance.get(f"/acl/segments/{segment}", limit=1000)["segment_users"]
    assert [each["permission"] for each in users if each["user_id"] == int(user["id"])] == ["write"]
    for wrong in ("[]", "{", "1"):
        response = instance.call("PATCH", f"/users/{user['id']}", json={"frontend_settings": wrong})
        assert response.status_code == 422
        assert "frontend_settings" in response.json()["message"]
