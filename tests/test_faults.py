"""Every check can fail: each fault is named by the requirement that it breaks, and by no other one."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp.contract import Contract, load_contract
from cdp.verdicts import Result, Verdict
from contracts.applicability import PREDICATES
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import Plan, make_plan
from contracts.profiles import PROFILES
from instance.contract import Operation
from instance.faults import FAULTS, Fault
from instance.faults.model import Answer, Request, World, json_answer
from tests.broken_server import BrokenServer
from tests.schema_values import valid_value
from tests.throwaway_runs import results_of

PROFILE = PROFILES["quick"]
CATALOGUE, CONTRACT = load_catalogue(), load_contract()


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("broken"))
    yield running
    running.stop()


def judge(
    server: BrokenServer, contract: Contract, operations: Iterable[str], directory: Path, fault: Fault | None
) -> list[Result]:
    """A whole contract run over some operations, the clean-up left out: the data are thrown away."""
    plan = make_plan(contract, CATALOGUE, Selection(operations=tuple(operations)), PROFILE, seed=1)
    return results_with(server, plan, directory, fault)


def results_with(server: BrokenServer, plan: Plan, directory: Path, fault: Fault | None) -> list[Result]:
    """What a run of this plan says while the fault is on."""
    with server.breaking(fault) as target:
        return results_of(plan, target, directory)


def reported(results: list[Result]) -> dict[str, Result]:
    """What is not in order, by requirement/operation, the worst verdict where there are several roles."""
    found: dict[str, Result] = {}
    for result in results:
        name = f"{result.cell.requirement}/{result.cell.operation}"
        if result.verdict >= Verdict.WARN and (name not in found or found[name].verdict < result.verdict):
            found[name] = result
    return found


def cells_of(fault: Fault) -> list[str]:
    """REQUIREMENT/operation of every cell that must report it where it was first seen."""
    return [f"{requirement}/{operation}" for requirement in fault.by for operation in fault.examples]


def shown(results: Iterable[Result]) -> str:
    return "; ".join(f"{r.cell.address} {r.verdict.name} {r.sentence}" for r in results) or "nothing"


QUICK = {name: fault for name, fault in FAULTS.items() if fault.profile == "quick"}


def sampled() -> list[Any]:
    """Every kind, one for each requirement in `make test`, the others in `make test-all`; `cdp prove` tries them all on
    many operations."""
    of: Counter[str] = Counter()
    cases = []
    for name, fault in QUICK.items():
        wanted = any(not of[requirement] for requirement in fault.by)
        of.update(fault.by if wanted else ())
        cases.append(pytest.param(fault, id=name, marks=[] if wanted else [pytest.mark.slow]))
    return cases


@pytest.mark.parametrize("fault", sampled())
def test_fault_is_named(server: BrokenServer, contract: Contract, fault: Fault, tmp_path: Path) -> None:
    places = {name: fault.places(server.contract.operations[name], server.contract) for name in fault.examples[:1]}
    shown_on = [name for found in places.values() for name in found if fault.shows]
    results = judge(server, contract, dict.fromkeys([*fault.examples[:1], *shown_on]), tmp_path, fault)
    found = reported(results)
    for example, requirement in itertools.product(fault.examples[:1], fault.by):
        cells = [f"{requirement}/{place}" for place in ({example} if not fault.shows else places[example])]
        own = [r for r in results if f"{r.cell.requirement}/{r.cell.operation}" in cells]
        said = [found[cell] for cell in cells if cell in found]
        assert said, f"{fault.what}: not reported by {requirement}/{example}: {shown(own)}"
        soft = fault.softly or CATALOGUE.requirements[requirement].level != "MUST"
        assert said[0].verdict is (Verdict.WARN if soft else Verdict.FAIL), shown(said)
        assert said[0].exchange, f"{requirement}/{example} shows no exchange"
    strangers = [r for r in found.values() if r.cell.requirement not in {*fault.by, *fault.also}]
    assert not strangers, f"{fault.what}: blamed on {shown(strangers)}"


def test_unbroken_server_is_in_order(server: BrokenServer, contract: Contract, tmp_path: Path) -> None:
    operations = dict.fromkeys(name for fault in FAULTS.values() for name in fault.examples[:1])
    results = judge(server, contract, operations, tmp_path, None)
    assert not reported(results), shown(reported(results).values())
    assert Counter(r.verdict for r in results)[Verdict.PASS] > 500


def test_every_requirement_can_fail() -> None:
    broken = Counter(requirement for fault in FAULTS.values() for requirement in fault.by)
    assert [r.id for r in CATALOGUE.checked if not broken[r.id]] == []


def test_every_family_can_fail_in_several_ways() -> None:
    names: dict[str, set[str]] = {requirement.family: set() for requirement in CATALOGUE.checked}
    for fault in FAULTS.values():
        for requirement in fault.by if fault.profile != "load" else ():
            names[CATALOGUE.requirements[requirement].family].add(fault.name)
    assert {family: len(found) for family, found in names.items() if len(found) < 3} == {}


# --- faults that break themselves ------------------------------------------------------------------------------------


class Answering(World):
    """An application whose every answer is one that its schema takes."""

    async def forward(self, request: Request) -> Answer:
        operation = request.operation
        assert operation is not None
        schema = CONTRACT.operations[operation.id].response_schema(operation.status)
        key = operation.id, request.get("seed")
        if key not in self.memory:
            self.memory[key] = json_answer(
                operation.status, valid_value(CONTRACT, schema or {}, random.Random(f"{key}"))
            )
        answer: Answer = self.memory[key]
        return answer


async def breaking_themselves(fault: Fault, operation: Operation, world: World) -> set[str]:
    for flag, seed in itertools.product((None, "0", "1", "2"), "12"):
        query = (("seed", seed), *((("load_full_structure", flag),) if flag else ()))
        try:
            await fault.alter(Request(operation.method, operation.path, query, (), b"{}", operation, ("1", "2")), world)
        except Exception as error:
            return {f"{fault.name}/{operation.id}: {error!r}"}
    return set()


def test_faults_of_structure_do_not_break_themselves(server: BrokenServer) -> None:
    """On whatever they can be put on that the suite holds to their requirement: lists, single records, writes."""
    world = Answering(server.faulty.world.app, server.faulty.store)
    tried, found = 0, set()
    for fault in (f for f in FAULTS.values() if f.by[0].startswith("STRUCT")):
        applies = PREDICATES[CATALOGUE.requirements[fault.by[0]].applies_to]
        for name in fault.operations(server.contract):
            if applies(CONTRACT, CONTRACT.operations[name]):
                tried += 1
                found |= asyncio.run(breaking_themselves(fault, server.contract.operations[name], world))
    assert not found, sorted(found)
    assert tried > 200
