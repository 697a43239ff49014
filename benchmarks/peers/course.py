"""The sample: drawn once and kept, because every tool has to meet the same mutants."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.contest import Course
from cdp import __version__
from cdp.contract import Contract, load_contract
from contracts.proof.mutants import Mutant
from contracts.proof.run import Proof, Wanted

PROFILES = ("quick", "release")
_PER_KIND = 4


@dataclass(frozen=True)
class Sample:
    """The mutants, what this suite says of the clean instance, and of each fault the family that it breaks."""

    course: Course
    clean: list[str]
    families: dict[str, str]


def sample(number: int, seed: int, file: Path) -> Sample:
    """The sample of this number and seed: as it stands in `file`, else drawn, which takes a whole run of both profiles
    on the clean instance (minutes), and written there.

    Raises ProofError, TargetError, OSError.
    """
    told = f"{number} mutants by seed {seed}, version {__version__}"
    contract = load_contract()
    kept = _kept(file)
    if kept.get("sample") != told:
        print("peers: drawing the sample (some minutes)", file=sys.stderr, flush=True)
        kept = {"sample": told, **_drawn(number, seed)}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(kept, indent=1))
    return _of(kept, seed, contract)


def _of(kept: dict[str, Any], seed: int, contract: Contract) -> Sample:
    mutants = [Mutant(fault, operation) for fault, operation in kept["mutants"]]
    return Sample(Course(kept["sample"], seed, mutants, contract), kept["clean"], kept["families"])


def _kept(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def shuffled(mutants: Sequence[Mutant], seed: int) -> list[Mutant]:
    """The mutants in an order drawn by the seed: what a tool that is stopped has tried is a fair sample, too."""
    return random.Random(seed).sample(list(mutants), len(mutants))


def _drawn(number: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        proof = Proof(Wanted(PROFILES, seed, 1, _PER_KIND, number), Path(directory))
        for _ in proof.prepare():
            pass
    return {
        "mutants": [[mutant.fault, mutant.operation] for mutant in shuffled(proof.mutants, seed)],
        "clean": sorted({alarm for alarms in proof.clean.values() for alarm in alarms}),
        "families": {name: kind.by[0].partition("-")[0] for name, kind in proof.kinds.items()},
    }
