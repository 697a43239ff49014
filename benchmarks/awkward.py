"""False alarms before a server that keeps the contract awkwardly: `python -m benchmarks.awkward --seeds 1-20`.

For each seed an instance is started with every kind of awkwardness (docs/awkward.md), as a target of somebody else's on
data of its own, and `cdp contract` judges it. The seed of the run is that of the data and of the awkwardness, too.
Nothing there breaks the contract: every FAIL, WARN and ERROR, every run without a verdict and every record that is left
is a false alarm, and listed. Prints Markdown, and writes it to reports/benchmarks/awkward.md after every run.

Exit code: 0 no false alarm, 1 some, 2 usage.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdp.embedded import embedded_instance
from cdp.results import RESULTS_FILE, Run, read_results
from cdp.targets import Target, TargetError
from cdp.verdicts import Verdict, decide

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "reports" / "benchmarks" / "awkward.md"
PROFILES = ("quick", "release", "nightly")
# All kinds, without what would only make the runs longer; tokens run out many times in each.
AWKWARD = "latency_ms=0,cold_ms=200,busy_every=3000,token_s=40,big=20000"
ALLOW = "writes,destructive,sends"
GRACE_S = 7200.0  # a run that is not over so long after its budget hangs
_SEEDS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_ALARMS = (Verdict.WARN, Verdict.FAIL, Verdict.ERROR)


@dataclass(frozen=True)
class Judged:
    """One run. `run` None: it left no results, and `said` is its last line."""

    profile: str
    seed: int
    run: Run | None
    said: str = ""

    def alarms(self) -> list[str]:
        """Everything that the run found wrong, a line each."""
        if self.run is None:
            return [f"no results: {self.said}"]
        found = [
            f"{r.verdict.name} `{r.cell.address}`: {' '.join(r.sentence.split())}"
            for r in self.run.results
            if r.verdict in _ALARMS
        ]
        if self.run.obstacle or not self.run.complete:
            found.append(f"no verdict: {decide(self.run).sentence}")
        return found + [f"left: {record}" for record in self.run.leftovers]

    def row(self) -> str:
        """The run's line in the table."""
        results = self.run.results if self.run else []
        footer = (self.run.footer if self.run else None) or {}
        counts = Counter(result.verdict for result in results)
        cells = [self.profile, str(self.seed), f"{len(results):,}", str(len(self.alarms()))]
        cells += [f"{counts[verdict]:,}" for verdict in (Verdict.PASS, Verdict.SKIP, Verdict.UNCONFIRMED)]
        cells += [f"{footer.get('requests', 0):,}", f"{footer.get('wall_s', 0):.0f}"]
        return "| " + " | ".join(cells) + " |"


def judged(profile: str, seed: int, awkward: str, runs: Path, options: Sequence[str], deadline_s: float) -> Judged:
    """One run on an instance of its own, within `deadline_s`; what it leaves is put below `runs`."""
    with tempfile.TemporaryDirectory(prefix="cdp-awkward-") as name:
        data = str(Path(name) / "instance.sqlite")
        try:
            with embedded_instance("--data", data, "--seed", str(seed), f"--awkward={awkward}") as target:
                place = runs / f"{profile}-{seed}"
                said = _asked(target, ["--profile", profile, "--seed", str(seed), *options], place, deadline_s)
        except TargetError as error:
            return Judged(profile, seed, None, str(error))
    files = sorted(place.glob(f"*/{RESULTS_FILE}"))
    return Judged(profile, seed, read_results(files[-1]) if files else None, said)


def _asked(target: Target, options: Sequence[str], place: Path, deadline_s: float) -> str:
    """Run `cdp contract` on the target; the last line that it says."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("CDP_")}
    account = {"CDP_EMAIL": target.credentials.email, "CDP_PASSWORD": target.credentials.password}
    command = [sys.executable, "-m", "cdp", "contract", "--url", target.base_url, "--allow", ALLOW, "--quiet"]
    command += ["--runs", str(place), *options]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**known, **account}, capture_output=True, text=True, timeout=deadline_s
        )
    except subprocess.TimeoutExpired:
        return f"it was not over after {deadline_s:g} s"
    lines = [line for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"it ended with {done.returncode} and said nothing"


def report(found: Sequence[Judged], awkward: str) -> str:
    """The table of all runs, and every alarm."""
    heads = ["profile", "seed", "cells", "alarms", "PASS", "SKIP", "UNCONFIRMED", "requests", "seconds"]
    lines = ["# False alarms before an awkward server", "", f"`cdp serve --seed SEED --awkward={awkward}`", ""]
    lines += ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    lines += [each.row() for each in found]
    total = sum(len(each.alarms()) for each in found)
    lines += ["", f"False alarms: {total:,} in {len(found):,} runs."]
    for each in found:
        lines += [f"- {each.profile}, seed {each.seed}: {alarm}" for alarm in each.alarms()]
    return "\n".join([*lines, ""])


def write(text: str, output: Path) -> None:
    """Put the report where it belongs. Raises OSError."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")


def seeds_of(text: str) -> list[int]:
    """The seeds of a list such as `1-5,8`. Raises ArgumentTypeError."""
    seeds: list[int] = []
    for part in text.split(","):
        found = _SEEDS.fullmatch(part.strip())
        if found is None or int(found[2] or found[1]) < int(found[1]):
            raise argparse.ArgumentTypeError(f"seeds are numbers and ranges such as 1-5,8, not {text!r}")
        seeds += range(int(found[1]), int(found[2] or found[1]) + 1)
    return seeds


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge every seed in every profile that was asked for; answers the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.awkward", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", action="append", choices=PROFILES, help="may be repeated (default: quick)")
    parser.add_argument("--seeds", type=seeds_of, default=[1], metavar="1-5,8", help="which (default: 1)")
    parser.add_argument("--budget", type=float, default=6.0, metavar="MIN", help="of a nightly run (%(default)g)")
    parser.add_argument("--awkward", default=AWKWARD, metavar="KIND,...", help="kinds and settings (%(default)s)")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="keep what the runs leave in this directory")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, help="file to write (%(default)s)")
    parser.add_argument("contract", nargs="*", help="options of cdp contract, after --")
    given = parser.parse_args(arguments)
    found: list[Judged] = []
    with tempfile.TemporaryDirectory(prefix="cdp-awkward-runs-") as name:
        runs = given.runs.resolve() if given.runs else Path(name)
        for profile in given.profile or ["quick"]:
            deadline_s = GRACE_S + (60 * given.budget if profile == "nightly" else 0)
            budget = ["--budget", f"{given.budget:g}"] if profile == "nightly" else []
            for seed in given.seeds:
                # What an earlier run found must not be tried first: a run depends on its seed alone.
                examples = ["--examples", str(runs / f"{profile}-{seed}" / "examples")] if profile != "quick" else []
                options = [*budget, *examples, *given.contract]
                found.append(judged(profile, seed, given.awkward, runs, options, deadline_s))
                print(found[-1].row(), *found[-1].alarms(), sep="\n  ", file=sys.stderr, flush=True)
                write(report(found, given.awkward), given.output)
    print(report(found, given.awkward))
    return int(any(each.alarms() for each in found))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped; what was judged stands in the report", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        print(f"the report cannot be written: {error}", file=sys.stderr)
        sys.exit(2)
