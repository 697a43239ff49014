"""Searches for capacity from end to end: real processes, real sockets, the embedded instance."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from cdp.ports import free_port
from tests.load_runs import Ended, account, ended, start, stored
from tests.loopback import Reply, forwarding, serving
from tests.running_instance import RunningInstance

QUICK = ["--settle", "1s", "--step-time", "2s", "--confirm", "2s", "--time", "60s"]


def cdp_capacity(arguments: list[str], environment: dict[str, str]) -> Ended:
    """`cdp capacity` to its end."""
    return ended(start(["-m", "cdp", "capacity", *arguments], environment))


def test_what_holds_up_to_the_highest_rate_is_sustained(instance: RunningInstance, tmp_path: Path) -> None:
    arguments = ["search", "--slo", "p90<60s", "--start", "40", "--max-rate", "40", "--processes", "2", *QUICK]
    done = cdp_capacity([*arguments, "--url", instance.origin, "--runs", str(tmp_path)], account(instance))
    run = stored(tmp_path)
    assert run.capacity is not None and run.steps, done.said
    assert [step.purpose for step in run.steps if step.verdict == "passed"][:2] == ["baseline", "climb"]
    assert done.code == run.decision.exit_code
    if done.code == 0:  # on a machine that is busy with other tests the generator may be the limit
        assert run.decision.headline == "SUSTAINED" and run.capacity.confirmed == 40
        assert "sustains at least 40/s" in run.decision.sentence and "--max-rate is 40/s" in run.decision.sentence
    else:
        assert done.code == 3 and "generator was the limit" in done.output
    assert run.books is not None and run.books.balanced
    assert instance.password not in done.said
    page = (next(tmp_path.glob("*Z-*")) / "report.html").read_text()
    assert 'id="capacity"' in page and "baseline" in page and run.decision.headline in page


@pytest.mark.slow
def test_every_event_of_every_step_has_a_number_of_its_own(instance: RunningInstance, tmp_path: Path) -> None:
    arguments = ["ingest", "--slo", "p90<60s", "--start", "10", "--max-rate", "20", "--batch", "1-5", *QUICK]
    cdp_capacity([*arguments, "--url", instance.origin, "--runs", str(tmp_path)], account(instance))
    run = stored(tmp_path)
    # An event sent twice would be told by the answers' marks: they are held to what was sent.
    assert run.all.events > 50 and run.all.violations == 0 and run.all.failed == 0, run.all.errors


@pytest.mark.slow
def test_a_target_that_went_away_has_no_limit(instance: RunningInstance, tmp_path: Path) -> None:
    """Every rate fails in front of a server that is gone; none of them says where its limit is."""
    forward, asked = forwarding(instance.origin), count()
    down = Reply(502, b'{"message": "down"}')
    with serving(lambda request: forward(request) if next(asked) < 200 else down) as server:
        arguments = ["search", "--slo", "p90<60s", "--start", "40", "--max-rate", "160", *QUICK, "--time", "18s"]
        done = cdp_capacity([*arguments, "--url", f"{server.url}/api", "--runs", str(tmp_path)], account(instance))
    run = stored(tmp_path)
    assert done.code == 3, done.said
    assert "went away" in run.decision.sentence and "502" in run.decision.sentence, done.said
    assert run.capacity is not None and not run.capacity.recovery_s
    assert (run.steps[-1].purpose, run.steps[-1].verdict) == ("recovery", "failed")
    assert "not while it was looked at" in done.output


@pytest.mark.slow
def test_nobody_listens(tmp_path: Path, instance: RunningInstance) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    done = cdp_capacity(["search", "--slo", "p99<1s", "--url", url, "--runs", str(tmp_path)], account(instance))
    assert done.code == 3 and "cannot be reached" in done.said and "Traceback" not in done.said


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["search"], "needs an objective"),
        (["search", "--slo", "p99<1s", "--precision", "0"], "--precision"),
        (["search", "--slo", "p99@10s<1s"], "windows"),
        (["search", "--slo", "p99<1s", "--start", "-3"], "no number above 0"),
        (["ingest", "--slo", "p99<1s", "--read-only"], "--read-only"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], word: str, instance: RunningInstance) -> None:
    done = cdp_capacity([*arguments, "--url", instance.origin], account(instance))
    assert done.code == 2 and word in done.errors and "Traceback" not in done.said
