"""`cdp spec import`: an owner's description becomes an overlay that says no more and no less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdp.contract import Contract, ContractError, load_contract
from cdp.contract.blueprint import read_blueprint
from cdp.contract.described import DescribedOperation, Description, features_in, read_description
from cdp.contract.difference import compare
from cdp.contract.importing import Import, import_description
from cdp.contract.operation import Features
from cdp.contract.overlay import write_overlay
from tests.test_command_line import cdp, told

BLUEPRINT = Path(__file__).parent / "data" / "owner.apib"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def owners(contract: Contract) -> Description:
    return read_description(BLUEPRINT, tuple(s.name for s in contract.sections))


def operation(description: Description, method: str, path: str) -> DescribedOperation:
    return next(o for o in description.operations if (o.method, o.path) == (method, path))


def imported(contract: Contract, description: Description, directory: Path) -> tuple[Import, Contract]:
    found = import_description(contract, description)
    path = directory / "overlay.yaml"
    write_overlay(path, "Imported", found.actions)
    return found, load_contract(overlay=path)


# --- the parser ------------------------------------------------------------------------------------------------------


def test_groups_resources_and_actions_are_read(owners: Description) -> None:
    assert [(o.group, o.method, o.path) for o in owners.operations] == [
        ("Feeds", "GET", "/feeds"),
        ("Feeds", "POST", "/feeds"),
        ("Feeds", "GET", "/feeds/{id}"),
        ("Feeds", "POST", "/feeds/{id}/rebuild"),
        ("Stitching Categories", "GET", "/stitching/categories"),
        ("Loyalty Points", "GET", "/loyalty/balances/{customer_id}"),
    ]


def test_features_are_read_in_every_form(owners: Description) -> None:
    assert [o.features for o in owners.operations] == [
        Features(any_of=("feeds/browse",)),
        Features(any_of=("feeds/edit", "feeds/admin")),
        None,
        Features(all_of=("feeds/edit", "feeds/admin")),
        None,
        None,
    ]
    assert features_in("one of `a_b/view` or `c/edit/EXPORT_ID`") == Features(any_of=("a_b/view", "c/edit/EXPORT_ID"))
    assert features_in("none") == Features()
    assert features_in("see https://example.com/a/b") is None


def test_parameters_are_read_with_type_default_and_place(owners: Description) -> None:
    listing = operation(owners, "GET", "/feeds")
    limit, offset, name = listing.parameters
    assert (limit.name, limit.place, limit.required, limit.schema) == (
        "limit",
        "query",
        False,
        {"type": "number", "default": 20},
    )
    assert (offset.name, name.name, name.description) == ("offset", "name_filter", "Part of the name")
    assert operation(owners, "POST", "/feeds").parameters == []
    (path,) = operation(owners, "GET", "/feeds/{id}").parameters
    assert (path.name, path.place, path.required) == ("id", "path", True)


def test_payloads_are_read_from_attributes_and_from_examples(owners: Description) -> None:
    create = operation(owners, "POST", "/feeds")
    assert create.body_media_type == "application/json" and create.body_schema is not None
    assert list(create.body_schema["properties"]) == ["name", "url", "format"]
    assert create.body_schema["required"] == ["name", "url"]
    assert create.body_schema["properties"]["format"]["enum"] == ["xml", "csv"]
    assert set(operation(owners, "GET", "/feeds").responses) == {200, 409}
    shown = operation(owners, "GET", "/feeds/{id}").responses[200]
    assert shown is not None and shown["properties"]["feed"]["properties"]["items_count"] == {"type": "integer"}
    assert operation(owners, "POST", "/feeds/{id}/rebuild").responses == {202: None}


def test_structures_are_read_with_what_they_include(owners: Description) -> None:
    feed = owners.structures["ProductFeed"]
    assert feed["required"] == ["id", "name", "items_count"]
    assert feed["properties"]["name"]["description"] == "Shown in lists (and in mails)"
    category = owners.structures["StitchingCategory"]
    assert category["allOf"][0] == {"$ref": "#/components/schemas/Named"}
    balance = operation(owners, "GET", "/loyalty/balances/{customer_id}").responses[200]
    assert balance is not None
    assert balance["properties"]["balance"]["properties"]["tier"] == {
        "type": ["string", "null"],
        "enum": ["gold", "silver"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FORMAT: 1A\n# API\n\nNothing.\n", "no action was found"),
        ("FORMAT: 1A\n# Group A\n\n### List [GET]\n", "line 4: the action 'List [GET]' stands below no resource"),
        ("FORMAT: 1A\n# Group A\n## X [/x{?a]\n### L [GET]\n+ Response 200\n", "line 4: the URI template"),
        ("FORMAT: 1A\n## X [/x]\n### L [GETT]\n", "line 3: GETT is no method"),
        ("FORMAT: 1A\n## X [/x\n### L [GET]\n", "line 2: the heading"),
        ("FORMAT: 1A\n## X [/x]\n### L [GET]\n+ Response OK\n", "line 4: 'OK' is no status code"),
        ("FORMAT: 1A\n## X [/x]\n### L [GET]\n+ Response 200\n\n    [Y][]\n", "line 4: refers to the model 'Y'"),
        ("FORMAT: 1A\n## X [/x]\n### L [GET]\n```\n{}\n", "line 4: the code block is not closed"),
        ("FORMAT: 1A\n## X [/x]\n### L [GET]\n+ Parameters\n    + (string)\n", "line 5"),
        ("FORMAT: 1A\n## X [/x]\n### L [GET]\n+ Response 200\n    + Attributes (a<b)\n", "line 5: 'a<b' is no type"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ContractError) as caught:
        read_blueprint(Path("owner.apib"), text)
    assert said in str(caught.value) and str(caught.value).startswith("owner.apib")
    assert "\n" not in str(caught.value)


def test_a_type_that_is_nowhere_described_points_nowhere() -> None:
    text = "FORMAT: 1A\n## X [/x]\n### L [GET]\n+ Response 200\n    + Attributes\n        + a (Unknown Thing)\n"
    (found,) = read_blueprint(Path("x"), text).operations
    assert "$ref" not in json.dumps(found.responses)


# --- the overlay -----------------------------------------------------------------------------------------------------


def test_a_blueprint_corrects_the_contract(contract: Contract, owners: Description, tmp_path: Path) -> None:
    found, overlaid = imported(contract, owners, tmp_path)
    listing = overlaid.operations["list_feeds"]
    assert (listing.provenance, listing.source) == ("documented", "owner.apib")
    assert (listing.features.any_of, listing.features_provenance) == (("feeds/browse",), "documented")
    assert listing.collection is not None and listing.collection.key == "items"
    assert listing.query("name_filter") is not None and 409 in listing.responses
    feed = overlaid.document["components"]["schemas"]["Feed"]["properties"]
    assert "items_count" in feed and "modified_by" in feed
    moved = overlaid.operations["list_stitching_categories"]
    assert (moved.path, moved.provenance) == ("/stitching/categories", "documented")
    rebuild = next(o for o in overlaid.operations.values() if o.path.endswith("/rebuild"))
    assert rebuild.section == "Feeds" and rebuild.features.all_of == ("feeds/edit", "feeds/admin")
    assert rebuild.path_parameters[0].entity == "feed" and rebuild.success_status == 202
    assert overlaid.section("Loyalty Points") is not None
    assert found.operations == 6 and found.matched == 4


def test_what_the_file_does_not_show_is_listed_and_kept(
    contract: Contract, owners: Description, tmp_path: Path
) -> None:
    found, overlaid = imported(contract, owners, tmp_path)
    assert set(contract.operations) <= set(overlaid.operations)
    assert any("delete_feed" in text for text in found.unshown)
    assert any("create_feed: body: fields description" in text for text in found.unshown)
    assert not any("list_tags" in text for text in found.unshown)


@pytest.mark.slow
def test_the_contract_itself_brings_nothing_but_its_provenance(contract: Contract, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(contract.document), encoding="utf-8")
    found, overlaid = imported(contract, read_description(path), tmp_path)
    assert found.matched == found.operations == len(contract.operations) and found.unshown == []
    facts = {fact.partition(":")[0] for change in compare(contract, overlaid) for fact in change.facts}
    assert facts == {"provenance", "source", "features' provenance"}


def test_importing_twice_changes_nothing_more(contract: Contract, owners: Description, tmp_path: Path) -> None:
    _, overlaid = imported(contract, owners, tmp_path)
    again = import_description(overlaid, owners)
    assert [a["target"] for a in again.actions] == []


LIGHT = {"type": "number", "minimum": 0, "exclusiveMinimum": True}
OPENAPI: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Owner's", "version": "1"},
    "paths": {
        "/api/tags": {
            "get": {
                "tags": ["Tags"],
                "summary": "Tags",
                "description": "Required feature: `tags/look`",
                "parameters": [{"$ref": "#/components/parameters/Colour"}],
                "responses": {"200": {"$ref": "#/components/responses/Tags"}, "418": {"description": "Tea"}},
            }
        },
        "/shelves/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "delete": {"tags": ["Shelves"], "responses": {"204": {"description": "Gone"}}},
        },
    },
    "components": {
        "parameters": {"Colour": {"name": "colour", "in": "query", "schema": {"type": "string", "nullable": True}}},
        "responses": {
            "Tags": {
                "description": "OK",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/TagPage"}}},
            }
        },
        "schemas": {
            "TagPage": {"type": "object", "properties": {"tags": {"$ref": "#/components/schemas/Tags"}}},
            "Tags": {"type": "array", "items": {"$ref": "#/components/schemas/Tag"}},
            "Tag": {"type": "object", "properties": {"shade": {"$ref": "#/components/schemas/Shade"}}},
            "Shade": {"type": "object", "properties": {"light": LIGHT}},
        },
    },
}


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_openapi_is_read_with_its_references(contract: Contract, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"owner.{suffix}"
    path.write_text(json.dumps(OPENAPI) if suffix == "json" else yaml.safe_dump(OPENAPI), encoding="utf-8")
    _, overlaid = imported(contract, read_description(path), tmp_path)
    tags = overlaid.operations["list_tags"]
    assert tags.features.any_of == ("tags/look",) and 418 in tags.responses
    colour = tags.query("colour")
    assert colour is not None and colour.schema["type"] == ["string", "null"]
    assert overlaid.document["components"]["schemas"]["Shade"]["properties"]["light"] == {
        "type": "number",
        "exclusiveMinimum": 0,
    }
    shelf = next(o for o in overlaid.operations.values() if o.path == "/shelves/{id}")
    assert (shelf.safety, shelf.features.unknown, shelf.section) == ("destructive", True, "Shelves")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("swagger: '2.0'\n", "Swagger 2 is not read"),
        ("a: 1\n", "neither OpenAPI 3"),
        ("openapi: 3.0.0\n", "has no paths"),
        ("openapi: 3.0.0\npaths: {/x: {$ref: 'other.yaml'}}\n", "refers to another file"),
        ("openapi: 3.0.0\npaths: {/x: {$ref: '#/nothing'}}\n", "refers to #/nothing, which is not there"),
        ("openapi: 3.0.0\npaths: [\n", "line"),
    ],
)
def test_a_file_of_another_kind_is_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "owner.yaml"
    path.write_text(text, encoding="utf-8")
    result = cdp("spec", "import", str(path), "-o", str(tmp_path / "o.yaml"))
    assert result.returncode == 2 and said in told(result) and str(path) in told(result)


@pytest.mark.slow
def test_the_command_prints_what_the_file_brings(tmp_path: Path) -> None:
    path = tmp_path / "overlay.yaml"
    result = cdp("spec", "import", str(BLUEPRINT), "-o", str(path))
    assert result.returncode == 0, result.stderr
    for line in (
        "changed list_feeds  GET /api/feeds",
        "features: feeds/view -> feeds/browse",
        "path: /api/stitching_categories -> /api/stitching/categories",
        "added rebuild_a_feed  POST /api/feeds/{id}/rebuild",
        "answers: + 409",
        "Feeds: delete_feed  DELETE /api/feeds/{feed_id} (assumed)",
        "6 operations, 4 known to the contract, 2 new",
    ):
        assert line in result.stdout, line
    assert cdp("contract", "--dry-run", "--overlay", str(path)).returncode == 0
