"""A contract run from the first request to the last: preflight, cells, clean-up, one results file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from cdp import __version__
from cdp.baseline import Accepted
from cdp.cassette import Cassette
from cdp.contract import Contract, Operation
from cdp.http import TOKEN_HEADER
from cdp.ledger import LEDGER_FILE, Ledger
from cdp.results import RESULTS_FILE, ResultsError, ResultsWriter
from cdp.secrets import Secrets
from cdp.targets import Target
from cdp.verdicts import Cell, Result
from contracts import conventions as _conventions  # noqa: F401 - registers the checks
from contracts.applicability import PREDICATES
from contracts.calls import Call
from contracts.catalogue import Catalogue, gate
from contracts.cells import ADMIN, Selection, build_cells
from contracts.checks import CHECKS, TargetLost
from contracts.cleaning import clean_after_run
from contracts.judge import judge
from contracts.profiles import Profile
from contracts.session import Identity, Obstacle, Session
from contracts.subject import Workbench

# Within an operation: what reads the collection first, what writes after it, and last what judges all answers that were
# seen.
_FIRST = ("PAGE", "ORDER", "STRUCT")
_WRITING = ("ROLE-06", "ORDER-02", "MEDIA-06", "SEARCH-03")
_WRITING_FAMILIES = ("LIFE", "EVENT")
_OBSERVING = ("CODE-01", "CODE-06", "CODE-07", "AUTH-07", "ROLE-08", "MEDIA-01", "MEDIA-02", "SHAPE-01")


class GateError(Exception):
    """The catalogue and the checks do not fit together; the message names every misfit."""


@dataclass(frozen=True)
class Plan:
    """What a run is going to do. `cells` are in the order in which they are judged."""

    contract: Contract
    catalogue: Catalogue
    profile: Profile
    seed: int
    strict: bool
    cells: tuple[Cell, ...]
    baseline: tuple[Accepted, ...] = ()

    @property
    def operations(self) -> list[Operation]:
        return [self.contract.operations[name] for name in dict.fromkeys(cell.operation for cell in self.cells)]

    def only(self, cells: Collection[Cell]) -> Plan:
        """The same plan for some of its cells, in the same order."""
        return replace(self, cells=tuple(cell for cell in self.cells if cell in cells))


def make_plan(
    contract: Contract, catalogue: Catalogue, selection: Selection, profile: Profile, seed: int, strict: bool = False
) -> Plan:
    """Choose and order the cells. Raises SelectionError for unknown names, GateError when a requirement has no
    check."""
    problems = gate(catalogue, CHECKS, PREDICATES)
    if problems:
        raise GateError("; ".join(problems))
    cells = build_cells(contract, catalogue, selection, profile.listing_roles)
    position = {o: n for n, o in enumerate(contract.operations)}
    cells.sort(key=lambda cell: (position[cell.operation], _stage(cell), _role_rank(cell)))
    return Plan(contract, catalogue, profile, seed, strict, tuple(cells))


def _stage(cell: Cell) -> int:
    if cell.requirement in _OBSERVING:
        return 4 + _OBSERVING.index(cell.requirement)
    family = cell.requirement.partition("-")[0]
    if cell.requirement == "LIFE-05":
        return 1
    if cell.requirement in _WRITING or family in _WRITING_FAMILIES:
        return 3
    return 1 if family in _FIRST else 2


def _role_rank(cell: Cell) -> int:
    return 0 if cell.role in ("", ADMIN) else 1


def run_directory(base: Path, target: Target) -> Path:
    """A new directory for a run's files, named by time (UTC) and target. Raises ResultsError when it cannot be made."""
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{''.join(c if c.isalnum() or c in '-._' else '-' for c in target.name)}"
    for number in range(100):
        directory = base / (stem if not number else f"{stem}-{number}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ResultsError(f"cannot make the run's directory {directory}: {error.strerror}") from None
        return directory
    raise ResultsError(f"cannot make a new directory for the run in {base}")


@dataclass
class ContractRun:
    """One run on one target. `start`, then `judge` every cell, then `finish`, whatever happened in between."""

    plan: Plan
    target: Target
    directory: Path
    leftovers: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    obstacle: str = ""

    def __post_init__(self) -> None:
        self.secrets = Secrets()
        for secret in (self.target.credentials.token, self.target.credentials.password):
            self.secrets.add(secret)
        self.ledger = Ledger(self.directory / LEDGER_FILE, self.secrets.redact)
        self.session = Session(
            self.plan.contract, self.target, self.plan.profile, self.plan.seed, self.ledger, self.secrets
        )
        if self.plan.profile.drawn:
            self.session.cassette = Cassette(self.directory, self.secrets)
        self.bench = Workbench(self.session)
        self.writer = ResultsWriter(self.directory / RESULTS_FILE)
        self.counts: Counter[str] = Counter()
        self._started = time.monotonic()
        self._judging = ""
        self._finished = False

    def start(self) -> None:
        """Write the header, get a token, make sure that the API is there, make the callers. Raises Obstacle in one
        line."""
        plan = self.plan
        self.writer.header(
            target=self.target.name,
            base_url=self.target.base_url,
            profile=plan.profile.name,
            seed=plan.seed,
            strict=plan.strict,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            contract_version=plan.contract.version,
            suite_version=__version__,
            allow=sorted(self.target.allow),
            prefix=self.session.prefix,
            sections=[s.name for s in plan.contract.sections],
            families=list(dict.fromkeys(r.family for r in plan.catalogue.checked)),
            cells=len(plan.cells),
            baseline=[entry.as_record() for entry in plan.baseline],
        )
        try:
            self._authenticate()
            self._find_api()
            self.bench.arrangement.finder.find_ids(plan.operations)
            roles = any(
                cell.requirement.startswith(("ROLE", "AUTH-06")) or cell.role not in ("", ADMIN) for cell in plan.cells
            )
            self.bench.identities.prepare(plan.operations, roles)
        except TargetLost as lost:
            raise Obstacle(f"{self.target.base_url} cannot be reached: {lost}") from None

    def _authenticate(self) -> None:
        credentials = self.target.credentials
        token = credentials.token or self.bench.identities.login(credentials.email, credentials.password, ADMIN)
        self.session.admin = Identity(ADMIN, token)

    def _find_api(self) -> None:
        """Ask one documented list that needs no feature: is this the API, and does it take the token?"""
        operation = next(
            o
            for o in self.plan.contract.operations.values()
            if o.collection
            and o.provenance == "documented"
            and not o.features.needed
            and not o.path_parameters
            and o.auth == "token"
        )
        exchange = self.session.send(Call(operation), self.session.admin, judged=False)
        self.session.health = Call(operation)
        if exchange.failure:
            raise Obstacle(f"{self.target.base_url} cannot be reached: {exchange.detail}")
        if exchange.status == 401:
            raise Obstacle(f"{self.target.base_url} refused the token (401); check it, or log in again")
        if 300 <= exchange.status < 400:
            place = self.secrets.redact(exchange.headers.get("Location", "nowhere"))
            raise Obstacle(
                f"{self.target.base_url} answers {exchange.status} and leads to {ascii(place)[1:-1]:.200}; "
                "redirects are not followed: name the address itself"
            )
        if exchange.json is None or exchange.status == 404:
            kind = self.secrets.redact(exchange.media_type) or "nothing"
            raise Obstacle(
                f"{self.target.base_url} is not the API: GET {operation.template} answered {exchange.status} "
                f"with {kind}"
            )

    def judge(self, cell: Cell) -> Result:
        """Judge one cell and store the result. Raises Obstacle when the target is gone, ResultsError when nothing can
        be stored."""
        if self._judging and self._judging != cell.operation:
            self.bench.forget(self.plan.contract.operations[self._judging])
        self._judging = cell.operation
        result = judge(cell, self.plan.catalogue.requirements[cell.requirement], self.bench, strict=self.plan.strict)
        self.writer.add(result)
        self.counts[result.verdict.name] += 1
        if self.session.cassette is not None:
            self.session.cassette.check()
        return result

    def judge_all(self) -> Iterator[Result]:
        for cell in self.plan.cells:
            yield self.judge(cell)

    def finish(self, *, interrupted: bool = False, obstacle: str = "") -> None:
        """Remove what the run created, write the footer, close everything. Safe to call twice."""
        if self._finished:
            return
        self._finished = True
        self.obstacle = obstacle = self.secrets.redact(obstacle)
        try:
            self._clean(reachable=not obstacle or self._alive())
            busiest = self._busiest()
            self.writer.footer(
                ended=datetime.now(UTC).isoformat(timespec="seconds"),
                wall_s=round(time.monotonic() - self._started, 3),
                requests=self.session.client.sent,
                interrupted=interrupted,
                obstacle=obstacle,
                counts=dict(self.counts),
                leftovers=self.leftovers,
                stays=self.stays,
                most_requests_per_list_and_role=busiest[1],
                busiest_list=busiest[0],
            )
        finally:
            self.writer.close()
            self.ledger.close()
            if self.session.cassette is not None:
                self.session.cassette.close()
            self.session.client.close()

    def _busiest(self) -> tuple[str, int]:
        lists = {
            f"{o}/{role}": n
            for (o, role), n in self.session.requests_by_cell.items()
            if role and self.plan.contract.operations[o].collection
        }
        return max(lists.items(), key=lambda item: item[1], default=("", 0))

    def _alive(self) -> bool:
        """Whether a target that stood in the way of the run can still be cleaned up."""
        health = self.session.health
        if health is None or self.target.disposable or not self.ledger.operations:
            return False
        headers = {TOKEN_HEADER: self.session.admin.token, "Accept": "application/json"}
        return self.session.client.send("GET", health.url(self.target), headers=headers).ok

    def _clean(self, *, reachable: bool) -> None:
        """Remove what the run created; what is left then is told in the results."""
        if not reachable:
            left = [record for record in self.ledger.open_records if record.delete_url]
            self.leftovers = [f"{record.operation} {record.record_id}: not tried" for record in left]
            return
        outcome = clean_after_run(self.session, self.ledger)
        self.leftovers = [self.secrets.redact(str(kept)) for kept in outcome.left]
        if not self.target.disposable:  # else it is thrown away together with the target
            self.stays = [self.secrets.redact(str(kept)) for kept in outcome.stays]


__all__ = ["ContractRun", "GateError", "Plan", "make_plan", "run_directory"]
