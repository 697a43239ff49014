"""`python -m benchmarks.peers`: a fixed sample of mutants before this suite and before other tools, side by side.

All get the same contract, the same instance, the same faults, and fresh data for every mutant; the others also an
example of every id and body. A mutant counts as found when a tool reports something that it does not report on the
clean instance, whatever that is called. Writes reports/benchmarks/peers.md, and what each tool said to a file of its
own in reports/benchmarks/peers/; tools that are not asked for keep what they said last.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.peers.accounts import administrator, token
from benchmarks.peers.contest import Attempt, Course, Peer, PeerError, Tool, contest, stored, suite
from benchmarks.peers.course import PROFILES, Sample, sample
from benchmarks.peers.described import described
from benchmarks.peers.dredd_run import NAME as DREDD
from benchmarks.peers.dredd_run import Dredd
from benchmarks.peers.node_tools import Missing, installed
from benchmarks.peers.plain import Plain
from benchmarks.peers.portman_run import NAME as PORTMAN
from benchmarks.peers.portman_run import Portman
from benchmarks.peers.schemathesis_run import NAME as SCHEMATHESIS
from benchmarks.peers.schemathesis_run import Schemathesis
from benchmarks.peers.table import document, table
from cdp.fault_control import ProofError
from cdp.records import ResultsError
from cdp.targets import Target, TargetError
from contracts.session import Obstacle

REPORTS = Path("reports") / "benchmarks"
TOOLS = ("suite", "schemathesis", "dredd", "portman")
_EVERY = 25  # mutants, after which the table is written


class Progress:
    """A line on the terminal for each mutant, and the table written again every now and then."""

    def __init__(self, tool: str, number: int, write: Callable[[], object]) -> None:
        self.tool, self.number, self.write, self.done = tool, number, write, 0

    def __call__(self, attempt: Attempt) -> None:
        self.done += 1
        word = "found" if attempt.placed else "found elsewhere" if attempt.found else "missed"
        what = f"{word}, {attempt.requests} requests, {attempt.wall_s:.1f} s"
        print(f"{self.tool} {self.done} of {self.number}: {attempt.mutant}: {what}", file=sys.stderr, flush=True)
        if self.done % _EVERY == 0:
            self.write()


class Comparison:
    """The tools one after the other."""

    def __init__(self, drawn: Sample, directory: Path, examples: int, *, go_on: bool = False) -> None:
        self.drawn, self.directory, self.examples, self.go_on = drawn, directory, examples, go_on

    @property
    def course(self) -> Course:
        """The mutants."""
        return self.drawn.course

    def run(self, key: str) -> None:
        """One tool on the whole sample. Raises what `contest` and `suite` raise."""
        file, said = self.directory / f"{key}.jsonl", Progress(key, len(self.course.mutants), self.write)
        if key == "suite":
            name = f"this suite, {' then '.join(PROFILES)}"
            suite(self.course, PROFILES, self.drawn.clean, name, file, said)
            return
        with tempfile.TemporaryDirectory(prefix="cdp-peers-") as place:
            make, name = self._peer(key, Path(place))
            contest(self.course, name, make, file, said, go_on=self.go_on)

    def _peer(self, key: str, place: Path) -> tuple[Callable[[Target], Peer], str]:
        contract, seed = self.course.contract, self.course.seed

        def schemathesis(target: Target) -> Peer:
            file = place / "openapi.json"
            file.write_text(json.dumps(described(contract, target)))
            return Schemathesis(contract, target, file, place, self.examples, seed)

        def dredd(target: Target) -> Peer:
            return Dredd(contract, target, self._plain(target), place)

        def portman(target: Target) -> Peer:
            return Portman(contract, target, self._plain(target), place)

        if key == "schemathesis":
            return schemathesis, f"{SCHEMATHESIS}, {self.examples} examples"
        if key == "dredd":
            installed("dredd")
            return dredd, DREDD
        installed("@apideck/portman", "newman")
        return portman, PORTMAN

    def _plain(self, target: Target) -> Plain:
        contract = self.course.contract
        return Plain(described(contract, target), contract, target, token(target, administrator(target)))

    def write(self) -> Sequence[Tool]:
        """Write the table of what is there of this sample."""
        tools = []
        for key in TOOLS:
            with suppress(ResultsError):  # it has not run yet, or was stopped before it said anything
                tools.append(stored(self.directory / f"{key}.jsonl"))
        tools = [tool for tool in tools if tool.sample == self.course.sample]
        (REPORTS / "peers.md").write_text(document(self.course.sample, tools, self.drawn.families))
        return tools


def main() -> int:
    """Measure and write; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--sample", type=int, default=100, help="mutants (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="what the sample is drawn by (default 1)")
    parser.add_argument("--examples", type=int, default=20, help="test cases an operation of Schemathesis (default 20)")
    parser.add_argument("--tools", default=",".join(TOOLS), help=f"which of {', '.join(TOOLS)} (default: all)")
    parser.add_argument("--continue", dest="go_on", action="store_true", help="let tools that were stopped go on")
    given = parser.parse_args()
    wanted = [key for key in TOOLS if key in given.tools.split(",")]
    if unknown := sorted(set(given.tools.split(",")) - set(TOOLS)):
        parser.error(f"no tool is called {unknown[0]!r}; there are {', '.join(TOOLS)}")
    try:
        directory = REPORTS / "peers"
        drawn = sample(given.sample, given.seed, directory / "sample.json")
        print("\n".join(table(measured(Comparison(drawn, directory, given.examples, go_on=given.go_on), wanted))))
    except KeyboardInterrupt:
        print(f"peers: stopped; what was said so far is in {REPORTS / 'peers.md'}", file=sys.stderr)
        return 130
    except (PeerError, ProofError, TargetError, ResultsError, Obstacle, OSError) as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    return 0


def measured(comparison: Comparison, wanted: Sequence[str]) -> Sequence[Tool]:
    """Let these tools run; the table is written after each of them, and when one is stopped."""
    for key in wanted:
        try:
            comparison.run(key)
        except Missing as missing:
            print(f"peers: {key} is left out: {missing}", file=sys.stderr)
        finally:
            comparison.write()
    return comparison.write()


if __name__ == "__main__":
    sys.exit(main())
