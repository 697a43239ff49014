"""What the cells of an operation need of a target, told by the contract: what may be judged at the same time.

Where one process walks a list, no other may create or delete what stands in it. Records that several processes only use
on the way (a segment to hang a note below) disturb nobody who does not look at them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cdp.contract import Contract, Operation
from cdp.verdicts import Cell

CALLERS = ("user", "user_role")  # what a caller with other features is made of
_CREDENTIALS = (*CALLERS, "login_user")
_CALLING = ("AUTH-06",)
_DEEPEST = 6  # schemas of conditions hold themselves


@dataclass(frozen=True)
class Footprint:
    """Kinds of records, by their resource (see `resource`). `still`: those that have to hold still, because they are
    judged by what is seen of them; `touched`: those that are created, changed or used."""

    still: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()

    def __or__(self, other: Footprint) -> Footprint:
        return Footprint(self.still | other.still, self.touched | other.touched)

    def disturbs(self, other: Footprint) -> bool:
        """Whether one of the two touches what has to hold still for the other."""
        return bool(self.touched & other.still or self.still & other.touched)


NOTHING = Footprint()


def resource(operation: Operation) -> str:
    """The kind of record that an operation is about; the operation itself where it is about none."""
    return operation.entity or operation.id


class Footprints:
    """The footprints of a contract's operations."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._needs: dict[str, Footprint] = {}
        self._finding: set[str] = set()

    def of(self, cells: Iterable[Cell]) -> Footprint:
        """The footprint of cells that are judged one after the other."""
        found = NOTHING
        operations: dict[str, None] = {}
        for cell in cells:
            operations[cell.operation] = None
            if cell.requirement.startswith("ROLE") or cell.requirement in _CALLING:
                found |= Footprint(touched=frozenset({"user_role"}))  # features are granted and withdrawn
        for name in operations:
            found |= self._judging(self.contract.operations[name])
        return found

    def _judging(self, operation: Operation) -> Footprint:
        """What all cells of an operation together need. A list is judged by records that are created for it, and by
        reading them: by every operation of its entity."""
        family = [o for o in self.contract.operations.values() if o.entity and o.entity == operation.entity]
        found = NOTHING
        for each in family or [operation]:
            found |= self._needing(each) | self._shown(each) | self._searching(each)
            observer = self.contract.operations.get(each.observe or "")
            if observer is not None:
                found |= self._needing(observer) | self._shown(observer)
            if each.safety != "read":
                found |= Footprint(touched=frozenset({resource(each), *([resource(observer)] if observer else ())}))
        return found

    @staticmethod
    def _shown(operation: Operation) -> Footprint:
        """What has to hold still while an operation is looked at: its records, and those that show in them."""
        within = {sub.entity for sub in operation.sub_entities}
        return Footprint(still=frozenset({resource(operation), *within, *operation.reflects}))

    def _needing(self, operation: Operation) -> Footprint:
        """What a valid call uses: parents and references that are created or looked up for it."""
        if operation.id in self._needs:
            return self._needs[operation.id]
        if operation.id in self._finding:
            return NOTHING
        self._finding.add(operation.id)
        found = self._taking_in(operation) if operation.ingestion else NOTHING
        for part in self._parts(operation):
            if isinstance(part.get("x-entity"), str):
                found |= self._record_of(part["x-entity"])
            if "x-value-from" in part:
                found |= self._using(part["x-value-from"]["operation"])
            if "x-credential" in part:
                found |= Footprint(touched=frozenset(_CREDENTIALS))
        for name in self.contract.raw(operation).get("x-requires", ()):
            found |= self._using(name)
        self._finding.discard(operation.id)
        self._needs[operation.id] = found
        return found

    def _using(self, name: str) -> Footprint:
        operation = self.contract.operations.get(name)
        if operation is None:
            return NOTHING
        return self._needing(operation) | Footprint(touched=frozenset({resource(operation)}))

    def _record_of(self, entity: str) -> Footprint:
        """A record that a list tells, or one of the run's own."""
        found = Footprint(touched=frozenset({entity}))
        for action in ("create", "list"):
            operation = self.contract.by_action(entity, action)
            if operation is not None:
                found |= self._needing(operation)
        return found

    def _taking_in(self, operation: Operation) -> Footprint:
        """Events that are sent, the lists in which they are looked for, and what changes with them."""
        assert operation.ingestion is not None
        found = Footprint(touched=frozenset({resource(operation)}))
        for name in (*operation.ingestion.read_back, *(operation.ingestion.owner or ())[:1]):
            way = self.contract.operations.get(name)
            if way is not None:
                found |= self._using(name) | Footprint(touched=frozenset(way.reflects))
        return found

    def _searching(self, operation: Operation) -> Footprint:
        """What a search is tried with: values that another operation tells, and customers of the run's own, who come by
        events."""
        found = NOTHING
        for parameter in operation.query_parameters:
            if parameter.searches:
                found |= self._using(parameter.searches.operation)
                found |= self._using(parameter.searches.counted) if parameter.searches.counted else NOTHING
                for other in self.contract.operations.values():
                    found |= self._using(other.id) if other.ingestion else NOTHING
        return found

    # --- what the contract's extensions refer to ---------------------------------------------------------------------

    def _parts(self, operation: Operation) -> Iterator[Mapping[str, Any]]:
        """The parameters of a call, and the schemas of its body with all that stands in them."""
        yield from self.contract.raw(operation).get("parameters", ())
        if operation.body_schema is not None:
            yield from self._schemas(operation.body_schema)
        if operation.ingestion is not None:
            yield from self._schemas(self.contract.document["components"]["schemas"][operation.ingestion.rows])

    def _schemas(self, schema: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
        schema = self.contract.resolved(schema)
        yield schema
        if depth == _DEEPEST:
            return
        parts = [*schema.get("properties", {}).values(), schema.get("items")]
        parts += [part for key in ("anyOf", "oneOf", "allOf") for part in schema.get(key, ())]
        for part in parts:
            if isinstance(part, Mapping):
                yield from self._schemas(part, depth + 1)
