"""What only drawn requests find: quick passes it over, release reports it by the right requirement and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.contract import Contract, load_contract
from cdp.verdicts import Result, Verdict
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.response_checks import load_table
from instance.faults.drawn import DRAWN
from instance.faults.model import Fault
from tests.broken_server import BrokenServer
from tests.test_faults import cells_of, reported, results_with, shown

CATALOGUE = load_catalogue()
TABLE = load_table()
SEEDS = 5
# Half of the kinds in `make test`, the others in `make test-all`.
KINDS = [pytest.param(name, marks=pytest.mark.slow if n % 3 else ()) for n, name in enumerate(DRAWN)]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    running = BrokenServer(tmp_path_factory.mktemp("drawn"))
    yield running
    running.stop()


def judge(
    server: BrokenServer,
    contract: Contract,
    fault: Fault,
    directory: Path,
    profile: str = "release",
    seed: int = 1,
) -> list[Result]:
    """The cells of all requirements that drawn requests speak for, on the operations of a fault."""
    selection = Selection(operations=fault.examples, requirements=tuple(sorted(TABLE.requirements)))
    plan = make_plan(contract, CATALOGUE, selection, PROFILES[profile], seed=seed)
    return results_with(server, plan, directory, fault)


@pytest.mark.parametrize("name", KINDS)
def test_release_reports_it(server: BrokenServer, contract: Contract, name: str, tmp_path: Path) -> None:
    """Within five runs with other seeds at most: a run draws only some of what there is."""
    fault, check = DRAWN[name]
    found: dict[str, Result] = {}
    for seed in range(1, SEEDS + 1):
        directory = tmp_path / str(seed)
        directory.mkdir()
        found = reported(judge(server, contract, fault, directory, seed=seed)) | found
        if found.keys() >= set(cells_of(fault)):
            break
    for cell in cells_of(fault):
        must = CATALOGUE.requirements[cell.partition("/")[0]].level == "MUST"
        assert cell in found, f"{fault.what}: not reported by {cell}, but {shown(found.values())}"
        assert found[cell].verdict is (Verdict.FAIL if must else Verdict.WARN), shown([found[cell]])
        assert f"({check})" in found[cell].sentence, shown([found[cell]])
        assert "intermittent" not in found[cell].sentence, shown([found[cell]])
        assert found[cell].exchange and found[cell].curl.startswith("curl ") and found[cell].example
    strangers = [r for n, r in found.items() if n not in cells_of(fault) and r.cell.requirement not in fault.also]
    assert not strangers, f"{fault.what}: blamed on {shown(strangers)}"


@pytest.mark.parametrize("name", KINDS)
def test_quick_does_not_meet_it(server: BrokenServer, contract: Contract, name: str, tmp_path: Path) -> None:
    fault, _ = DRAWN[name]
    results = judge(server, contract, fault, tmp_path, "quick")
    assert not reported(results), shown(reported(results).values())


def test_every_row_of_the_table_can_fail() -> None:
    """All checks but that of headers, of which the contract describes none: it has a test of its own below."""
    pairs = {(check, fault.by[0]) for fault, check in DRAWN.values()}
    rows = {(row.check, row.requirement) for row in TABLE.rows if row.check != "response_headers_conformance"}
    missing = rows - pairs
    # Undocumented statuses to wrong ids and pages come by the same row as those to wrong orders.
    assert missing == {("status_code_conformance", "CODE-03"), ("status_code_conformance", "PAGE-07")}


def test_a_described_header_has_to_come(server: BrokenServer, tmp_path: Path) -> None:
    contract = load_contract()
    answer = contract.document["paths"]["/tags/{tag_id}"]["get"]["responses"]["200"]
    answer["headers"] = {"X-Request-Id": {"required": True, "schema": {"type": "string"}}}
    unbroken = replace(DRAWN["no-allow-header"][0], examples=("get_tag",), beyond=False, through=frozenset())

    async def untouched(request, world):  # type: ignore[no-untyped-def]
        return await world.forward(request)

    found = reported(judge(server, contract, replace(unbroken, alter=untouched), tmp_path))
    assert list(found) == ["SHAPE-01/get_tag"]
    assert re.search(r"response_headers_conformance\).*X-Request-Id", found["SHAPE-01/get_tag"].sentence)
