"""What is stored of a proof (`cdp prove`): a header, a record for each mutant that was tried, a footer."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cdp.records import ResultsError, read_records

PROOF_FILE = "proof.jsonl"
PROOFS = Path("reports") / "proofs"
"""Where proofs are kept, unless told otherwise."""

FOUND = "found"  # by a requirement that is its own, on its operation
MISNAMED = "misnamed"  # something was reported, but not that, or not there
SURVIVED = "survived"  # everything was in order
ERROR = "error"  # nothing was said: the run did not end, or a process died
INVALID = "invalid"  # the fault itself broke, or never changed anything


@dataclass(frozen=True)
class Trial:
    """What became of a mutant. `named`: what was reported of its operation, by requirement, rightly; `strangers`: other
    requirements that were reported there; `elsewhere`: alarms on other operations. `changed`: answers that the fault
    changed. `profile`: the one that found it, or the most thorough one that did not. `why` explains what is neither
    found nor survived."""

    fault: str
    operation: str
    section: str
    outcome: str
    named: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    requests: int = 0
    wall_s: float = 0.0
    seen: int = 0
    changed: int = 0
    profile: str = ""
    why: str = ""

    @property
    def name(self) -> str:
        """`FAULT/OPERATION`, as the command line takes it."""
        return f"{self.fault}/{self.operation}"

    def as_record(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {"kind": "trial", **asdict(self)}


@dataclass(frozen=True)
class ProofRun:
    """A stored proof. `complete`: it came to its end; `torn`: its last line was cut off and left out."""

    header: dict[str, Any]
    trials: list[Trial]
    complete: bool
    torn: bool


def read_proof(path: str | os.PathLike[str]) -> ProofRun:
    """Read a proof. Raises ResultsError naming file and line."""
    records = read_records(path)
    if not records.header.get("proof"):
        raise ResultsError(f"{records.path} holds no proof")
    trials, complete = [], False
    for number, kind, record in records:
        complete = kind == "footer"
        if kind == "trial":
            try:
                trials.append(Trial(**record))
            except TypeError as error:
                raise ResultsError(f"{records.path}, line {number}: not a trial ({error})") from None
    return ProofRun(records.header, trials, complete, records.torn)
