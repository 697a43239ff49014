"""Customers from a seed: people with values of every type, identities, participation, and their events.

The same seed gives the same rows whatever the clock says: everything lies before `ANCHOR`. Rows are made in the order
of their `created`, in slices, so that 100,000 customers need little memory.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from faker import Faker

from instance.customers.definitions import DEFAULT_CATEGORY
from instance.customers.schema import create_indexes, drop_indexes, fold, micro
from instance.records import insert
from instance.seeding.customer_definitions import (
    ATTRIBUTES,
    EVENTS,
    attribute_records,
    category_records,
    event_records,
    moments,
    source_records,
)
from instance.seeding.words import PROVIDERS
from instance.store import Store

ANCHOR = datetime(2025, 7, 1, tzinfo=UTC)
# The newest customers have so much of everything that each list of theirs has more than two pages.
HEAVY = 10
HEAVY_EVENTS = 60
HEAVY_ROWS = 50

_CUSTOMERS_SINCE = timedelta(days=760)
_CUSTOMERS_UNTIL = timedelta(days=31)
_EVENTS_SINCE = timedelta(days=30)
_EVENTS_UNTIL = timedelta(hours=6)
_SLICE = 2000
_LOCALES = ("en_GB", "cs_CZ", "de_DE", "pl_PL")
_SOURCE_OF = {id: source for id, _, _, source, _ in ATTRIBUTES}
_SEARCHABLE = {id for id, _, data_type, _, _ in ATTRIBUTES if data_type == "string"}
_DOMAINS = ("example.com", "mail.example.com", "post.example.com", "firma.example.com", "example.com.sg")
_TIERS = ("bronze", "silver", "gold", "platinum")
_NUMBERS = frozenset(
    ("price", "value", "amount", "quantity", "results", "minutes", "months", "points", "score", "stars", "seconds")
)
_ENTITY_TYPES = ("email", "push_notification", "whatsapp_campaign", "journey")

ValueRow = tuple[int, int, str, str, str | None, float | None, str | None, str | None, str]
FieldRow = tuple[int, str, str, str | None, float | None, str | None]
# A value of one attribute: (attribute, text, number, time, document).
Typed = tuple[str, str | None, float | None, str | None, str | None]


def seed_customers(store: Store, seed: int, customers: int, events: int) -> None:
    """Fill an empty store with definitions, `customers` customers and `events` events, in one transaction."""
    rng = random.Random(seed)
    with store.transaction():
        _seed_definitions(store, rng)
        drop_indexes(store)
        # A larger buffer makes fewer pieces of the full-text index to be merged.
        store.connection.execute("INSERT INTO customer_text (customer_text, rank) VALUES ('hashsize', 16777216)")
        identifiers = _seed_people(store, rng, customers)
        if customers:
            _seed_events(store, rng, identifiers, events)
        store.connection.execute("INSERT INTO customer_text (customer_text) VALUES ('optimize')")
        store.connection.execute("INSERT INTO customer_text (customer_text, rank) VALUES ('hashsize', 1048576)")
        create_indexes(store)


def customer_ids(store: Store, n: int) -> list[str]:
    """Ids of the `n` newest customers, newest first; the heavy ones stand at the front."""
    return [row[0] for row in store.connection.execute("SELECT id FROM customer ORDER BY pk DESC LIMIT ?", (n,))]


def _seed_definitions(store: Store, rng: random.Random) -> None:
    times = moments(ANCHOR, 60, rng)
    for entity, records in (
        ("source", source_records(times)),
        ("event", event_records(times)),
        ("attribute", attribute_records(times)),
        ("stitching_category", category_records(times)),
    ):
        for record, when in records:
            insert(store, entity, "", record, when)


class Pools:
    """Words to combine: made once by Faker, which is too slow to be asked for every customer."""

    def __init__(self, rng: random.Random) -> None:
        names: list[tuple[str, str]] = []
        self.cities: list[str] = []
        self.addresses: list[tuple[str, str]] = []
        self.companies: list[str] = []
        self.jobs: list[str] = []
        for locale in _LOCALES:
            fake = Faker(locale, providers=PROVIDERS)
            fake.seed_instance(rng.getrandbits(32))
            names += [(fake.first_name(), fake.last_name()) for _ in range(120)]
            self.cities += [fake.city() for _ in range(25)]
            self.addresses += [(fake.street_address(), fake.postcode()) for _ in range(40)]
            self.companies += [fake.company() for _ in range(20)]
            self.jobs += [fake.job() for _ in range(20)]
        self.names = [first for first, _ in names]
        self.surnames = [last for _, last in names]
        self.mailboxes = {name: mailbox(name) for name in (*self.names, *self.surnames)}
        english = Faker("en_GB", providers=PROVIDERS)
        english.seed_instance(rng.getrandbits(32))
        self.products = sorted({f"{english.color_name()} {english.word()}".lower() for _ in range(160)})
        self.pages = sorted({f"/{english.word()}/{english.word()}" for _ in range(160)})
        self.notes = [
            *english.sentences(40),
            '100% off_season * "sale"',
            "a&b#c; DROP TABLE",
            "žluťoučký kůň 🐎",
            "שלום",
        ]
        start = ANCHOR.replace(tzinfo=None) - _CUSTOMERS_SINCE
        seconds = int((_CUSTOMERS_SINCE - _CUSTOMERS_UNTIL).total_seconds())
        self.times = [
            (start + timedelta(seconds=rng.randrange(seconds))).isoformat(sep=" ", timespec="seconds")
            for _ in range(4000)
        ]


def mailbox(name: str) -> str:
    """A name in the letters that an e-mail address takes."""
    plain = unicodedata.normalize("NFKD", name).replace("ł", "l").replace("ß", "ss").encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum()) or "somebody"


def _created(rng: random.Random, start: datetime, end: datetime, count: int) -> Iterator[datetime]:
    """`count` moments from start to end, never backwards, with ties and gaps."""
    step = (end - start).total_seconds() * 0.9 / max(count, 1)
    moment = start
    for _ in range(count):
        yield min(moment, end)
        moment += timedelta(seconds=step * rng.choice((0, 0, 0.5, 1, 1, 1, 1.5, 3)))


def _seed_people(store: Store, rng: random.Random, count: int) -> list[str]:
    """Customers with their values, identities and participation; answers their identifiers, oldest first."""
    pools = Pools(rng)
    times = _created(rng, ANCHOR - _CUSTOMERS_SINCE, ANCHOR - _CUSTOMERS_UNTIL, count)
    mask, start = (1 << 64) - 1, rng.getrandbits(64)
    identifiers = [f"{(place * 0x9E3779B97F4A7C15 + start) & mask:016x}" for place in range(count)]
    pk = 0
    created = next(times, ANCHOR)
    for first in range(0, count, _SLICE):
        people: list[tuple[Any, ...]] = []
        values: list[ValueRow] = []
        fields: list[FieldRow] = []
        identities: list[tuple[str, str, int]] = []
        participation: list[tuple[Any, ...]] = []
        for customer in range(first + 1, min(first + _SLICE, count) + 1):
            heavy = customer > count - HEAVY
            following = next(times, ANCHOR - _EVENTS_SINCE)
            uuid = str(UUID(int=rng.getrandbits(128), version=4))
            person = _values(rng, pools, customer, identifiers[customer - 1], heavy)
            texts = _stamps(created, following, -(-len(person) // 3))
            people.append((customer, uuid, texts[0], texts[0]))
            by_id = {id: value for id, value, *_ in person}
            identities += _identities(by_id, customer)
            for place, (id, text, number, time, document) in enumerate(person):
                pk += 1
                stamp = texts[min(place // 3, len(texts) - 1)]
                values.append((pk, customer, id, _SOURCE_OF[id], text, number, time, document, stamp))
                if document is not None:
                    fields += _fields(customer, id, document)
            rows = HEAVY_ROWS + rng.randrange(10) if heavy else rng.choice((0, 0, 0, 1, 2))
            participation += _participation(rng, customer, rows)
            created = following
        _write(store, people, values, fields, identities, participation)
    return identifiers


def _stamps(created: datetime, following: datetime, wanted: int) -> list[str]:
    """`created` for the values of one customer, as many as wanted: seconds apart, but not after the next customer."""
    gap = max(0, min(40, int((following - created).total_seconds())))
    return [micro(created + timedelta(seconds=second)) for second in range(min(gap + 1, wanted))]


def _write(store: Store, people: Any, values: list[ValueRow], fields: Any, identities: Any, participation: Any) -> None:
    run = store.connection.executemany
    run("INSERT INTO customer VALUES (?,?,?,?)", people)
    run("INSERT INTO customer_value VALUES (?,?,?,?,?,?,?,?,?)", values)
    searched = ((row[0], fold(row[4])) for row in values if row[2] in _SEARCHABLE and row[4] is not None)
    run("INSERT INTO customer_text (rowid, text) VALUES (?,?)", searched)
    run("INSERT INTO customer_field VALUES (?,?,?,?,?,?)", fields)
    run("INSERT INTO stitching_value VALUES (?,?,?)", identities)
    run(
        "INSERT INTO participation (customer, entity_type, entity_id, entity_name, created) VALUES (?,?,?,?,?)",
        participation,
    )


def _identities(values: dict[str, str | None], customer: int) -> list[tuple[str, str, int]]:
    found = [(values["user_identifier"], DEFAULT_CATEGORY), (values["email"], "email")]
    found += [(values.get("phone"), "phone"), (values.get("legacy_id"), "crmnumber")]
    return [(value, category, customer) for value, category in found if value is not None]


def _values(rng: random.Random, pools: Pools, customer: int, identifier: str, heavy: bool) -> list[Typed]:
    """Values of one customer, several for some attributes. The order of the parts is that of the draws: the same seed
    has to give the same customers."""
    first, last = rng.choice(pools.names), rng.choice(pools.surnames)
    box = pools.mailboxes
    return [
        _text("user_identifier", identifier),
        _text("email", f"{box[first]}.{box[last]}{customer}@{rng.choice(_DOMAINS)}"),
        _text("first_name", first),
        _text("last_name", last),
        *_person(rng, heavy),
        *_purchases(rng, pools, customer, heavy),
        *_contact(rng, customer, heavy),
        *_picked(rng, pools, heavy),
        *_seldom_known(rng, pools, customer, f"{first} {last}", heavy),
    ]


def _person(rng: random.Random, heavy: bool) -> Iterator[Typed]:
    yield _number("age", rng.randrange(18, 90))
    yield _number("balance", round(rng.uniform(-500, 9000), 2))
    yield _text("is_subscriber", "true" if rng.random() < 0.6 else "false")
    if heavy or rng.random() < 0.8:
        yield _time("birthday", f"{rng.randrange(1936, 2007)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}")


def _purchases(rng: random.Random, pools: Pools, customer: int, heavy: bool) -> Iterator[Typed]:
    if heavy or rng.random() < 0.5:
        yield _time("last_purchase", rng.choice(pools.times))
        yield _number("orders_count", rng.randrange(1, 30))
        for _ in range(rng.randrange(1, 3)):
            yield _number("order_values", round(rng.uniform(5, 900), 2))
    for value in rng.sample(pools.products, HEAVY_ROWS if heavy else rng.choice((0, 1, 1, 2, 3))):
        yield _text("favourite_products", value)
    if heavy or rng.random() < 0.4:
        street, postcode = rng.choice(pools.addresses)
        yield _document("address", {"street": street, "city": rng.choice(pools.cities), "zip": postcode})
    if rng.random() < 0.3:
        order = {"order_id": f"O-{customer}", "value": round(rng.uniform(5, 900), 2), "paid": rng.random() < 0.8}
        order |= {"ordered": rng.choice(pools.times), "items": rng.randrange(1, 9)}
        yield _document("recent_order", order)


def _contact(rng: random.Random, customer: int, heavy: bool) -> Iterator[Typed]:
    if heavy or rng.random() < 0.6:
        yield _text("phone", f"+4207{customer:08}")
    if heavy or rng.random() < 0.3:
        yield _text("loyalty_tier", rng.choice(_TIERS))
        yield _number("loyalty_points", rng.randrange(0, 5000))


def _picked(rng: random.Random, pools: Pools, heavy: bool) -> Iterator[Typed]:
    """One text each of a pool, for a share of the customers."""
    for id, share, pool in (
        ("city", 0.5, pools.cities),
        ("company", 0.2, pools.companies),
        ("job", 0.2, pools.jobs),
        ("language", 0.2, ("en", "cs", "de", "pl")),
        ("nickname", 0.1, pools.products),
        ("internal_note", 0.1, pools.notes),
        ("consents", 0.2, ("marketing", "analytics", "profiling")),
        ("ip_country", 0.1, ("CZ", "DE", "GB", "PL", "SG")),
        ("visited_pages", 0.1, pools.pages),
    ):
        if heavy or rng.random() < share:
            yield _text(id, rng.choice(pool))


def _seldom_known(rng: random.Random, pools: Pools, customer: int, name: str, heavy: bool) -> Iterator[Typed]:
    if not heavy and rng.random() >= 0.15:
        return
    yield _text("full_name", name)
    yield _time("registered", rng.choice(pools.times))
    yield _time("last_visit", rng.choice(pools.times))
    yield _time("last_call", rng.choice(pools.times)[:10])
    yield _text("has_app", "true" if rng.random() < 0.5 else "false")
    yield _number("churn_score", round(rng.random(), 3))
    yield _number("email_opens", rng.randrange(0, 60))
    yield _text("push_token", f"{rng.getrandbits(64):016x}")
    yield _text("legacy_id", f"L{customer:07}")
    yield _number("fraud_score", round(rng.random(), 3))


def _text(id: str, value: str) -> Typed:
    return id, value, None, None, None


def _number(id: str, value: float) -> Typed:
    return id, str(value), value, None, None


def _time(id: str, value: str) -> Typed:
    return id, value, None, value if len(value) > 10 else value + " 00:00:00", None


def _document(id: str, value: dict[str, Any]) -> Typed:
    return id, None, None, None, orjson.dumps(value).decode()


def _fields(customer: int, id: str, document: str) -> list[FieldRow]:
    """The fields of a compound value as they are compared."""
    rows: list[FieldRow] = []
    for name, value in orjson.loads(document).items():
        if isinstance(value, bool):
            rows.append((customer, id, name, "true" if value else "false", None, None))
        elif isinstance(value, (int, float)):
            rows.append((customer, id, name, str(value), value, None))
        else:
            rows.append((customer, id, name, value, None, value if name == "ordered" else None))
    return rows


def _participation(rng: random.Random, customer: int, count: int) -> list[tuple[Any, ...]]:
    rows = []
    for when in _created(rng, ANCHOR - _CUSTOMERS_UNTIL, ANCHOR - _EVENTS_UNTIL, count):
        kind, number = rng.choice(_ENTITY_TYPES), rng.randrange(1, 60)
        name = f"{kind.replace('_', ' ').capitalize()} {number}"
        created = when.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
        rows.append((customer, kind, str(number), name, created))
    return rows


def _seed_events(store: Store, rng: random.Random, identifiers: list[str], count: int) -> None:
    """Events of the last month, in the order of their `created`; the heavy customers get their share of every kind."""
    payloads = [[_payload(rng, keys) for _ in range(8)] for _, _, _, keys in EVENTS]
    kinds = [(f"{source}_{type}", source, type, "1-0-0") for source, type, _, _ in EVENTS]
    customers = len(identifiers)
    heavy = [
        (customer, number)
        for number in range(HEAVY_EVENTS)
        for customer in range(max(1, customers - HEAVY + 1), customers + 1)
    ]
    stride = max(1, count // len(heavy))
    newest: dict[int, str] = {}
    rows: list[tuple[Any, ...]] = []
    for place, when in enumerate(_created(rng, ANCHOR - _EVENTS_SINCE, ANCHOR - _EVENTS_UNTIL, count)):
        if place % stride == 0 and heavy:
            customer, number = heavy.pop()
            kind = number % len(kinds)
        else:
            # Some customers are much more active than others.
            customer, kind = 1 + int(customers * rng.random() ** 2), int(len(kinds) * rng.random() ** 1.5)
        created = micro(when)
        happened = micro(when - timedelta(seconds=rng.randrange(0, 3600)))[:19]
        newest[customer] = created
        rows.append((customer, *kinds[kind], identifiers[customer - 1], happened, rng.choice(payloads[kind]), created))
        if len(rows) == _SLICE * 5:
            _write_events(store, rows)
            rows = []
    _write_events(store, rows)
    store.connection.executemany(
        "UPDATE customer SET modified=? WHERE pk=?", ((created, customer) for customer, created in newest.items())
    )


def _write_events(store: Store, rows: list[tuple[Any, ...]]) -> None:
    store.connection.executemany(
        "INSERT INTO customer_event (customer, definition, source, type, version, user_identifier, event_time, "
        "payload, created) VALUES (?,?,?,?,?,?,?,?,?)",
        rows,
    )


def _payload(rng: random.Random, keys: str) -> str:
    """A payload with these keys: numbers where the name says so, words elsewhere."""
    return orjson.dumps(
        {key: rng.randrange(1, 500) if key in _NUMBERS else f"{key} {rng.randrange(1, 90)}" for key in keys.split()}
    ).decode()
