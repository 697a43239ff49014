"""What is tried: a mutant, by a run over its section's cells that knows nothing of the fault; or the clean instance."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from cdp.contract import Contract
from cdp.fault_control import Control, Kind, ProofError
from cdp.proof_results import ERROR, FOUND, INVALID, MISNAMED, SURVIVED, Trial
from cdp.targets import Target
from cdp.verdicts import Result, Verdict
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.proof.mutants import Mutant
from contracts.run import ContractRun
from contracts.session import Obstacle


@dataclass(frozen=True)
class Court:
    """Where mutants are tried: an instance with faults, and the address that controls them."""

    contract: Contract
    target: Target
    control: Control

    def run(self, profile: str, seed: int, sections: tuple[str, ...] = ()) -> tuple[list[Result], int]:
        """All results of a run over these sections (all without any), and its requests. Nothing is cleaned up: the data
        are laid anew. Raises Obstacle, like any run."""
        selection = Selection(sections=sections)
        plan = make_plan(self.contract, load_catalogue(), selection, PROFILES[profile], seed=seed)
        with tempfile.TemporaryDirectory(prefix="cdp-proof-") as directory:
            run = ContractRun(plan, self.target, Path(directory))
            try:
                run.start()
                results = list(run.judge_all())
            finally:
                run.finish(obstacle="the data are thrown away")
        return results, run.session.client.sent


@dataclass(frozen=True)
class MutantTask:
    """A mutant that is to be tried with one profile after the other, until one finds it."""

    mutant: Mutant
    kind: Kind
    section: str
    profiles: tuple[str, ...]
    seed: int
    longest_s: float = 300.0  # a fault that makes the suite hang is one that the suite does not bear

    def done(self, court: Court) -> Trial:
        """Try it. Raises ProofError when the instance does not answer."""
        requests, wall_s = 0, 0.0
        for profile in self.profiles:
            trial = self._tried(court, profile)
            requests, wall_s = requests + trial.requests, wall_s + trial.wall_s
            if trial.outcome == FOUND:
                break
        return replace(trial, requests=requests, wall_s=round(wall_s, 3))

    def lost(self, why: str) -> Trial:
        """What is said of it when it could not be tried."""
        return Trial(self.mutant.fault, self.mutant.operation, self.section, ERROR, why=why)

    def _tried(self, court: Court, profile: str) -> Trial:
        """Switch the fault on and run."""
        began = time.monotonic()
        court.control.switch(self.mutant.fault, self.mutant.operation)
        obstacle = ""
        try:
            results, requests = court.run(profile, self.seed, (self.section,))
        except Obstacle as error:
            results, requests, obstacle = [], 0, str(error)
        state = court.control.state()
        alarms = alarms_of(results)
        places = state.places | {self.mutant.operation}
        here = {requirement for requirement, operation in alarms if operation in places}
        named = sorted(here & self.kind.right)
        outcome, why = FOUND if named else MISNAMED if alarms or obstacle else SURVIVED, obstacle
        if state.broke:
            outcome, why = INVALID, f"the fault broke: {state.broke}"
        elif not state.changed and not named:
            why = why or "no request showed it"
        return Trial(
            self.mutant.fault,
            self.mutant.operation,
            self.section,
            outcome,
            named,
            sorted(here - self.kind.right),
            sorted(f"{requirement}/{name}" for requirement, name in alarms if name not in places),
            requests,
            round(time.monotonic() - began, 3),
            state.seen,
            state.changed,
            profile,
            why,
        )


@dataclass(frozen=True)
class CleanRun:
    """A run over the clean instance. `alarms`: `REQUIREMENT/OPERATION` of all that it reports, which are false alarms;
    `passed`: by requirement, the operations that it found in order, with evidence."""

    profile: str
    seed: int
    alarms: list[str]
    passed: dict[str, set[str]]


@dataclass(frozen=True)
class CleanTask:
    """A run over the clean instance that is to be made; over all sections without any."""

    profile: str
    seed: int
    sections: tuple[str, ...] = ()
    longest_s: float = 4 * 3600.0  # nightly takes an hour

    @property
    def name(self) -> str:
        """What a proof calls it."""
        return f"{self.profile}, seed {self.seed}"

    def done(self, court: Court) -> CleanRun:
        """Make it. Raises ProofError when the instance does not answer or hinders the run."""
        court.control.clear()
        try:
            results, _ = court.run(self.profile, self.seed, self.sections)
        except Obstacle as error:
            raise ProofError(f"the clean instance cannot be judged: {error}") from None
        alarms = sorted(f"{requirement}/{name}" for requirement, name in alarms_of(results))
        return CleanRun(self.profile, self.seed, alarms, passed(results))

    def lost(self, why: str) -> NoReturn:
        """Without it there is no proof. Raises ProofError."""
        raise ProofError(f"the run of {self.profile} on the clean instance came to no end: {why}")


def alarms_of(results: Iterable[Result]) -> set[tuple[str, str]]:
    """Requirement and operation of all that is not in order."""
    return {(r.cell.requirement, r.cell.operation) for r in results if r.verdict >= Verdict.WARN}


def passed(results: Iterable[Result]) -> dict[str, set[str]]:
    """By requirement, the operations that it was found in order on, with evidence."""
    found: dict[str, set[str]] = {}
    for result in results:
        if result.verdict is Verdict.PASS:
            found.setdefault(result.cell.requirement, set()).add(result.cell.operation)
    return found
