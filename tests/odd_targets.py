"""Runs over the real instance behind a server of odd habits, told by a function between the two."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import requests

from cdp.contract import load_contract
from cdp.targets import Credentials, Target
from cdp.verdicts import Result
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from instance.faults.model import Alteration, Fault
from tests.broken_server import BrokenServer
from tests.throwaway_runs import results_of

CONTRACT, CATALOGUE = load_contract(), load_catalogue()


@contextmanager
def behind(server: BrokenServer, alter: Alteration, *, token: bool = False) -> Iterator[Target]:
    """The target with these habits on everything; with `token` a ready-made one is all that is known of it."""
    with server.breaking(Fault("odd", "odd", ("login_user",), (), alter, beyond=True)) as target:
        if token:
            known = {"email": target.credentials.email, "password": target.credentials.password}
            answer = requests.post(f"{target.base_url}/users/login", json=known, timeout=10).json()
            target = replace(target, credentials=Credentials(token=answer["token"]))
        yield target


def results_on(target: Target, directory: Path, *cells: str, profile: str = "quick") -> dict[str, Result]:
    """Results by REQUIREMENT/operation of a run over those of these cells alone; the worst of several roles."""
    wanted = {tuple(cell.split("/")) for cell in cells}
    selection = Selection(
        operations=tuple(dict.fromkeys(operation for _, operation in wanted)),
        requirements=tuple(dict.fromkeys(requirement for requirement, _ in wanted)),
    )
    plan = make_plan(CONTRACT, CATALOGUE, selection, PROFILES[profile], seed=1)
    plan = plan.only([cell for cell in plan.cells if (cell.requirement, cell.operation) in wanted])
    found: dict[str, Result] = {}
    for result in results_of(plan, target, directory):
        name = f"{result.cell.requirement}/{result.cell.operation}"
        if name not in found or found[name].verdict < result.verdict:
            found[name] = result
    return found


def odd(alter: Alteration, through: str = "") -> Fault:
    """These habits as a fault that is none of the kinds; `through`: further operations that have them."""
    return Fault("odd", "odd", (), (), alter, through=frozenset(through.split()))


def worst_of(server: BrokenServer, directory: Path, fault: Fault | None, requirement: str, operation: str) -> Result:
    """The worst that a release run says of one requirement and operation, with the fault on that operation."""
    cell = f"{requirement}/{operation}"
    with server.breaking(replace(fault, examples=(operation,)) if fault else None) as target:
        return results_on(target, Path(tempfile.mkdtemp(dir=directory)), cell, profile="release")[cell]


def told(found: dict[str, Result]) -> str:
    return "; ".join(f"{name} {r.verdict.name} {r.sentence}" for name, r in found.items())
