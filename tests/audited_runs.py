"""Small runs in this process that keep a ledger, sent arrival by arrival, and audited afterwards."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from cdp.audit_results import Audit
from cdp.records import RESULTS_FILE
from cdp.secrets import Secrets
from cdp.targets import Credentials, Target
from load.access import Access
from load.audit.noting import Noting
from load.audit.run import audit
from load.options import LoadOptions
from load.plan import Plan
from load.scenario import Shot
from load.scenarios import encoder, make_scenario
from load.scenarios.discovery import Known
from load.scenarios.hot import Context
from load.scenarios.ingest import IngestScenario
from tests.load_scenes import CONTRACT, wire
from tests.running_instance import RunningInstance


@cache
def _known_at(base_url: str, token: str) -> Known:
    target = Target("read", base_url, Credentials(token=token))
    scenario = IngestScenario(Context(CONTRACT, target, encoder(target, token), token, "cdp-0badcafe"))
    scenario.prepare()
    return scenario.known


def known_of(instance: RunningInstance) -> Known:
    """What a run reads from an instance before it sends, read once."""
    return _known_at(instance.base_url, instance.token)


@dataclass
class AuditedRun:
    """A run of the ingest scenario against `origin`, whose token is the instance's. `options`: those of a load run."""

    instance: RunningInstance
    directory: Path
    origin: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    workers: int = 1
    deadline_s: float = 0.5
    shared: bool = True  # whether the process sees the directory of the run

    def __post_init__(self) -> None:
        self.prefix = "cdp-" + secrets.token_hex(4)
        base_url = f"{self.origin or self.instance.origin}/api"
        self.target = Target("audited", base_url, Credentials(token=self.instance.token))
        if self.shared:
            (self.directory / RESULTS_FILE).write_text(self.prefix + "\n")
        given: dict[str, Any] = {"scenario": "ingest", "rate": 10.0, "batch": "5-15", "uploads": 0.0, **self.options}
        self.load_options = LoadOptions(**given)
        self.notings = [self._noting(worker) for worker in range(self.workers)]

    def _noting(self, worker: int) -> Noting:
        options = self.load_options
        plan = Plan(self.prefix, worker, self.workers, options.as_record(), str(self.directory), "2026-05-04")
        scenario = make_scenario(
            options,
            self.target,
            CONTRACT,
            self.instance.token,
            plan.run,
            worker,
            self.workers,
            date.fromisoformat(plan.day),
        )
        assert isinstance(scenario, IngestScenario)
        scenario.prepare(known_of(self.instance))
        self.scenarios = [*getattr(self, "scenarios", []), scenario]
        return Noting(options, self.target, CONTRACT, self._access(self.instance.token), plan, scenario)

    def send(self, arrivals: range) -> None:
        """Send arrivals as the engine does, and follow uploads to their end."""
        self._send(self.scenarios[arrival % self.workers].shot(arrival) for arrival in arrivals)

    def send_as_people(self, batches: int) -> None:
        """Send so many batches of each process, as users do."""
        encode = self.scenarios[0].context.encode
        self._send(each.sending(number).shot(encode) for number in range(batches) for each in self.scenarios)

    def _send(self, shots: Iterator[Shot]) -> None:
        with wire(self.target.origin) as opened:
            for each in shots:
                waiting = deque([each])
                while waiting:
                    shot = waiting.popleft()
                    if shot.entries is not None:
                        shot.entries.begin()
                    answer = opened.send(shot.request)
                    if shot.entries is not None:
                        shot.entries.settle(answer)
                    following = shot.followed_by(answer) if shot.judge(answer).good and shot.followed_by else None
                    if following is not None:
                        time.sleep(min(0.02, following[0]))
                        waiting.append(following[1])

    def read_from(self, origin: str) -> None:
        """Audit at another origin than events were sent to."""
        self.target = replace(self.target, base_url=f"{origin}/api")

    def close(self) -> None:
        for noting in self.notings:
            noting.finish()

    def audit(self, token: str = "", **more: Any) -> Audit:
        """Audit what was sent until now, as the administrator or with another token."""
        self.close()
        given: dict[str, Any] = {"lasted_s": 60.0, "deadline_s": self.deadline_s, **more}
        access = self._access(token or self.instance.token)
        return audit(self.directory, self.target, CONTRACT, access, **given)

    def _access(self, token: str) -> Access:
        return Access(self.target, CONTRACT, Secrets(), token)
