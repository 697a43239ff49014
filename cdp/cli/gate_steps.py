"""The steps of a gate, one after the other, each run as what it is: `cdp doctor`, `cdp contract`, `cdp load`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click

from cdp import __version__
from cdp.cli.compare import show
from cdp.cli.contract import run_contract
from cdp.cli.doctor import print_diagnosis
from cdp.cli.load import read_load_options, run_locust
from cdp.cli.showing import Shown
from cdp.cli.targeting import Choice
from cdp.comparison.accepted import accept, last_accepted
from cdp.comparison.stored import compare_runs
from cdp.gate.judging import (
    COMPARISON,
    CONTRACT,
    LOAD,
    judged_comparison,
    judged_contract,
    judged_doctor,
    judged_load,
)
from cdp.gate.record import GATE_FILE, SKIPPED, Gate, Part, runs_of, write_gate
from cdp.records import RESULTS_FILE, ResultsError, run_directory
from cdp.results import read_results
from cdp.targets import Target, TargetError
from cdp.verdicts import CANNOT_TELL, GO
from contracts.budget import depth_of
from contracts.catalogue import load_catalogue
from contracts.doctor import diagnose
from contracts.plan import Plan
from load.admission import admitted
from load.options import SCENARIOS, LoadOptions
from reports.exports import read_stored
from reports.rendering import render


def pass_gate(steps: Steps, accepting: bool) -> int:
    """Run every step, keep the record, say the answer; the exit code. ResultsError when nothing can be stored."""
    began_s = time.monotonic()
    steps.begin()
    try:
        steps.run()
    except KeyboardInterrupt:
        steps.gate.interrupted = True
        click.echo("\ncdp gate: interrupted; what was judged until now is kept", err=True)
    steps.gate.ended = _now()
    steps.gate.wall_s = round(time.monotonic() - began_s, 1)
    if accepting:
        _accept(steps)
    write_gate(steps.gate, steps.file)
    click.echo()
    for path in render(read_stored(steps.file)):
        click.echo(str(path))
    return steps.gate.exit_code


def _accept(steps: Steps) -> None:
    """Accept the runs of a gate that says GO."""
    if steps.gate.headline != GO:
        click.echo(f"cdp gate: nothing is accepted, because the answer is {steps.gate.headline}", err=True)
        return
    for results in runs_of(steps.gate, steps.directory):
        entry = accept(results, steps.runs)
        click.echo(f"accepted {results.parent} as {entry.kind} of {entry.target}")
    steps.gate.accepted = True


@dataclass
class Steps:
    """The steps of a gate on an open target, one after the other; `gate` has what they said."""

    choice: Choice
    target: Target
    plan: Plan
    runs: Path
    without: frozenset[str]
    seed: int
    processes: int
    shown: Shown = Shown.USUAL
    directory: Path = field(default_factory=Path)

    def begin(self) -> None:
        """Make the gate's directory, and its record. ResultsError when that cannot be done; ClickException when the
        peak of the target's entry says something that no load run can be."""
        self.load, self.no_load = self._load()
        self.directory = run_directory(self.runs, f"{self.target.name}-gate")
        target = self.target
        self.gate = Gate(target.name, target.base_url, self.plan.profile.name, _now(), __version__)
        self._keep()

    @property
    def file(self) -> Path:
        return self.directory / GATE_FILE

    def run(self) -> None:
        """All steps; one that shows that nothing more can be learnt is the last."""
        steps: list[tuple[str, Callable[[], bool]]] = [
            ("doctor", self._doctor),
            (f"contract, profile {self.plan.profile.name}", self._contract),
            (self._load_in_words(), self._put_load),
            ("comparison with what was accepted", self._compare),
        ]
        for number, (name, step) in enumerate(steps, start=1):
            left = ", ".join(each.partition(",")[0] for each, _ in steps[number:])
            more = f"; then {left}" if left else ""
            if self.shown is not Shown.QUIET:
                click.echo(f"\n[{number} of {len(steps)}] {name}{more}", err=True)
            goes_on = step()
            self._keep()
            if not goes_on:
                return

    def _keep(self) -> None:
        write_gate(self.gate, self.file)

    # --- doctor and contract

    def _doctor(self) -> bool:
        with _timed() as taken:
            found = diagnose(self.plan.contract, load_catalogue(), self.target, self.plan.profile.name)
        print_diagnosis(found, self.plan.profile.name)
        states = [(str(line.state), f"{line.subject}: {line.text}") for line in found.lines]
        problems, gaps = ([text for state, text in states if state == kind] for kind in ("problem", "gap"))
        part = judged_doctor(found.exit_code, problems, gaps, taken())
        self.gate.parts.append(part)
        return part.outcome != CANNOT_TELL

    def _contract(self) -> bool:
        """False when the target is gone, or somebody has stopped it."""
        with _timed() as taken:
            depth = depth_of(self.plan.profile.name, None, None)
            directory = run_contract(self.plan, self.target, self.runs, depth, self.processes, self.shown).directory
        self.gate.parts.append(judged_contract(directory, self.directory, taken()))
        run = read_results(directory / RESULTS_FILE)
        if run.footer is None or run.footer.get("interrupted"):
            raise KeyboardInterrupt
        return not run.obstacle

    # --- load

    def _load(self) -> tuple[LoadOptions | None, Part | None]:
        """The options of the load at the agreed peak; else what to say instead. ClickException in one line when the
        entry cannot be used."""
        peak = self.target.peak
        if LOAD in self.without:
            return None, Part(LOAD, SKIPPED, "not wanted (--without load)")
        if peak is None:
            advice = "say it in its entry of targets.toml (peak = {rate = 50, ...}), or leave it out: --without load"
            return None, Part(LOAD, CANNOT_TELL, f"no peak is agreed for this target; {advice}")
        given = {"rate": f"{peak.rate:g}", "slo": peak.slo, "warm_up": peak.warm_up, "batch": peak.batch or None}
        given |= {"seed": str(self.seed), "runs": str(self.runs)}
        try:
            if peak.scenario not in SCENARIOS:
                raise click.ClickException(f"scenario must be one of {', '.join(SCENARIOS)}")
            if self.choice.read_only and peak.scenario != "search":
                return None, Part(LOAD, CANNOT_TELL, f"--read-only leaves nothing of the scenario {peak.scenario}")
            options = read_load_options(peak.scenario, self.choice, peak.time, given)
        except click.ClickException as error:
            raise click.ClickException(f"target {self.target.name!r}: key 'peak': {error.message}") from None
        try:
            admitted(self.target, options)
        except TargetError as error:
            return None, Part(LOAD, CANNOT_TELL, f"{error}, or leave the load out: --without load")
        return options, None

    def _load_in_words(self) -> str:
        peak = self.target.peak
        return f"load, {peak.scenario} at {peak.rate:g}/s for {peak.time}" if self.load and peak else "load, left out"

    def _put_load(self) -> bool:
        if self.load is None:
            assert self.no_load is not None
            click.echo(self.no_load.sentence, err=True)
            self.gate.parts.append(self.no_load)
            return True
        with _timed() as taken:
            _, directory, interrupted = run_locust(self.load, self.target, shown=self.shown)
        if not (directory / RESULTS_FILE).is_file():
            self.gate.parts.append(Part(LOAD, CANNOT_TELL, "the load run did not begin; see above", wall_s=taken()))
            return True
        self.gate.parts += judged_load(directory, self.directory, taken())
        if interrupted:
            raise KeyboardInterrupt
        return True

    # --- comparison

    def _compare(self) -> bool:
        if COMPARISON in self.without:
            self.gate.parts.append(Part(COMPARISON, SKIPPED, "not wanted (--without comparison)"))
            return True
        for part in [part for part in self.gate.parts if part.run and part.name in (CONTRACT, LOAD)]:
            results = self.directory / part.run / RESULTS_FILE
            try:
                found = self._compared(part.name, results)
            except ResultsError as error:
                found = Part(f"{COMPARISON} of {part.name}", CANNOT_TELL, str(error))
            self.gate.parts.append(found)
        return True

    def _compared(self, name: str, results: Path) -> Part:
        last = last_accepted(results, self.runs)
        if last is None:
            return judged_comparison(name, None, "no run of this target was accepted yet (cdp accept, or --accept)")
        found = compare_runs(last.results, results, last.accepted)
        show(found)
        return judged_comparison(name, found)


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    """Seconds since the beginning."""
    began = time.monotonic()
    yield lambda: round(time.monotonic() - began, 1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
