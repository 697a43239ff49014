"""The proof that load runs and their audit find faults: one short run a fault, in a process of its own, that knows
nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdp import __version__
from cdp.embedded import embedded_instance
from cdp.fault_control import Control, Kind
from cdp.load_results import Judged, LoadRun, read_load_results
from cdp.proof_results import ERROR, FOUND, MISNAMED, PROOF_FILE, SURVIVED, Trial
from cdp.records import RESULTS_FILE, RecordWriter, ResultsError
from cdp.targets import EMAIL_VARIABLE, PASSWORD_VARIABLE, Target

PROFILE, SECTION = "load", "Load"
_LONGEST_S = 120.0
_RUN = [
    "mixed",
    "--rate",
    "40",
    "--time",
    "9s",
    "--batch",
    "5-15",
    "--uploads",
    "0",
    "--slo",
    "p99<500ms,visible.p99<1s",
]
_RUN += ["--audit-deadline", "3", "--audit-sample", "20", "--check-every", "2", "--keep-going", "--seed"]


def _with_kinds(seed: int) -> Iterator[tuple[Trial, list[Kind]]]:
    """What became of each fault under load, as they come, and first of the clean instance. Raises ProofError."""
    with embedded_instance("--faults", "--customers", "500", "--events", "2000") as target:
        control = Control(target.origin)
        kinds = [kind for kind in control.kinds() if kind.profile == PROFILE]
        yield _trial("none", "", frozenset(), control, target, seed), kinds
        for kind in kinds:
            (operation,) = kind.operations
            control.switch(kind.name, operation)
            yield _trial(kind.name, operation, kind.right, control, target, seed), kinds


def prove_load(directory: Path, seed: int) -> Iterator[tuple[Trial, int]]:
    """Trials, each stored in `directory` before it is told, and how many there will be. Raises ProofError, and
    ResultsError of cdp.records."""
    found: list[Trial] = []
    writer: RecordWriter | None = None
    try:
        for trial, kinds in _with_kinds(seed):
            if writer is None:  # the first is that of the clean instance
                writer = RecordWriter(directory / PROOF_FILE)
                writer.header(**_header(seed, trial, kinds))
                continue
            writer.write(trial.as_record())
            found.append(trial)
            yield trial, len(kinds)
        if writer is not None:
            writer.footer(ended=datetime.now(UTC).isoformat(timespec="seconds"), trials=len(found))
    finally:
        if writer is not None:
            writer.close()


def _header(seed: int, clean: Trial, kinds: list[Kind]) -> dict[str, Any]:
    alarms = clean.strangers or ([clean.why] if clean.outcome == ERROR else [])
    return {
        "proof": True,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "suite_version": __version__,
        "profiles": [PROFILE],
        "seed": seed,
        "clean": {str(seed): alarms},
        "sections": [SECTION],
        "kinds": [kind.as_header() for kind in kinds],
    }


def _trial(fault: str, operation: str, right: frozenset[str], control: Control, target: Target, seed: int) -> Trial:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cdp-proof-") as directory:
        run, why = _run(target, directory, seed)
    state = control.state()
    said = told(run) if run is not None else set()
    named = sorted(word for word in said if word.startswith(tuple(right)))
    outcome = ERROR if run is None else FOUND if named else MISNAMED if said else SURVIVED
    return Trial(
        fault,
        operation,
        SECTION,
        outcome,
        named,
        sorted(said - set(named)),
        requests=state.requests,
        wall_s=round(time.monotonic() - began, 3),
        seen=state.seen,
        changed=state.changed,
        profile=PROFILE,
        why=why,
    )


def _run(target: Target, directory: str, seed: int) -> tuple[LoadRun | None, str]:
    """A whole load run with its audit; why there is none."""
    account = target.credentials
    environment = {**os.environ, EMAIL_VARIABLE: account.email, PASSWORD_VARIABLE: account.password}
    command = [sys.executable, "-m", "cdp", "load", *_RUN, str(seed), "--url", target.base_url, "--runs", directory]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return None, f"the run was not over after {_LONGEST_S:.0f} s"
    for path in Path(directory).rglob(RESULTS_FILE):
        try:
            return read_load_results(path), ""
        except ResultsError as error:
            return None, str(error)
    return None, (done.stderr.strip().splitlines() or ["the run left no results"])[-1]


def told(run: LoadRun) -> set[str]:
    """What a run says is wrong: findings of the audit, missed objectives, errors, violations."""
    words = {f"audit:{finding.name}" for finding in (run.audit.findings if run.audit else ())}
    words |= {f"objective:{each.objective}" for each in run.objectives if each.judged is Judged.MISSED}
    words |= {finding.requirement for finding in run.findings if finding.requirement}
    for error in run.all.errors:
        words.add(f"error:{error.kind.lower() or error.text.split()[0]}")
    return words
