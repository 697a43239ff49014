"""Portman on a section of the contract: a Postman collection with contract tests and variations, run by Newman.

The collection is made once for a section, as a team would keep it; every look runs it with fresh tokens.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.accounts import administrator, nobody, token
from benchmarks.peers.contest import Alarm, PeerError, labels
from benchmarks.peers.node_tools import VERSIONS, run
from benchmarks.peers.plain import Plain
from cdp.contract import Contract, Operation
from cdp.targets import Target

NAME = f"Portman {VERSIONS['@apideck/portman']} with Newman {VERSIONS['newman']}"
_EVERY = "*::/*"
_SHAPE = ("contentType", "jsonBody", "schemaValidation", "headersPresent")
_POSTMAN = {
    "folderStrategy": "Paths",
    "parametersResolution": "Example",
    "requestParametersResolution": "Example",
    "exampleParametersResolution": "Example",
    "keepImplicitHeaders": True,
    "enableOptionalParameters": False,
}
_VARIATION = re.compile(r"\[([^\[\]]+)\]$")
_VARIABLE = re.compile(r"^:(.+)$")


@dataclass
class Portman:
    """Where it runs. `described`: the contract in plain words."""

    contract: Contract
    target: Target
    described: Plain
    directory: Path
    _collections: dict[tuple[str, ...], Path] = field(default_factory=dict)

    def prepare(self, operations: list[str]) -> None:
        """Have the section in plain words, with answers of the instance."""
        self.described.of(operations)

    def look(self, operations: list[str]) -> set[Alarm]:
        """What it reports on these operations. Raises PeerError."""
        collection, report = self._collection(operations), self.directory / "newman-report.json"
        report.unlink(missing_ok=True)
        tokens = self.directory / "tokens.json"
        tokens.write_text(json.dumps({"name": "tokens", "values": list(self._tokens())}))
        arguments = ["run", str(collection), "--environment", str(tokens), "--timeout-request", "10000"]
        arguments += ["--reporters", "json", "--reporter-json-export", str(report)]
        said = run("newman", arguments, self.directory)
        if not report.exists():
            raise PeerError(f"Newman left no report: {said}")
        return reported(json.loads(report.read_text()), labels(self.contract))

    def _collection(self, operations: list[str]) -> Path:
        key = tuple(operations)
        if key not in self._collections:
            number = len(self._collections)
            document, settings, postman, collection = (
                self.directory / f"portman-{number}-{name}.json" for name in ("openapi", "settings", "postman", "made")
            )
            described = unmistakable(self.described.of(operations))
            document.write_text(json.dumps(described))
            called = [raw["operationId"] for item in described["paths"].values() for raw in item.values()]
            settings.write_text(json.dumps(configuration(self.contract, called)))
            postman.write_text(json.dumps(_POSTMAN))
            arguments = ["--local", str(document), "--baseUrl", self.target.origin, "--output", str(collection)]
            arguments += ["--portmanConfigFile", str(settings), "--postmanConfigFile", str(postman)]
            said = run("portman", arguments, self.directory)
            if not collection.exists():
                raise PeerError(f"Portman made no collection: {said}")
            self._collections[key] = collection
        return self._collections[key]

    def _tokens(self) -> Iterator[dict[str, str]]:
        admin = token(self.target, administrator(self.target))
        yield {"key": "admin", "value": admin}
        yield {"key": "nobody", "value": token(self.target, nobody(self.target, admin))}


def unmistakable(described: Mapping[str, Any]) -> dict[str, Any]:
    """A plain document with the examples of its bodies in the longer form. In the short one the conversion takes a body
    with a field `value` for an Example Object, and sends what stands in that field."""
    found = copy.deepcopy(dict(described))
    for raw in (raw for item in found["paths"].values() for raw in item.values()):
        for media in raw.get("requestBody", {}).get("content", {}).values():
            media["examples"] = {"stored": {"value": media.pop("example")}}
    return found


def configuration(contract: Contract, operations: Collection[str]) -> dict[str, Any]:
    """Portman's settings: every contract test on every call that should succeed, and for each documented refusal a
    variation that brings it about, with its status and the same tests of its answer."""
    tests = [{"openApiOperation": _EVERY, name: {"enabled": True}} for name in ("statusSuccess", *_SHAPE)]
    variations = [made for name in operations for made in _variations(contract.operations[name])]
    security = {"openApiOperation": _EVERY, **_security("{{admin}}")}
    return {
        "version": 1.0,
        "tests": {"contractTests": tests, "variationTests": variations},
        "overwrites": [security],
        "globals": {},
    }


def _variations(operation: Operation) -> Iterator[dict[str, Any]]:
    for status, (name, overwrites) in _refusals(operation).items():
        if status in operation.responses:
            checks: list[dict[str, Any]] = [{"statusCode": {"enabled": True, "code": status}}]
            checks += [{check: {"enabled": True}} for check in _SHAPE]
            yield {
                "openApiOperationId": operation.id,
                "openApiResponse": str(status),
                "variations": [{"name": name, "overwrites": [overwrites], "tests": {"contractTests": checks}}],
            }


def _refusals(operation: Operation) -> dict[int, tuple[str, dict[str, Any]]]:
    """By status: the name of a variation, and what it overwrites."""
    found: dict[int, tuple[str, dict[str, Any]]] = {}
    if not operation.open:
        found[401] = ("no-token", {"overwriteRequestSecurity": {"remove": True}})
    if operation.features.needed:
        found[403] = ("nobody", _security("{{nobody}}"))
    if operation.path.endswith("}"):
        parameter = operation.path_parameters[-1]
        value = "999999999" if parameter.schema.get("type") == "integer" else "no-such-record"
        pair = {"key": parameter.name, "value": value, "overwrite": True}
        found[404] = ("unknown-id", {"overwriteRequestPathVariables": [pair]})
    if operation.body_schema is not None:
        text = {"key": "Content-Type", "value": "text/plain", "overwrite": True}
        found[415] = ("as-text", {"overwriteRequestHeaders": [text]})
        field_ = {"key": "no_such_field", "value": 1, "overwrite": True}
        found[422] = ("unknown-field", {"overwriteRequestBody": [field_]})
    elif operation.query("limit"):
        found[400] = ("negative-limit", {"overwriteRequestQueryParams": [_inserted("limit", "-1")]})
    elif operation.query("load_full_structure"):
        found[400] = ("odd-flag", {"overwriteRequestQueryParams": [_inserted("load_full_structure", "maybe")]})
    return found


def _inserted(name: str, value: str) -> dict[str, Any]:
    return {"key": name, "value": value, "overwrite": True, "insert": True}


def _security(value: str) -> dict[str, Any]:
    key = {"key": "X-Access-Token", "value": value, "in": "header"}
    return {"overwriteRequestSecurity": {"apiKey": key}}


def reported(report: Mapping[str, Any], names: Mapping[str, str]) -> set[Alarm]:
    """What Newman's report holds: one alarm for each request with failed assertions, with their names. `names`: see
    `labels`."""
    found = set()
    for execution in report["run"]["executions"]:
        item = execution["item"]
        call = f"{item['request']['method']} {_template(item['request']['url'])}"
        told = _VARIATION.search(item["name"])
        failed = {a["assertion"].partition(" - ")[2] or a["assertion"] for a in _assertions(execution) if "error" in a}
        if execution.get("requestError"):
            failed.add("no answer")
        if failed:
            found.add((names.get(call, call), f"{told[1] if told else 'as documented'}: {'; '.join(sorted(failed))}"))
    return found


def _assertions(execution: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(execution.get("assertions") or ())


def _template(url: Mapping[str, Any]) -> str:
    return "/" + "/".join(_VARIABLE.sub(r"{\1}", part) for part in url["path"])
