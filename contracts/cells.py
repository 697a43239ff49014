"""The cells of a run: requirement × operation [× role], a list that can be printed before anything is sent."""

from __future__ import annotations

import difflib
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
    """Which cells are wanted; an empty tuple means all. Requirements may be families (PAGE), and addresses of cells may
    leave the role out, which means all roles."""

    sections: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    cells: tuple[str, ...] = field(default=())

    def validate(self, contract: Contract, catalogue: Catalogue) -> None:
        """Raise SelectionError when something asked for does not exist."""
        sections = [name for section in contract.sections for name in (section.slug, section.name)]
        for name in self.sections:
            if contract.section(name) is None:
                raise SelectionError(f"no section is called {name!r}{_meant(name, sections)}; `cdp spec` lists them")
        for name in self.requirements:
            if name not in catalogue.requirements and name not in catalogue.families:
                raise SelectionError(_unknown_requirement(name, catalogue))
        for name in self.operations:
            if name not in contract.operations:
                raise SelectionError(_unknown_operation(name, contract))
        for address in self.cells:
            requirement, *others = address.split("/", 2)
            if not others:
                raise SelectionError(
                    f"{address!r} is no address of a cell; write REQUIREMENT/operation[/role], "
                    "for example PAGE-03/list_tags"
                )
            if requirement not in catalogue.requirements:
                raise SelectionError(_unknown_requirement(requirement, catalogue))
            if others[0] not in contract.operations:
                raise SelectionError(_unknown_operation(others[0], contract))

    def asked_operations(self, contract: Contract) -> list[Operation]:
        """The operations that cells are wanted of, in the contract's order."""
        sections = {section.name for name in self.sections if (section := contract.section(name))}
        return [
            operation
            for operation in contract.operations.values()
            if (not self.operations or operation.id in self.operations)
            and (not self.sections or operation.section in sections)
        ]

    def asked_requirements(self, catalogue: Catalogue) -> list[Requirement]:
        """The checked requirements that cells are wanted of, in the catalogue's order."""
        wanted = self.requirements
        return [r for r in catalogue.checked if not wanted or r.id in wanted or r.family in wanted]


def _meant(name: str, known: Iterable[str]) -> str:
    """What somebody who mistyped a name may have meant, to be put behind it."""
    by_folded = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, 1, 0.7)
    return f" (did you mean {by_folded[found[0]]}?)" if found else ""


def _unknown_requirement(name: str, catalogue: Catalogue) -> str:
    known = [*catalogue.requirements, *catalogue.families]
    return (
        f"no requirement or family is called {name!r}{_meant(name, known)}; "
        f"the families are {', '.join(catalogue.families)}, and contracts/requirements.yaml lists the requirements"
    )


def _unknown_operation(name: str, contract: Contract) -> str:
    meant = _meant(name, contract.operations)
    return f"no operation is called {name!r}{meant}; `cdp spec --section SECTION` lists those of a section"


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
    requirements = selection.asked_requirements(catalogue)
    cells = [
        Cell(requirement.id, operation.id, role)
        for operation in selection.asked_operations(contract)
        for requirement in requirements
        if PREDICATES[requirement.applies_to](contract, operation)
        for role in roles_of(requirement, operation, listing_roles)
    ]
    return _chosen(cells, selection.cells) if selection.cells else cells


def _chosen(cells: list[Cell], addresses: Iterable[str]) -> list[Cell]:
    """Those that are addressed. SelectionError for an address that none of them has: it would go unjudged unnoticed."""
    chosen = set()
    for address in addresses:
        requirement, operation, *role = address.split("/", 2)
        there = [cell for cell in cells if (cell.requirement, cell.operation) == (requirement, operation)]
        found = [cell for cell in there if not role or cell.role == role[0]]
        if not found:
            others = f"; there is {', '.join(cell.address for cell in there[:8])}" if there else ""
            raise SelectionError(f"no cell of this profile and of what was chosen has the address {address}{others}")
        chosen.update(found)
    return [cell for cell in cells if cell in chosen]
