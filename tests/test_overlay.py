"""Overlays: laid over the contract as the specification says, and refused in one line when they do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdp.contract import ContractError, bundle, load_contract
from cdp.contract.difference import compare
from cdp.contract.overlay import Overlay, apply_overlay, read_overlay, target_of, write_overlay
from contracts.catalogue import load_catalogue
from contracts.cells import Selection, build_cells
from tests.test_command_line import cdp, told

FEEDS = "$.paths['/feeds'].get"


def written(directory: Path, *actions: dict[str, Any], **other: Any) -> Path:
    path = directory / "overlay.yaml"
    document = {"overlay": "1.0.0", "info": {"title": "Test", "version": "1"}, "actions": list(actions), **other}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def applied(directory: Path, document: dict[str, Any], *actions: dict[str, Any]) -> dict[str, Any]:
    """The actions on a small document, without the check that the result is a contract."""
    from cdp.contract import overlay as module

    read = read_overlay(written(directory, *actions))
    result = json.loads(json.dumps(document))
    for action in read.actions:
        module._apply(result, action)
    return dict(result)


SMALL: dict[str, Any] = {"info": {"title": "a", "x": {"y": 1}}, "tags": [{"name": "one"}, {"name": "two"}], "n": [1, 2]}


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([{"target": "$.info", "update": {"title": "b"}}], {"info": {"title": "b", "x": {"y": 1}}}),
        ([{"target": "$.info", "update": {"x": {"z": 2}}}], {"info": {"title": "a", "x": {"y": 1, "z": 2}}}),
        ([{"target": "$.info", "update": {"x": 3}}], {"info": {"title": "a", "x": 3}}),
        ([{"target": "$.tags", "update": {"name": "three"}}], {"tags": [*SMALL["tags"], {"name": "three"}]}),
        ([{"target": "$", "update": {"n": [3]}}], {"n": [1, 2, 3]}),
        ([{"target": "$.tags[?@.name == 'one']", "remove": True}], {"tags": [{"name": "two"}]}),
        ([{"target": "$.tags[*]", "remove": True}], {"tags": []}),
        ([{"target": "$.tags.*", "update": {"seen": True}}], {"tags": [{**t, "seen": True} for t in SMALL["tags"]]}),
        ([{"target": "$.n", "remove": True}, {"target": "$", "update": {"n": [9]}}], {"n": [9]}),
        ([{"target": "$.info.x", "remove": True, "update": {"y": 5}}], {"info": {"title": "a"}}),
        ([{"target": "$..y", "remove": True}], {"info": {"title": "a", "x": {}}}),
    ],
)
def test_actions_do_what_the_specification_says(
    tmp_path: Path, actions: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    assert applied(tmp_path, SMALL, *actions) == {**SMALL, **expected}


def test_an_overlay_corrects_an_operation(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"target": FEEDS, "update": {"x-provenance": "observed", "x-source": "seen"}},
        {"target": f"{FEEDS}['x-required-features']", "remove": True},
        {"target": FEEDS, "update": {"x-required-features": {"anyOf": ["feeds/browse"]}}},
    )
    contract = load_contract(overlay=path)
    operation = contract.operations["list_feeds"]
    assert (operation.provenance, operation.features.any_of) == ("observed", ("feeds/browse",))
    assert contract.version == "1.0.0 with overlay.yaml"
    assert load_contract().version == "1.0.0"


def test_the_document_that_is_overlaid_stays_as_it_was(tmp_path: Path) -> None:
    document = bundle()
    before = json.dumps(document)
    apply_overlay(document, read_overlay(written(tmp_path, {"target": FEEDS, "remove": True})))
    assert json.dumps(document) == before


def test_what_leads_to_a_removed_operation_goes_with_it(tmp_path: Path) -> None:
    contract = load_contract(
        overlay=written(
            tmp_path,
            {"target": "$.paths['/feeds/{feed_id}'].get", "remove": True},
            {"target": "$.paths['/feeds/{feed_id}'].delete", "remove": True},
            {"target": "$.paths['/feeds/{feed_id}'].patch", "remove": True},
        )
    )
    assert not {"get_feed", "delete_feed", "update_feed"} & set(contract.operations)
    assert "/feeds/{feed_id}" not in contract.document["paths"]
    assert set(contract.operations["create_feed"].links) == {"list"}
    assert build_cells(contract, load_catalogue(), Selection())


@pytest.mark.parametrize(
    ("path", "left"),
    [("/customers_attribute_values_counts", True), ("/customers/{customer_entity_id}/attributes", False)],
)
def test_what_a_search_is_held_to_goes_too(path: str, left: bool, tmp_path: Path) -> None:
    contract = load_contract(overlay=written(tmp_path, {"target": f"$.paths['{path}'].get", "remove": True}))
    found = [p.searches for p in contract.operations["search_customers"].query_parameters if p.searches]
    assert [bool(searches.counted) for searches in found] == ([False] if left else [])
    assert build_cells(contract, load_catalogue(), Selection())


def test_events_are_taken_in_without_what_shows_them(tmp_path: Path) -> None:
    gone = ("/debugger/events", "/wbs", "/events")
    actions = [{"target": f"$.paths['{path}'].get", "remove": True} for path in gone]
    contract = load_contract(overlay=written(tmp_path, *actions))
    ingestion = contract.operations["create_customer_events"].ingestion
    assert ingestion is not None and ingestion.read_back == ("list_customer_events",) and ingestion.owner is None
    rows = contract.document["components"]["schemas"]["CustomerEventUpload"]["properties"]
    assert {rows[name]["x-value-from"]["operation"] for name in ("source_id", "type", "version")} == {""}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("[1, 2", "overlay"),
        ("a: 1", "not an overlay"),
        ({"overlay": "2.0.0"}, "version 2.0.0"),
        ({"info": {}}, "title and a version"),
        ({"actions": []}, "at least one action"),
        ({"action": []}, "unknown field action"),
        ({"actions": [{"remove": True}]}, "action 1 needs a target"),
        ({"actions": [{"target": "paths", "remove": True}]}, "action 1 needs a target"),
        ({"actions": [{"target": "$.paths[", "remove": True}]}, "action 1 ($.paths[): not a JSONPath"),
        ({"actions": [{"target": "$.info"}]}, "action 1 ($.info) neither updates nor removes"),
        ({"actions": [{"target": "$.info", "remove": "yes"}]}, "remove must be true or false"),
        ({"actions": [{"target": "$.info", "updates": {}}]}, "unknown field updates"),
    ],
)
def test_a_malformed_overlay_is_told_in_one_line(tmp_path: Path, document: Any, said: str) -> None:
    path = tmp_path / "bad.yaml"
    whole = {"overlay": "1.0.0", "info": {"title": "t", "version": "1"}, "actions": [{"target": "$", "update": {}}]}
    text = document if isinstance(document, str) else yaml.safe_dump({**whole, **document})
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        load_contract(overlay=path)
    assert said in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ({"target": "$.paths['/no_such_feeds'].get", "remove": True}, "selects nothing"),
        ({"target": "$.info.title", "update": {"a": 1}}, "selects a plain value"),
        ({"target": FEEDS, "update": "x"}, "update must be an object"),
        ({"target": "$", "remove": True}, "the whole contract"),
        ({"target": FEEDS, "update": {"x-provenance": "guessed"}}, "GET /feeds x-provenance"),
        ({"target": FEEDS, "update": {"operationId": "list_tags"}}, "is called list_tags"),
        ({"target": FEEDS, "update": {"x-section": "Nowhere"}}, "unknown section Nowhere"),
        ({"target": FEEDS, "update": {"x-collection": {"key": "items"}}}, "names the key items"),
        ({"target": f"{FEEDS}.responses['200']", "remove": True}, "no response of success"),
        ({"target": "$.components.schemas.Feed", "remove": True}, "#/components/schemas/Feed, which is not there"),
        ({"target": "$.components.schemas.Feed", "update": {"type": "objekt"}}, "objekt"),
        ({"target": "$.paths['/feeds'].post", "update": {"x-observe": "nothing"}}, "unknown operation nothing"),
        ({"target": "$.paths['/users/login'].post", "remove": True}, "cannot do without login_user"),
        ({"target": "$.paths", "remove": True}, "paths"),
    ],
)
def test_what_does_not_fit_names_file_and_action(tmp_path: Path, action: dict[str, Any], said: str) -> None:
    path = written(tmp_path, {"target": "$.info", "update": {"summary": "Other"}}, action)
    with pytest.raises(ContractError) as caught:
        load_contract(overlay=path)
    assert said in str(caught.value), str(caught.value)
    assert f"overlay {path}: action 2 ({action['target']})" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_operation_can_be_named_and_written(tmp_path: Path) -> None:
    contract = load_contract()
    path = tmp_path / "all.yaml"
    targets = [target_of(o.path, o.method) for o in contract.operations.values()]
    write_overlay(path, "All", [{"target": t, "update": {"x-source": "x"}} for t in targets])
    assert isinstance(read_overlay(path), Overlay)
    overlaid = load_contract(overlay=path)
    assert {o.source for o in overlaid.operations.values()} == {"x"}
    assert len(compare(contract, overlaid)) == len(contract.operations)
    assert compare(contract, load_contract()) == []


def test_diff_prints_what_an_overlay_changes(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"target": FEEDS, "update": {"x-provenance": "observed", "x-required-features": {"anyOf": ["feeds/more"]}}},
        {"target": "$.paths['/feeds/{feed_id}'].get", "remove": True},
    )
    result = cdp("spec", "diff", "--overlay", str(path))
    assert result.returncode == 0, result.stderr
    assert "changed list_feeds  GET /api/feeds" in result.stdout
    assert "provenance: assumed -> observed" in result.stdout
    assert "features: feeds/view -> one of feeds/view, feeds/more" in result.stdout
    assert "removed get_feed  GET /api/feeds/{feed_id}" in result.stdout


def test_commands_take_an_overlay(tmp_path: Path) -> None:
    path = written(tmp_path, {"target": "$.paths['/feeds'].*", "remove": True})
    listed = cdp("spec", "--overlay", str(path))
    assert "list_feeds" not in listed.stdout and "get_feed" in listed.stdout
    cells = cdp("contract", "--dry-run", "--section", "Feeds", "--overlay", str(path))
    assert cells.returncode == 0 and "list_feeds" not in cells.stdout and "get_feed" in cells.stdout
    broken = cdp("contract", "--dry-run", "--overlay", str(tmp_path / "none.yaml"))
    assert broken.returncode == 2 and "cannot be read" in told(broken)


@pytest.mark.slow
def test_a_target_names_its_overlay(tmp_path: Path) -> None:
    written(tmp_path, {"target": "$.paths['/feeds'].*", "remove": True})
    targets = tmp_path / "targets.toml"
    text = '[targets.mine]\nbase_url = "http://127.0.0.1:9/api"\ntoken_env = "MINE"\noverlay = "overlay.yaml"\n'
    targets.write_text(text, encoding="utf-8")
    common = ("contract", "--dry-run", "--section", "Feeds", "--targets", str(targets))
    assert "list_feeds" not in cdp(*common, "--target", "mine").stdout
    assert "list_feeds" in cdp(*common).stdout
