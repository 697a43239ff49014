"""A proof from the first trial to the last: the clean instance, the mutants, one file that can be continued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdp import __version__
from cdp.contract import Contract, load_contract
from cdp.embedded import embedded_instance
from cdp.fault_control import Control, Kind, ProofError
from cdp.proof_results import PROOF_FILE, Trial, read_proof
from cdp.records import RecordWriter
from contracts.proof.mutants import Mutant, in_rounds, possible, sampled, spread
from contracts.proof.pool import SMALL, Pool
from contracts.proof.trial import CleanRun, CleanTask, MutantTask


@dataclass(frozen=True)
class Wanted:
    """What is to be tried. `profiles`: from the quickest to the most thorough one; a mutant that survives one is tried
    with the next. `per_kind`: operations of each kind at most; `sample`: mutants of those, all when None;
    `only`: names of faults, of mutants, or of requirements, all when empty."""

    profiles: tuple[str, ...]
    seed: int
    processes: int
    per_kind: int
    sample: int | None = None
    only: tuple[str, ...] = ()
    clean_seeds: int = 1

    def as_header(self) -> dict[str, Any]:
        """What a continued proof must agree with."""
        return {
            "profiles": list(self.profiles),
            "seed": self.seed,
            "per_kind": self.per_kind,
            "sample": self.sample,
            "only": list(self.only),
            "clean_seeds": self.clean_seeds,
        }


@dataclass
class Proof:
    """One proof, stored in `directory`. `clean`: the alarms of each run on the clean instance."""

    wanted: Wanted
    directory: Path
    contract: Contract = field(default_factory=load_contract)
    kinds: dict[str, Kind] = field(default_factory=dict)
    mutants: list[Mutant] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    clean: dict[str, list[str]] = field(default_factory=dict)

    def prepare(self) -> Iterator[CleanRun]:
        """Learn the kinds, run on the clean instance, choose the mutants. Each run is told when it is over.

        Raises ProofError, TargetError."""
        with embedded_instance(*SMALL) as target:
            self.kinds = {kind.name: kind for kind in Control(target.origin).kinds()}
        self._check_names()
        seeds = range(self.wanted.seed, self.wanted.seed + self.wanted.clean_seeds)
        tasks = [CleanTask(profile, seed, self._sections()) for seed in seeds for profile in self.wanted.profiles]
        tasks.reverse()  # the longest, which is the last of a seed, is not to be waited for alone
        clean: dict[tuple[int, str], CleanRun] = {}
        with Pool[CleanRun](self.wanted.processes) as pool:
            for run in pool.outcomes(tasks):
                clean[run.seed, run.profile] = run
                yield run
        self.clean = {task.name: clean[task.seed, task.profile].alarms for task in reversed(tasks)}
        judged = clean[self.wanted.seed, self.wanted.profiles[-1]].passed
        self.mutants = self._chosen(possible(self.kinds.values(), judged, self.wanted.profiles[-1]))

    def _check_names(self) -> None:
        known = set(self.kinds) | {name for kind in self.kinds.values() for name in kind.by}
        for name in self.wanted.only:
            fault, _, operation = name.partition("/")
            if fault not in known:
                raise ProofError(f"no fault or requirement is called {fault!r}; `cdp prove --list` shows them")
            if operation and fault not in self.kinds:
                raise ProofError(f"a mutant is FAULT/OPERATION, and {fault} is no fault; `cdp prove --list` shows them")
            if operation and operation not in self.kinds[fault].operations:
                raise ProofError(f"{fault} cannot be put on {operation!r}; it fits {self._some(fault)}")

    def _some(self, fault: str) -> str:
        names = self.kinds[fault].operations
        return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

    def _sections(self) -> tuple[str, ...]:
        """The sections that the clean runs look at: all, unless nothing but single mutants was asked for."""
        operations = [name.partition("/")[2] for name in self.wanted.only]
        if not operations or not all(operations):
            return ()
        return tuple(dict.fromkeys(self.contract.operations[name].section for name in operations))

    def _chosen(self, operations: Mapping[str, Sequence[str]]) -> list[Mutant]:
        wanted = self.wanted
        if wanted.only:
            operations = {kind: names for kind, names in operations.items() if self._asked(kind)}
        exact = [Mutant(*name.split("/", 1)) for name in wanted.only if "/" in name]
        rest = {kind: names for kind, names in operations.items() if not any(m.fault == kind for m in exact)}
        chosen = exact + spread(rest, self.contract, wanted.per_kind, wanted.seed)
        return chosen if wanted.sample is None else sampled(chosen, wanted.sample, wanted.seed)

    def _asked(self, kind: str) -> bool:
        names = {name.partition("/")[0] for name in self.wanted.only}
        return kind in names or not names.isdisjoint(self.kinds[kind].by)

    def run(self) -> Iterator[Trial]:
        """Try what has not been tried; each trial is stored before it is told.

        Raises ProofError, and ResultsError of cdp.records."""
        done = self._stored()
        self.trials = list(done.values())
        writer = RecordWriter(self.directory / PROOF_FILE)
        try:
            if not done and not (self.directory / PROOF_FILE).stat().st_size:
                writer.header(**self._header())
            waiting = in_rounds([mutant for mutant in self.mutants if mutant not in done])
            with Pool[Trial](self.wanted.processes) as pool:
                for trial in pool.outcomes(map(self._task, waiting)):
                    self.trials.append(trial)
                    writer.write(trial.as_record())
                    yield trial
            writer.footer(ended=datetime.now(UTC).isoformat(timespec="seconds"), trials=len(self.trials))
        finally:
            writer.close()

    def _task(self, mutant: Mutant) -> MutantTask:
        section = self.contract.operations[mutant.operation].section
        return MutantTask(mutant, self.kinds[mutant.fault], section, self.wanted.profiles, self.wanted.seed)

    def _header(self) -> dict[str, Any]:
        return {
            "proof": True,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "suite_version": __version__,
            "contract_version": self.contract.version,
            **self.wanted.as_header(),
            "clean": self.clean,
            "sections": [section.name for section in self.contract.sections],
            "kinds": [kind.as_header() for kind in self.kinds.values()],
        }

    def _stored(self) -> dict[Mutant, Trial]:
        """The trials of a proof that was cut off. Raises ProofError when it was another proof."""
        path = self.directory / PROOF_FILE
        if not path.exists():
            return {}
        stored = read_proof(path)
        asked = self.wanted.as_header()
        if {name: stored.header.get(name) for name in asked} != asked:
            raise ProofError(f"{self.directory} holds another proof; continue it with the options it was begun with")
        if stored.torn:  # half a line would spoil the next one
            with path.open("r+b") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
        return {Mutant(trial.fault, trial.operation): trial for trial in stored.trials}
