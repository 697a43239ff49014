"""Schemathesis on its own: its command line on the bundled contract, as somebody who knows it well would call it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import requests

from cdp.contract import Contract
from cdp.targets import Target

LONGEST_S = 300.0
Alarm = tuple[str, str]  # operation, check
_CHECK = re.compile(r"^- (.+)$", re.M)


@dataclass(frozen=True)
class Peer:
    """Where it runs. `bundle`: the contract as one file; `examples`: test cases an operation at most."""

    contract: Contract
    bundle: Path
    directory: Path
    examples: int
    seed: int

    def alarms(self, target: Target, operations: list[str]) -> set[Alarm]:
        """What it reports on these operations. Raises TimeoutExpired when it does not end."""
        report = self.directory / "junit.xml"
        report.unlink(missing_ok=True)
        command = [str(Path(sys.executable).parent / "st"), "run", str(self.bundle), "--url", target.base_url]
        command += ["--header", f"X-Access-Token: {_token(target)}", "--checks", "all", "--continue-on-failure"]
        command += ["--max-examples", str(self.examples), "--seed", str(self.seed), "--no-shrink", "--warnings", "off"]
        command += ["--report", "junit", "--report-junit-path", str(report), "--request-timeout", "10"]
        for name in operations:
            command += ["--include-operation-id", name]
        environment = {**os.environ, "NO_COLOR": "1"}
        subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST_S, env=environment, cwd=self.directory, check=False
        )
        return self._read(report) if report.exists() else set()

    def _read(self, report: Path) -> set[Alarm]:
        of = {f"{o.method} {o.path}": name for name, o in self.contract.operations.items()}
        found = set()
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            name = case.get("name", "").strip()
            operation = next((of[shown] for shown in (name, name.replace("/api/", "/", 1)) if shown in of), name)
            for failure in (*case.findall("failure"), *case.findall("error")):
                text = f"{failure.get('message') or ''}\n{failure.text or ''}"
                found |= {(operation, check.strip()) for check in _CHECK.findall(text)} or {(operation, "failure")}
        return found


def _token(target: Target) -> str:
    account = {"email": target.credentials.email, "password": target.credentials.password}
    answer = requests.post(f"{target.base_url}/users/login", json=account, timeout=30)
    return str(answer.json().get("token", ""))
