"""One tool before all mutants of the sample, and what is kept of that."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cdp.contract import Contract
from cdp.embedded import embedded_instance
from cdp.fault_control import Control
from cdp.proof_results import FOUND, Trial
from cdp.records import RecordWriter, ResultsError, read_records
from cdp.targets import Target
from contracts.proof.mutants import Mutant
from contracts.proof.pool import SMALL, Pool
from contracts.proof.trial import MutantTask

Alarm = tuple[str, str]
"""Operation, and what is reported of it in the tool's own words."""


class PeerError(Exception):
    """A tool did not say anything; the message is one line."""


class Peer(Protocol):
    """A tool that is set up for one instance."""

    def prepare(self, operations: list[str]) -> None:
        """Learn what it has to know of these operations, before any fault."""

    def look(self, operations: list[str]) -> set[Alarm]:
        """What it reports of these operations, after whatever it has to do first. Raises PeerError."""


@dataclass(frozen=True)
class Attempt:
    """A tool on a mutant. `found`: it reported something that it does not report on the clean instance; `placed`: of
    the faulty operation; `named`: by the requirement that the fault breaks, which only this suite knows. `said`: what
    was new; `requests` and `wall_s` (seconds): all that the tool did after the fault was switched on."""

    fault: str
    operation: str
    found: bool
    placed: bool
    named: bool
    said: list[str] = field(default_factory=list)
    requests: int = 0
    wall_s: float = 0.0
    why: str = ""

    @property
    def mutant(self) -> str:
        """`FAULT/OPERATION`, as the command line of the proof takes it."""
        return f"{self.fault}/{self.operation}"


@dataclass
class Tool:
    """What one tool made of the sample. `clean`: what it reported on the clean instance, the false alarms."""

    name: str
    sample: str
    attempts: list[Attempt] = field(default_factory=list)
    clean: list[str] = field(default_factory=list)
    sections: int = 0  # that the clean instance was looked at in
    complete: bool = False


@dataclass(frozen=True)
class Course:
    """The mutants, in order, and what they are on. `sample`: how they were drawn, in a few words."""

    sample: str
    seed: int
    mutants: list[Mutant]
    contract: Contract

    def operations(self, section: str) -> list[str]:
        """The operations of a section."""
        return [name for name, operation in self.contract.operations.items() if operation.section == section]

    def section(self, mutant: Mutant) -> str:
        """The section that a mutant is in."""
        return self.contract.operations[mutant.operation].section


Said = Callable[[Attempt], None]


def contest(
    course: Course, name: str, make: Callable[[Target], Peer], file: Path, said: Said, *, go_on: bool = False
) -> None:
    """Put a peer before the sample. Every look is over the section of the faulty operation, on fresh data; the first
    time in a section, before any fault, tells what the tool reports anyway. Written to `file` as it comes; with `go_on`
    what the file holds of this peer and sample already is not tried again.

    Raises PeerError when the tool cannot be set up or fails on the clean instance, ProofError, TargetError,
    ResultsError.
    """
    before = _before(file, name, course.sample) if go_on else []
    clean = {r["section"]: set(map(_alarm, r["alarms"])) for r in before if r["kind"] == "clean"}
    prepared = set[str]()
    done = {Mutant(r["fault"], r["operation"]) for r in before if r["kind"] == "attempt"}
    with embedded_instance(*SMALL) as target, _fresh(file) as writer:
        writer.header(peer=name, sample=course.sample)
        for record in before:
            writer.write(record)
        peer, control = make(target), Control(target.origin)
        for mutant in course.mutants:
            if mutant in done:
                continue
            section = course.section(mutant)
            operations = course.operations(section)
            if section not in prepared:
                control.clear()
                peer.prepare(operations)
                prepared.add(section)
            if section not in clean:
                clean[section] = peer.look(operations)
                writer.write({"kind": "clean", "section": section, "alarms": _shown(clean[section])})
            attempt = tried(peer, control, mutant, operations, clean[section])
            writer.write({"kind": "attempt", **asdict(attempt)})
            said(attempt)
        writer.footer()


def _before(file: Path, name: str, sample: str) -> list[dict[str, Any]]:
    """What a peer that was stopped has said of this sample already."""
    try:
        records = read_records(file)
    except ResultsError:
        return []
    if (records.header.get("peer"), records.header.get("sample")) != (name, sample):
        return []
    return [{"kind": kind, **record} for _, kind, record in records if kind != "footer"]


def _alarm(shown: str) -> Alarm:
    operation, _, what = shown.partition(": ")
    return operation, what


def tried(peer: Peer, control: Control, mutant: Mutant, operations: list[str], clean: set[Alarm]) -> Attempt:
    """One mutant. A tool that fails, or does not end, has found nothing."""
    began = time.monotonic()
    control.switch(mutant.fault, mutant.operation)
    why, alarms = "", set[Alarm]()
    try:
        alarms = peer.look(operations)
    except PeerError as error:
        why = str(error)
    state, wall_s = control.state(), round(time.monotonic() - began, 3)
    fresh = alarms - clean
    places = state.places | {mutant.operation}
    placed = any(operation in places for operation, _ in fresh)
    return Attempt(
        mutant.fault, mutant.operation, bool(fresh), placed, False, _shown(fresh), state.requests, wall_s, why
    )


def suite(course: Course, profiles: tuple[str, ...], clean: list[str], name: str, file: Path, said: Said) -> None:
    """This suite on the same mutants, in one process. `clean`: what it reported on the clean instance.

    Raises ProofError, TargetError, ResultsError.
    """
    with embedded_instance(*SMALL) as target:
        kinds = {kind.name: kind for kind in Control(target.origin).kinds()}
    sections = {operation: described.section for operation, described in course.contract.operations.items()}
    with _fresh(file) as writer:
        writer.header(peer=name, sample=course.sample)
        for section in dict.fromkeys(map(course.section, course.mutants)):
            here = [alarm for alarm in clean if sections.get(alarm.partition("/")[2]) == section]
            writer.write({"kind": "clean", "section": section, "alarms": here})
        tasks = [MutantTask(m, kinds[m.fault], course.section(m), profiles, course.seed) for m in course.mutants]
        with Pool[Trial](1) as pool:
            for trial in pool.outcomes(tasks):
                attempt = of_trial(trial)
                writer.write({"kind": "attempt", **asdict(attempt)})
                said(attempt)
        writer.footer()


def of_trial(trial: Trial) -> Attempt:
    """A trial of a proof in the terms of this comparison."""
    here = trial.named + trial.strangers
    said = [f"{trial.operation}: {requirement}" for requirement in here] + trial.elsewhere
    named = trial.outcome == FOUND
    return Attempt(
        trial.fault, trial.operation, bool(said), bool(here), named, said, trial.requests, trial.wall_s, trial.why
    )


def stored(file: Path) -> Tool:
    """What a file holds, whole or cut off. Raises ResultsError."""
    records = read_records(file)
    tool = Tool(str(records.header.get("peer", "")), str(records.header.get("sample", "")))
    for _, kind, record in records:
        if kind == "attempt":
            tool.attempts.append(Attempt(**record))
        elif kind == "clean":
            tool.sections += 1
            tool.clean += record["alarms"]
        tool.complete = kind == "footer"
    return tool


def _fresh(file: Path) -> RecordWriter:
    file.unlink(missing_ok=True)
    return RecordWriter(file)


def _shown(alarms: set[Alarm]) -> list[str]:
    return sorted(f"{operation}: {what}" for operation, what in alarms)


def labels(contract: Contract) -> Mapping[str, str]:
    """Operation ids by how tools call an operation: its method and its path, with and without `/api` before it."""
    found = {}
    for name, operation in contract.operations.items():
        found[f"{operation.method} {operation.path}"] = found[f"{operation.method} {operation.template}"] = name
    return found
