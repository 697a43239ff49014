"""Inputs that nobody thought of: Schemathesis draws requests from the contract's schemas, valid and invalid ones.

They are sent by the run's own session. What is drawn never decides which record is changed: a call that writes keeps
the path and the query of the run's own record, references and credentials stay those of the valid call, and the text
that names a record keeps the run's prefix. Calls that send something to people are not drawn at all. After that
Schemathesis looks at the request again, so that a request counts as invalid only where what is really sent is.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import jsonschema_rs
from hypothesis import strategies as st

import contracts.steady_draws  # noqa: F401 - the seed alone decides what is drawn
from cdp.contract import Contract, Operation, Parameter
from contracts.answers import with_nulls
from contracts.calls import Call
from contracts.drawn_bodies import DrawnBodies, interoperable
from contracts.query_parameters import QueryParameters
from contracts.response_checks import BODY, PATH, QUERY, Request, load_table
from contracts.samples import Sampler

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.schemas import BaseSchema

_JSON = "application/json"
_MOST_BOUNDARY_CASES = 400  # of one operation; what is left out are combinations
_PROBES = ("unspecified_http_method", "malformed_content_type", "unsupported_content_type")


@dataclass(frozen=True)
class _AsDrawn:
    """What Schemathesis drew, and the parameters that it drew to be wrong. `elsewhere`: the drawn path is to be asked;
    `what`: how it was drawn, in Schemathesis' words."""

    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any
    broken: frozenset[str]
    elsewhere: bool
    what: str


@dataclass(frozen=True)
class Drawn:
    """A drawn request as it is going to be sent."""

    call: Call
    case: Case
    request: Request
    as_drawn: _AsDrawn

    @property
    def size(self) -> int:
        """How long it is, to tell the smallest of several."""
        return len(str(self.call.path)) + len(str(self.call.query)) + len(self.call.body or b"")

    def shown(self) -> str:
        """The drawn part, for people."""
        query = "&".join(f"{name}={value}" for name, value in self.call.query)
        body = ascii(self.call.sent)[:300] if self.call.body is not None else ""
        path = ", ".join(f"{n}={v}" for n, v in self.call.path.items()) if PATH in self.request.broken else ""
        return f"{self.as_drawn.what}: {' '.join(filter(None, (path, ascii(query)[1:-1], body))) or 'without anything'}"


class UnknownInputs:
    """Draws requests per operation."""

    def __init__(self, contract: Contract, sampler: Sampler) -> None:
        self.contract = contract
        self.bodies = DrawnBodies(contract, sampler)
        self.schema = self.renew()
        self._parameters = QueryParameters(contract)
        self._validators: dict[str, jsonschema_rs.Validator | None] = {}

    def renew(self) -> BaseSchema:
        """Let go of what Schemathesis remembers of the operations so far: it keeps megabytes of each."""
        import schemathesis  # here, because it takes most of a second and a short run does without it
        from schemathesis.config import SchemathesisConfig

        settings = SchemathesisConfig.from_dict(dict(load_table().settings))
        self.schema = schemathesis.openapi.from_dict(with_nulls(self.contract).document, config=settings)
        return self.schema

    def operation(self, operation: Operation) -> Any:
        """The operation as Schemathesis knows it."""
        return self.schema[operation.path][operation.method]

    def drawable(self, operation: Operation, *, valid: bool) -> bool:
        """Whether there is something that can and may be drawn."""
        takes_json = operation.body_media_type == _JSON
        if operation.safety == "read":
            return takes_json or bool(operation.query_parameters) or (not valid and bool(operation.path_parameters))
        own = operation.action == "create" or self.contract.by_action(operation.entity, "create") is not None
        credentials = self._has_credentials(operation)
        return takes_json and operation.safety != "sends" and (not credentials if own else operation.open and not valid)

    def _takes_any_text(self, operation: Operation) -> bool:
        if operation.query_parameters or operation.body_schema is not None:
            return False
        bounds = {"format", "pattern", "enum", "maxLength"}
        schemas = [self.contract.resolved(p.schema) for p in operation.path_parameters]
        return all(schema.get("type") == "string" and not bounds & set(schema) for schema in schemas)

    def _has_credentials(self, operation: Operation) -> bool:
        """Whether the body holds what logs somebody in or out: it is good for one valid call only."""
        properties = self.contract.resolved(operation.body_schema or {}).get("properties", {})
        return any("x-credential" in self.contract.resolved(field) for field in properties.values())

    def at_random(self, call: Call, *, valid: bool) -> st.SearchStrategy[Drawn] | None:
        """Requests like the given one, with drawn parameters and body; None where nothing can or may be drawn."""
        if not self.drawable(call.operation, valid=valid):
            return None
        # Where any text will do for the ids and nothing else is asked, there is nothing to break.
        mode = self._mode(valid or self._takes_any_text(call.operation))
        cases = self.operation(call.operation).as_strategy(generation_mode=mode)
        return cases.map(lambda case: self._first(call, case, valid)).filter(lambda drawn: self._wanted(drawn, valid))

    def at_borders(self, call: Call, rng: random.Random, *, valid: bool) -> Iterator[Drawn]:
        """Requests that go to a border of the schema at one place each: every parameter before any for the second time,
        and of each one every way before any for the second time."""
        if not self.drawable(call.operation, valid=valid):
            return
        operation = self.operation(call.operation)
        cases: Iterator[Any] = self.schema.iter_coverage_cases(
            operation, generation_modes=[self._mode(valid)], generation_config=self._generation(operation)
        )
        kinds: dict[Any, dict[Any, list[Any]]] = {}
        for case in itertools.islice(cases, _MOST_BOUNDARY_CASES):
            data = case.meta.phase.data
            if case.meta.generation.mode is self._mode(valid) and data.scenario not in _PROBES:
                of_place = kinds.setdefault(data.parameter, {})
                of_place.setdefault((data.scenario, data.description), []).append(case)
        places = [list(_in_turn([*of_place.values()], rng)) for of_place in kinds.values()]
        for case in _in_turn(places, rng):
            drawn = self._first(call, case, valid)
            if self._wanted(drawn, valid):
                yield drawn

    def again(self, drawn: Drawn, call: Call) -> Drawn:
        """The same drawn request once more, about another record, under another name."""
        return self._dressed(call, drawn.case, drawn.as_drawn)

    def with_method(self, call: Call, method: str) -> Case:
        """A call by a method that the contract does not know, as Schemathesis marks it."""
        from schemathesis.generation import meta

        phase = meta.PhaseInfo.coverage(meta.CoverageScenario.UNSPECIFIED_HTTP_METHOD, f"Unspecified method {method}")
        marks = meta.CaseMetadata(meta.GenerationInfo(0.0, self._mode(False)), {}, phase)
        found: Case = self.operation(call.operation).Case(method=method, path_parameters=dict(call.path), _meta=marks)
        return found

    def _generation(self, operation: Any) -> Any:
        return self.schema.config.generation_for(operation=operation)

    @staticmethod
    def _mode(valid: bool) -> Any:
        from schemathesis.generation import GenerationMode

        return GenerationMode.POSITIVE if valid else GenerationMode.NEGATIVE

    def _wanted(self, drawn: Drawn, valid: bool) -> bool:
        """What was to break the contract and no longer does is sent only where a valid request may be drawn, and where
        it refers to what there is: nobody knows what a reference to nothing gets."""
        operation = drawn.call.operation
        may_be_valid = not drawn.request.sure or self.drawable(operation, valid=True)
        broken = drawn.as_drawn.broken
        may_be_valid &= not any(self._refers(operation, p) for p in operation.query_parameters if p.name in broken)
        return drawn.request.valid is valid or (drawn.request.valid and may_be_valid)

    # --- from what is drawn to what is sent --------------------------------------------------------------------------

    def _first(self, call: Call, case: Case, valid: bool) -> Drawn:
        body = copy.deepcopy(case.body) if isinstance(case.body, dict | list) else case.body
        data: Any = case.meta.phase.data if case.meta is not None else None
        place = f"{data.parameter}: " if data is not None and data.parameter not in (None, _JSON) else ""
        what = f"{place}{data.description}" if getattr(data, "scenario", None) and data.description else "drawn"
        path, query = dict(case.path_parameters or {}), dict(case.query or {})
        elsewhere = _negative(case, PATH) or (not valid and not call.operation.query_parameters)
        return self._dressed(call, case, _AsDrawn(path, query, body, _parameters_broken(case), elsewhere, what))

    def _dressed(self, call: Call, case: Case, drawn: _AsDrawn) -> Drawn:
        operation, stray = call.operation, False
        if operation.safety == "read":
            own, call = call, self._with_path(call, drawn) if drawn.elsewhere else call
            stray = call.path != own.path
            call = replace(call, query=self._query(call, drawn))
        case.path_parameters = dict(call.path)
        case.query = _together(call.query)
        if operation.body_media_type == _JSON:
            call = self._with_body(call, drawn.body)
            if call.sent is not None or drawn.body is None:
                case.body = call.sent
        # The path of the call itself leads to its record, whatever the contract says of the id's form.
        parts = tuple(part for part in (PATH, QUERY, BODY) if _negative(case, part) and (stray or part != PATH))
        wrong = self._parameters.wrong(operation, call.query)
        request = Request(
            parts,
            wrong,
            sure=self._agreed(call, BODY in parts)
            and (QUERY in parts) is bool(wrong)
            and (not stray or PATH in parts)
            and (bool(parts) or not self.bodies.doubtful(operation, call.sent)),
            refusable=not parts and self._parameters.doubtful(operation, call.query),
            interoperable=interoperable(call.sent) and all(interoperable(_read(value)) for _, value in call.query),
        )
        return Drawn(call, case, request, drawn)

    @staticmethod
    def _with_path(call: Call, drawn: _AsDrawn) -> Call:
        path = {name: unquote(str(drawn.path[name])) for name in call.path if name in drawn.path}
        if any(value in ("", ".", "..") or "/" in value or "\\" in value for value in path.values()):
            return call  # a router would take it for another path
        known = drawn.broken & set(path)
        return call.at(**{name: value for name, value in path.items() if name in known or not known})

    def _query(self, call: Call, drawn: _AsDrawn) -> tuple[tuple[str, str], ...]:
        """The drawn parameters. Those that refer to something stay those of the call, unless they are to be wrong."""
        kept = {p.name for p in call.operation.query_parameters if self._refers(call.operation, p)} - drawn.broken
        own = dict(call.query)
        pairs: list[tuple[str, str]] = []
        for name, value in drawn.query.items():
            if name not in kept and value is not None:
                values = value if isinstance(value, list | tuple | dict) else [value]
                pairs += [(name, _as_text(each)) for each in values]
        told = {name for name, _ in pairs} | drawn.broken
        return (*pairs, *((name, value) for name, value in own.items() if name not in told))

    def _refers(self, operation: Operation, parameter: Parameter) -> bool:
        raw = self.contract.raw(operation).get("parameters", ())
        described: Mapping[str, Any] = next((p for p in raw if p["name"] == parameter.name), {})
        return bool(parameter.entity or parameter.samples or parameter.searches or "x-value-from" in described)

    def _with_body(self, call: Call, body: Any) -> Call:
        if type(body).__name__ == "NotSet":
            return call.sending_raw(b"", _JSON)
        if isinstance(body, bytes):
            return call.sending_raw(body, _JSON)
        owned = self.bodies.sendable(call.operation, body, call.sent)
        try:
            return call.sending(owned)
        except TypeError:  # integers of more than 64 bits, lone surrogates
            return replace(call.sending_raw(json.dumps(owned).encode(), _JSON), sent=owned)

    def _agreed(self, call: Call, broken: bool) -> bool:
        """Whether the run's own validator says the same of the body as Schemathesis does."""
        validator = self._validator(call.operation)
        if validator is None or not call.body or call.sent is None:
            return True
        try:
            return validator.is_valid(call.sent) is not broken
        except (ValueError, TypeError, RecursionError):
            return False

    def _validator(self, operation: Operation) -> jsonschema_rs.Validator | None:
        if operation.id not in self._validators:
            schema = operation.body_schema if operation.body_media_type == _JSON else None
            self._validators[operation.id] = self.contract.validator(schema) if schema else None
        return self._validators[operation.id]


def _in_turn(groups: list[list[Any]], rng: random.Random) -> Iterator[Any]:
    """One of each group, then the second of each, in an order that is drawn."""
    for group in (groups, *groups):
        rng.shuffle(group)
    for row in itertools.zip_longest(*groups):
        yield from (each for each in row if each is not None)


def _negative(case: Any, part: str) -> bool:
    """Whether a part of what is really sent breaks the contract."""
    return any(place.value == part and info.mode.is_negative for place, info in case.meta.components.items())


def _parameters_broken(case: Any) -> frozenset[str]:
    """Names of the parameters that were drawn to be wrong."""
    if case.meta is None or not case.meta.generation.mode.is_negative:
        return frozenset()
    data = case.meta.phase.data
    names = {mutation.parameter for mutation in data.mutations if mutation.parameter_location is not None}
    places = {mutation.parameter_location.value for mutation in data.mutations if mutation.parameter_location}
    if data.parameter_location is not None and data.parameter_location.value in (PATH, QUERY):
        names.add(data.parameter)
        places.add(data.parameter_location.value)
    return frozenset(name for name in names if name) if places & {PATH, QUERY} else frozenset()


def _read(text: str) -> str | int:
    """A query value as a server reads it: what looks like a whole number is one."""
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 100 else text


def _together(query: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Query parameters by name; those that are given more than once as lists."""
    found: dict[str, list[str]] = {}
    for name, value in query:
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
