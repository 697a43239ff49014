"""What a process that sends does for the audit: it keeps its ledger, watches its sample, and tells both."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event

from cdp.contract import Contract
from cdp.records import RESULTS_FILE
from cdp.targets import Target
from load.access import Access
from load.audit.ledger import FLUSH_S, Ledger, LedgerError
from load.audit.manifest import Manifest, ledger_path, manifest_path, write_manifest
from load.audit.watch import VisibilityWatch
from load.objectives import parse_objectives
from load.options import LoadOptions
from load.plan import PARTS, Plan, schedule_of
from load.scenario import ScenarioError
from load.scenarios.ingest import IngestScenario
from load.scenarios.mixed import MixedScenario

_WATCH_GRACE_S = 1.0
_OWNERS_LOOKED_AT = 15
_SHIPPED = ("manifest", "ledger")


class Noting:
    """The ledger and the watch of one process. Raises ScenarioError in one line when the ledger cannot be written."""

    def __init__(
        self,
        options: LoadOptions,
        target: Target,
        contract: Contract,
        access: Access,
        plan: Plan,
        ingest: IngestScenario,
    ) -> None:
        self._over = Event()
        self._finished = False
        self.directory = _directory(plan, options)
        self._shared = self.directory == Path(plan.directory)
        self._worker = plan.stripe
        known = ingest.known
        manifest = Manifest(
            run=plan.run,
            worker=plan.stripe,
            workers=plan.stripes,
            open_loop=options.open_loop,
            day=ingest.context.day,
            options=options.as_record(),
            customers=known.customers[:_OWNERS_LOOKED_AT],
            identifiers=known.identifiers,
            definitions=known.definitions,
            started=time.time(),
        )
        try:
            self.ledger = Ledger(ledger_path(self.directory, plan.stripe))
            write_manifest(manifest, self.directory)
        except LedgerError as error:
            raise ScenarioError(str(error)) from None
        ingest.ledger = self.ledger
        left_rps = _left_rps(options, target, plan.stripes)
        limits_s = [each.limit / 1e9 for each in parse_objectives(options.slo, PARTS[options.scenario]) if each.visible]
        self._grace_s = _grace_s(limits_s, options.audit_deadline)
        self._notes: list[str] = []
        self.watch: VisibilityWatch | None = None
        if left_rps is None or left_rps >= 1:
            self.watch = VisibilityWatch(
                target,
                contract,
                access,
                ingest.events,
                plan.stripe,
                every=options.audit_sample,
                deadline_s=options.audit_deadline,
                max_rps=left_rps,
                customers=known.customers,
                limits_s=limits_s,
            )
            ingest.watch = self.watch
        else:
            self._notes.append("when events become visible was not watched: the run takes all of the target's max_rps")

    def start(self) -> None:
        """Begin to flush and to watch."""
        gevent.spawn(self._flush_regularly)
        if self.watch is not None:
            self.watch.start()

    def _flush_regularly(self) -> None:
        while not self._over.wait(FLUSH_S):
            try:
                gevent.get_hub().threadpool.apply(self.ledger.flush)
            except OSError as error:
                self._notes.append(f"the ledger could not be brought to the disk: {error.strerror}")
                return

    def finish(self, within_s: float = math.inf) -> None:
        """Nothing more is sent: end the watch, in so many seconds at most, and close the ledger."""
        if self._finished:
            return
        self._finished = True
        self._over.set()
        if self.watch is not None:
            self.watch.finish(min(self._grace_s, within_s))
        try:
            self.ledger.close()
        except OSError as error:
            self._notes.append(f"the ledger could not be brought to the disk: {error.strerror}")

    def take(self, *, final: bool) -> dict[str, Any]:
        """What the coordinator has to know, as plain data. At the end, the ledger is in it where the coordinator does
        not see the directory in which it stands."""
        told: dict[str, Any] = {"visible_ns": [], "unseen_ns": [], "never": 0, "notes": []}
        if self.watch is not None:
            told = self.watch.take()
        told["notes"] += self._notes
        self._notes = []
        if final and not self._shared:
            told["worker"] = self._worker
            told["manifest"] = manifest_path(self.directory, self._worker).read_bytes()
            told["ledger"] = zlib.compress(ledger_path(self.directory, self._worker).read_bytes(), 1)
        return told


def note_events(
    options: LoadOptions, target: Target, contract: Contract, access: Access, plan: Plan, scenario: object
) -> Noting | None:
    """What keeps the ledger of a scenario that sends events; None where nothing is to be audited. Raises
    ScenarioError."""
    ingest = scenario.ingest if isinstance(scenario, MixedScenario) else scenario
    if not isinstance(ingest, IngestScenario) or options.no_audit:
        return None
    return Noting(options, target, contract, access, plan, ingest)


def receive(told: dict[str, Any], directory: Path) -> None:
    """Store the ledger of a process of another machine. Raises LedgerError."""
    if not all(name in told for name in _SHIPPED):
        return
    try:
        manifest_path(directory, told["worker"]).write_bytes(told["manifest"])
        ledger_path(directory, told["worker"]).write_bytes(zlib.decompress(told["ledger"]))
    except OSError as error:
        raise LedgerError(f"cannot store the ledger of process {told['worker']}: {error.strerror}") from None


def _directory(plan: Plan, options: LoadOptions) -> Path:
    """Where the ledger stands: in the run's directory, else in one of the same name on this machine."""
    directory = Path(plan.directory)
    try:
        with open(directory / RESULTS_FILE, "rb") as results:
            if plan.run.encode() in results.readline():
                return directory
    except OSError:
        pass
    return Path(options.runs) / f"{directory.name}-{plan.run}"


def _grace_s(limits_s: Sequence[float], deadline_s: float) -> float:
    """How long the watch goes on after the last request: until an event that was acknowledged last has been looked for
    when it is too old for the objectives, so that the end of a run is judged like its beginning."""
    return min(max([_WATCH_GRACE_S, *(limit_s + 2.0 for limit_s in limits_s)]), deadline_s)


def _left_rps(options: LoadOptions, target: Target, processes: int) -> float | None:
    """How many requests a second each process may send beside the run; None: as many as it likes."""
    if target.max_rps is None:
        return None
    if not options.open_loop or options.find_capacity:
        return 0.0
    return (target.max_rps - schedule_of(options).peak_rate) / processes
