"""What contract runs judge, ask and take, by the rights that the target gives: `python -m benchmarks.contract_runs`.

The embedded instance is started as a target of somebody else's: a process of its own on data of its own, told of in a
targets.toml. For each kind of rights `cdp doctor` and then `cdp contract` look at it, as processes, serial and in two
processes. Prints Markdown tables, and writes them to reports/benchmarks/contract-runs.md.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rights import Owner, Rights, kinds_of_rights, most_asked
from cdp.contract import Contract, load_contract
from cdp.embedded import embedded_instance
from cdp.results import Run, read_results
from cdp.verdicts import Verdict

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "reports" / "benchmarks" / "contract-runs.md"
PROFILES = ("quick", "release", "nightly")
KINDS = ("read-only", "no users", "ready-made roles", "full")
SINGLES = 6  # ready-made tokens of single features
NOT_JUDGED = (Verdict.SKIP, Verdict.UNCONFIRMED, Verdict.ERROR)
REASONS = 8  # so many reasons are shown for each kind of rights
GRACE_S = 900.0  # a run that is not over so long after its budget hangs
_FORECAST = re.compile(r"About ([\d,]+) of the ([\d,]+) cells")


@dataclass(frozen=True)
class Measured:
    """One run. `forecast`: cells that the doctor took for judgeable; None where it said nothing."""

    kind: str
    profile: str
    processes: int
    exit_code: int
    run: Run
    forecast: int | None

    @property
    def judged(self) -> int:
        return sum(result.verdict not in NOT_JUDGED for result in self.run.results)

    def reasons(self) -> Counter[str]:
        """Why cells were not judged, names and numbers left out."""
        return Counter(generalised(r.sentence) for r in self.run.results if r.verdict in NOT_JUDGED)


def generalised(sentence: str) -> str:
    """A reason without the operation, the field or the number that it is about."""
    sentence = re.sub(r"\b(?:[A-Z]+ )?[a-z]+(?:_[a-z]+)+\b", "…", sentence)
    sentence = re.sub(r"(?<=[(:] )?\b[a-z_]+/[a-z_/A-Z]+\b", "…", sentence)
    return re.sub(r"\d+", "N", sentence)


@contextmanager
def foreign_instance(data: Path, contract: Contract, kind: str) -> Iterator[tuple[Rights, Path]]:
    """The instance on a copy of the data, and where the targets.toml with these rights stands."""
    with tempfile.TemporaryDirectory(prefix="contract-runs-") as name:
        directory = Path(name)
        shutil.copy(data, directory / "instance.sqlite")
        with embedded_instance("--data", str(directory / "instance.sqlite")) as target:
            account = target.credentials
            owner = Owner(target.base_url, account.email, account.password)
            rights = next(r for r in kinds_of_rights(contract, owner, most_asked(contract, SINGLES)) if r.name == kind)
            rights.write(directory)
            yield rights, directory


def measure(
    data: Path, contract: Contract, kind: str, profile: str, processes: int, budget_min: float, options: list[str]
) -> Measured:
    """One run on an instance of its own. Raises RuntimeError with what was said when it leaves no results."""
    with foreign_instance(data, contract, kind) as (rights, directory):
        told = rights.run(directory, "doctor", "--profile", profile, timeout_s=GRACE_S)
        forecast = _FORECAST.search(told.stdout)
        arguments = ["contract", "--profile", profile, "--runs", "runs", *options]
        arguments += ["-n", str(processes)] if processes > 1 else []
        arguments += ["--budget", f"{budget_min:g}"] if profile == "nightly" and "--budget" in offered() else []
        done = rights.run(directory, *arguments, timeout_s=60 * budget_min + GRACE_S)
        files = list((directory / "runs").glob("*/results.jsonl"))
        if not files:
            raise RuntimeError(f"{kind}, {profile}: exit code {done.returncode}: {done.stderr.strip()}")
        found = int(forecast.group(1).replace(",", "")) if forecast and not options else None
        return Measured(kind, profile, processes, done.returncode, read_results(files[0]), found)


def offered() -> str:
    """What `cdp contract` offers, as its help says."""
    command = [sys.executable, "-m", "cdp", "contract", "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout


def runs_table(all_measured: list[Measured]) -> list[str]:
    """One row per run."""
    shown = [Verdict.PASS, Verdict.SKIP, Verdict.UNCONFIRMED, Verdict.WARN, Verdict.FAIL, Verdict.ERROR]
    heads = ["rights", "profile", "processes", "cells", "judged", "forecast", *(v.name for v in shown)]
    heads += ["requests", "seconds", "exit code"]
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * (len(heads) - 2)]
    for each in all_measured:
        counts = Counter(result.verdict for result in each.run.results)
        footer = each.run.footer or {}
        forecast = "" if each.forecast is None else f"{each.forecast:,}"
        row = [each.kind, each.profile, str(each.processes), f"{len(each.run.results):,}", f"{each.judged:,}", forecast]
        row += [f"{counts[v]:,}" for v in shown]
        row += [f"{footer.get('requests', 0):,}", f"{footer.get('wall_s', 0):.0f}", str(each.exit_code)]
        lines.append("| " + " | ".join(row) + " |")
    return lines


def reasons_table(all_measured: list[Measured]) -> list[str]:
    """Why cells were not judged, for each kind of rights and profile, the most frequent reasons first."""
    lines = ["| rights | profile | cells | not judged because |", "|---|---|---:|---|"]
    seen = set()
    for each in all_measured:
        if (each.kind, each.profile) in seen:
            continue
        seen.add((each.kind, each.profile))
        counts = each.reasons()
        lines += [f"| {each.kind} | {each.profile} | {n:,} | {text} |" for text, n in counts.most_common(REASONS)]
        rest = counts.total() - sum(n for _, n in counts.most_common(REASONS))
        if rest:
            lines.append(f"| {each.kind} | {each.profile} | {rest:,} | other reasons |")
    return lines


def write(all_measured: list[Measured], output: Path) -> str:
    """Write the report as Markdown; answers its text."""
    text = "\n".join(["# Contract runs by rights", "", *runs_table(all_measured), "", *reasons_table(all_measured), ""])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    return text


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="append", choices=PROFILES, help="only this profile; may be repeated")
    parser.add_argument("--rights", action="append", choices=KINDS, help="only this kind of rights; may be repeated")
    parser.add_argument("--processes", action="append", type=int, choices=(1, 2), help="only so many; may be repeated")
    parser.add_argument("--section", action="append", default=[], help="only this section; may be repeated")
    parser.add_argument("--budget", type=float, default=10.0, help="minutes of a nightly run (default: %(default)g)")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, help="file to write (default: %(default)s)")
    given = parser.parse_args()
    contract = load_contract()
    options = [part for section in given.section for part in ("--section", section)]
    processes = given.processes or (1, 2)
    if "-n, --processes" not in offered() and "-n " not in offered():
        processes = (1,)
    found: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="contract-runs-") as name:
        data = Path(name) / "seeded.sqlite"
        with embedded_instance("--data", str(data)):
            pass
        for profile in given.profile or PROFILES:
            for kind in given.rights or KINDS:
                for number in processes:
                    print(f"{kind}, {profile}, {number} at a time ...", file=sys.stderr, flush=True)
                    found.append(measure(data, contract, kind, profile, number, given.budget, options))
                    text = write(found, given.output)
    print(text)
    print(given.output, file=sys.stderr)


if __name__ == "__main__":
    main()
