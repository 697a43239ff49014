"""How far a run can reach on a target, told before it starts: which cells can be judged, and what stands in the way of
the others.

An estimate, made from what the contract says an operation needs and from what was found out about the target. It knows
nothing of values: that a list holds only one tag to filter by comes out in the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cdp.contract import Contract, Operation
from cdp.targets import Target
from cdp.verdicts import Cell
from contracts.belongings import kept_from
from contracts.cells import MINIMAL, NO_FEATURES
from contracts.probing import Presence

# What stands in the way of a cell. The first ones can be changed by whoever starts the run.
WRITES, DESTRUCTIVE, SENDS = "allow writes", "allow destructive", "allow sends"
FEATURES, RECORDS, ABSENT = "a token with more features", "more records", "operations that are there"
CALLERS = "ready-made tokens for roles"
OUT_OF_REACH = "not through the API"
REMEDIES = (FEATURES, WRITES, DESTRUCTIVE, SENDS, CALLERS, RECORDS, ABSENT)

# Records that a requirement needs in the list, where it needs any.
_RECORDS = {
    "PAGE-01": 21,
    "PAGE-02": 2,
    "PAGE-03": 3,
    "PAGE-04": 22,
    "PAGE-06": 2,
    "PAGE-10": 3,
    "ORDER-01": 2,
    "ORDER-03": 2,
    "ORDER-04": 2,
    "STRUCT-01": 1,
    "STRUCT-02": 1,
    "STRUCT-04": 1,
    "SHAPE-03": 1,
}
_CREATING = ("ORDER-02", "LIFE-01", "LIFE-02", "LIFE-03", "LIFE-04", "LIFE-06")
_OBSERVING = ("CODE-01", "CODE-06", "CODE-07", "MEDIA-01", "MEDIA-02")  # a refusal is as good an answer as any
_CALLING = ("AUTH-06",)
_CHANGING_CALLERS = ("ROLE-06", "ROLE-07", "AUTH-06")  # no ready-made token serves: the caller himself is changed


@dataclass
class Known:
    """What is known of a target. `held`: features of the token's role, `lacking`: those it has not; what is in neither
    is not known. `counts`: records per list, up to what was asked for. `paths`: reads whose ids were sought, and
    whether any was found. `callers`: whether users can be made who log in; `passwords`: whether any password counts."""

    contract: Contract
    target: Target
    presence: dict[str, Presence] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    held: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    counts: dict[str, int] = field(default_factory=dict)
    paths: dict[str, bool] = field(default_factory=dict)
    callers: bool = True
    passwords: bool = True

    def may_call(self, operation: Operation) -> bool:
        """Whether the token's role may call the operation, as far as that is known."""
        if operation.id in self.refused:
            return False
        needs = operation.features
        if needs.any_of and self.lacking.issuperset(needs.any_of):
            return False
        return not self.lacking.intersection(needs.all_of)


@dataclass(frozen=True)
class Reach:
    """Cells and what stands in the way of each."""

    blockers: Mapping[Cell, frozenset[str]]

    @property
    def judged(self) -> int:
        return sum(not b for b in self.blockers.values())

    def by_family(self) -> dict[str, tuple[int, int]]:
        """Cells that can be judged, and all, per family of requirements."""
        total: Counter[str] = Counter()
        judged: Counter[str] = Counter()
        for cell, blockers in self.blockers.items():
            family = cell.requirement.partition("-")[0]
            total[family] += 1
            judged[family] += not blockers
        return {family: (judged[family], count) for family, count in total.items()}

    def gain(self, remedies: Iterable[str], before: Iterable[str] = ()) -> int:
        """Cells that become judgeable by some remedies, others having been taken before."""
        taken = frozenset(before)
        wanted = taken | frozenset(remedies)
        return sum(bool(b) and b <= wanted and not b <= taken for b in self.blockers.values())

    def steps(self) -> list[tuple[str, int]]:
        """What to change, in the order in which each brings the most beside those before it, and what it brings."""
        found: list[tuple[str, int]] = []
        taken: list[str] = []
        while left := [r for r in REMEDIES if r not in taken and not self._waits(r, taken)]:
            gains = {remedy: self.gain([remedy], taken) for remedy in left}
            # What brings nothing by itself may open the way: then the one that stands in most ways comes next.
            best = max(left, key=lambda r: (gains[r], self._ways(r)))
            if not gains[best] and not self._ways(best):
                break
            taken.append(best)
            found.append((best, gains[best]))
        return [(remedy, gain) for remedy, gain in found if gain]

    def _waits(self, remedy: str, taken: list[str]) -> bool:
        """Whether writes have to be allowed first."""
        if remedy not in (DESTRUCTIVE, SENDS):
            return False
        return WRITES not in taken and any(WRITES in b for b in self.blockers.values())

    def _ways(self, remedy: str) -> int:
        return sum(remedy in b and OUT_OF_REACH not in b for b in self.blockers.values())


def reach(known: Known, cells: Iterable[Cell]) -> Reach:
    """What stands in the way of each cell."""
    finder = _Blockers(known)
    return Reach({cell: finder.of(cell) for cell in cells})


class _Blockers:
    def __init__(self, known: Known) -> None:
        self.known = known
        self.contract = known.contract
        self._calls: dict[str, frozenset[str]] = {}
        self._made: dict[str, frozenset[str]] = {}
        self._making: set[str] = set()

    def of(self, cell: Cell) -> frozenset[str]:
        operation = self.contract.operations[cell.operation]
        found = set(self.building(operation) if cell.requirement in _OBSERVING else self.call(operation))
        if self._needs_caller(cell):
            found |= self._caller(cell, operation)
        if cell.requirement in _CREATING:
            found |= self.made(operation.entity)
        wanted = _RECORDS.get(cell.requirement, 0)
        if wanted:
            listing = operation if operation.collection else self.contract.by_action(operation.entity, "list")
            if listing is not None and self.known.counts.get(listing.id, wanted) < wanted:
                found.add(RECORDS)
        return frozenset(found)

    @staticmethod
    def _needs_caller(cell: Cell) -> bool:
        return cell.requirement.startswith("ROLE") or cell.requirement in _CALLING or cell.role == MINIMAL

    def call(self, operation: Operation) -> frozenset[str]:
        """What stands in the way of a valid call that succeeds."""
        found = self.building(operation)
        return found if self.known.may_call(operation) or found == {ABSENT} else found | {FEATURES}

    def building(self, operation: Operation) -> frozenset[str]:
        """What stands in the way of a valid call, whatever its answer."""
        if operation.id not in self._calls:
            self._calls[operation.id] = frozenset(self._building(operation))
        return self._calls[operation.id]

    def _building(self, operation: Operation) -> set[str]:
        known = self.known
        found = self._permissions(operation.safety)
        if known.presence.get(operation.id) is Presence.MISSING:
            return {ABSENT}
        if kept_from(self.contract, operation, known.target):
            found.add(OUT_OF_REACH)
        if _asks_for(self.contract, operation, "oidc_code"):
            found.add(OUT_OF_REACH)
        elif _asks_for(self.contract, operation, "email") or _asks_for(self.contract, operation, "token"):
            found |= self.made("user_role") | self.made("user") | (set() if known.passwords else {OUT_OF_REACH})
        for entity in self._referred(operation):
            found |= self.made(entity)
        if operation.safety == "read":
            if known.paths.get(operation.id) is False:
                found |= self._unlisted(operation)
            return found
        for parameter in operation.path_parameters:
            if not parameter.entity:
                continue
            if self.contract.by_action(parameter.entity, "create") is not None:
                found |= self.made(parameter.entity)
            else:
                listing = self.contract.by_action(parameter.entity, "list")
                if listing is not None:
                    found |= self.call(listing)
                    if known.counts.get(listing.id) == 0:
                        found.add(RECORDS)
        return found

    def _referred(self, operation: Operation) -> set[str]:
        """Kinds of records that a body has to refer to, and that the run makes for it."""
        if operation.body_schema is None:
            return set()
        schema = self.contract.resolved(operation.body_schema)
        fields = schema.get("properties", {})
        needed = (self.contract.resolved(fields[name]) for name in schema.get("required", ()) if name in fields)
        entities = {str(field["x-entity"]) for field in needed if "x-entity" in field}
        return {entity for entity in entities if self.contract.by_action(entity, "create") is not None}

    def _unlisted(self, operation: Operation) -> set[str]:
        """Where no list tells an id, the run makes a record; what stands in the way of that."""
        entities = [p.entity for p in operation.path_parameters if p.entity]
        unlisted = [e for e in entities if self.contract.by_action(e, "list") is None]
        return set().union(*(self.made(e) for e in unlisted)) if unlisted else {RECORDS}

    def made(self, entity: str) -> frozenset[str]:
        """What stands in the way of a record of the run's own."""
        if entity not in self._made:
            create = self.contract.by_action(entity, "create")
            if create is None or entity in self._making:
                return frozenset()
            self._making.add(entity)
            self._made[entity] = self.call(create)
            self._making.discard(entity)
        return self._made[entity]

    def _permissions(self, safety: str) -> set[str]:
        needed = {
            "read": set(),
            "write": {("writes", WRITES)},
            "destructive": {("writes", WRITES), ("destructive", DESTRUCTIVE)},
            "sends": {("writes", WRITES), ("sends", SENDS)},
        }[safety]
        return {remedy for permission, remedy in needed if permission not in self.known.target.allow}

    def _caller(self, cell: Cell, operation: Operation) -> frozenset[str]:
        """What stands in the way of a caller with other features: one of the target's own, or one that is made."""
        made = self.made("user_role") | self.made("user") | (set() if self.known.callers else {CALLERS})
        if not made or cell.requirement in _CHANGING_CALLERS:
            return made if self.known.callers else made | {OUT_OF_REACH}
        ready = [role.features for role in self.known.target.roles]
        if cell.role == NO_FEATURES and frozenset() in ready:
            return frozenset()
        if cell.requirement == "ROLE-02" and frozenset({cell.role}) in ready:
            return frozenset()
        if cell.role == MINIMAL and any(frozenset(m) in ready for m in operation.features.minimal_sets()[:1]):
            return frozenset()
        return made


def _asks_for(contract: Contract, operation: Operation, credential: str) -> bool:
    if operation.body_schema is None:
        return False
    fields = contract.resolved(operation.body_schema).get("properties", {})
    return any(f.get("x-credential") == credential for f in map(contract.resolved, fields.values()))
