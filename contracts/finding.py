"""Records that are there: which ids, texts and values a valid call can use, read from the target itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Protocol

from cdp.contract import Operation, Parameter
from cdp.http import Exchange
from cdp.prefixes import prefix_in
from contracts.books import value_at
from contracts.calls import Call, query_pairs
from contracts.observing import rows_of
from contracts.samples import Sampler
from contracts.session import Session

_PARENT_CANDIDATES = 4
_OTHER_CANDIDATES = 8
_ENOUGH = 21
_BESIDE = 6  # other records of a list that are tried where one that it tells of cannot be read
_PEOPLE = 4  # identifiers that are searched for where no usual text finds anybody
_SEARCHED = range(3, 101)  # characters of a text that is searched for
FORBIDDEN = 403


class Unavailable(Exception):
    """A valid call cannot be built; the message says what is missing and what would help."""


def refused(operation: Operation, exchange: Exchange, to: str = "") -> Unavailable:
    """What a call that should have succeeded got instead, and what would help where that is a matter of rights."""
    if exchange.status != FORBIDDEN:
        return Unavailable(f"{operation.id} {exchange.answered()}{to}")
    features = operation.features.text() if operation.features.needed else "more features"
    return Unavailable(
        f"the role of the run's own token may not call {operation.id}; a token with {features} would make it checkable"
    )


class Leads(Protocol):
    """Anything that knows the path parameters of a record."""

    @property
    def path(self) -> Mapping[str, str]: ...


class Finder:
    """Finds values for parameters. `make` creates a record of the run's own where no list could tell one."""

    def __init__(self, session: Session, sampler: Sampler, make: Callable[[str], Leads]) -> None:
        self.session = session
        self.contract = session.contract
        self.sampler = sampler
        self.make = make
        self._paths: dict[str, dict[str, str]] = {}
        self._finding: set[str] = set()
        self._finding_text: dict[str, str] = {}  # the text that found somebody, by operation
        self.steady = False  # others come and go: what has been there for longer is taken

    def forget(self, operation: Operation) -> None:
        """Seek another record for an operation: the one that was found is gone."""
        self._paths.pop(operation.id, None)
        self.steady = True

    def settle(self, operation: Operation, path: Mapping[str, str]) -> None:
        """Let an operation be about this record from now on."""
        self._paths[operation.id] = dict(path)

    def beside(self, operation: Operation, path: Mapping[str, str]) -> list[dict[str, str]]:
        """Paths to some other records of the list that the last id of a path is in, below the same parents; none where
        that list does not hold it."""
        parameter = operation.path_parameters[-1] if operation.path_parameters else None
        listing = self.contract.by_action(parameter.entity, "list") if parameter and parameter.entity else None
        if parameter is None or listing is None or any(p.name not in path for p in listing.path_parameters):
            return []
        try:
            values = self.known_values(listing, parameter, path)
        except Unavailable:
            return []
        others = [value for value in values if value != path[parameter.name]]
        if len(others) == len(values):
            return []
        spread = [*others[:: max(1, len(others) // (_BESIDE - 1))][: _BESIDE - 1], *others[-1:]]
        return [{**path, parameter.name: value} for value in dict.fromkeys(spread)]

    @property
    def found(self) -> Mapping[str, Mapping[str, str]]:
        """The path parameters that have been found so far, by operation."""
        return {name: dict(path) for name, path in self._paths.items()}

    def take_over(self, found: Mapping[str, Mapping[str, str]]) -> None:
        """Use what another process has found."""
        self._paths.update({name: dict(path) for name, path in found.items()})

    def find_ids(self, operations: list[Operation]) -> None:
        """Find the records that reads will be about, before the run creates any: its own must not be taken for the
        target's."""
        for operation in operations:
            if operation.safety == "read" and operation.path_parameters:
                try:
                    self.existing_path(operation)
                except Unavailable:
                    continue  # the cells of the operation say so themselves

    def required_query(self, operation: Operation) -> tuple[tuple[str, str], ...]:
        pairs: list[tuple[str, str]] = []
        for parameter in operation.query_parameters:
            if parameter.required:
                pairs += query_pairs(parameter.name, self.parameter_value(parameter, operation, {}))
        return tuple(pairs)

    def listing(self, operation: Operation, path: Mapping[str, str], query: tuple[tuple[str, str], ...] = ()) -> Call:
        """The call by which records of a list are known. Raises Unavailable when a value that it needs is not told."""
        call = Call(operation, path, self.required_query(operation) + query)
        return call.asking(("limit", 100)) if operation.collection and operation.collection.paging else call

    def records(
        self, operation: Operation, path: Mapping[str, str], query: tuple[tuple[str, str], ...] = ()
    ) -> list[Any]:
        """Records of a list, up to 100, newest first. Raises Unavailable when the list does not answer."""
        exchange = self.session.read(self.listing(operation, path, query), self.session.admin)
        found = rows_of(operation, exchange)
        if found is None:
            raise refused(operation, exchange)
        return found

    def existing_path(self, operation: Operation) -> dict[str, str]:
        if operation.id not in self._paths:
            if operation.id in self._finding:
                raise Unavailable(f"{operation.id} needs an id that only it could tell")
            self._finding.add(operation.id)
            try:
                with self.session.ledger.lasting():
                    self._paths[operation.id] = self.find_path(operation)
            finally:
                self._finding.discard(operation.id)
        return dict(self._paths[operation.id])

    def find_path(self, operation: Operation) -> dict[str, str]:
        path: dict[str, str] = {}
        for number, parameter in enumerate(operation.path_parameters):
            last = number == len(operation.path_parameters) - 1
            wanted = operation if operation.collection else self._list_below(operation) if not last else None
            path[parameter.name] = self.parameter_value(parameter, operation, path, children=wanted)
        return path

    def _list_below(self, operation: Operation) -> Operation | None:
        """The list that the operation's record is in, when that list hangs below the same parent."""
        entity = operation.path_parameters[-1].entity
        return self.contract.by_action(entity, "list")

    def parameter_value(
        self, parameter: Parameter, operation: Operation, path: Mapping[str, str], children: Operation | None = None
    ) -> str:
        raw = self.raw_parameter(operation, parameter.name)
        if "x-value-from" in raw:
            return str(self.value_from(raw["x-value-from"], path))
        if parameter.samples:
            return self._sample_that_finds(parameter, operation)
        if not parameter.entity:
            return str(self.sampler.value(parameter.schema, parameter.name))
        listing = self.contract.by_action(parameter.entity, "list")
        if listing is None:
            return self.make(parameter.entity).path[parameter.name]
        values = self.known_values(listing, parameter, path)
        if not values:
            if self.contract.by_action(parameter.entity, "create") and operation.safety != "read":
                return self.make(parameter.entity).path[parameter.name]
            create = self.contract.by_action(parameter.entity, "create")
            asked = create is not None and not self.session.target.allows(create.safety)
            helps = "create one, or allow writes" if asked else "an instance that has some would make it checkable"
            raise Unavailable(f"{listing.id} holds no record to ask for; {helps}")
        if self.steady:
            values = values[len(values) // 2 :]
        if children is None or children.collection is None:
            return values[0]
        return self._richest(values, parameter, children, path, once=operation.safety == "read")

    def known_values(self, listing: Operation, parameter: Parameter, path: Mapping[str, str]) -> list[str]:
        """What a path parameter may be by the list of its records, the newest first. Raises Unavailable."""
        records = self.records(listing, self.shared(listing, path))
        found = (r[parameter.field] for r in records if isinstance(r, dict) and r.get(parameter.field) is not None)
        return list(dict.fromkeys(map(str, found)))

    def _richest(
        self, values: list[str], parameter: Parameter, children: Operation, path: Mapping[str, str], *, once: bool
    ) -> str:
        """Of the newest parents the first with more than a page of children, else the one with the most. Where none of
        them has any, as may be where others are at work, some older ones are looked at."""
        best, most = values[0], -1
        # What a read is about is sought once for a run, what a write is about each time.
        others = values[_PARENT_CANDIDATES :: max(1, len(values) // _OTHER_CANDIDATES)] if once else []
        for number, value in enumerate([*values[:_PARENT_CANDIDATES], *others]):
            if number >= _PARENT_CANDIDATES and most > 0:
                break  # the newest have some
            names = {p.name for p in children.path_parameters}
            known = {**path, parameter.name: value}
            if not names <= set(known):
                return value  # the children hang below more than this parameter
            try:
                count = len(self.records(children, {n: known[n] for n in names}))
            except Unavailable:
                continue
            if count > most:
                best, most = value, count
            if most >= _ENOUGH:
                break
        return best

    def shared(self, listing: Operation, path: Mapping[str, str]) -> dict[str, str]:
        """Path parameters of a list: those that are known already, the others found."""
        found = {}
        for parameter in listing.path_parameters:
            found[parameter.name] = (
                path[parameter.name] if parameter.name in path else self.existing_path(listing)[parameter.name]
            )
        return found

    def _sample_that_finds(self, parameter: Parameter, operation: Operation) -> str:
        """A text that finds somebody: usual ones first, then identifiers of people, because a search may know whole
        words or values only."""
        known = self._finding_text.get(operation.id)
        for sample in chain((known,) if known else (), parameter.samples, self._identifiers(parameter)):
            call = Call(operation, {}, ((parameter.name, sample), ("limit", "100")))
            if rows_of(operation, self.session.read(call, self.session.admin)):
                self._finding_text[operation.id] = sample
                return sample
        return parameter.samples[0]

    def _identifiers(self, parameter: Parameter) -> Iterator[str]:
        """Identifiers of the people with most events, as a list of them tells; those of the run's own left out."""
        for taking in self.contract.operations.values() if parameter.searches else ():
            ingestion = self.contract.raw(taking).get("x-ingestion", {})
            for listing in (self.contract.operations.get(name) for name in ingestion.get("read-back", ())):
                if listing is None or listing.collection is None or listing.path_parameters:
                    continue
                try:
                    rows = self.records(listing, {})
                except Unavailable:
                    continue
                told = (r.get(ingestion["identifier"]) for r in rows if isinstance(r, dict))
                texts = (t for t in told if isinstance(t, str) and not prefix_in(t) and len(t) in _SEARCHED)
                yield from (text for text, _ in Counter(texts).most_common(_PEOPLE))
                return

    def raw_parameter(self, operation: Operation, name: str) -> Mapping[str, Any]:
        """What the contract's file says of a parameter; nothing where the operation has none of that name."""
        raw = self.contract.raw(operation)
        return next((p for p in raw.get("parameters", ()) if p["name"] == name), {})

    def value_from(self, source: Mapping[str, Any], path: Mapping[str, str]) -> Any:
        """A value that another read operation tells: `pointer` into its answer, or `field` of its records."""
        if not source["operation"]:  # an overlay has taken it away
            raise Unavailable("no operation of the contract tells a value that could be sent")
        operation = self.contract.operations[source["operation"]]
        own_path = self.shared(operation, path) if operation.path_parameters else {}
        if "pointer" in source:
            exchange = self.session.read(Call(operation, own_path), self.session.admin)
            return value_at(exchange, source["pointer"])
        query = (("attribute_values_max_count", "100"),) if operation.query("attribute_values_max_count") else ()
        values = [r.get(source["field"]) for r in self.records(operation, own_path, query) if isinstance(r, dict)]
        values = [v for v in values if v is not None and re.search(source.get("pattern", ""), str(v))]
        if not values:
            raise Unavailable(f"{operation.id} tells no {source['field']} to use")
        return Counter(values).most_common(1)[0][0] if source.get("most") else values[0]
