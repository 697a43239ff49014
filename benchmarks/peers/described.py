"""The contract as somebody who wants other tools to do well would hand it to them: with an example for every id, every
required parameter and every body, taken from the records that the instance holds."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cdp.contract import Contract, Operation
from cdp.targets import Target
from contracts.arrangement import Arrangement
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.finding import Unavailable
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.run import ContractRun
from contracts.samples import Sampler

_JSON = "application/json"
_OTHERS = {"delete": "list", "restore": "trash"}  # the list that such an operation takes its record from
_PREFIX = "cdp-5a3e7d10"  # of the form that runs have, which ids of records that are made may begin with


class Examples:
    """Valid values of an instance that is only read: the data are laid anew for every mutant, so they hold for all."""

    def __init__(self, arrangement: Arrangement) -> None:
        self.contract = arrangement.contract
        self.finder = arrangement.finder
        self.sampler = Sampler(self.contract, _PREFIX, self._stored, seed=1)

    def parameters(self, operation: Operation) -> dict[str, str]:
        """Values of all path parameters and of the required query parameters; empty where the instance holds no record
        to name. What deletes gets one from the middle of a list, so that the first ones stay for the rest."""
        try:
            path = self.finder.find_path(operation)
            query = dict(self.finder.required_query(operation))
        except Unavailable:
            return {}
        if operation.action in _OTHERS and path:
            name = operation.path_parameters[-1].name
            path[name] = self._other(operation, path) or path[name]
        return {**path, **query}

    def body(self, operation: Operation) -> dict[str, Any] | None:
        """A valid JSON body; None where there is none, or it needs what nobody can make up."""
        if operation.body_schema is None or operation.body_media_type != _JSON:
            return None
        schema = self.contract.resolved(operation.body_schema)
        try:
            body = self.sampler.body(schema)
            if not body and schema.get("properties"):
                name = next(iter(schema["properties"]))
                body = {name: self.sampler.value(schema["properties"][name], name)}
        except Unavailable:
            return None
        return body

    def _other(self, operation: Operation, path: Mapping[str, str]) -> str:
        """The id of a record from the middle of the list that the operation takes its records from; empty without."""
        parameter = operation.path_parameters[-1]
        listing = self.contract.by_action(parameter.entity, _OTHERS[operation.action])
        if listing is None:
            return ""
        found = self.finder.records(listing, self.finder.shared(listing, path))
        return str(found[len(found) // 2][parameter.field]) if found else ""

    def _stored(self, schema: Mapping[str, Any]) -> Any:
        """A value that refers to a stored record."""
        if "x-credential" in schema:
            raise Unavailable("credentials are not made up")
        if "x-value-from" in schema:
            return self.finder.value_from(schema["x-value-from"], {})
        listing = self.contract.by_action(schema["x-entity"], "list")
        records = self.finder.records(listing, self.finder.shared(listing, {})) if listing else []
        if not records:
            raise Unavailable(f"no {schema['x-entity']} is stored")
        return records[0][schema.get("x-field", "id")]


def described(contract: Contract, target: Target) -> dict[str, Any]:
    """The contract as one OpenAPI 3.1 document with examples of this instance, which is read and not changed.

    Raises Obstacle when the instance does not answer.
    """
    document: dict[str, Any] = copy.deepcopy(dict(contract.document))
    plan = make_plan(contract, load_catalogue(), Selection(requirements=("MEDIA-01",)), PROFILES["quick"], seed=1)
    with tempfile.TemporaryDirectory() as directory:
        run = ContractRun(plan, replace(target, allow=frozenset()), Path(directory))
        try:
            run.start()
            examples = Examples(run.bench.arrangement)
            for operation in contract.operations.values():
                _fill(document["paths"][operation.path][operation.method.lower()], operation, examples)
        finally:
            run.finish()
    return document


def _fill(raw: dict[str, Any], operation: Operation, examples: Examples) -> None:
    values = examples.parameters(operation)
    for parameter in raw.get("parameters", ()):
        if parameter["name"] in values:
            whole = operation_type(operation, parameter["name"]) == "integer"
            value = values[parameter["name"]]
            parameter["example"] = int(value) if whole and value.isdigit() else value
    body = examples.body(operation)
    if body is not None:
        raw["requestBody"]["content"][_JSON]["example"] = body


def operation_type(operation: Operation, name: str) -> str:
    """The JSON type of a parameter; text where the contract does not tell."""
    for parameter in (*operation.path_parameters, *operation.query_parameters):
        if parameter.name == name:
            return str(parameter.schema.get("type", "string"))
    return "string"
