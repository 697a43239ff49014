"""Addresses that are signed anew at each look are the same addresses; other ones are not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from cdp.contract import load_contract
from cdp.http import Exchange
from cdp.verdicts import Result, Verdict
from contracts.answers import without_signatures
from tests.awkward_server import AwkwardServers
from tests.odd_server import Answered, Asked, Forward, Mouth, judged

CONTRACT = load_contract()
OPERATIONS = ["list_images", "get_image", "update_image", "delete_image", "list_tools"]
RULES = [
    "AUTH-05",
    "ROLE-05",
    "MEDIA-03",
    "PAGE-03",
    "PAGE-09",
    "SHAPE-01",
    "SHAPE-03",
    "LIFE-03",
    "LIFE-05",
    "ORDER-04",
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwkwardServers]:
    yield AwkwardServers(tmp_path_factory.mktemp("signed"))


def alarms(results: dict[str, Result]) -> dict[str, str]:
    return {name: r.sentence for name, r in results.items() if r.verdict >= Verdict.WARN}


def test_a_signature_that_is_another_one_each_time_is_no_change(servers: AwkwardServers, tmp_path: Path) -> None:
    with servers.serving("signed") as served:
        results = judged(served, CONTRACT, tmp_path, OPERATIONS, RULES)
    assert not alarms(results)
    for name in ("AUTH-05 delete_image", "PAGE-09 list_images", "PAGE-09 list_tools", "SHAPE-03 get_image"):
        assert results[name].verdict is Verdict.PASS, results[name]


def test_another_address_at_each_look_is_one(servers: AwkwardServers, tmp_path: Path) -> None:
    looks = count(1)

    async def speak(asked: Asked, forward: Forward) -> Answered:
        status, body = await forward()
        rows = body.get("tools", ()) if isinstance(body, dict) else ()
        for row in rows:
            row["url"] = f"https://example.com/{next(looks)}?Signature=same"
        return status, body

    with servers.serving("extra_headers", wrap=lambda app: Mouth(app, speak)) as served:
        results = judged(served, CONTRACT, tmp_path, ["list_tools"], ["PAGE-09"])
    assert "answer differently" in alarms(results)["PAGE-09 list_tools"]


@pytest.mark.parametrize(
    ("operation", "record", "kept"),
    [
        ("list_images", {"url": "https://a.example/x.png?X-Amz-Signature=1"}, {"url": "https://a.example/x.png"}),
        ("list_images", {"thumbnail_url": "/x?sig=1"}, {"thumbnail_url": "/x"}),
        ("list_images", {"name": "https://a.example/?a=1", "url": "none"}, None),
        ("list_reports", {"url": "https://a.example/?a=1"}, None),  # a client writes it
        ("list_feeds", {"url": "https://a.example/?a=1"}, None),
    ],
)
def test_what_a_client_writes_is_left_alone(operation: str, record: Any, kept: Any) -> None:
    found = CONTRACT.operations[operation]
    assert found.collection is not None
    body = orjson.dumps({found.collection.key: [record]})
    exchange = Exchange(operation, "admin", "GET", "http://target/", {}, None, 200, body=body)
    rows = without_signatures(CONTRACT, found, exchange).json[found.collection.key]
    assert rows == [kept or record]
