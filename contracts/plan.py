"""What a run is going to do: the cells that are chosen, in the order in which they are judged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from cdp.contract import Contract, Operation
from cdp.known_failures import KnownFailure
from cdp.verdicts import Cell
from contracts import conventions as _conventions  # noqa: F401 - registers the checks
from contracts.applicability import PREDICATES
from contracts.catalogue import Catalogue, gate
from contracts.cells import ADMIN, Selection, build_cells
from contracts.checks import CHECKS
from contracts.profiles import Profile

# Within an operation: what reads the collection first, what writes after it, and last what judges all answers that were
# seen.
_FIRST = ("PAGE", "ORDER", "STRUCT")
_WRITING = ("ROLE-06", "ORDER-02", "MEDIA-06", "SEARCH-03")
_WRITING_FAMILIES = ("LIFE", "EVENT")
OBSERVING = ("CODE-01", "CODE-06", "CODE-07", "AUTH-07", "ROLE-08", "MEDIA-01", "MEDIA-02", "SHAPE-01")


class GateError(Exception):
    """The catalogue and the checks do not fit together; the message names every misfit."""


@dataclass(frozen=True)
class Plan:
    """What a run is going to do. `cells` are in the order in which they are judged."""

    contract: Contract
    catalogue: Catalogue
    profile: Profile
    seed: int
    strict: bool
    cells: tuple[Cell, ...]
    known_failures: tuple[KnownFailure, ...] = ()

    @property
    def operations(self) -> list[Operation]:
        return [self.contract.operations[name] for name in dict.fromkeys(cell.operation for cell in self.cells)]

    @property
    def sections(self) -> list[str]:
        """The names of the sections that the run is about, in the contract's order; those without any operation are
        named where nothing else is left out either."""
        names = [section.name for section in self.contract.sections]
        chosen = {operation.section for operation in self.operations}
        known = {operation.section for operation in self.contract.operations.values()}
        return names if chosen == known else [name for name in names if name in chosen]

    @property
    def families(self) -> list[str]:
        """The families of the requirements that are judged, in the catalogue's order."""
        judged = {cell.requirement.partition("-")[0] for cell in self.cells}
        return [name for name in dict.fromkeys(r.family for r in self.catalogue.checked) if name in judged]

    def only(self, cells: Collection[Cell]) -> Plan:
        """The same plan for some of its cells, in the same order."""
        return replace(self, cells=tuple(cell for cell in self.cells if cell in cells))


def make_plan(
    contract: Contract, catalogue: Catalogue, selection: Selection, profile: Profile, seed: int, strict: bool = False
) -> Plan:
    """Choose and order the cells. Raises SelectionError for unknown names, GateError when a requirement has no
    check."""
    problems = gate(catalogue, CHECKS, PREDICATES)
    if problems:
        raise GateError("; ".join(problems))
    cells = build_cells(contract, catalogue, selection, profile.listing_roles)
    position = {o: n for n, o in enumerate(contract.operations)}
    cells.sort(key=lambda cell: (position[cell.operation], _stage(cell), _role_rank(cell)))
    return Plan(contract, catalogue, profile, seed, strict, tuple(cells))


def _stage(cell: Cell) -> int:
    if cell.requirement in OBSERVING:
        return 4 + OBSERVING.index(cell.requirement)
    family = cell.requirement.partition("-")[0]
    if cell.requirement == "LIFE-05":
        return 1
    if cell.requirement in _WRITING or family in _WRITING_FAMILIES:
        return 3
    return 1 if family in _FIRST else 2


def _role_rank(cell: Cell) -> int:
    return 0 if cell.role in ("", ADMIN) else 1
