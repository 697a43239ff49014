"""People in a closed loop: Locust runs them, all they do is good on a faithful target, and tags choose among it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import Asked, Reply, forwarding, serving
from tests.running_instance import RunningInstance

ROOT = Path(__file__).resolve().parent.parent
REQUESTS = 300
SEARCHES = {"search_customers hit", "search_customers miss", "search_customers short", "search_customers long"}
OPENED = {"list_customer_attributes", "list_customer_events"}
INGESTED = {"create_customer_events", "upload_customer_events_async", "get_customer_events_async_upload"}
LISTS = {"list_segments", "list_events", "list_attributes"}


def _run(instance: RunningInstance, *options: str, origin: str = "", scenario: str = "mixed") -> tuple[list[Any], str]:
    """The rows of Locust's statistics after some hundred requests, and what it said."""
    command = [sys.executable, "-m", "locust", "-f", "tests/locustfiles/people.py", "-H", origin or instance.origin]
    command += ["--headless", "-u", "6", "-r", "6", "-t", "100s", "--json", "--only-summary", *options]
    environment = {**os.environ, "CDP_TOKEN": instance.token, "CDP_TEST_SCENARIO": scenario}
    environment |= {"CDP_TEST_REQUESTS": str(REQUESTS), "PYTHONPATH": "."}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize(
    ("options", "scenario", "expected"),
    [
        ((), "mixed", SEARCHES | OPENED | {"search_customers page"} | INGESTED | LISTS),
        pytest.param(("--tags", "ingest"), "mixed", INGESTED, marks=pytest.mark.slow),
        pytest.param(("Searcher",), "search", SEARCHES | OPENED | {"search_customers page"}, marks=pytest.mark.slow),
        pytest.param(("EventLoader",), "ingest", INGESTED, marks=pytest.mark.slow),
    ],
)
def test_everything_they_do_is_good(
    instance: RunningInstance, options: tuple[str, ...], scenario: str, expected: set[str]
) -> None:
    rows, said = _run(instance, *options, scenario=scenario)
    assert not [(row["name"], row["num_failures"]) for row in rows if row["num_failures"]], said
    names = {row["name"] for row in rows}
    rare = {"search_customers long", "search_customers short"}  # may not come up in a few seconds
    assert expected - rare <= names <= expected, said
    assert "Traceback" not in said


def test_a_failure_names_its_requirement(instance: RunningInstance) -> None:
    forward = forwarding(instance.origin)

    def broken(asked: Asked) -> Reply:
        people = "fulltext_search" in asked.path and "limit" not in asked.path  # reading at the start asks for a limit
        return Reply(500, b'{"message": "tok3n-tok3n"}') if people else forward(asked)

    with serving(broken) as server:
        rows, said = _run(instance, "Searcher", "--tags", "search", origin=server.url, scenario="search")
    failed = {row["name"] for row in rows if row["num_failures"]}
    assert failed and failed <= SEARCHES
    assert "CODE-01: 500 Internal Server Error" in said and "tok3n" not in said
