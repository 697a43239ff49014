"""How fast the suite asks, and what it does when a target says that it is asked too much. No test waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from cdp.contract import load_contract
from cdp.http import Client
from cdp.pacing import Limiter, Time, pause_before_next, retry_after
from cdp.secrets import Secrets
from cdp.targets import Credentials, Target
from cdp.verdicts import Result, Verdict
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.run import ContractRun
from contracts.session import AWAY_S, Obstacle
from tests.loopback import Asked, Loopback, Reply, forwarding, serving
from tests.running_instance import RunningInstance

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()


class FakeTime:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds

    def clock(self) -> Time:
        return Time(now=lambda: 5000 + self.passed, wall=lambda: NOON + self.passed, sleep=self.sleep)


def target_at(url: str, **more: object) -> Target:
    return Target("paced", url + "/api", Credentials(token="a-token-for-pacing"), **more)  # type: ignore[arg-type]


@contextmanager
def asking(answer: Callable[[Asked], Reply], **more: object) -> Iterator[tuple[Client, Loopback, FakeTime]]:
    fake = FakeTime()
    with serving(answer) as server:
        client = Client(target_at(server.url, **more), Secrets(), fake.clock())
        try:
            yield client, server, fake
        finally:
            client.close()


def first(*replies: Reply) -> Callable[[Asked], Reply]:
    """These answers in their order, the last one for ever."""
    waiting = list(replies)
    return lambda asked: waiting.pop(0) if len(waiting) > 1 else waiting[0]


BUSY, AWAY = Reply(429), Reply(503)
FINE = Reply(200, b'{"fine": true}')


def later(seconds: float | str, status: int = 429) -> Reply:
    return Reply(status, headers={"Retry-After": str(seconds)})


# --- how fast ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_rps", [0.5, 1, 3, 8, 30, 333, 2500])
def test_no_second_ever_holds_more_requests_than_allowed(max_rps: float) -> None:
    fake = FakeTime()
    limiter = Limiter(max_rps, fake.clock())
    moments = []
    for number in range(60):
        limiter.wait()
        moments.append(fake.passed)
        if number == 30:
            fake.passed += 7.3  # the target took its time: nothing is made up for afterwards
    window = max(1.0, 1 / max_rps)
    for moment in moments:
        within = [m for m in moments if moment <= m < moment + window - 1e-6]
        assert len(within) <= max(1, max_rps * window)


def test_a_target_is_asked_almost_as_fast_as_allowed() -> None:
    fake = FakeTime()
    limiter = Limiter(20, fake.clock())
    for _ in range(101):
        limiter.wait()
    assert fake.passed == pytest.approx(5.0, rel=0.05)


def test_without_a_limit_nothing_waits() -> None:
    fake = FakeTime()
    limiter = Limiter(None, fake.clock())
    for _ in range(1000):
        limiter.wait()
    assert not fake.slept


def test_requests_that_are_repeated_count_for_the_limit() -> None:
    with asking(first(later(0), later(0), FINE), max_rps=2) as (client, server, fake):
        assert client.send("GET", server.url + "/api/tags").ok
        assert len(server.asked) == 3 and fake.passed == pytest.approx(1.0, abs=0.01)


# --- Retry-After ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 12 ", 12),
        (format_datetime(datetime.fromtimestamp(NOON + 90, UTC), usegmt=True), 90),
        (format_datetime(datetime.fromtimestamp(NOON - 90, UTC), usegmt=True), 0),
        ("Tuesday, 01-Jan-30 12:00:30 GMT", 30),
        ("Tue Jan  1 12:00:05 2030", 5),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("²", None),
        ("99 Foo 9999999", None),
        ("9" * 4000, 999_999_999_999),
    ],
)
def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOON) == seconds


def test_retry_after_is_honoured_and_the_answer_that_follows_counts() -> None:
    with asking(first(later(7), FINE)) as (client, server, fake):
        exchange = client.send("GET", server.url + "/api/tags")
    assert exchange.json == {"fine": True} and exchange.tries == 2
    assert fake.slept == [7] and client.waited_s == 7
    assert exchange.duration_s < 5, "waiting is not the operation's time"


def test_retry_after_as_a_date() -> None:
    moment = format_datetime(datetime.fromtimestamp(NOON + 20, UTC), usegmt=True)
    with asking(first(later(moment), FINE)) as (client, server, fake):
        assert client.send("GET", server.url + "/api/tags").ok
    assert fake.slept == [20]


def test_nobody_is_waited_for_longer_than_a_minute_and_three_times() -> None:
    with asking(first(later(60))) as (client, server, fake):
        exchange = client.send("GET", server.url + "/api/tags")
    assert exchange.status == 429 and exchange.tries == 4
    assert len(server.asked) == 4 and fake.slept == [60, 60, 60]


def test_a_limit_that_ends_within_three_minutes_is_waited_for() -> None:
    with asking(first(later(170), later(110), later(50), FINE)) as (client, server, fake):
        assert client.send("GET", server.url + "/api/tags").ok
    assert fake.slept == [60, 60, 50]


@pytest.mark.parametrize("status", [429, 503])
def test_what_lasts_longer_than_all_pauses_together_is_not_waited_for(status: int) -> None:
    with asking(first(later(86_400, status))) as (client, server, fake):
        exchange = client.send("GET", server.url + "/api/tags")
    assert exchange.status == status and exchange.tries == 1 and not fake.slept


def test_429_without_retry_after_backs_off() -> None:
    with asking(first(BUSY)) as (client, server, fake):
        assert client.send("GET", server.url + "/api/tags").status == 429
    assert fake.slept == [1, 2, 4]


def test_a_write_that_was_refused_with_429_is_sent_again_as_it_was() -> None:
    with asking(first(later(2), FINE)) as (client, server, _):
        assert client.send("POST", server.url + "/api/tags", headers={"X-A": "b"}, body=b'{"name": 1}').ok
    assert server.methods == ["POST", "POST"]
    assert {(r.body, r.headers["x-a"]) for r in server.asked} == {(b'{"name": 1}', "b")}


# --- 503 --------------------------------------------------------------------------------------------------------------


def test_503_backs_off_three_tries_long() -> None:
    with asking(first(AWAY)) as (client, server, fake):
        exchange = client.send("GET", server.url + "/api/tags")
    assert exchange.status == 503 and exchange.tries == 3
    assert len(server.asked) == 3 and fake.slept == [1, 2]


def test_503_that_passes_is_forgotten() -> None:
    with asking(first(later(5, 503), FINE)) as (client, server, fake):
        assert client.send("GET", server.url + "/api/tags").ok
    assert fake.slept == [5]


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("reply", [AWAY, later(1, 503)])
def test_a_write_that_got_503_is_never_sent_again(method: str, reply: Reply) -> None:
    with asking(first(reply, FINE)) as (client, server, fake):
        assert client.send(method, server.url + "/api/tags", body=b"{}").status == 503
    assert len(server.asked) == 1 and not fake.slept


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500, 502, 504])
def test_other_answers_are_never_waited_for(status: int) -> None:
    assert pause_before_next("GET", status, "9", 1, NOON) is None


# --- what becomes of the cells ----------------------------------------------------------------------------------------


@contextmanager
def judged(
    instance: RunningInstance,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    busy: Callable[[Asked], Reply | None],
    operations: tuple[str, ...],
    *,
    allow: frozenset[str] = frozenset({"writes", "destructive"}),
) -> Iterator[tuple[dict[str, Result], Loopback, FakeTime]]:
    """A run on the instance, behind a server that is sometimes busy."""
    fake = FakeTime()
    monkeypatch.setattr("cdp.http.Time", fake.clock)
    forward = forwarding(instance.origin)
    plan = make_plan(
        load_contract(),
        load_catalogue(),
        Selection(operations=operations, requirements=("CODE", "MEDIA", "SHAPE")),
        PROFILES["quick"],
        seed=1,
    )
    with serving(lambda asked: busy(asked) or forward(asked)) as server:
        target = Target("busy", server.url + "/api", Credentials(token=instance.token), allow)
        run = ContractRun(plan, target, directory)
        try:
            run.start()
            yield {f"{r.cell.requirement}/{r.cell.operation}": r for r in run.judge_all()}, server, fake
        finally:
            run.finish()


def refuse(status: int, method: str, start: str, times: int = 1_000_000) -> Callable[[Asked], Reply | None]:
    left = [times]

    def busy(asked: Asked) -> Reply | None:
        if asked.method == method and asked.path.startswith(start) and left[0]:
            left[0] -= 1
            return Reply(status, b'{"message": "busy"}', {"Retry-After": "3"})
        return None

    return busy


def test_a_target_that_is_busy_for_a_moment_is_judged_as_if_it_were_not(
    instance: RunningInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = refuse(429, "GET", "/api/tags", times=3)
    with judged(instance, tmp_path, monkeypatch, busy, ("list_tags",)) as (results, _, fake):
        assert results and {r.verdict for r in results.values()} <= {Verdict.PASS, Verdict.SKIP}
        assert fake.slept == [3, 3, 3]


def test_staying_at_429_is_an_error_and_no_verdict_on_the_rule(
    instance: RunningInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = refuse(429, "GET", "/api/tags")
    with judged(instance, tmp_path, monkeypatch, busy, ("list_tags",)) as (results, _, fake):
        assert {r.verdict for r in results.values()} == {Verdict.ERROR}
        assert any("GET list_tags got 429, 4 times with pauses between" in r.sentence for r in results.values())
        assert "max_rps" in results["CODE-01/list_tags"].sentence
        assert sum(fake.slept) < 30, "an operation that stays refused is not waited for again and again"


def test_staying_at_503_alone_is_the_operations_fault(
    instance: RunningInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = refuse(503, "GET", "/api/tags")
    with judged(instance, tmp_path, monkeypatch, busy, ("list_tags",)) as (results, _, fake):
        assert results["CODE-01/list_tags"].verdict is Verdict.FAIL
        assert sum(fake.slept) < 30


def away(begins: int, looks: int) -> Callable[[Asked], Reply | None]:
    """Everything gets 503 from the first creation after so many requests on, until so many looks were taken at it."""
    asked_before, left = [0], [looks]

    def busy(asked: Asked) -> Reply | None:
        asked_before[0] += 1
        under_way = left[0] < looks or (asked.method == "POST" and asked_before[0] > begins)
        if not under_way or not left[0]:
            return None
        left[0] -= 1
        return Reply(503, b"<html>Maintenance</html>", {"Content-Type": "text/html"})

    return busy


def test_a_target_that_is_away_for_a_moment_is_waited_for_and_judged(
    instance: RunningInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with judged(instance, tmp_path, monkeypatch, away(20, 5), ("create_tag",)) as (results, _, fake):
        assert results and {r.verdict for r in results.values()} <= {Verdict.PASS, Verdict.SKIP}
        assert 4 <= sum(fake.slept) <= AWAY_S


def test_a_target_that_stays_away_is_waited_for_once(
    instance: RunningInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with judged(instance, tmp_path, monkeypatch, away(20, 1_000_000), ("create_tag",)) as (results, _, fake):
        errors = [r for r in results.values() if r.verdict is Verdict.ERROR]
        assert errors and all("so does the rest of the target" in r.sentence for r in errors)
        assert AWAY_S <= sum(fake.slept) < 3 * AWAY_S


def test_one_503_to_a_write_is_an_error_and_the_next_is_judged(
    instance: RunningInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with judged(instance, tmp_path, monkeypatch, refuse(503, "POST", "/api/tags"), ("create_tag",)) as (results, _, _):
        verdicts = [r.verdict for r in results.values()]
        assert verdicts.count(Verdict.ERROR) == 1
        error = next(r for r in results.values() if r.verdict is Verdict.ERROR)
        assert "may have been done, so it is not sent again" in error.sentence
        assert results["CODE-01/create_tag"].verdict is Verdict.FAIL


@pytest.mark.parametrize("status", [429, 503])
def test_a_target_that_is_busy_from_the_start_ends_the_run_in_one_line(
    instance: RunningInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    everything = refuse(status, "GET", "/")
    with (
        pytest.raises(Obstacle, match=f"has no time: .* got {status}, [34] times"),
        judged(instance, tmp_path, monkeypatch, everything, ("list_tags",)),
    ):
        pass


def test_a_target_that_grows_busy_ends_the_run(
    instance: RunningInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_before = [0]

    def busy(asked: Asked) -> Reply | None:
        asked_before[0] += 1
        return Reply(429, b'{"message": "busy"}') if asked_before[0] > 40 else None

    names = tuple(name for name in load_contract().operations if name.startswith("list_"))[:20]
    with (
        pytest.raises(Obstacle, match="operations in a row got 429"),
        judged(instance, tmp_path, monkeypatch, busy, names, allow=frozenset()),
    ):
        pass
