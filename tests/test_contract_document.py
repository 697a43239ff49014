"""The contract's files: valid OpenAPI, extensions of the right form, nothing missing of what is known of the API."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from cdp.contract import CONTRACT_ROOT, Contract, ContractError, bundle, document, load_contract
from cdp.contract.document import METHODS, read_yaml

FACTS = read_yaml(CONTRACT_ROOT.parents[1] / "facts.yaml")
EXTENSIONS = read_yaml(CONTRACT_ROOT.with_name("extensions.yaml"))
SECTION_FILES = sorted((CONTRACT_ROOT.parent / "sections").glob("*.yaml"))


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


def extension_errors(definition: str, instance: Any) -> list[str]:
    schema = {**EXTENSIONS, "$ref": f"#/$defs/{definition}"}
    validator = jsonschema_rs.Draft202012Validator(schema)
    return [f"{'/'.join(map(str, e.instance_path))}: {e.message}" for e in validator.iter_errors(instance)]


def raw_operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
    ]


def test_bundle_is_valid_openapi_31(contract: Contract) -> None:
    errors = [str(error) for error in OpenAPIV31SpecValidator(contract.document).iter_errors()]
    assert errors == []


def test_bundle_holds_no_reference_to_a_file(contract: Contract) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [r for value in node.values() for r in references(value)]
        return [r for item in node for r in references(item)] if isinstance(node, list) else []

    found = references(contract.document)
    assert found
    assert [r for r in found if not r.startswith("#/components/")] == []


@pytest.mark.parametrize("path", SECTION_FILES, ids=lambda p: p.stem)
def test_section_file_has_the_right_form(path: Path) -> None:
    section = read_yaml(path)
    assert extension_errors("section", section) == []
    assert section["x-slug"] == path.stem


def test_operations_and_parameters_have_the_right_extensions(contract: Contract) -> None:
    problems = []
    for path, method, operation in raw_operations(contract.document):
        problems += [f"{method} {path}: {error}" for error in extension_errors("operation", operation)]
        for parameter in operation.get("parameters", ()):
            problems += [f"{method} {path} {parameter['name']}: {e}" for e in extension_errors("parameter", parameter)]
    assert problems == []


def test_extension_schema_refuses_what_it_should() -> None:
    good = {
        "x-section": "Tags",
        "x-provenance": "assumed",
        "x-source": "by analogy",
        "x-required-features": {"none": True},
        "x-features-provenance": "assumed",
        "x-auth": "token",
        "x-safety": "read",
    }
    assert extension_errors("operation", good) == []
    for name, value in (
        ("x-provenance", "guessed"),
        ("x-required-features", {"anyOf": []}),
        ("x-auth", "cookie"),
        ("x-saftey", "read"),
    ):
        assert extension_errors("operation", {**good, name: value})
    assert extension_errors("operation", {k: v for k, v in good.items() if k != "x-safety"})


def test_no_schema_is_empty(contract: Contract) -> None:
    def empty(node: Any, where: str) -> list[str]:
        found = []
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("schema", "items", "additionalProperties") and value == {}:
                    found.append(f"{where}/{key}")
                if key == "properties" and isinstance(value, dict):
                    found += [f"{where}/{key}/{name}" for name, schema in value.items() if schema == {}]
                found += empty(value, f"{where}/{key}")
        elif isinstance(node, list):
            found += [f for n, item in enumerate(node) for f in empty(item, f"{where}/{n}")]
        return found

    assert empty(contract.document, "") == []


def test_sections_are_those_of_the_overview_in_its_order(contract: Contract) -> None:
    assert [s.name for s in contract.sections] == FACTS["sections"]
    assert len(contract.sections) == 67


def test_every_operation_of_the_inventory_is_there(contract: Contract) -> None:
    assert set(contract.operations) == {fact["id"] for fact in FACTS["operations"]}
    assert len(contract.operations) == 233


@pytest.mark.parametrize("fact", FACTS["operations"], ids=lambda fact: fact["id"])
def test_no_fact_of_an_operation_is_missing(contract: Contract, fact: dict[str, Any]) -> None:
    o = contract.operations[fact["id"]]
    assert (o.method, o.path, o.base, o.section) == (fact["method"], fact["path"], fact["base"], fact["section"])
    assert (o.provenance, o.auth, o.safety) == (fact["provenance"], fact["auth"], fact["safety"])
    assert o.features_provenance == fact["features_provenance"]
    assert list(o.features.any_of) == fact["features"].get("anyOf", [])
    assert list(o.features.all_of) == fact["features"].get("allOf", [])
    assert o.features.unknown == fact["features"].get("unknown", False)
    assert set(fact["statuses"]) <= set(o.responses)
    assert [p.name for p in o.path_parameters] == fact.get("path_params", [])
    assert [p.name for p in o.query_parameters] == fact.get("query_params", [])
    assert o.body_media_type == fact.get("request")
    if o.body_schema is not None and o.body_media_type != "application/octet-stream":
        body = contract.resolved(o.body_schema)
        assert set(body["properties"]) == set(fact.get("request_fields", []))
        assert set(body.get("required", ())) == set(fact.get("required_fields", []))
    if "collection" in fact:
        assert o.collection is not None
        known = (o.collection.key, o.collection.paging, o.collection.timestamp)
        assert known == tuple(fact["collection"][name] for name in ("key", "paging", "timestamp"))
    else:
        assert o.collection is None


def test_numbers_of_the_fact_base(contract: Contract) -> None:
    operations = contract.operations.values()
    assert {p: sum(o.provenance == p for o in operations) for p in ("documented", "observed", "assumed")} == {
        "documented": 97,
        "observed": 21,
        "assumed": 115,
    }
    assert sum(o.collection is not None for o in operations) == 57
    assert sum(o.collection is not None and o.collection.paging for o in operations) == 45


def test_limit_defaults_to_twenty_everywhere(contract: Contract) -> None:
    for o in contract.operations.values():
        limit = o.query("limit")
        if limit is not None:
            schema = contract.resolved(limit.schema)
            assert (schema["default"], schema["minimum"]) == (20, 1), o.id
            assert schema["maximum"] >= 500, o.id


# Fields that end in _id or _ids and point to no entity that a section of the API reads.
POINT_NOWHERE = {
    "customer_entity_id",  # no section reads a customer entity itself
    "entity_id",  # points to one of several kinds, told by entity_type
    "oldest_id",
}


def record_properties(contract: Contract, operation: Any) -> dict[str, Any]:
    schema = operation.response_schema(operation.success_status)
    if schema is None:
        return {}
    body = contract.resolved(schema)
    key = operation.collection.key if operation.collection else operation.item_key
    if key:
        body = contract.resolved(body["properties"][key])
    if "items" in body:
        body = contract.resolved(body["items"])
    return dict(body.get("properties", {}))


def test_every_id_field_names_its_sub_entity(contract: Contract) -> None:
    missing = []
    for o in contract.operations.values():
        if not (o.collection or o.answers_item):
            continue
        named = {s.field for s in o.sub_entities}
        for name in record_properties(contract, o):
            own = name.removesuffix("_id") in (o.entity, o.entity.rsplit("_", 1)[-1])
            if re.search(r"_ids?$", name) and name not in named | POINT_NOWHERE and not own:
                missing.append(f"{o.id}.{name}")
    # An event_id in what has just come in is the UUID of the 201 answer, not the id of a definition.
    assert missing == ["list_debugger_events.event_id"]


def test_sub_entities_point_to_sections_that_read_them(contract: Contract) -> None:
    slugs = {s.slug for s in contract.sections}
    for o in contract.operations.values():
        for sub in o.sub_entities:
            assert sub.section in slugs
            listed, read = contract.by_action(sub.entity, "list"), contract.by_action(sub.entity, "read")
            assert listed or read, f"{o.id}: nothing lists or reads a {sub.entity}"


def test_links_lead_from_create_to_operations_with_all_their_parameters(contract: Contract) -> None:
    seen = 0
    for o in contract.operations.values():
        for name, link in o.links.items():
            target = contract.operations[link["operationId"]]
            assert (target.entity, target.action) == (o.entity, name)
            assert set(link.get("parameters", {})) == {p.name for p in target.path_parameters}
            seen += 1
    assert seen > 100


def test_references_of_the_extensions_exist(contract: Contract) -> None:
    for o in contract.operations.values():
        if o.observe is not None:
            assert contract.operations[o.observe].safety == "read"
        for p in o.path_parameters:
            reachable = contract.by_action(p.entity, "list") or contract.by_action(p.entity, "create")
            assert reachable, f"{o.id}: nothing tells a {p.entity}"


def copy_of_the_contract(directory: Path) -> Path:
    for path in CONTRACT_ROOT.parent.rglob("*.yaml"):
        target = directory / path.relative_to(CONTRACT_ROOT.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return directory / "openapi.yaml"


@pytest.mark.parametrize(
    ("name", "fault", "told"),
    [
        ("sections/tags.yaml", lambda text: text.replace("paths:", "paths: [", 1), "line"),
        (
            "sections/tags.yaml",
            lambda text: text.replace("#/components/schemas/Tag'", "#/components/schemas/Tga'"),
            "nothing at",
        ),
        (
            "sections/tags.yaml",
            lambda text: text.replace("operationId: list_tags", "operationId: create_tag"),
            "two operations",
        ),
        ("sections/tags.yaml", lambda text: text.replace("      x-safety: read\n", "", 1), "x-safety"),
        ("openapi.yaml", lambda text: "[]", "not an OpenAPI document"),
        ("openapi.yaml", lambda text: text.replace("sections/tags.yaml#", "sections/gone.yaml#"), "cannot be read"),
        ("components/schemas.yaml", lambda text: "\x00" + text, "schemas.yaml"),
    ],
)
def test_broken_contract_is_told_in_one_line(tmp_path: Path, name: str, fault: Any, told: str) -> None:
    root = copy_of_the_contract(tmp_path)
    path = tmp_path / name
    path.write_text(fault(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        load_contract(root)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_contract_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        bundle(tmp_path / "openapi.yaml")


def test_the_kept_bundle_is_used_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copy_of_the_contract(tmp_path)
    monkeypatch.setattr(document, "CONTRACT_ROOT", root)
    first = bundle(root)
    (kept,) = tmp_path.glob(".*.bundle.json*")
    with monkeypatch.context() as unread:
        unread.setattr(document, "read_yaml", None)
        assert bundle(root) == first
    tags = tmp_path / "sections" / "tags.yaml"
    tags.write_text(tags.read_text(encoding="utf-8").replace("summary: ", "summary: Changed "), encoding="utf-8")
    changed = bundle(root)
    assert changed != first and changed == bundle(root)
    kept.write_text("[1, {")
    assert bundle(root) == changed
    tags.unlink()
    with pytest.raises(ContractError, match="cannot be read"):
        bundle(root)


def test_a_bundle_that_cannot_be_kept_is_made_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copy_of_the_contract(tmp_path)
    monkeypatch.setattr(document, "CONTRACT_ROOT", root)
    monkeypatch.setattr("tempfile.mkstemp", failing)
    assert bundle(root) == bundle(root)
    assert not list(tmp_path.glob(".*.bundle.json*"))


def failing(**_: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")
