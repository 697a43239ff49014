"""What the coordinator of a run does for the audit: it gathers what the processes tell, and audits when all is over."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from cdp.audit_results import ERROR, NOT_AUDITED, Audit
from cdp.contract import ContractError, load_contract
from cdp.targets import Target
from load.audit.noting import receive
from load.audit.run import Visible, audit_run
from load.options import LoadOptions

_WITHOUT_EVENTS = "search"


class Auditing:
    """The audit of one run. `wanted`: whether the run sends events, and nobody said that they are not to be audited."""

    def __init__(self, options: LoadOptions, target: Target) -> None:
        self.wanted = options.scenario != _WITHOUT_EVENTS and not options.no_audit
        self._options = options
        self._target = target
        self._times_ns: list[int] = []
        self._unseen_ns: list[int] = []
        self._never = 0
        self._told = 0  # how many of the times were taken
        self._told_never = 0
        self._told_unseen = 0
        self._notes: dict[str, None] = {}
        self._stopped = ""

    def take(self, told: dict[str, Any] | None, directory: Path) -> None:
        """Take in what a process tells. Raises LedgerError when it cannot be stored."""
        if not told:
            return
        self._times_ns += told["visible_ns"]
        self._unseen_ns += told["unseen_ns"]
        self._never += told["never"]
        self._notes |= dict.fromkeys(told["notes"])
        receive(told, directory)

    def take_times_ns(self) -> list[int]:
        """The times until events of the sample could be read, as far as they came since this was asked last. One that
        was not seen within the deadline has that for its time, one that was not seen when the run ended its age."""
        times = self._times_ns[self._told :] + self._unseen_ns[self._told_unseen :]
        self._told_unseen = len(self._unseen_ns)
        late = self._never - self._told_never
        self._told, self._told_never = len(self._times_ns), self._never
        return times + [int(self._options.audit_deadline * 1e9)] * late

    def stop(self, reason: str) -> None:
        """Do not audit, or stop doing it."""
        self._stopped = self._stopped or reason

    def run(self, directory: Path, lasted_s: float, answered: int) -> Audit:
        """Audit. Whatever goes wrong is in what it answers. `answered`: see `load.audit.run.audit`."""
        if self._stopped:
            return self.declined(self._stopped, directory)
        try:
            overlay = self._target.overlay
            contract = load_contract(overlay=Path(overlay) if overlay else None)
        except ContractError as error:
            return Audit(ERROR, str(error))
        found = audit_run(
            directory,
            self._target,
            contract,
            lasted_s=lasted_s,
            deadline_s=self._options.audit_deadline,
            visible=Visible(tuple(self._times_ns), self._never + len(self._unseen_ns), tuple(self._notes)),
            wanted=lambda: self._stopped,
            say=lambda line: print(line, file=sys.stderr),
            answered=answered,
        )
        if found.verdict == ERROR:
            found = replace(found, reason=f"{found.reason}; {_again(directory)}")
        return found

    def declined(self, reason: str, directory: Path) -> Audit:
        """What stands in the results of a run that is not audited."""
        return Audit(NOT_AUDITED, f"{reason}; {_again(directory)}")


def _again(directory: Path) -> str:
    return f"`cdp audit {directory}` does it later"
