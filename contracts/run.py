"""A contract run from the first request to the last: preflight, cells, clean-up, one results file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cdp import __version__
from cdp.cassette import Cassette
from cdp.http import TOKEN_HEADER
from cdp.known_failures import STORED_AS
from cdp.ledger import LEDGER_FILE, Ledger
from cdp.results import RESULTS_FILE, ResultsWriter, read_results
from cdp.secrets import Secrets
from cdp.targets import Target
from cdp.verdicts import Cell, Result, Verdict
from contracts.budget import CLOSING_S, Budget, OutOfTime, clean_up_s
from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import TargetLost
from contracts.cleaning import clean_after_run
from contracts.examples import Examples
from contracts.find_api import find_api
from contracts.heading import described
from contracts.judge import judge
from contracts.plan import OBSERVING, Plan
from contracts.rounds import Rounds, Turn
from contracts.session import Identity, Obstacle, Session
from contracts.tidying import tidy
from contracts.workbench import Workbench

_ENOUGH = 20  # requests, before which their average says little


@dataclass
class ContractRun:
    """One run on one target. `start`, then `judge` every cell, then `judge_deeper`, then `finish`, whatever happened in
    between. OutOfTime ends any of them when the `budget` is spent. `examples` keeps what broke a rule for the next
    run."""

    plan: Plan
    target: Target
    directory: Path
    budget: Budget | None = None
    examples: Examples | None = None
    leftovers: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    obstacle: str = ""
    processes: int = 1  # that judge: with more than one this process only prepares and cleans up
    secrets: Secrets = field(default_factory=Secrets)
    prefix: str = ""
    share: int = 0

    def __post_init__(self) -> None:
        for secret in (self.target.credentials.token, self.target.credentials.password):
            self.secrets.add(secret)
        self.ledger = Ledger(self.directory / LEDGER_FILE, self.secrets.redact)
        self.session = Session(
            self.plan.contract,
            self.target,
            self.plan.profile,
            self.plan.seed,
            self.ledger,
            self.secrets,
            prefix=self.prefix,
            share=self.share,
        )
        if self.plan.profile.drawn:
            self.session.cassette = Cassette(self.directory, self.secrets)
        self.bench = Workbench(self.session)
        self.bench.examples = self.examples
        self.rounds = Rounds(
            self.plan.contract, self.plan.seed, OBSERVING, None if self.budget else self.plan.profile.rounds
        )
        self.writer = ResultsWriter(self.directory / RESULTS_FILE)
        self.counts: Counter[str] = Counter()
        self._started = time.monotonic()
        self._judging = ""
        self._finished = False
        self._kept_back_s = CLOSING_S
        self._ready_s = self.budget.spent_s if self.budget else 0.0
        self._verdicts: dict[Cell, Verdict] = {}
        self._beside: dict[int, int] = {}
        if self.budget is not None:
            self.session.time_is_up = self._time_is_up

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
            sections=plan.sections,
            families=plan.families,
            cells=len(plan.cells),
            **described(plan.contract, plan.catalogue, plan.operations),
            budget_min=self.budget.minutes if self.budget else None,
            **{STORED_AS: [entry.as_record() for entry in plan.known_failures]},
        )
        try:
            self._authenticate()
            self._find_api()
            self.bench.arrangement.finder.find_ids(plan.operations)
            roles = any(
                cell.requirement.startswith(("ROLE", "AUTH-06")) or cell.role not in ("", ADMIN) for cell in plan.cells
            )
            self.bench.identities.prepare(plan.operations, roles, self.processes)
        except TargetLost as lost:
            raise Obstacle(f"{self.target.base_url} cannot be reached: {lost}") from None

    def _authenticate(self) -> None:
        credentials = self.target.credentials
        token = credentials.token or self.bench.identities.login(credentials.email, credentials.password, ADMIN)
        self.session.admin = Identity(ADMIN, token)

    def _find_api(self) -> None:
        """Ask a list, best a documented one that needs no feature: is this the API, and does it take the token?"""
        operation, exchange = find_api(self.session, self.plan.operations)
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

    def judge(self, cell: Cell, number: int = 1, seed: int | None = None) -> Result:
        """Judge one cell, for the `number`th time, with the run's seed or another, and store the result.

        Raises Obstacle when the target is gone, OutOfTime when the budget is spent, ResultsError when nothing can be
        stored.
        """
        self._keep_back()
        if self._judging and self._judging != cell.operation:
            self.bench.forget(self.plan.contract.operations[self._judging])
            self._tidy()
        self._judging = cell.operation
        self.bench.draws = []
        self.session.seed = self.plan.seed if seed is None else seed
        try:
            requirement = self.plan.catalogue.requirements[cell.requirement]
            result = judge(cell, requirement, self.bench, strict=self.plan.strict)
        finally:
            self.session.seed = self.plan.seed
        if self.session.ran_out:  # what was under way may have taken it for a failure
            raise OutOfTime
        result.round = number
        self.writer.add(result)
        self.rounds.note(result, self.bench.draws)
        self._count(result)
        if self.session.cassette is not None:
            self.session.cassette.check()
        return result

    def take(self, operation: str, asked: Mapping[str, int], share: int, beside: int) -> None:
        """Note how often another process of the run has asked an operation, by role, and how many requests it has sent
        that no cell has counted."""
        self._beside[share] = max(beside, self._beside.get(share, 0))
        for role, number in asked.items():
            known = self.session.requests_by_cell
            known[operation, role] = max(number, known.get((operation, role), 0))

    def _count(self, result: Result) -> None:
        """Count a cell under its worst verdict."""
        before = self._verdicts.get(result.cell)
        if before is not None:
            skipped = result.verdict in (Verdict.SKIP, Verdict.UNCONFIRMED)
            if skipped or (result.verdict <= before and before is not Verdict.SKIP):
                return
            self.counts[before.name] -= 1
        self._verdicts[result.cell] = result.verdict
        self.counts[result.verdict.name] += 1

    def judge_all(self) -> Iterator[Result]:
        for cell in self.plan.cells:
            yield self.judge(cell)

    def judge_deeper(self) -> Iterator[Result]:
        """Judge again what has more to show, round by round with other seeds, until nothing has or the budget is
        spent. Every cell must have been judged once."""
        try:
            while turns := self.rounds.next():
                yield from self._round(turns)
        except OutOfTime:
            return

    def _round(self, turns: list[Turn]) -> Iterator[Result]:
        played = ""
        for turn in turns:
            operation = turn.cell.operation
            if turn.follows and played != operation:
                continue
            if operation != self._judging:
                self._keep_back()
                self._make_room(turn.cell)
            left_s = self.budget_left_s()
            if left_s is not None and left_s < self.rounds.took_s(turn.cell):
                continue  # it would be given up in the middle
            played = operation
            yield self.judge(turn.cell, turn.number, turn.seed)
        if not played:
            raise OutOfTime

    def _make_room(self, cell: Cell) -> None:
        """Let go of what is known of the records that were made before a cell, and remove them."""
        self.bench.forget_own_records()
        tidy(self.session, self._removable)

    def _tidy(self) -> None:
        """Remove what the operations so far have made and nobody needs any more: what stays until the end of a run is
        all left on the target if that end does not come."""
        if self.session.ledger.passing:
            self.bench.forget_own_records()
            tidy(self.session, self._removable)

    @property
    def _removable(self) -> Collection[str] | None:
        """Kinds of records that may be removed while the run goes on; None: all of them."""
        return None

    def budget_left_s(self) -> float | None:
        """Seconds that are left for judging; None without a budget."""
        return self.budget.left_s - self._kept_back_s if self.budget else None

    def _keep_back(self) -> None:
        """Reckon the time that the clean-up will need."""
        if self.budget is not None:
            request_s = (self.budget.spent_s - self._ready_s) / max(self.session.client.sent, _ENOUGH)
            records, lists = self._records(), len(self.ledger.operations)
            self._kept_back_s = clean_up_s(records, lists, request_s)

    def _records(self) -> int:
        """How many records will have to be removed at the end."""
        return len(self.ledger.open_records)

    def _time_is_up(self) -> bool:
        assert self.budget is not None
        return self.budget.left_s <= self._kept_back_s

    def finish(self, *, interrupted: bool = False, obstacle: str = "") -> None:
        """Remove what the run created, write the footer, close everything. Safe to call twice."""
        if self._finished:
            return
        self._finished = True
        self.session.time_is_up = lambda: False
        self.obstacle = obstacle = self.secrets.redact(obstacle)
        try:
            self.ledger.catch_up()
            self._clean(reachable=not obstacle or self._alive())
            counts, requests = self._figures()
            if not (obstacle or interrupted or counts["FAIL"]):
                self.obstacle = obstacle = self._opens_nothing()
            busiest = self._busiest()
            self.writer.footer(
                ended=datetime.now(UTC).isoformat(timespec="seconds"),
                wall_s=round(time.monotonic() - self._started, 3),
                requests=requests,
                interrupted=interrupted,
                out_of_time=self._out_of_time(interrupted, counts.total()),
                obstacle=obstacle,
                counts=dict(counts),
                leftovers=self.leftovers,
                stays=self.stays,
                callers=self.bench.identities.made,
                most_requests_per_list_and_role=busiest[1],
                busiest_list=busiest[0],
            )
        finally:
            self.writer.close()
            self.ledger.close()
            if self.session.cassette is not None:
                self.session.cassette.close()
            self.session.client.close()

    def _opens_nothing(self) -> str:
        """Why a run proves nothing whose token may do nothing of what was asked; empty if it may do something."""
        asked = self.session.answered
        if self.processes > 1 or set(asked) != {403} or len(asked[403]) < 2:
            return ""
        return (
            f"{self.target.base_url} answered 403 to every call of the run's own token ({len(asked[403])} operations); "
            "check the role of its user"
        )

    def _figures(self) -> tuple[Counter[str], int]:
        """Verdicts, and requests of all processes that had a part in the run."""
        if self.processes == 1:
            return self.counts, self.session.client.sent
        results = read_results(self.directory / RESULTS_FILE).results
        counts = Counter(result.verdict.name for result in results)
        of_cells = sum(result.requests for result in results)
        return counts, self.session.client.sent + of_cells + sum(self._beside.values())

    def _out_of_time(self, interrupted: bool, judged: int) -> bool:
        """Whether it is the budget that left cells without a verdict."""
        return self.budget is not None and not (interrupted or self.obstacle) and judged < len(self.plan.cells)

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
