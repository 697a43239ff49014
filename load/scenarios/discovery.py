"""What the load works with is read from the target, once, before the first arrival: values that customers have, kinds
of events that are defined, identifiers that are known. Sixty requests at most, paced as the target's entry says."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import msgspec

from cdp.addresses import url_of
from cdp.contract import Contract, Operation
from cdp.contract.operation import ASSUMED, Ingestion
from cdp.http import TOKEN_HEADER, Client, Exchange
from cdp.prefixes import prefix_in
from cdp.secrets import Secrets
from load.sampling import in_order
from load.scenario import ScenarioError
from load.scenarios.hot import Context, Ingesting, Searching

MOST_REQUESTS = 60
SHORTEST = 3  # characters that the search takes
_PAGE = 100
_PAGES = 3
_OPENED = 15  # customers whose values, and whose events, are read
_PROVED = 3
_MOST_VALUES = 2000


class Known(msgspec.Struct):
    """What was read, as plain data: one process may read it and hand it to others.

    `values`: texts that customers have, each with the customer that is found by it (empty: nobody in particular);
    `words`: texts that find many, with how many records of each were seen; `customers`: their ids; `identifiers`: of
    customers' events; `definitions`: the fields that a kind of event is named by; `unordered`: operations whose records
    did not come newest first at rest, where that is only assumed.
    """

    values: list[tuple[str, str]] = []
    words: list[tuple[str, int]] = []
    customers: list[str] = []
    identifiers: list[str] = []
    definitions: list[dict[str, str]] = []
    unordered: list[str] = []
    requests: int = 0


class Reader:
    """Reads lists from the target, `MOST_REQUESTS` in all; what comes after is not asked any more."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.known = Known()
        self._client = Client(context.target, Secrets())

    def close(self) -> None:
        self._client.close()

    @property
    def spent(self) -> bool:
        return self.known.requests >= MOST_REQUESTS

    def ask(
        self, operation: Operation, path: Mapping[str, str] | None = None, query: Iterable[tuple[str, Any]] = ()
    ) -> Exchange:
        self.known.requests += 1
        return self._client.send(
            "GET",
            url_of(self.context.target, operation, path, query),
            headers={"Accept": "application/json", TOKEN_HEADER: self.context.token},
            operation=operation.id,
        )

    def records(
        self, operation: Operation, path: Mapping[str, str] | None = None, query: Iterable[tuple[str, Any]] = ()
    ) -> list[dict[str, Any]]:
        """Records of a list. Raises ScenarioError in one line when it does not answer with one."""
        if self.spent:
            return []
        exchange = self.ask(operation, path, query)
        collection, body = operation.collection, exchange.json
        rows = body.get(collection.key) if collection and collection.key and isinstance(body, dict) else body
        if not exchange.ok or not isinstance(rows, list):
            raise ScenarioError(_refusal(operation, exchange))
        found = [row for row in rows if isinstance(row, dict)]
        if collection and collection.timestamp and collection.timestamp_provenance == ASSUMED:
            name = operation.id
            if not in_order(found, collection.timestamp) and name not in self.known.unordered:
                self.known.unordered.append(name)
        return found


def _refusal(operation: Operation, exchange: Exchange) -> str:
    """Why an operation cannot be loaded, and what would help."""
    what = f"{operation.id} {exchange.answered()}"
    if exchange.status == 401:
        return f"{what}: the token is refused"
    if exchange.status == 403:
        return f"{what}: the role needs {operation.features.text()}"
    if exchange.status in (404, 405):
        return f"{what}: the target does not have it at {operation.template}"
    if exchange.failure:
        return f"{what}: {exchange.detail}"
    return f"{what}, and no list" if exchange.ok else what


def read_values(reader: Reader, found: Searching) -> None:
    """Customers, and values that the search finds them by. Raises ScenarioError when it finds nobody."""
    known, field = reader.known, found.owner.field
    rows = _searched(reader, found)
    known.customers = list(dict.fromkeys(str(r[field]) for r in rows if r.get(field) not in (None, "")))
    if not known.customers:
        tried = ", ".join(found.text.samples) or "nothing, because x-samples of the contract is empty"
        raise ScenarioError(
            f"{found.operation.id} finds no customer (tried: {tried}); name texts that find some under x-samples of "
            f"{found.text.name}, in an overlay of the target"
        )
    values = _values_of(reader, found, rows)
    told = {r[found.searches.field]: str(r[field]) for r in rows if _searchable(r.get(found.searches.field))}
    expected = _hold(reader, found, told)
    for value, owner in told.items():
        values.setdefault(value, owner if expected else "")
    if not values:
        raise ScenarioError(f"no customer that {found.operation.id} finds has a text of {SHORTEST} characters or more")
    known.values = sorted(values.items())[:_MOST_VALUES]
    random.Random(reader.context.seed).shuffle(known.values)


def _values_of(reader: Reader, found: Searching, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Values of some customers who were found, and whose they are: of the attributes by which any was found."""
    listed, opened = ({sub.field for sub in each.sub_entities} for each in (found.operation, found.values))
    telling = sorted(listed & opened)  # fields that tell of which attribute a row is
    looked_at = {tuple(str(r.get(name)) for name in telling) for r in rows}
    query = [("attribute_values_max_count", 100)] if found.values.query("attribute_values_max_count") else []
    values: dict[str, str] = {}
    for owner in reader.known.customers[:_OPENED]:
        for row in reader.records(found.values, {found.owner.name: owner}, query):
            value: Any = row.get(found.searches.field)
            if _searchable(value) and tuple(str(row.get(name)) for name in telling) in looked_at:
                values.setdefault(value, owner)
    return values


def _searchable(value: Any) -> TypeGuard[str]:
    """Whether a value is a text to search for; what a run wrote is gone once it has been cleaned up."""
    if not isinstance(value, str) or len(value) < SHORTEST or prefix_in(value):
        return False
    return value == value.strip() and value.isprintable()


def _searched(reader: Reader, found: Searching) -> list[dict[str, Any]]:
    """What the contract's samples find, the first of them page after page."""
    rows: list[dict[str, Any]] = []
    for sample in found.text.samples:
        seen = 0
        for page in range(1 if rows else _PAGES):
            query = [(found.text.name, sample), ("limit", _PAGE), ("offset", page * _PAGE)]
            got = reader.records(found.operation, {}, query[: 3 if page else 2])
            rows += got
            seen += len(got)
            if len(got) < _PAGE:
                break
        if seen:
            reader.known.words.append((sample, seen))
    return rows


def _hold(reader: Reader, found: Searching, told: Mapping[str, str]) -> bool:
    """Whether values as the search shows them find their customers at rest: it may show them shortened or marked."""
    for value, owner in list(told.items())[:_PROVED]:
        rows = reader.records(found.operation, {}, [(found.text.name, value), ("limit", _PAGE)])
        if len(rows) < _PAGE and not any(str(r.get(found.owner.field)) == owner for r in rows):
            return False
    return True


def read_definitions(reader: Reader, taking: Ingesting) -> None:
    """The kinds of events that the target defines. Raises ScenarioError when there is none."""
    contract = reader.context.contract
    sources = reference_fields(contract, taking)
    for name in dict.fromkeys(operation for operation, _ in sources.values()):
        operation = contract.operations[name]
        rows: list[dict[str, Any]] = []
        for page in range(_PAGES):
            query = (
                [("limit", _PAGE), *([("offset", page * _PAGE)] if page else [])] if operation.query("limit") else []
            )
            got = reader.records(operation, {}, query)
            rows += got
            if len(got) < _PAGE:
                break
        wanted = {own: theirs for own, (operation_id, theirs) in sources.items() if operation_id == name}
        kinds = [
            {own: str(row[theirs]) for own, theirs in wanted.items()}
            for row in rows
            if all(row.get(theirs) not in (None, "") for theirs in wanted.values())
        ]
        if not kinds:
            raise ScenarioError(f"{name} tells no event that is defined; define one before events are loaded")
        known = reader.known.definitions or [{}]
        reader.known.definitions = [{**one, **other} for one in known for other in kinds][:_MOST_VALUES]


def reference_fields(contract: Contract, taking: Ingesting) -> dict[str, tuple[str, str]]:
    """The fields of an event whose values have to be known to the target: the operation that tells them, and where."""
    assert taking.batch.ingestion is not None
    rows = contract.resolved({"$ref": f"#/components/schemas/{taking.batch.ingestion.rows}"})
    sources = {n: contract.resolved(s).get("x-value-from") for n, s in rows.get("properties", {}).items()}
    return {name: (source["operation"], source["field"]) for name, source in sources.items() if source}


def read_identifiers(reader: Reader, taking: Ingesting) -> None:
    """Identifiers of customers that have events. Raises ScenarioError when there is none."""
    ingestion = taking.batch.ingestion
    assert ingestion is not None
    found: dict[str, None] = {}
    if taking.shown is not None:
        parameter = taking.shown.path_parameters[0].name
        for customer in reader.known.customers[:_OPENED]:
            found |= _identifiers(reader.records(taking.shown, {parameter: customer}, [("limit", _PAGE)]), ingestion)
    for name in ingestion.read_back:
        listing = reader.context.contract.operations[name]
        for page in range(0 if listing.path_parameters else _PAGES):
            try:
                rows = reader.records(listing, {}, [("limit", _PAGE), ("offset", page * _PAGE)][: 2 if page else 1])
            except ScenarioError:
                break  # it shows more customers than were found, and need not be readable
            found |= _identifiers(rows, ingestion)
            if len(rows) < _PAGE:
                break
    if not found:
        raise ScenarioError(
            "no customer of the target has an event whose identifier is known; --new-customers 100% needs none"
        )
    reader.known.identifiers = list(found)[:_MOST_VALUES]


def _identifiers(rows: list[dict[str, Any]], ingestion: Ingestion) -> dict[str, None]:
    """Identifiers of events; those that a run made are gone once it has been cleaned up."""
    found = (row.get(ingestion.identifier) for row in rows)
    return dict.fromkeys(text for text in found if isinstance(text, str) and text and not prefix_in(text))


def discover(context: Context, found: Searching | None, taking: Ingesting | None, *, known_customers: bool) -> Known:
    """Read what searching and taking events in need. `known_customers`: whether events are about customers that the
    target knows. Raises ScenarioError in one line when there is nothing to work with."""
    reader = Reader(context)
    try:
        if found is not None:
            read_values(reader, found)
        if taking is not None:
            read_definitions(reader, taking)
            if known_customers:
                read_identifiers(reader, taking)
        return reader.known
    finally:
        reader.close()
