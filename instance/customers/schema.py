"""Tables of the customers domain, and the small conversions between what is stored and what is shown.

Rows of `customer`, `customer_value` and `customer_event` are only ever added, in the order of their `created`, so the
row number is the age: newest first is `ORDER BY pk DESC`, and a count can be brought up to date from the rows
added since. Whoever changes that must change `segments.py` and `counts.py` too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from instance.calls import Refusal
from instance.store import Store, on_open

# A value is kept in `text` as it is shown; numbers also as `number`, dates and times also as `time`
# ('YYYY-MM-DD HH:MM:SS'), compound values instead as JSON in `document` with their fields in `customer_field`.
TABLES = """
CREATE TABLE IF NOT EXISTS customer (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL,
    modified TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS customer_value (
    pk INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL,
    attribute TEXT NOT NULL,
    source TEXT NOT NULL,
    text TEXT,
    number,
    time TEXT,
    document TEXT,
    created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS customer_field (
    customer INTEGER NOT NULL,
    attribute TEXT NOT NULL,
    field TEXT NOT NULL,
    text TEXT,
    number,
    time TEXT
);
CREATE VIRTUAL TABLE IF NOT EXISTS customer_text USING fts5(
    text, content='', columnsize=0, tokenize='trigram case_sensitive 1'
);
CREATE TABLE IF NOT EXISTS stitching_value (
    value TEXT NOT NULL,
    category TEXT NOT NULL,
    customer INTEGER NOT NULL,
    PRIMARY KEY (value, category)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS customer_event (
    pk INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL,
    definition TEXT NOT NULL,
    source TEXT NOT NULL,
    type TEXT NOT NULL,
    version TEXT NOT NULL,
    user_identifier TEXT NOT NULL,
    event_time TEXT NOT NULL,
    payload TEXT NOT NULL,
    created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS participation (
    pk INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    entity_name TEXT NOT NULL,
    created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS upload (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    count INTEGER,
    message TEXT,
    created TEXT NOT NULL,
    rows_stored INTEGER NOT NULL DEFAULT 0,
    body BLOB
);
"""

INDEXES = {
    "customer_value_customer": "customer_value (customer, attribute)",
    "customer_value_text": "customer_value (attribute, text, customer)",
    "customer_value_number": "customer_value (attribute, number, customer) WHERE number IS NOT NULL",
    "customer_value_time": "customer_value (attribute, time, customer) WHERE time IS NOT NULL",
    "customer_field_customer": "customer_field (customer, attribute, field)",
    "customer_field_attribute": "customer_field (attribute, field)",
    "stitching_value_customer": "stitching_value (customer)",
    "customer_event_customer": "customer_event (customer)",
    "participation_customer": "participation (customer)",
    "upload_open": "upload (pk) WHERE status IN ('waiting', 'running')",
}

# `definition_version` rises with each change of an attribute, event definition or stitching category, so that what
# is derived from them can be kept while millions of events come in.
_DEFINITIONS = "('attribute', 'event', 'stitching_category')"
TRIGGERS = "CREATE TABLE IF NOT EXISTS definition_version (only INTEGER PRIMARY KEY, version INTEGER NOT NULL);\n"
TRIGGERS += "INSERT OR IGNORE INTO definition_version VALUES (1, 0);\n"
for _event, _row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
    TRIGGERS += (
        f"CREATE TRIGGER IF NOT EXISTS definition_{_event.lower()} AFTER {_event} ON record "
        f"WHEN {_row}.entity IN {_DEFINITIONS} BEGIN UPDATE definition_version SET version = version + 1; END;\n"
    )

# An event's id is its row number under a fixed one-to-one mapping of 128-bit numbers: it looks random, needs no column
# and no index of its own, and leads back to the row.
_FACTOR = 0x9E3779B97F4A7C15F39CC0605CEDC835
_SHIFT = 0x5851F42D4C957F2D14057B7EF767814F
_MASK = (1 << 128) - 1
_INVERSE = pow(_FACTOR, -1, 1 << 128)


@on_open
def create_tables(store: Store) -> None:
    """Make the tables, indexes and SQL functions of this package in a store that has just been opened."""
    connection = store.connection
    connection.executescript(TABLES)
    create_indexes(store)
    connection.executescript(TRIGGERS)
    connection.create_function("customer_event_id", 1, event_id, deterministic=True)
    connection.create_function("contains_folded", 2, contains_folded, deterministic=True)


def create_indexes(store: Store) -> None:
    """Make all indexes that are missing."""
    for name, columns in INDEXES.items():
        store.connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")


def drop_indexes(store: Store) -> None:
    """Drop the indexes, to fill many rows in at once; `create_indexes` makes them again."""
    for name in INDEXES:
        store.connection.execute(f"DROP INDEX IF EXISTS {name}")


def event_id(pk: int) -> str:
    """The public id of the customer event in row `pk`: 32 hexadecimal digits."""
    return f"{(pk * _FACTOR + _SHIFT) & _MASK:032x}"


def event_row(id: str) -> int | None:
    """The row number behind a customer event's id, or None if no row can have that id."""
    if len(id) != 32 or not all(digit in "0123456789abcdef" for digit in id):
        return None
    pk = ((int(id, 16) - _SHIFT) * _INVERSE) & _MASK
    return pk if 0 < pk < 1 << 63 else None


def fold(text: str) -> str:
    """Text as it is searched: case folded. The index cannot hold NUL, which becomes U+FFFD there."""
    return text.casefold().replace("\0", "\ufffd")


def contains_folded(text: str, part: str) -> bool:
    """Whether `part` stands in `text`, both case folded: the literal check for what the index cannot tell apart."""
    return part.casefold() in text.casefold()


def stamp(store: Store, table: str) -> str:
    """The present for `created` in `table`, 'YYYY-MM-DD HH:MM:SS.ffffff' in UTC; never before the newest row's.

    The clock may be set back; rows must keep the order of their `created`.
    """
    now = micro(store.clock())
    row = store.connection.execute(f"SELECT created FROM {table} ORDER BY pk DESC LIMIT 1").fetchone()
    return now if row is None or row[0] <= now else str(row[0])


def micro(moment: datetime) -> str:
    """A moment in UTC as 'YYYY-MM-DD HH:MM:SS.ffffff'."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def find_customer(store: Store, id: str) -> tuple[int, str] | None:
    """Row number and dashed id of a customer, by the dashed UUID or its 32 hexadecimal digits; None if unknown."""
    row = store.connection.execute("SELECT pk, id FROM customer WHERE id=?", (canonical_id(id),)).fetchone()
    return None if row is None else (row[0], row[1])


def require_customer(store: Store, id: str) -> tuple[int, str]:
    """Like `find_customer`, but raises `Refusal` 404 for an unknown customer."""
    found = find_customer(store, id)
    if found is None:
        raise Refusal(404, "No such customer.", f"customer_entity_id: {id}")
    return found


def canonical_id(id: str) -> str:
    """The dashed lower-case form of a UUID in either of its two forms; anything else comes back unchanged."""
    if len(id) not in (32, 36):
        return id
    try:
        return str(UUID(id)) if len(id.replace("-", "")) == 32 else id
    except ValueError:
        return id


def page(limit: int, offset: int) -> dict[str, int]:
    """The paging part of `selection_settings`."""
    return {"limit": limit, "offset": offset}
