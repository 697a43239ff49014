"""A believable value for each field of each entity, whatever the entity is."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from instance.seeding.customer_definitions import ATTRIBUTES
from instance.seeding.words import Words
from instance.store import Store

Record = dict[str, Any]
STATUSES = ("finished", "finished", "finished", "finished", "running", "waiting", "error", "canceled")
FORM = "%Y-%m-%d %H:%M:%S"


class Values:
    """Makes field values. `known` holds the ids of each entity seeded so far."""

    def __init__(self, store: Store, rng: random.Random, anchor: datetime) -> None:
        self.store = store
        self.rng = rng
        self.anchor = anchor
        self.words = Words(rng)
        self.known: dict[str, list[Any]] = {}
        self.segments: dict[int, Record] = {}
        self.features = sorted(store.contract.features)

    def uuid(self) -> str:
        """A random UUID from the seed."""
        return str(UUID(int=self.rng.getrandbits(128), version=4))

    def after(self, moment: datetime) -> datetime:
        """Some moment between the given one and the anchor."""
        room = max(int((self.anchor - moment).total_seconds()), 1)
        return moment + timedelta(seconds=self.rng.randrange(room))

    def some(self, entity: str, most: int, least: int = 0) -> list[Any]:
        """A few ids of an entity, none twice."""
        ids = self.known.get(entity, [])
        return self.rng.sample(ids, min(len(ids), self.rng.randrange(least, most + 1)))

    def one(self, entity: str) -> Any:
        """One id of an entity."""
        return self.rng.choice(self.known[entity])

    def fill(self, entity: str, record: Record, place: int, moment: datetime, references: dict[str, str]) -> Record:
        """Complete a record: fields that stand already are kept, all others are made up."""
        known = self.store.entities[entity]
        for name, schemas in known.fields.items():
            if name in record:
                continue
            special = SPECIAL.get((entity, name)) or SPECIAL.get(("", name))
            if special is not None:
                record[name] = special(self, record, place, moment)
            elif name in references and self.known.get(references[name]):
                record[name] = self._reference(references[name], schemas[0], all(map(self._nullable, schemas)))
            else:
                record[name] = self._plain(name, schemas, place, moment)
        return record

    def _nullable(self, schema: Record) -> bool:
        return self.store.contract.book.nullable(schema)

    def _reference(self, entity: str, schema: Record, nullable: bool) -> Any:
        book = self.store.contract.book
        if book.kind(schema) == "array":
            ids = self.some(entity, 4)
            items = book.types(book.resolve(schema).get("items", {}))
            return [str(id) for id in ids] if "string" in items and "integer" not in items else ids
        if nullable and self.rng.randrange(3) == 0:
            return None
        id = self.one(entity)
        return str(id) if "string" in book.types(schema) else id

    def _plain(self, name: str, schemas: list[Record], place: int, moment: datetime) -> Any:
        book = self.store.contract.book
        schema = schemas[0]
        nullable = all(map(self._nullable, schemas))
        if book.date_form(schema):
            if name in ("created", "origin_created"):
                return book.write_date(schema, moment)
            if nullable and self.rng.randrange(3) == 0:
                return None
            return book.write_date(schema, self.after(moment))
        options = book.enum(schema)
        if options is not None:
            if set(options) == {0, 1}:
                return int(name != "deleted" and self.rng.randrange(6) == 0)
            return self.rng.choice(options)
        kind = book.kind(schema)
        if kind == "boolean":
            return name != "deleted" and self.rng.randrange(2) == 0
        if kind == "integer":
            return self.rng.randrange(0, 5000)
        if kind == "string":
            return None if nullable and self.rng.randrange(4) == 0 else self._text(name, place)
        return None if nullable else book.smallest(schema)

    def _text(self, name: str, place: int) -> str:
        if name == "name":
            return self.words.name(place)
        if "url" in name:
            return f"https://www.example.com/{self.words.word()}/{place}.html"
        if name == "content_json":
            return orjson.dumps({"rows": [{"text": self.words.sentence()}]}).decode()
        if name == "content_html":
            return f"<p>{self.words.sentence()}</p>"
        if "email" in name:
            return f"{self.words.word()}.{place}@example.com"
        if name == "color":
            return str(self.rng.choice(self.words.colors))
        if name in ("icon", "campaign_type", "type"):
            return self.words.word()
        return self.words.sentence()

    def conditions(self) -> Record:
        """A condition tree over seeded attributes; one in eight holds everyone."""
        if self.rng.randrange(8) == 0:
            return {}
        operands = [self._leaf() for _ in range(self.rng.randrange(1, 4))]
        return {
            "operation": self.rng.choice(("and", "or")),
            "operands": operands,
            "negation": self.rng.randrange(8) == 0,
        }

    def _leaf(self) -> Record:
        id, _, kind, _, _ = self.rng.choice(ATTRIBUTES[1:34])
        condition: Record = {"operation": "is_set"}
        if kind == "string":
            condition = {"operation": "contains", "value": self.rng.choice(("a", "e", "example", "an", "o", "cz"))}
        elif kind in ("int", "float"):
            condition = {"operation": "number_greater_than", "value": self.rng.randrange(1, 60)}
        elif kind == "bool":
            condition = {"operation": self.rng.choice(("is_true", "is_false"))}
        elif kind in ("date", "datetime"):
            condition = {"operation": "date_greater_than", "value": "2024-06-01"}
        return {"attribute_id": id, "condition": condition, "negation": self.rng.randrange(6) == 0}


Special = Callable[[Values, Record, int, datetime], Any]


def _description(values: Values, record: Record, place: int, moment: datetime) -> str:
    return values.words.sentence()


def _cap(values: Values, record: Record, place: int, moment: datetime) -> Record:
    period = {"type": values.rng.choice(("days", "DAYS", "WEEKS")), "size": values.rng.randrange(1, 5)}
    return {"max_count": values.rng.randrange(1, 9), "period": period}


def _push_cap(values: Values, record: Record, place: int, moment: datetime) -> Record:
    return {"ignore_channel_frequency_cap": place % 4 == 0, **_cap(values, record, place, moment)}


def _schedules(values: Values, record: Record, place: int, moment: datetime) -> list[Record]:
    return [{"segment_ids": values.some("segment", 3, 1)}] if place % 3 == 0 else []


def _push_schedules(values: Values, record: Record, place: int, moment: datetime) -> list[Record]:
    if place % 3:
        return []
    cron = {"minute": str(place % 60), "hour": "8", "day": "*", "month": "*", "day_of_week": "1"}
    return [{"segment_ids": values.some("segment", 3, 1), "schedule_type": "repetitive", "schedules": [cron]}]


def _segment_settings(values: Values, record: Record, place: int, moment: datetime) -> Record:
    parameters = {"1001": {"audience": values.words.word()}} if place % 5 == 0 else {}
    return {"conditions_operation": values.conditions(), "destination_parameters": parameters}


def _destination_settings(values: Values, record: Record, place: int, moment: datetime) -> Record:
    variable = {
        "name": "audience",
        "title": "Audience",
        "values": {"All": "all", "New": "new"},
        "required": place % 2 == 0,
    }
    variable |= {"can_be_empty": place % 3 == 0, "input_mode": "value_from_list"}
    operator = values.rng.choice(("and", "or"))
    return {"mandatory_attributes_operator": operator, "mi_workspace_variables": [variable] if place % 2 else []}


def _features(values: Values, record: Record, place: int, moment: datetime) -> list[str]:
    return sorted(values.rng.sample(values.features, values.rng.randrange(0, 12)))


def _chart(values: Values, record: Record, place: int, moment: datetime) -> Record:
    steps = [{"attribute_id": str(id), "data_dimension_title": values.words.word().title()} for id in
             values.some("attribute", 5, 2)]  # fmt: skip
    return {"chart_attributes": steps}


def _history(values: Values, record: Record, place: int, moment: datetime) -> Record:
    status = record.setdefault("status", values.rng.choice(STATUSES))
    history = {"waiting": moment.strftime(FORM)}
    if status != "waiting":
        history["running"] = (moment + timedelta(seconds=3)).strftime(FORM)
    if status == "finished":
        history["finished"] = (moment + timedelta(seconds=60)).strftime(FORM)
    return {"statuses_history": history}


def _exported(values: Values, record: Record, place: int, moment: datetime) -> list[Record]:
    found = [values.segments[id] for id in values.some("segment", 3, 1)]
    record["segment_name"] = ", ".join(each["name"] for each in found)
    record["segment_ids"] = [each["id"] for each in found]
    return [{"id": each["id"], "name": each["name"], "type": each["segment_type"], "deleted": False} for each in found]


def _counts(values: Values, record: Record, place: int, moment: datetime) -> Record:
    sent, invalid, capped = values.rng.randrange(2000), values.rng.randrange(30), values.rng.randrange(60)
    return {
        "total": sent + invalid + capped,
        "sent": sent,
        "excluded_invalid": invalid,
        "excluded_by_frequency_cap": capped,
    }


def _exported_settings(values: Values, record: Record, place: int, moment: datetime) -> Record:
    return {"conditions_operation": values.segments[record["segment_id"]]["settings"]["conditions_operation"]}


def _favourites(values: Values, record: Record, place: int, moment: datetime) -> Record:
    if place % 4:
        return {"favourite_customers": []}
    return {"favourite_customers": [{"customer_entity_id": values.one("customer"), "note": values.words.sentence()}]}


def _application(values: Values, record: Record, place: int, moment: datetime) -> Record:
    return {"id": values.uuid(), "android": place % 2 == 0, "ios": place % 3 == 0}


def _same(value: Any) -> Special:
    return lambda values, record, place, moment: value


SPECIAL: dict[tuple[str, str], Special] = {
    ("", "description"): _description,
    ("", "frontend_settings"): lambda v, r, place, m: {"pinned": True} if place % 4 == 0 else {},
    ("", "frequency_cap"): _cap,
    ("", "schedules"): _schedules,
    ("", "stats"): _history,
    ("", "segments"): _exported,
    ("", "message_counts"): _counts,
    ("", "utm_parameters"): lambda v, r, p, m: {"utm_source": "newsletter", "utm_medium": "email"} if p % 2 else {},
    ("", "is_system"): _same(0),
    ("push_notification", "frequency_cap"): _push_cap,
    ("push_notification", "schedules"): _push_schedules,
    ("push_notification", "application"): _application,
    ("push_notification", "custom_data"): lambda v, r, p, m: {"theme": v.words.word()},
    ("push_notification", "ttl_seconds"): _same(2419200),
    ("segment", "settings"): _segment_settings,
    ("segment", "segment_type"): _same("custom"),
    ("segment", "tags"): _same([]),
    ("segment", "customers_count"): _same(None),
    ("segment_export", "settings"): _exported_settings,
    ("segment_export", "file_download_token"): lambda v, r, p, m: f"{v.rng.getrandbits(128):032x}",
    ("segment_export_destination", "settings"): _destination_settings,
    ("destination", "settings"): _destination_settings,
    ("user_role", "features"): _features,
    ("user", "name"): lambda v, r, place, m: v.words.person(place),
    ("user", "email"): lambda v, r, place, m: f"{v.words.word()}.{place}@example.com",
    ("user", "cdp_settings"): _favourites,
    ("funnel_chart", "definition"): _chart,
    ("funnel_chart", "type"): lambda v, r, place, m: "FUNNEL" if place % 5 else "BAR",
    ("web_banner", "banner_type"): lambda v, r, place, m: ("pop_up", "native")[place % 2],
    ("web_banner", "priority"): lambda v, r, place, m: place % 11,
    ("web_banner", "conditions_operation"): lambda v, r, place, m: v.conditions(),
    ("journey", "definition"): lambda v, r, p, m: {"nodes": [{"id": "start", "type": "start"}], "links": []},
    ("stitching_category_rule", "value"): lambda v, r, place, m: f"$.{v.words.word()}",
    ("context_query", "query"): lambda v, r, place, m: f"SELECT * FROM events WHERE type = '{v.words.word()}'",
    ("global_email_block", "usage_count"): lambda v, r, place, m: place % 7,
    ("notification", "type"): lambda v, r, p, m: ("segment_edited", "export_failed", "segment_deleted")[p % 3],
    ("notification", "is_read"): lambda v, r, place, m: place % 3 == 0,
}
