"""`python -m benchmarks.peers`: a fixed sample of mutants before this suite and before Schemathesis' own command line.

Both get the same contract, the same instance and the same faults. A mutant counts as found by Schemathesis when it
reports something on the faulty operation that it does not report there on the clean instance, whatever that is called;
this suite has to name the requirement as well. Writes reports/benchmarks/peers.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load.report import machine
from benchmarks.peers.schemathesis_run import Alarm, Peer
from cdp.contract import load_contract
from cdp.embedded import embedded_instance
from cdp.fault_control import Control
from cdp.proof_results import FOUND
from contracts.proof.mutants import Mutant
from contracts.proof.pool import SMALL
from contracts.proof.run import Proof, Wanted

REPORT = Path("reports") / "benchmarks" / "peers.md"


@dataclass
class Score:
    """What a tool made of the sample. `placed`: found ones that were reported on the faulty operation."""

    name: str
    tried: int = 0
    found: int = 0
    placed: int = 0
    false_alarms: int = 0
    requests: int = 0
    wall_s: float = 0.0
    missed: list[str] = field(default_factory=list)

    @property
    def row(self) -> str:
        requests = f"{self.requests / max(1, self.tried):,.0f}" if self.requests else "–"
        share = f"{self.found} of {self.tried} ({self.found / max(1, self.tried):.0%})"
        each_s = self.wall_s / max(1, self.tried)
        return f"| {self.name} | {share} | {self.placed} | {self.false_alarms} | {requests} | {each_s:.1f} |"


def ours(proof: Proof) -> Score:
    """This suite on the mutants of a proof that was prepared."""
    score = Score(
        f"this suite, {' then '.join(proof.wanted.profiles)}", false_alarms=sum(map(len, proof.clean.values()))
    )
    began = time.monotonic()
    for trial in proof.run():
        score.tried += 1
        score.requests += trial.requests
        if trial.outcome == FOUND:
            score.found += 1
            score.placed += 1
        else:
            score.missed.append(trial.name)
    score.wall_s = (time.monotonic() - began) * proof.wanted.processes
    return score


def theirs(proof: Proof, mutants: list[Mutant], examples: int) -> Score:
    """Schemathesis on the same mutants, over the operations of the faulty one's section."""
    score = Score(f"Schemathesis alone, {examples} examples")
    contract = load_contract()
    sections: dict[str, list[str]] = {}
    for name, operation in contract.operations.items():
        sections.setdefault(operation.section, []).append(name)
    clean: dict[str, set[Alarm]] = {}
    with tempfile.TemporaryDirectory() as directory, embedded_instance(*SMALL) as target:
        bundle = Path(directory) / "openapi.json"
        subprocess.run([sys.executable, "-m", "cdp", "spec", "bundle", "-o", str(bundle)], check=True)
        peer, control = Peer(contract, bundle, Path(directory), examples, proof.wanted.seed), Control(target.origin)
        for number, mutant in enumerate(mutants, start=1):
            section = contract.operations[mutant.operation].section
            if section not in clean:
                control.clear()
                clean[section] = peer.alarms(target, sections[section])
                score.false_alarms += len(clean[section])
            control.switch(mutant.fault, mutant.operation)
            began = time.monotonic()
            try:
                alarms = peer.alarms(target, sections[section])
            except subprocess.TimeoutExpired:
                alarms = set()
            score.wall_s += time.monotonic() - began
            score.requests += control.state().requests
            score.tried += 1
            fresh = alarms - clean[section]
            placed = any(operation == mutant.operation for operation, _ in fresh)
            score.found += placed
            score.placed += placed
            if not placed:
                score.missed.append(mutant.name)
            print(f"{number} of {len(mutants)}: {mutant.name} {'found' if placed else 'missed'}", file=sys.stderr)
    return score


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--sample", type=int, default=100, help="mutants (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="what the sample is drawn by (default 1)")
    parser.add_argument("--examples", type=int, default=20, help="test cases an operation of Schemathesis (default 20)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        proof = Proof(Wanted(("quick", "release"), given.seed, 2, 4, given.sample), Path(directory))
        proof.prepare()
        scores = [ours(proof), theirs(proof, proof.mutants, given.examples)]
    lines = [
        f"# The same {given.sample} mutants before this suite and others",
        "",
        f"Machine: {machine()}. Sample by seed {given.seed}; false alarms: on the clean instance.",
        "",
        "| tool | found | on the faulty operation | false alarms | requests a mutant | s a mutant |",
        "|---|---:|---:|---:|---:|---:|",
        *(score.row for score in scores),
        "",
        *(f"Missed by {score.name}: {', '.join(score.missed) or 'nothing'}." for score in scores),
    ]
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
