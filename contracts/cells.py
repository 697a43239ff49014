"""The cells of a run: requirement × operation [× role], a list that can be printed before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cdp.contract import Contract, Operation
from cdp.contract.operation import is_pattern
from cdp.verdicts import Cell
from contracts.applicability import PREDICATES
from contracts.catalogue import Catalogue, Requirement

ADMIN, MINIMAL, NO_FEATURES = "admin", "minimal", "no-features"
_LISTING_FAMILIES = ("PAGE", "ORDER", "STRUCT")


class SelectionError(Exception):
    """A section, requirement or operation that was asked for does not exist; the message names it."""


@dataclass(frozen=True)
class Selection:
    """Which cells are wanted; an empty tuple means all. Requirements may be families (PAGE)."""

    sections: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    cells: tuple[str, ...] = field(default=())

    def validate(self, contract: Contract, catalogue: Catalogue) -> None:
        """Raise SelectionError when something asked for does not exist."""
        for name in self.sections:
            if contract.section(name) is None:
                raise SelectionError(f"no section is called {name!r}; `cdp spec` lists them")
        for name in self.requirements:
            if name not in catalogue.requirements and name not in catalogue.families:
                raise SelectionError(f"no requirement or family is called {name!r}")
        for name in self.operations:
            if name not in contract.operations:
                raise SelectionError(f"no operation is called {name!r}; `cdp spec` lists them")

    def takes(self, contract: Contract, requirement: Requirement, operation: Operation) -> bool:
        if self.operations and operation.id not in self.operations:
            return False
        if (
            self.requirements
            and requirement.id not in self.requirements
            and requirement.family not in self.requirements
        ):
            return False
        return not self.sections or operation.section in {s.name for n in self.sections if (s := contract.section(n))}


def roles_of(requirement: Requirement, operation: Operation, listing_roles: Iterable[str]) -> list[str]:
    """The roles that a requirement is held to on an operation; an empty name where no role has a part in it."""
    if requirement.id == "ROLE-02":
        return [features[0] for features in operation.features.minimal_sets() if not any(map(is_pattern, features))]
    if requirement.id == "ROLE-03":
        return ["feature-sets"]
    if requirement.id == "ROLE-06":
        return ["changed-role"]
    if requirement.id == "ROLE-07":
        return ["ended-user"]
    if requirement.family == "ROLE":
        return [NO_FEATURES]
    if requirement.family == "AUTH":
        return [""]
    if requirement.family in _LISTING_FAMILIES and requirement.id != "ORDER-02":
        return [role for role in listing_roles if role == ADMIN or operation.features.needed]
    return [ADMIN]


def build_cells(
    contract: Contract, catalogue: Catalogue, selection: Selection, listing_roles: Iterable[str] = (ADMIN,)
) -> list[Cell]:
    """Every cell of the selection, operation by operation in the order of the overview page."""
    selection.validate(contract, catalogue)
    wanted = set(selection.cells)
    cells = [
        Cell(requirement.id, operation.id, role)
        for operation in contract.operations.values()
        for requirement in catalogue.checked
        if selection.takes(contract, requirement, operation) and PREDICATES[requirement.applies_to](contract, operation)
        for role in roles_of(requirement, operation, listing_roles)
    ]
    return [cell for cell in cells if not wanted or cell.address in wanted]
