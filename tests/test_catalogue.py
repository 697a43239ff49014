"""The gate between the requirement catalogue and the checks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cdp.contract import ContractError, load_contract
from cdp.contract.document import read_yaml
from contracts import conventions  # noqa: F401 - registers the checks
from contracts.applicability import PREDICATES
from contracts.catalogue import CATALOGUE, Catalogue, gate, load_catalogue
from contracts.cells import Selection, SelectionError, build_cells
from contracts.checks import CHECKS
from contracts.profiles import PROFILES


def test_catalogue_and_checks_fit_together() -> None:
    assert gate(load_catalogue(), CHECKS, PREDICATES) == []


def test_every_family_is_checked_whole() -> None:
    catalogue = load_catalogue()
    assert len(catalogue.families) == 11
    assert [r.id for r in catalogue.requirements.values() if r.unchecked] == []


def test_gate_names_each_misfit() -> None:
    catalogue = load_catalogue()
    first = catalogue.requirements["AUTH-01"]
    spoilt = Catalogue({**catalogue.requirements, "AUTH-01": replace(first, applies_to="nobody")}, catalogue.families)
    assert gate(spoilt, CHECKS, PREDICATES) == ["AUTH-01 applies to 'nobody', which is no known predicate"]
    assert gate(catalogue, [*CHECKS, "AUTH-99"], PREDICATES) == ["the check of AUTH-99 names an unknown requirement"]
    without = [name for name in CHECKS if name != "PAGE-03"]
    assert gate(catalogue, without, PREDICATES) == ["PAGE-03 has neither a check nor a reason for having none"]
    excused = Catalogue({**catalogue.requirements, "AUTH-01": replace(first, unchecked="no time")}, catalogue.families)
    assert gate(excused, CHECKS, PREDICATES) == ["AUTH-01 has a check and a reason for having none"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  - {id: AUTH-01, level: MUST, statement: a, applies_to: every, source: b}", "occurs twice"),
        ("  - {id: AUTH-77, level: OUGHT, statement: a, applies_to: every, source: b}", "unknown level"),
        ("  - {id: NONE-01, level: MUST, statement: a, applies_to: every, source: b}", "belongs to no family"),
        ("  - {id: AUTH-78, level: MUST}", "malformed"),
    ],
)
def test_malformed_catalogue_is_told(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "requirements.yaml"
    path.write_text(CATALOGUE.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(ContractError, match=told):
        load_catalogue(path)


def test_every_predicate_is_used() -> None:
    used = {row["applies_to"] for row in read_yaml(CATALOGUE)["requirements"]}
    assert set(PREDICATES) <= used


def test_every_section_with_operations_has_cells() -> None:
    contract = load_contract()
    cells = build_cells(contract, load_catalogue(), Selection())
    covered = {contract.operations[cell.operation].section for cell in cells}
    assert covered == {o.section for o in contract.operations.values()}
    assert len({cell.address for cell in cells}) == len(cells) > 6000


def test_selection_takes_sections_families_operations_and_cells() -> None:
    contract, catalogue = load_contract(), load_catalogue()
    tags = build_cells(contract, catalogue, Selection(sections=("tags",)))
    assert {contract.operations[c.operation].section for c in tags} == {"Tags"}
    pages = build_cells(contract, catalogue, Selection(requirements=("PAGE",), operations=("list_tags",)))
    assert {c.operation for c in pages} == {"list_tags"}
    assert {c.requirement.partition("-")[0] for c in pages} == {"PAGE"}
    one = build_cells(contract, catalogue, Selection(cells=("PAGE-03/list_tags/admin",)))
    assert [c.address for c in one] == ["PAGE-03/list_tags/admin"]
    release = build_cells(contract, catalogue, Selection(), PROFILES["release"].listing_roles)
    assert "PAGE-03/list_user_roles/minimal" in {c.address for c in release}
    both = Selection(cells=("PAGE-03/list_user_roles",))
    of_all_roles = build_cells(contract, catalogue, both, PROFILES["release"].listing_roles)
    assert [c.role for c in of_all_roles] == ["admin", "minimal"]
    assert [c.role for c in build_cells(contract, catalogue, both)] == ["admin"]


@pytest.mark.parametrize(
    "selection", [Selection(sections=("nope",)), Selection(requirements=("PAGE-99",)), Selection(operations=("nope",))]
)
def test_unknown_names_are_refused(selection: Selection) -> None:
    with pytest.raises(SelectionError, match=r"is called"):
        build_cells(load_contract(), load_catalogue(), selection)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(sections=("Segmnts",)), "did you mean Segments?"),
        (Selection(requirements=("PAG-03",)), "did you mean PAGE-03?"),
        (Selection(operations=("list_segmnts",)), "did you mean list_segments?"),
        (Selection(cells=("PAGE-03/list_segmnts/admin",)), "did you mean list_segments?"),
        (Selection(cells=("PAG-03/list_tags",)), "did you mean PAGE-03?"),
        (Selection(cells=("PAGE-03",)), "write REQUIREMENT/operation"),
        (Selection(cells=("PAGE-03/list_tags/admn",)), "there is PAGE-03/list_tags/admin"),
        (Selection(cells=("PAGE-03/list_tags/admin", "PAGE-03/create_tag")), "has the address PAGE-03/create_tag"),
        (Selection(sections=("segments",), cells=("PAGE-03/list_tags/admin",)), "has the address PAGE-03/list_tags"),
    ],
)
def test_what_was_asked_for_and_is_not_there_is_told_with_what_may_be_meant(selection: Selection, words: str) -> None:
    with pytest.raises(SelectionError) as caught:
        build_cells(load_contract(), load_catalogue(), selection)
    assert words in str(caught.value)
