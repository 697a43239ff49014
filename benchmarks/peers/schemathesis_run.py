"""Schemathesis on its own: its command line on the contract, as somebody who knows it well would set it up.

All checks and all phases, valid and invalid requests, examples of stored records, the contract's links, and two
accounts: every operation is first called by one without any feature, and where that is refused by the administrator.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.peers.accounts import Account, administrator, nobody, token
from benchmarks.peers.contest import Alarm, PeerError, labels
from benchmarks.peers.program import finished
from cdp.contract import Contract
from cdp.targets import Target

NAME = f"Schemathesis {version('schemathesis')}"
DEADLINE_S = 300.0
# Without its cache, which would keep from look to look what an earlier one learned: which account an operation takes.
_SETTINGS = """\
[cache]
enabled = false

[auth.wfc]
path = "accounts.json"
"""
_NOTHING_TO_FOLLOW = "NoLinksFound"  # said of a section without links; it is no word on the API
_LOGIN = {
    "endpoint": "/api/users/login",
    "verb": "POST",
    "contentType": "application/json",
    "token": {
        "extractFrom": "body",
        "extractSelector": "/token",
        "sendIn": "header",
        "sendName": "X-Access-Token",
    },
}


@dataclass(frozen=True)
class Schemathesis:
    """Where it runs. `document`: the contract as one file; `examples`: test cases an operation at most."""

    contract: Contract
    target: Target
    document: Path
    directory: Path
    examples: int
    seed: int

    def prepare(self, operations: list[str]) -> None:
        """Nothing: the examples are in the document."""

    def look(self, operations: list[str]) -> set[Alarm]:
        """What it reports on these operations. Raises PeerError."""
        report = self.directory / "report.ndjson"
        report.unlink(missing_ok=True)
        self._log_in()
        command = [str(Path(sys.executable).parent / "st"), "run", str(self.document), "--url", self.target.base_url]
        command += ["--checks", "all", "--mode", "all", "--continue-on-failure", "--no-shrink", "--warnings", "off"]
        command += ["--max-examples", str(self.examples), "--seed", str(self.seed), "--request-timeout", "10"]
        command += ["--generation-database", "none", "--report", "ndjson", "--report-ndjson-path", str(report)]
        for name in operations:
            command += ["--include-operation-id", name]
        done = finished("Schemathesis", command, self.directory, DEADLINE_S, {})
        if not report.exists():
            raise PeerError(f"Schemathesis ended with {done.returncode} and no report: {_last_line(done)}")
        with report.open(encoding="utf-8") as events:
            return reported(events, labels(self.contract))

    def _log_in(self) -> None:
        """Write down the accounts, the one with fewer rights first."""
        admin = administrator(self.target)
        accounts = {"nobody": nobody(self.target, token(self.target, admin)), "admin": admin}
        told = [{"name": name, "loginEndpointAuth": _login(account)} for name, account in accounts.items()]
        (self.directory / "accounts.json").write_text(json.dumps({"auth": told}))
        (self.directory / "schemathesis.toml").write_text(_SETTINGS)


def _login(account: Account) -> dict[str, Any]:
    names = {"usernameField": "email", "passwordField": "password"}
    return {**_LOGIN, "payloadUserPwd": {"username": account.email, "password": account.password, **names}}


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1].strip() if lines else "it said nothing"


def reported(events: Iterable[str], names: Mapping[str, str]) -> set[Alarm]:
    """What a report (`--report ndjson`, a line an event) holds: each check that failed, and the operation that it
    failed on; those of the stateful phase, too; and its own errors. `names`: see `labels`."""
    found = set()
    for line in events:
        event = json.loads(line)
        for case in event.get("ScenarioFinished", {}).get("recorder", {}).get("checks", {}).values():
            for failure in (check["failure_info"]["failure"] for check in case if "failure_info" in check):
                found.add((names.get(failure["operation"], failure["operation"]), str(failure["title"])))
        if error := event.get("NonFatalError"):
            label, kind = str(error.get("label", "")), str(error.get("value", {}).get("type", "of its own"))
            if kind != _NOTHING_TO_FOLLOW:
                found.add((names.get(label, label), f"error: {kind}"))
    return found
