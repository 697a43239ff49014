"""Schemathesis' checks of a response, each of them speaking for a requirement of the catalogue.

Which check speaks for which requirement stands in response_checks.yaml, with the reasons for what is left out. The
requests are sent by the run's own session; its exchanges are turned into what Schemathesis takes for a response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from cdp.contract.document import ContractError, read_yaml
from cdp.http import Exchange

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.core.transport import Response
    from schemathesis.engine.recorder import ScenarioRecorder
    from schemathesis.schemas import BaseSchema

TABLE = Path(__file__).with_name("response_checks.yaml")
VALID, INVALID, PATH, QUERY, BODY = "valid", "invalid", "path", "query", "body"
_SHOWN = 240
_TITLES = {  # its own say "accepted" of whatever is not among the expected statuses
    "positive_data_acceptance": "Schema-valid request not accepted",
    "negative_data_rejection": "Schema-violating request not refused as such",
}
_TOO_MUCH = (413, 416)  # what a limit or an offset may get that is too large
_OF_DECISIONS = ("positive_data_acceptance", "negative_data_rejection", "status_code_conformance")


@dataclass(frozen=True)
class Row:
    """A check, the requests and answers it is asked about, and the requirement it speaks for."""

    check: str
    requirement: str
    request: str = ""
    parameters: Sequence[str] = ()
    answer: str = ""

    def takes(self, check: str, request: Request, success: bool) -> bool:
        if check != self.check or (self.answer and (self.answer == "success") is not success):
            return False
        if self.request in (VALID, INVALID):
            return request.valid is (self.request == VALID)
        if self.request and list(request.broken) != [self.request]:
            return False
        if self.request == QUERY and not self.parameters:
            return len(request.parameters) == 1  # with several of them nobody can tell which one was minded
        return not self.parameters or (bool(request.parameters) and request.parameters <= set(self.parameters))


@dataclass(frozen=True)
class Table:
    """The whole of response_checks.yaml."""

    rows: tuple[Row, ...]
    settings: Mapping[str, Any]
    left_out: Mapping[str, str]
    not_judged: Mapping[str, str]

    @property
    def checks(self) -> list[str]:
        return list(dict.fromkeys(row.check for row in self.rows))

    @property
    def requirements(self) -> frozenset[str]:
        return frozenset(row.requirement for row in self.rows)

    def requirement(self, check: str, request: Request, success: bool) -> str:
        """The requirement that a check speaks for here; empty when it speaks for none."""
        return next((row.requirement for row in self.rows if row.takes(check, request, success)), "")


@cache
def load_table(path: Path = TABLE) -> Table:
    """Read the table; raises ContractError when a row is malformed."""
    raw = read_yaml(path)
    try:
        rows = tuple(Row(**row) for row in raw["rows"])
        return Table(rows, raw["settings"], raw["left_out"], raw["not_judged"])
    except (KeyError, TypeError) as error:
        raise ContractError(f"{path}: a row is malformed: {error}") from None


@dataclass(frozen=True)
class Request:
    """What of a request breaks the contract: parts of it, and the query parameters that do. `sure`: whether that can be
    said at all; where Schemathesis and the run's own validator disagree, it cannot. `refusable`: no page promises that
    it is taken, as with a limit that is very large."""

    broken: tuple[str, ...] = ()
    parameters: frozenset[str] = frozenset()
    sure: bool = True
    interoperable: bool = True
    refusable: bool = False

    @property
    def valid(self) -> bool:
        return not self.broken


@dataclass(frozen=True)
class Judged:
    """What a check said of an exchange. `sentence` is empty when it was content, `evidence` tells whether that proves
    anything."""

    check: str
    requirement: str
    sentence: str = ""
    evidence: bool = False


class ResponseChecks:
    """Asks Schemathesis' checks about exchanges."""

    def __init__(self, table: Table | None = None) -> None:
        from schemathesis.checks import CHECKS, load_all_checks

        load_all_checks()
        self.table = table or load_table()
        self._functions: dict[str, Any] = {name: CHECKS.get_one(name) for name in self.table.checks}
        self._results: list[Any] = []

    def listen(self, schema: BaseSchema) -> None:
        """Be told by the hook `after_validate` what the checks say of exchanges with a schema's operations."""

        def after_validate(context: Any, case: Any, response: Any, results: list[Any]) -> None:
            self._results = list(results)

        schema.hooks.hook(after_validate)

    def judge(
        self,
        case: Case,
        request: Request,
        exchange: Exchange,
        checks: Sequence[str] = (),
        recorder: ScenarioRecorder | None = None,
    ) -> list[Judged]:
        """What the checks say of an answered exchange; all of those in the table, unless some are named."""
        from schemathesis.core.failures import FailureGroup

        wanted = [name for name in checks or self.table.checks if self._asked(name, request, exchange)]
        self._results = []
        with suppress(FailureGroup):  # told by the hook, check by check
            case.validate_response(
                as_response(case, exchange), checks=[self._functions[name] for name in wanted], recorder=recorder
            )
        found = []
        for result in self._results:
            requirement = self.table.requirement(result.name, request, exchange.ok)
            if not requirement:
                continue
            sentence = _sentence(result.name, result.failure, exchange) if result.failure is not None else ""
            found.append(Judged(result.name, requirement, sentence, _proves(result.name, case, request, exchange)))
        return found

    def _asked(self, check: str, request: Request, exchange: Exchange) -> bool:
        if exchange.status >= 500 and check in _OF_DECISIONS:
            return False  # a crash is no decision about the request
        refused = exchange.refused_as_invalid or exchange.status in _TOO_MUCH
        if check in _OF_DECISIONS and request.refusable and refused:
            return False
        if check == "status_code_conformance" and exchange.refused_as_invalid:
            # What nobody can call valid for sure may be refused, too.
            return request.valid and request.sure and request.interoperable
        if check == "content_type_conformance":
            return bool(exchange.body)
        if check == "response_schema_conformance":  # what is no JSON is the matter of MEDIA, and so is too much of it
            readable = exchange.media_type in ("application/json", "") and not exchange.overfull
            return bool(exchange.body) and readable
        if check == "positive_data_acceptance":
            return request.sure and request.interoperable
        return request.sure or check not in _OF_DECISIONS


def _proves(check: str, case: Case, request: Request, exchange: Exchange) -> bool:
    """Whether a check that is content has seen its rule put to the test."""
    if check == "positive_data_acceptance":
        return request.valid and exchange.ok
    if check == "negative_data_rejection":
        return not request.valid and exchange.client_error
    if check == "response_headers_conformance":
        described = case.operation.responses.find_by_status_code(exchange.status)
        return bool(described is not None and described.headers)
    if check == "use_after_free":
        return exchange.status in (404, 410)
    if check == "ensure_resource_availability":
        return exchange.ok
    return True


def _sentence(check: str, failure: Any, exchange: Exchange) -> str:
    """Schemathesis' own words in one line, without the dumps of schemas and values that follow them."""
    told = getattr(failure, "validation_message", "") or failure.message.partition("\n\nSchema")[0]
    where = "/".join(map(str, getattr(failure, "instance_path", ()) or ()))
    lines = [" ".join(line.removeprefix("- ").split()).rstrip(".,") for line in told.splitlines()]
    words = (f"{where}: " if where else "") + ", ".join(filter(None, lines)).replace(":,", ":")
    title = _TITLES.get(check, failure.title)
    return f"{title} ({check}): {words:.{_SHOWN}}, got {exchange.status}"


def as_response(case: Case, exchange: Exchange) -> Response:
    """An exchange as Schemathesis takes it. The address is that of the operation in the contract, wherever the target
    is, because Schemathesis compares the two; it holds no token."""
    from schemathesis.core.transport import Response
    from schemathesis.transport.prepare import prepare_path

    path = case.operation.schema.get_full_path(prepare_path(case.path, case.path_parameters))
    query = exchange.url.partition("?")[2]
    prepared = requests.PreparedRequest()
    prepared.method, prepared.url = exchange.method, f"http://target{path}" + (f"?{query}" if query else "")
    prepared.headers = requests.structures.CaseInsensitiveDict()
    prepared.body = exchange.request_body
    return Response(
        status_code=exchange.status,
        headers={name: [value] for name, value in exchange.headers.items()},
        content=exchange.body,
        request=prepared,
        elapsed=exchange.duration_s,
        verify=True,
        encoding="utf-8",
    )
