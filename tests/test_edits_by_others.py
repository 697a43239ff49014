"""Records that others edit and counts that a server moves on are no finding; what a server does alike each time is one
all the same. And forms of answers that no page rules out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from cdp.contract import Contract, load_contract
from cdp.verdicts import Result, Verdict
from instance import records
from instance.app import Application, Receive, Scope, Send
from tests.awkward_server import AwkwardServers
from tests.odd_server import judged_cells

Body = Any
Change = Callable[[str, dict[str, str], Body], Body]
REFUSED = {"message": "That is more than this server reads."}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwkwardServers]:
    yield AwkwardServers(tmp_path_factory.mktemp("edits"))


def shown(results: dict[str, Result]) -> str:
    return "; ".join(f"{name} {r.verdict.name} {r.sentence}" for name, r in results.items())


def verdicts(results: dict[str, Result]) -> set[str]:
    return {r.verdict.name for r in results.values()}


class Changing:
    """An application whose JSON answers to GET are changed; a change to None is a refusal."""

    def __init__(self, app: Application, change: Change) -> None:
        self.app = app
        self.change = change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        messages: list[Any] = []

        async def keep(message: Any) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        start, body = messages[0], b"".join(m.get("body", b"") for m in messages[1:])
        if start["status"] == 200:
            query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
            value = self.change(scope["path"].removeprefix("/api"), query, orjson.loads(body))
            start = {**start, "status": 400 if value is None else 200}
            body = orjson.dumps(REFUSED if value is None else value)
            headers = [(name, given) for name, given in start["headers"] if name.lower() != b"content-length"]
            start["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
        await send(start)
        await send({"type": "http.response.body", "body": body})


def changing(change: Change) -> Callable[[Application], Application]:
    return lambda app: Changing(app, change)


# --- edits ----------------------------------------------------------------------------------------------------------

READS = ("PAGE-03", "PAGE-09", "STRUCT-02", "STRUCT-03", "STRUCT-04", "LIFE-05")


@pytest.mark.parametrize(
    ("operations", "requirements", "profile"),
    [
        (("list_tags", "get_tag", "list_emails", "get_destination"), READS, "quick"),
        (("list_attributes", "list_users"), READS, "release"),
        (("create_tag", "update_user", "create_destination"), ("AUTH-05", "ROLE-05", "MEDIA-03", "MEDIA-04"), "quick"),
    ],
)
def test_what_others_edit_is_no_finding(
    servers: AwkwardServers,
    contract: Contract,
    tmp_path: Path,
    operations: tuple[str, ...],
    requirements: tuple[str, ...],
    profile: str,
) -> None:
    with servers.serving("edits,edits_every=6") as served:
        results = judged_cells(served, contract, tmp_path, operations, requirements, profile)
    assert verdicts(results) <= {"PASS", "SKIP"}, shown(results)
    assert sum(r.verdict is Verdict.PASS for r in results.values()) > 0.8 * len(results), shown(results)


def once_edited(after: int) -> Change:
    """Somebody gives every tag another colour, once: after so many answers about tags."""
    asked = 0

    def change(path: str, query: dict[str, str], body: Body) -> Body:
        nonlocal asked
        rows = body.get("tags") if path == "/tags" else [body["tag"]] if path.startswith("/tags/") else None
        asked += rows is not None
        for row in (rows or ()) if asked > after else ():
            row["color"] = "#123456"
        return body

    return change


@pytest.mark.parametrize("after", range(1, 14, 2))
def test_one_edit_is_no_finding_whenever_it_comes(
    servers: AwkwardServers, contract: Contract, tmp_path: Path, after: int
) -> None:
    with servers.serving("key_order", wrap=changing(once_edited(after))) as served:
        results = judged_cells(served, contract, tmp_path, ("list_tags", "get_tag"), READS)
    assert verdicts(results) <= {"PASS", "SKIP"}, shown(results)


def counting(path: str, query: dict[str, str], body: Body) -> Body:
    """The first record of a list is another each time."""
    if path == "/destinations" and body["destinations"]:
        counting.reads += 1  # type: ignore[attr-defined]
        body["destinations"][0]["description"] = f"read {counting.reads} times"  # type: ignore[attr-defined]
    return body


counting.reads = 0  # type: ignore[attr-defined]


def another_name_in_full(path: str, query: dict[str, str], body: Body) -> Body:
    if path == "/destinations" and query.get("load_full_structure") == "1":
        body["destinations"][0]["name"] = "another"
    return body


@pytest.mark.parametrize(("change", "requirement"), [(counting, "PAGE-09"), (another_name_in_full, "STRUCT-04")])
@pytest.mark.parametrize("kinds", ["edits", "key_order"])
def test_what_is_changed_each_time_is_found_beside_edits(
    servers: AwkwardServers, contract: Contract, tmp_path: Path, kinds: str, change: Change, requirement: str
) -> None:
    with servers.serving(kinds, wrap=changing(change)) as served:
        results = judged_cells(served, contract, tmp_path, ("list_destinations",), (requirement,))
    assert verdicts(results) <= {"WARN", "FAIL"}, shown(results)


class Done:
    """An application that does refused writes all the same, with the last token that was good for a read."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.good = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        token = dict(scope["headers"]).get(b"x-access-token", b"")
        body = await receive()
        statuses: list[int] = []

        async def again() -> Any:
            return body

        async def keep(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        async def drop(message: Any) -> None:
            pass

        await self.app(scope, again, keep)
        if statuses == [200] and scope["path"] == "/api/users":
            self.good = self.good or token
        if statuses == [401] and scope["method"] != "GET" and "/login" not in scope["path"]:
            headers = [(n, v) for n, v in scope["headers"] if n != b"x-access-token"]
            await self.app({**scope, "headers": [*headers, (b"x-access-token", self.good)]}, again, drop)


@pytest.mark.parametrize("kinds", ["edits", "key_order"])
def test_a_refused_write_that_is_done_is_found_beside_edits(
    servers: AwkwardServers, contract: Contract, tmp_path: Path, kinds: str
) -> None:
    with servers.serving(kinds, wrap=Done) as served:
        served.get("/users")
        results = judged_cells(
            served, contract, tmp_path, ("create_tag", "update_tag", "delete_destination"), ("AUTH-05",)
        )
    assert verdicts(results) == {"FAIL"}, shown(results)


# --- what no page rules out -----------------------------------------------------------------------------------------


def renamed(path: str, query: dict[str, str], body: Body) -> Body:
    """The records stand under another key."""
    for key in ("reports", "tags"):
        if path == f"/{key}":
            return {("items" if name == key else name): value for name, value in body.items()}
    return body


def test_an_assumed_key_is_no_documented_one(servers: AwkwardServers, contract: Contract, tmp_path: Path) -> None:
    with servers.serving("key_order", wrap=changing(renamed)) as served:
        results = judged_cells(served, contract, tmp_path, ("list_reports", "list_tags"), ("PAGE-01", "PAGE-03"))
    told = {(name.split("/")[1], r.verdict.name) for name, r in results.items()}
    assert told == {("list_reports", "UNCONFIRMED"), ("list_tags", "FAIL")}, shown(results)


def up_to_ten_thousand(path: str, query: dict[str, str], body: Body) -> Body:
    """Engines have a largest window."""
    return None if int(query.get("offset", 0)) > 10_000 else body


def test_an_offset_beyond_any_list_may_be_refused(servers: AwkwardServers, contract: Contract, tmp_path: Path) -> None:
    with servers.serving("key_order", wrap=changing(up_to_ten_thousand)) as served:
        results = judged_cells(served, contract, tmp_path, ("list_tags",), ("PAGE-05",), "release")
    assert verdicts(results) == {"PASS"}, shown(results)


def full_all_the_way(path: str, query: dict[str, str], body: Body) -> Body:
    """What is embedded is full, too."""
    if query.get("load_full_structure") == "1" and path.endswith("/exports"):
        for row in body["segment_exports"]:
            if isinstance(row.get("segment"), dict):
                row["segment"]["tags"] = [{"id": tag, "name": "any"} for tag in row["segment"]["tags"] or ()]
    return body


def filters_refused(path: str, query: dict[str, str], body: Body) -> Body:
    return None if {"name_filter", "tag_ids"} & query.keys() else body


@pytest.mark.parametrize(
    ("change", "operation"), [(full_all_the_way, "list_segment_exports"), (filters_refused, "list_segments")]
)
def test_how_deep_full_goes_and_how_filters_are_written_is_free(
    servers: AwkwardServers, contract: Contract, tmp_path: Path, change: Change, operation: str
) -> None:
    with servers.serving("key_order", wrap=changing(change)) as served:
        results = judged_cells(served, contract, tmp_path, (operation,), ("STRUCT-04",), "release")
    assert verdicts(results) == {"PASS"}, shown(results)


def test_where_there_is_no_offset_a_walk_ends_with_its_first_page(
    servers: AwkwardServers, contract: Contract, tmp_path: Path
) -> None:
    with servers.serving("key_order") as served:
        run = served.store.connection.execute
        found = orjson.loads(run("SELECT body FROM record WHERE entity='notification' LIMIT 1").fetchone()[0])
        with served.store.transaction():
            for number in range(900_000, 900_150):
                note = {**found, "id": number, "user_id": 1}
                records.insert(served.store, "notification", "", note)
        results = judged_cells(served, contract, tmp_path, ("list_notifications",), ("PAGE-01", "PAGE-02"), "release")
    assert verdicts(results) == {"PASS"}, shown(results)


def by_the_last_change(path: str, query: dict[str, str], body: Body) -> Body:
    if path in ("/reports", "/tags") and not query.get("order_by"):
        key = path[1:]
        body[key] = sorted(body[key], key=lambda r: (r["modified"], r["created"]), reverse=True)
    return body


def test_what_an_assumed_timestamp_orders_may_be_ordered_by_the_last_change(
    servers: AwkwardServers, contract: Contract, tmp_path: Path
) -> None:
    with servers.serving("key_order", wrap=changing(by_the_last_change)) as served:
        results = judged_cells(served, contract, tmp_path, ("list_reports", "list_tags"), ("ORDER-02",), "release")
    told = {(name.split("/")[1], r.verdict.name) for name, r in results.items()}
    assert told == {("list_reports", "PASS"), ("list_tags", "FAIL")}, shown(results)


def created_in_between(times: int) -> Change:
    """So many times a colleague creates something between a record of the run's and the look at it."""
    known: set[Any] = set()

    def change(path: str, query: dict[str, str], body: Body) -> Body:
        rows = body["destinations"] if path == "/destinations" else []
        if len(rows) > 1 and "cdp" in rows[0]["name"] and rows[0]["id"] not in known:
            known.add(rows[0]["id"])
            if len(known) <= times:
                rows.insert(0, {**rows[1], "id": 7_000_000 + len(known), "created": "2099-01-01 00:00:00"})
        return body

    return change


@pytest.mark.parametrize(("times", "found"), [(1, {"PASS"}), (99, {"FAIL"})])
def test_one_record_of_a_colleague_before_a_new_one_is_no_finding(
    servers: AwkwardServers, contract: Contract, tmp_path: Path, times: int, found: set[str]
) -> None:
    with servers.serving("key_order", wrap=changing(created_in_between(times))) as served:
        results = judged_cells(served, contract, tmp_path, ("list_destinations",), ("ORDER-02",))
    assert verdicts(results) == found, shown(results)
