"""Other people's doing on a target, told from faults: nothing of theirs is a finding, and no fault hides behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from cdp.contract import Contract, load_contract
from cdp.verdicts import Cell, Result, Verdict
from contracts import judge
from contracts.catalogue import load_catalogue
from contracts.cells import Selection
from contracts.checks import CHECKS, Broken, Moved
from contracts.observing import Doing, by_others, came, canonical, own_marks
from contracts.plan import make_plan
from contracts.profiles import PROFILES
from contracts.run import ContractRun
from contracts.subject import Subject
from instance.app import Application, Receive, Scope, Send
from tests.awkward_server import AwkwardServers, Served
from tests.throwaway_runs import results_of

OWN = own_marks("cdp-own")


def rows(*names: str) -> list[dict[str, Any]]:
    return [{"id": name, "name": f"{name} record"} for name in names]


@pytest.mark.parametrize(
    ("before", "after", "possible"),
    [
        ("abcd", "xabcd", True),  # somebody created one
        ("abcd", "acd", True),  # somebody deleted one
        ("abcd", "xabc", True),  # the page is full: the last one went over its border
        ("abcd", "acde", True),  # another one came over it
        ("abcd", "abcde", True),  # somebody created one of the same moment as the last
        ("abcd", "abce", True),  # and the page is full
        ("abcd", "bacd", False),  # other order
        ("abcd", "aabcd", False),  # twice
        ("abcd", "", False),  # all at once
        ("abcd", "wxyz", False),  # nothing stayed
        ("abcd", "abcd", False),  # nothing changed
    ],
)
def test_what_others_may_have_done(before: str, after: str, possible: bool) -> None:
    assert by_others(rows(*before), rows(*after), OWN) is possible


def test_others_touch_nothing_of_the_run_and_change_no_record() -> None:
    own = {"id": 7, "name": "cdp-own-3 tag"}
    assert not by_others(rows("a", "b"), [own, *rows("a", "b")], OWN)
    assert not by_others([own, *rows("a", "b")], rows("a", "b"), OWN)
    changed = [{"id": "a", "name": "other"}, *rows("b")]
    assert not by_others(rows("a", "b"), [*rows("x"), *changed], OWN)
    assert not by_others({"a": 1}, rows("a"), OWN)


@pytest.mark.parametrize(
    ("before", "after", "possible"),
    [
        ("abcd", "abCd", True),  # somebody edited one
        ("abcd", "Cabd", True),  # in a list that is ordered by the last change
        ("abcd", "ABCD", True),  # the server counted on
        ("abcd", "xaBd", True),  # edited, deleted and created
        ("abcd", "baCd", False),  # others in another order
        ("abcd", "BACD", False),
        ("abcd", "aabCd", False),  # twice
        ("abcd", "WXYZ", False),  # nothing stayed
    ],
)
def test_what_others_may_have_edited(before: str, after: str, possible: bool) -> None:
    later = [{"id": n.lower(), "name": f"{n} record"} for n in after]
    assert by_others(rows(*before), later, OWN, edits=True) is possible
    assert not by_others(rows(*before), later, OWN)


def test_nobody_else_edits_what_is_the_runs() -> None:
    own = {"id": 7, "name": "cdp-own-3 tag", "color": "red"}
    assert not by_others([own, *rows("a")], [{**own, "color": "blue"}, *rows("a")], OWN, edits=True)


def test_what_a_refused_call_did_is_told_from_what_others_do() -> None:
    sent = {"name": "cdp-own-3 refused", "color": "red"}
    own = {"id": 7, "name": "cdp-own-3 tag", "color": "blue", "count": 0}
    theirs = rows("a", "b")
    doing = Doing(("id", "7"), sent, frozenset({"name", "color"}), own=True, is_own=OWN)
    assert doing.done([own, *theirs], theirs)  # it is gone
    assert doing.done(theirs, [{"id": 8, **sent}, *theirs])  # one was made
    assert doing.done([own, *theirs], [{**own, "color": "red"}, *theirs])
    assert doing.done({"tag": own}, {"tag": {**own, "name": "half"}})
    assert not doing.done([own, *theirs], [{**own, "count": 9}, *theirs])  # the server counted on
    assert not doing.done([own, *theirs], [own, *rows("x", "a")])
    assert not doing.done(theirs, [{"id": "a", "name": "other"}, *rows("b")])
    foreign = Doing(("id", "a"), {"value": 5}, frozenset({"value"}), own=False, is_own=OWN)
    assert foreign.done({"id": "a", "value": 4}, {"id": "a", "value": 5})  # somebody's became what was sent
    assert not foreign.done({"id": "a", "value": 4}, {"id": "a", "value": 6})
    shared = Doing(("", ""), {"user_id": 7}, frozenset({"user_id"}), own=True, is_own=OWN)
    assert shared.done([], [{"id": 1, "user_id": 7}, {"id": 2, "user_id": 3}])
    assert not shared.done([{"id": 2, "user_id": 3}], [{"id": 4, "user_id": 9}, {"id": 2, "user_id": 3}])


def test_records_are_told_apart_whatever_the_order_of_keys() -> None:
    assert canonical({"a": 1, "b": {"c": 2, "d": 3}}) == canonical({"b": {"d": 3, "c": 2}, "a": 1})
    assert came(rows("a", "b"), rows("x", "a", "y", "b", "z")) == rows("x", "y")


# --- runs -----------------------------------------------------------------------------------------------------------

CATALOGUE = load_catalogue()


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwkwardServers]:
    yield AwkwardServers(tmp_path_factory.mktemp("others"))


def judged(
    served: Served, contract: Contract, directory: Path, operations: Iterable[str], requirements: Iterable[str] = ()
) -> list[Result]:
    """A quick run over some operations; the data are thrown away."""
    selection = Selection(operations=tuple(operations), requirements=tuple(requirements))
    plan = make_plan(contract, CATALOGUE, selection, PROFILES["quick"], seed=1)
    return results_of(plan, served.target, directory)


def shown(results: Iterable[Result]) -> str:
    return "; ".join(f"{r.cell.address} {r.verdict.name} {r.sentence}" for r in results)


def operations_of(contract: Contract, *sections: str) -> list[str]:
    return [o.id for o in contract.operations.values() if o.section in sections]


@pytest.mark.slow
def test_no_false_alarm_with_every_kind_at_once(servers: AwkwardServers, contract: Contract, tmp_path: Path) -> None:
    operations = operations_of(contract, "Feeds", "Email Blocking/Unblocking", "Customers Search")
    with servers.serving("latency_ms=0,cold_ms=0,busy_every=900,big=2000") as served:
        results = judged(served, contract, tmp_path, operations)
    alarms = [r for r in results if r.verdict >= Verdict.WARN]
    assert not alarms, shown(alarms)
    assert sum(r.verdict is Verdict.PASS for r in results) > 0.9 * len(results)


def test_a_list_that_hardly_stands_still_is_no_finding(
    servers: AwkwardServers, contract: Contract, tmp_path: Path
) -> None:
    with servers.serving("others,others_every=2") as served:
        results = judged(served, contract, tmp_path, ["list_destinations"], ["PAGE-04", "PAGE-09"])
    assert {r.verdict for r in results} <= {Verdict.PASS, Verdict.SKIP}, shown(results)
    assert all("changed" in r.sentence for r in results if r.verdict is Verdict.SKIP), shown(results)


class Losing:
    """An application that leaves the record at the border of the second page out."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["query_string"] == b"offset=20":
            scope["query_string"] = b"offset=21"
        await self.app(scope, receive, send)


def test_a_record_that_is_lost_between_pages_is_found_though_others_are_at_work(
    servers: AwkwardServers, contract: Contract, tmp_path: Path
) -> None:
    with servers.serving("others,others_every=8", seed=2, wrap=Losing) as served:
        results = judged(served, contract, tmp_path, ["list_destinations"], ["PAGE-04", "PAGE-06", "PAGE-09"])
    found = {r.cell.requirement: r.verdict for r in results}
    assert found == {"PAGE-04": Verdict.FAIL, "PAGE-06": Verdict.FAIL, "PAGE-09": Verdict.PASS}, shown(results)


class Flickering:
    """An application whose second page is that of a list with one record more, but not when it is asked again: as if
    somebody created a record and deleted it in between."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["query_string"] == b"offset=20":
            self.count += 1
            if self.count % 2:
                scope["query_string"] = b"offset=19"
        await self.app(scope, receive, send)


@pytest.mark.parametrize(("kinds", "certain"), [("others,others_every=8", False), ("ties", True)])
def test_what_does_not_come_again_is_a_finding_only_where_nobody_else_is_at_work(
    servers: AwkwardServers, contract: Contract, tmp_path: Path, kinds: str, certain: bool
) -> None:
    with servers.serving(kinds, seed=2, wrap=Flickering) as served:
        results = judged(served, contract, tmp_path, ["list_destinations"], ["PAGE-04", "PAGE-06"])
    found = {r.cell.requirement: r.verdict for r in results}
    if certain:
        assert Verdict.FAIL in found.values(), shown(results)
    else:
        assert set(found.values()) <= {Verdict.PASS, Verdict.SKIP}, shown(results)


def test_a_rule_that_seemed_broken_once_has_to_be_kept_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    moved, broken = Moved(), Broken("broken")
    moved.doubtful = broken.doubtful = True
    kept: None = None

    def looks(*outcomes: Exception | None) -> tuple[int, str]:
        """How many looks it takes, and how they end; the last outcome comes for ever."""
        count = 0

        def look(subject: Any) -> None:
            nonlocal count
            count += 1
            if (outcome := outcomes[min(count, len(outcomes)) - 1]) is not None:
                raise outcome

        monkeypatch.setitem(CHECKS, "PAGE-04", look)
        bench = Mock(vanished=lambda operation: False)
        try:
            judge._looked_at(CATALOGUE.requirements["PAGE-04"], Subject(Cell("PAGE-04", "list_tags"), Mock(), bench))
        except (Moved, Broken) as error:
            return count, type(error).__name__
        return count, "kept"

    assert looks(kept) == (1, "kept")
    assert looks(Moved(), kept) == (2, "kept")
    assert looks(Moved()) == (judge.MOST_LOOKS, "Moved")
    assert looks(Broken("certain")) == (1, "Broken")
    assert looks(moved, kept) == looks(broken, kept) == (1 + judge.ENOUGH, "kept")
    assert looks(broken, kept, kept, moved, broken, broken) == (6, "Broken")
    assert looks(broken, Moved()) == looks(moved) == (2 * judge.MOST_LOOKS, "Moved"), "two of three are no finding"


def test_a_token_that_ran_out_is_renewed_and_one_that_was_ended_is_not(
    servers: AwkwardServers, contract: Contract, tmp_path: Path
) -> None:
    with servers.serving("tokens") as served:
        plan = make_plan(contract, CATALOGUE, Selection(operations=("list_tags",)), PROFILES["quick"], seed=1)
        run = ContractRun(plan, served.target, tmp_path)
        try:
            run.start()
            served.run_out()
            results = list(run.judge_all())
        finally:
            run.finish(obstacle="the data are thrown away")
    told = {r.cell.requirement: r for r in results}
    assert not [r for r in results if r.verdict >= Verdict.WARN], shown(results)
    assert told["AUTH-06"].verdict is told["ROLE-07"].verdict is told["ROLE-03"].verdict is Verdict.PASS, shown(results)


# --- other servers, other data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "operations", "requirements", "verdict"),
    [
        ("codes,jwt,problems", ("get_user", "list_user_roles"), ("AUTH-03", "AUTH-07", "ROLE-08"), Verdict.PASS),
        ("bare", ("create_customer_events", "upload_customer_events_async"), ("CODE-02", "EVENT-04"), Verdict.SKIP),
        ("single", ("list_tags",), ("STRUCT-02",), Verdict.SKIP),
        ("single", ("list_attributes",), ("STRUCT-02",), Verdict.SKIP),
        ("single", ("get_global_setting", "list_global_setting_history"), ("ROLE-03",), Verdict.PASS),
    ],
)
def test_what_conforms_and_looks_different_is_no_finding(
    servers: AwkwardServers,
    contract: Contract,
    tmp_path: Path,
    kinds: str,
    operations: tuple[str, ...],
    requirements: tuple[str, ...],
    verdict: Verdict,
) -> None:
    with servers.serving(kinds) as served:
        results = judged(served, contract, tmp_path, operations, requirements)
    assert results and {r.verdict for r in results} == {verdict}, shown(results)
