"""Whose an identifier is, and which lists show events again: what the contract says of it, tried on the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from cdp.contract import Contract, Operation
from cdp.contract.operation import Ingestion
from load.audit.reading import ReadError, Reading, Row, rows_of
from load.scenarios.discovery import reference_fields
from load.scenarios.hot import ingesting

_LOOKED_AT = 5  # customers whose records tell what else has to be asked for


class Ways:
    """How events are seen again. `ingestion`: what the contract says; `of_customer`: the list of one customer's events,
    `of_all` the list of everybody's; None where the contract has none, or `without` was called for it."""

    def __init__(self, contract: Contract) -> None:
        taking = ingesting(contract)
        assert taking.batch.ingestion is not None
        self.ingestion: Ingestion = taking.batch.ingestion
        self.columns = _columns(contract, self.ingestion)
        self.references = tuple(reference_fields(contract, taking))
        lists = [contract.operations[name] for name in self.ingestion.read_back if name in contract.operations]
        owner = contract.operations.get(self.ingestion.owner[0]) if self.ingestion.owner else None
        self.of_customer = next((each for each in lists if len(each.path_parameters) == 1), None) if owner else None
        self.of_all = next((each for each in lists if not each.path_parameters), None)
        self.owner = owner
        self.notes: list[str] = []

    def customer_path(self, customer: str) -> dict[str, str]:
        """The path parameters of the list of a customer's events."""
        assert self.of_customer is not None
        return {self.of_customer.path_parameters[0].name: customer}

    def without_customers(self, why: str) -> None:
        """Leave the lists of single customers out."""
        if self.of_customer is not None:
            self.notes.append(f"under which customer an event is shown was not audited: {why}")
        self.of_customer = None

    def without_all(self, why: str) -> None:
        """Leave the list of everybody's events out."""
        if self.of_all is not None:
            self.notes.append(f"the list of all events was not looked at: {why}")
        self.of_all = None


def _columns(contract: Contract, ingestion: Ingestion) -> tuple[str, ...]:
    schema = contract.resolved({"$ref": f"#/components/schemas/{ingestion.rows}"})
    return tuple(name for name in schema.get("properties", {}) if name != ingestion.payload)


class Owners:
    """Asks whose an identifier is. Where the operation needs more than the identifier (a category, say), every value
    that customers have is tried, the one that found most first."""

    def __init__(self, reading: Reading, ways: Ways) -> None:
        assert ways.owner is not None and ways.ingestion.owner is not None
        self._reading = reading
        self._operation = ways.owner
        _, self._parameter, self._pointer = ways.ingestion.owner
        self._queries: Counter[tuple[tuple[str, str], ...]] = Counter()
        self.name = self._operation.id
        self.found = 0  # how often a customer was told

    def prepare(self, customers: Iterable[str] = ()) -> None:
        """Find out what else has to be asked for. Raises ReadError when that cannot be found out."""
        needed = [p.name for p in self._operation.query_parameters if p.required and p.name != self._parameter]
        if not needed:
            self._queries[()] = 1
            return
        if len(needed) > 1:
            raise ReadError(f"{self._operation.id} needs {', '.join(needed)} beside {self._parameter}")
        values = self._values_of(needed[0], list(customers))
        if not values:
            raise ReadError(f"no value was found for {needed[0]}, which {self._operation.id} needs")
        for value in values:
            self._queries[((needed[0], value),)] = 1

    def of(self, identifier: str) -> str | None:
        """The customer of an identifier; None when the target knows nobody. Raises ReadError when it does not tell."""
        refusal = ""
        for query, _ in self._queries.most_common():
            status, body = self._reading.get(self._operation, None, [*query, (self._parameter, identifier)])
            found = _at(body, self._pointer) if 200 <= status < 300 else None
            if found not in (None, ""):
                self._queries[query] += 1
                self.found += 1
                return str(found)
            if status in (401, 403, 405) or (status == 400 and len(self._queries) == 1):
                refusal = f"{self._operation.id} answered {status}"
        if refusal and not self.found:
            raise ReadError(refusal)
        return None

    def _values_of(self, name: str, customers: list[str]) -> list[str]:
        """The values that a parameter can have, as the operation tells that the contract names for it."""
        contract = self._reading.contract
        raw = contract.document["paths"][self._operation.path][self._operation.method.lower()]
        described: dict[str, Any] = next((p for p in raw.get("parameters", ()) if p.get("name") == name), {})
        source = described.get("x-value-from") or described.get("schema", {}).get("x-value-from")
        schema = contract.resolved(described.get("schema", {}))
        fixed = [str(each) for each in (*schema.get("enum", ()), *described.get("x-samples", ()))]
        if not source or source.get("operation") not in contract.operations:
            return fixed
        teller = contract.operations[source["operation"]]
        found: Counter[str] = Counter()
        for path in self._paths(teller, customers):
            status, body = self._reading.get(teller, path)
            if not 200 <= status < 300:
                continue
            if "pointer" in source:
                found.update(_all_at(body, source["pointer"]))
            else:
                found.update(
                    str(row[source["field"]]) for row in rows_of(teller, status, body) if source["field"] in row
                )
        return list(dict.fromkeys([*fixed, *(value for value, _ in found.most_common())]))

    def _paths(self, teller: Operation, customers: list[str]) -> Iterator[dict[str, str]]:
        if not teller.path_parameters:
            yield {}
            return
        parameter = teller.path_parameters[-1]
        if not customers:
            customers = self._some(parameter.entity, parameter.field)
        for customer in customers[:_LOOKED_AT]:
            yield {parameter.name: customer}

    def _some(self, entity: str, field: str) -> list[str]:
        """Ids of some records of an entity."""
        contract = self._reading.contract
        for operation in contract.operations.values():
            lists = operation.collection is not None and not operation.path_parameters and operation.entity == entity
            if not lists or operation.method != "GET":
                continue
            query: list[tuple[str, Any]] = []
            for parameter in operation.query_parameters:
                if parameter.required or parameter.searches:
                    query += [(parameter.name, sample) for sample in parameter.samples[:1]]
            status, body = self._reading.get(operation, None, query)
            try:
                rows: list[Row] = rows_of(operation, status, body)
            except ReadError:
                continue
            found = [str(row[field]) for row in rows if row.get(field) not in (None, "")]
            if found:
                return found
        return []


def _at(body: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to; None when it leads nowhere."""
    for part in _parts(pointer):
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and part.isdecimal() and int(part) < len(body):
            body = body[int(part)]
        else:
            return None
    return body


def _all_at(body: Any, pointer: str) -> Iterator[str]:
    """The same for every element of the lists on the way, whichever the pointer names."""
    parts = list(_parts(pointer))
    level = [body]
    for part in parts:
        following: list[Any] = []
        for each in level:
            if isinstance(each, dict) and part in each:
                following.append(each[part])
            elif isinstance(each, list):
                following += each if part.isdecimal() else []
        level = following
    yield from (str(each) for each in level if isinstance(each, str | int))


def _parts(pointer: str) -> Iterator[str]:
    for part in pointer.split("/")[1:]:
        yield part.replace("~1", "/").replace("~0", "~")
