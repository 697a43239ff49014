"""The whole gate before instances with faults: whatever part meets the fault, the answer is NO-GO and says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.foreign_target import written
from tests.running_instance import RunningInstance, start_instance, stop_instance
from tests.test_command_line import cdp, told

pytestmark = pytest.mark.slow

ENTRY = """base_url = "{url}"
email_env = "GATE_EMAIL"
password_env = "GATE_PASSWORD"
allow = ["writes", "destructive", "load"]
peak = {{scenario = "ingest", rate = 20, time = "8s", slo = "p99<2s,errors<1%"}}
"""


@pytest.fixture(scope="module")
def faulty() -> Iterator[RunningInstance]:
    running = start_instance("--faults", "--customers", "200", "--events", "1000")
    yield running
    stop_instance(running)


@pytest.mark.parametrize(
    ("fault", "operation", "reasons"),
    [
        ("offset-in-pages", "list_feeds", ["PAGE-03"]),
        ("events-lost", "create_customer_events", ["lost"]),
        ("stored-and-500", "create_customer_events", ["500"]),
    ],
)
def test_a_fault_is_a_no_go(
    faulty: RunningInstance, fault: str, operation: str, reasons: list[str], tmp_path: Path
) -> None:
    put = {"fault": fault, "operation": operation}
    assert faulty.session.put(faulty.origin + "/-/fault", json=put, timeout=30).status_code == 200
    file = written(tmp_path, ENTRY.format(url=faulty.base_url))
    done = cdp(
        *("gate", "--target", "staging", "--targets", str(file), "--runs", str(tmp_path / "runs")),
        *("--profile", "quick", "-n", "2", "--without", "comparison"),
        environment={"GATE_EMAIL": faulty.email, "GATE_PASSWORD": faulty.password},
        timeout=240,
    )
    told(done)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "NO-GO" in done.stdout
    for reason in reasons:
        assert reason in done.stdout, done.stdout
