"""One mutant before the suite: a run over its section's cells that knows nothing of the fault, and what it said."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cdp.contract import Contract
from cdp.fault_control import Control, Kind
from cdp.proof_results import FOUND, INVALID, MISNAMED, SURVIVED, Trial
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
    """Where mutants are tried: an instance with faults, and how thoroughly the suite looks."""

    contract: Contract
    target: Target
    control: Control
    seed: int

    def run(self, profile: str, sections: tuple[str, ...] = ()) -> tuple[list[Result], int]:
        """All results of a run over these sections (all without any), and its requests. Nothing is cleaned up: the data
        are laid anew. Raises Obstacle, like any run."""
        selection = Selection(sections=sections)
        plan = make_plan(self.contract, load_catalogue(), selection, PROFILES[profile], seed=self.seed)
        with tempfile.TemporaryDirectory(prefix="cdp-proof-") as directory:
            run = ContractRun(plan, self.target, Path(directory))
            try:
                run.start()
                results = list(run.judge_all())
            finally:
                run.finish(obstacle="the data are thrown away")
        return results, run.session.client.sent

    def tried(self, mutant: Mutant, kind: Kind, profiles: Sequence[str]) -> Trial:
        """Try a mutant with one profile after the other, until one finds it. Raises ProofError when the instance does
        not answer."""
        requests, wall_s = 0, 0.0
        for profile in profiles:
            trial = self._tried(mutant, kind, profile)
            requests, wall_s = requests + trial.requests, wall_s + trial.wall_s
            if trial.outcome == FOUND:
                break
        return replace(trial, requests=requests, wall_s=round(wall_s, 3))

    def _tried(self, mutant: Mutant, kind: Kind, profile: str) -> Trial:
        """Switch the fault on and run."""
        section = self.contract.operations[mutant.operation].section
        began = time.monotonic()
        self.control.switch(mutant.fault, mutant.operation)
        obstacle = ""
        try:
            results, requests = self.run(profile, (section,))
        except Obstacle as error:
            results, requests, obstacle = [], 0, str(error)
        state = self.control.state()
        alarms = alarms_of(results)
        places = state.places | {mutant.operation}
        here = {requirement for requirement, operation in alarms if operation in places}
        named = sorted(here & kind.right)
        outcome, why = FOUND if named else MISNAMED if alarms or obstacle else SURVIVED, obstacle
        if state.broke:
            outcome, why = INVALID, f"the fault broke: {state.broke}"
        elif not state.changed and not named:
            why = why or "no request showed it"
        return Trial(
            mutant.fault,
            mutant.operation,
            section,
            outcome,
            named,
            sorted(here - kind.right),
            sorted(f"{requirement}/{name}" for requirement, name in alarms if name not in places),
            requests,
            round(time.monotonic() - began, 3),
            state.seen,
            state.changed,
            profile,
            why,
        )


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
