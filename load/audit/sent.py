"""What was sent: every event of a run with its state, put together from the ledgers of all processes.

Events have one index here, whatever process sent them. In an open loop it is their number, which counts over all
processes; in a closed loop each process counts for itself, and their events stand one process after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdp.contract import Contract
from cdp.targets import Target
from load.audit.ledger import UNSENT, LedgerError, States, read_ledger
from load.audit.manifest import Manifest, ledger_path, read_manifests
from load.marks import Mark
from load.options import LoadOptions
from load.scenario import ScenarioError
from load.scenarios import make_scenario
from load.scenarios.batches import BatchColumns, Batches
from load.scenarios.data import CHUNK, Integers
from load.scenarios.discovery import Known
from load.scenarios.events import EventWriter
from load.scenarios.ingest import IngestScenario
from load.scenarios.mixed import MixedScenario

Booleans = npt.NDArray[np.bool_]


@dataclass
class Part:
    """A row of events that are numbered in one way, from index `base` on.

    `states`: one an event; `firsts`, `places` and `uploads`: of each batch the number of its first event, that of its
    arrival, and whether it is an upload. `worker`: the process that sent all of it; None: arrival `a` is of process
    `a` modulo `workers`.
    """

    base: int
    states: States
    firsts: Integers
    places: Integers
    uploads: Booleans
    worker: int | None
    workers: int

    @property
    def size(self) -> int:
        return int(self.states.size)

    def batch_of(self, numbers: Integers) -> Integers:
        """Places in `firsts` of the batches that events belong to."""
        return np.asarray(np.searchsorted(self.firsts, numbers, side="right") - 1, dtype=np.int64)

    def workers_of(self, numbers: Integers) -> Integers:
        """Which process sent each event."""
        if self.worker is not None:
            return np.full(len(numbers), self.worker, dtype=np.int64)
        return np.asarray(self.places[self.batch_of(numbers)] % self.workers, dtype=np.int64)


@dataclass
class Sent:
    """All events of a run. `writers`: by process, what made its events; `missing`: processes without a ledger, of whose
    events nothing is known; `customers_known`: ids of some customers of the target."""

    run: str
    parts: list[Part]
    writers: dict[int, EventWriter]
    started_s: float
    open_loop: bool
    missing: list[int] = field(default_factory=list)
    customers_known: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.states: States = np.concatenate([part.states for part in self.parts] or [np.zeros(0, dtype=np.uint8)])

    @property
    def size(self) -> int:
        return int(self.states.size)

    def index_of(self, mark: Mark) -> int:
        """The index of a mark's event; -1 when no process of the run has one with this mark."""
        for part in self.parts:
            if part.worker is None or part.worker == mark.worker:
                if mark.seq >= part.size:
                    return -1
                if part.worker is None and self._worker_at(part, mark.seq) != mark.worker:
                    return -1
                return part.base + mark.seq
        return -1

    def _worker_at(self, part: Part, seq: int) -> int:
        batch = int(np.searchsorted(part.firsts, seq, side="right")) - 1
        return int(part.places[batch]) % part.workers

    def mark_of(self, index: int) -> Mark:
        """The mark of an event."""
        part = self._part_of(index)
        seq = index - part.base
        worker = part.worker if part.worker is not None else self._worker_at(part, seq)
        return Mark(self.run, worker, seq)

    def _part_of(self, index: int) -> Part:
        return next(part for part in reversed(self.parts) if part.base <= index)

    def identifier_of(self, index: int) -> str:
        """The identifier of the customer whom an event is about."""
        mark = self.mark_of(index)
        return self.writers[mark.worker].identifier(mark.seq)

    def fields_of(self, index: int) -> dict[str, str]:
        """An event as it was sent, by its fields."""
        mark = self.mark_of(index)
        return self.writers[mark.worker].fields(mark.seq)

    def batches_of(self, indices: Integers) -> Integers:
        """A number of the batch that each event was sent in, different for different batches; -1 for uploads."""
        found = np.full(len(indices), -1, dtype=np.int64)
        for number, part in enumerate(self.parts):
            inside = (indices >= part.base) & (indices < part.base + part.size)
            batches = part.batch_of(indices[inside] - part.base)
            found[inside] = np.where(part.uploads[batches], -1, batches * len(self.parts) + number)
        return found

    def in_uploads(self) -> Booleans:
        """Of every event, whether it was sent in an upload."""
        return np.concatenate(
            [part.uploads[part.batch_of(np.arange(part.size))] for part in self.parts] or [np.zeros(0, dtype=np.bool_)]
        )

    def customers(self) -> Iterator[tuple[int, Integers, Integers]]:
        """In pieces: the process, indices of its events that are not unsent, and the ranks of their identifiers."""
        for part in self.parts:
            for chunk in range(-(-part.size // CHUNK)):
                numbers = np.arange(chunk * CHUNK, min((chunk + 1) * CHUNK, part.size))
                numbers = numbers[part.states[numbers] != UNSENT]
                if not numbers.size:
                    continue
                workers = part.workers_of(numbers)
                for worker in np.unique(workers).tolist():
                    own = numbers[workers == worker]
                    yield worker, own + part.base, self.writers[worker].customers(chunk)[own - chunk * CHUNK]


def read_sent(directory: Path, contract: Contract, target: Target) -> Sent:
    """What the ledgers of a run say. Raises LedgerError when there is none, or one does not fit its run."""
    manifests = read_manifests(directory)
    if not manifests:
        raise LedgerError(f"{directory} holds no ledger: the run was not one that sends events, or had --no-audit")
    first = manifests[0]
    ledgers = {}
    for each in manifests:
        path = ledger_path(directory, each.worker)
        if path.exists():
            ledgers[each.worker] = read_ledger(path)
    missing = [worker for worker in range(first.workers) if worker not in ledgers]
    if not ledgers:
        raise LedgerError(f"{directory} holds no ledger beside {directory / 'audit-*.json'}")
    scenarios = {each.worker: _scenario(each, contract, target) for each in manifests if each.worker in ledgers}
    writers = {each.worker: _writer(each, scenarios[each.worker]) for each in manifests if each.worker in ledgers}
    if first.open_loop:
        some = next(iter(scenarios.values()))
        parts = [_shared(some.batches, ledgers, first.workers)]
    else:
        parts, base = [], 0
        for worker, states in ledgers.items():
            parts.append(_alone(scenarios[worker].batches_of_people, states, worker, base))
            base += parts[-1].size
    return Sent(
        first.run, parts, writers, min(each.started for each in manifests), first.open_loop, missing, first.customers
    )


def _scenario(manifest: Manifest, contract: Contract, target: Target) -> IngestScenario:
    try:
        options = LoadOptions(**manifest.options)
        made = make_scenario(
            options, target, contract, "", manifest.run, manifest.worker, manifest.workers, manifest.day
        )
    except (TypeError, ScenarioError) as error:
        raise LedgerError(f"the ledger of process {manifest.worker} is of another version: {error}") from None
    found = made.ingest if isinstance(made, MixedScenario) else made
    if not isinstance(found, IngestScenario):
        raise LedgerError(f"the scenario {options.scenario} sends no events")
    return found


def _writer(manifest: Manifest, scenario: IngestScenario) -> EventWriter:
    known = Known(identifiers=manifest.identifiers, definitions=manifest.definitions)
    return EventWriter(
        scenario.context, scenario.parts, known, new_customers=scenario.new_customers, zipf=scenario.zipf
    )


def _shared(batches: Batches, ledgers: dict[int, States], workers: int) -> Part:
    """The events of arrivals that all processes share: each ledger holds those of every `workers`-th arrival."""
    taken = dict.fromkeys(ledgers, 0)
    states: list[States] = []
    columns: list[BatchColumns] = []
    while any(taken[worker] < ledgers[worker].size for worker in ledgers):
        piece = batches.columns(len(columns))
        whose = np.repeat(piece.places % workers, piece.sizes)
        part = np.zeros(len(whose), dtype=np.uint8)
        for worker, ledger in ledgers.items():
            own = whose == worker
            end = taken[worker] + int(own.sum())
            found = ledger[taken[worker] : end]
            part[np.flatnonzero(own)[: found.size]] = found
            taken[worker] = end
        states.append(part)
        columns.append(piece)
    return _part(states, columns, None, workers, 0)


def _alone(batches: Batches, ledger: States, worker: int, base: int) -> Part:
    """The events of one process that numbers them for itself."""
    columns: list[BatchColumns] = []
    size = 0
    while size < ledger.size:
        columns.append(batches.columns(len(columns)))
        size += int(columns[-1].sizes.sum())
    states = np.zeros(size, dtype=np.uint8)
    states[: ledger.size] = ledger
    return _part([states], columns, worker, 1, base)


def _part(states: list[States], columns: list[BatchColumns], worker: int | None, workers: int, base: int) -> Part:
    """Without the unsent events at the end."""
    all_states = np.concatenate(states or [np.zeros(0, dtype=np.uint8)])
    used = np.flatnonzero(all_states)
    all_states = all_states[: int(used[-1]) + 1 if used.size else 0]
    kept = [piece.sizes > 0 for piece in columns]
    firsts, places, uploads = (
        np.concatenate([getattr(piece, name)[keep] for piece, keep in zip(columns, kept, strict=True)])
        if columns
        else np.zeros(0, dtype=np.int64)
        for name in ("firsts", "places", "uploads")
    )
    return Part(base, all_states, firsts, places, np.asarray(uploads, dtype=np.bool_), worker, workers)
