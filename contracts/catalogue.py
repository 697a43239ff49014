"""The requirement catalogue as data, and the gate that keeps it and the checks together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cdp.contract.document import ContractError, read_yaml

CATALOGUE = Path(__file__).with_name("requirements.yaml")
LEVELS = ("MUST", "SHOULD", "MAY")


@dataclass(frozen=True)
class Requirement:
    """One row of the catalogue. `applies_to` names a predicate over operations; `unchecked` is the reason for having no
    check."""

    id: str
    level: str
    statement: str
    applies_to: str
    source: str
    unchecked: str = ""

    @property
    def family(self) -> str:
        return self.id.partition("-")[0]


@dataclass(frozen=True)
class Catalogue:
    """All requirements in order, and what their families are about."""

    requirements: dict[str, Requirement]
    families: dict[str, str]

    @property
    def checked(self) -> list[Requirement]:
        return [r for r in self.requirements.values() if not r.unchecked]


def load_catalogue(path: Path = CATALOGUE) -> Catalogue:
    """Read the catalogue; raises ContractError when a row is malformed or an id occurs twice."""
    raw = read_yaml(path)
    requirements: dict[str, Requirement] = {}
    try:
        for row in raw["requirements"]:
            requirement = Requirement(**row)
            if requirement.level not in LEVELS:
                raise ContractError(f"{path}: {requirement.id} has the unknown level {requirement.level}")
            if requirement.id in requirements:
                raise ContractError(f"{path}: {requirement.id} occurs twice")
            if requirement.family not in raw["families"]:
                raise ContractError(f"{path}: {requirement.id} belongs to no family")
            requirements[requirement.id] = requirement
        return Catalogue(requirements, dict(raw["families"]))
    except (KeyError, TypeError) as error:
        raise ContractError(f"{path}: a requirement is malformed: {error}") from None


def gate(catalogue: Catalogue, checks: Iterable[str], predicates: Iterable[str]) -> list[str]:
    """What is wrong between the catalogue and the checks, one sentence each; empty when they fit.

    Every requirement has a check or a reason for having none, never both; every check names a known requirement;
    every checked requirement's predicate exists.
    """
    checks, predicates = set(checks), set(predicates)
    problems = [
        f"the check of {name} names an unknown requirement" for name in sorted(checks - set(catalogue.requirements))
    ]
    for requirement in catalogue.requirements.values():
        if requirement.id in checks and requirement.unchecked:
            problems.append(f"{requirement.id} has a check and a reason for having none")
        if requirement.id not in checks and not requirement.unchecked:
            problems.append(f"{requirement.id} has neither a check nor a reason for having none")
        if not requirement.unchecked and requirement.applies_to not in predicates:
            problems.append(f"{requirement.id} applies to {requirement.applies_to!r}, which is no known predicate")
    return problems
