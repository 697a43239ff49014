"""Requests of every kind of badness: refused in JSON, with the right status, and nothing changed."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract_answers import CONTRACT
from tests.running_instance import RunningInstance

BODIES = [operation for operation in CONTRACT.operations.values() if operation.body_media == "application/json"]
JSON = {"Content-Type": "application/json"}


def refused(response: Any, *statuses: int) -> str:
    """The message of a refusal, which must have one of the statuses and the one form."""
    assert response.status_code in statuses, (response.status_code, response.text[:300])
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == {"message", "detail"}
    assert body["message"]
    assert isinstance(body["detail"], str)
    assert "Traceback" not in response.text
    return str(body["message"] + " " + body["detail"])


def raw(instance: RunningInstance, data: bytes) -> bytes:
    """What the server answers to these bytes before it closes the connection."""
    parts = urlsplit(instance.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            part = connection.recv(65536)
            if not part:
                return answer
            answer += part


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/segments/1/nothing", "/segments/", "//segments", "/emails/trash/1", "/%00", "/%ff/%fe", "/tags%2F1"],
)
def test_unknown_path(instance: RunningInstance, path: str) -> None:
    """A path that is not in the contract is 404, with a token and without."""
    refused(instance.call("GET", path), 404)
    refused(instance.call("GET", path, "wrong"), 404)


def test_unsupported_method(instance: RunningInstance) -> None:
    """A method that a path does not take is 405 and the answer names those it takes."""
    response = instance.call("PUT", "/segments/1")
    refused(response, 405)
    assert response.headers["Allow"] == "DELETE, GET, PATCH"
    for method in ("OPTIONS", "TRACE", "PATCH"):
        refused(instance.call(method, "/segments"), 405)
    head = instance.call("HEAD", "/segments")
    assert (head.status_code, head.content) == (405, b"")


def test_fixed_segments_win(instance: RunningInstance) -> None:
    """Names under a collection are not taken for ids, and a trailing slash is taken where it is documented."""
    assert "segment_export_destinations" in instance.get("/segments/export/destinations")
    assert instance.get("/emails/trash")["emails"][0]["deleted"] is True
    assert "roles" in instance.get("/users/user_roles")
    for path in ("/customer_events/", "/customer_events"):
        refused(instance.call("POST", path, json={}), 422)


@pytest.mark.parametrize(
    "body",
    [
        b"{", b'{"name":}', b'{"name":"x"}x', b"\xff\xfe", b'{"name":"\xff"}', b'{"name":NaN}', b'{"name":Infinity}',
        b'{"name":-Infinity}', b'{"name":"a","name":"b"}', b'{"name":{"a":1,"a":2}}', b'{"name":"\\ud800"}',
        b'{"name":1e999}', b'{"name":"a\nb"}', b"'x'", b"{'name':1}", b'{"name":1,}', b"\xef\xbb\xbf{}", b"[" * 100_000,
        b'{"name":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"name":123456789012345678901234567890}', b" ", b"nul",
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)  # fmt: skip
def test_malformed_json(instance: RunningInstance, body: bytes) -> None:
    """What is not strict JSON is 400."""
    before = instance.get("/tags")
    refused(instance.call("POST", "/tags", data=body, headers=JSON), 400)
    assert instance.get("/tags") == before


@pytest.mark.parametrize("operation", BODIES, ids=lambda each: each.id)
def test_bodies_of_every_operation(instance: RunningInstance, operation: Any) -> None:
    """Missing, malformed, of another media type or of another form: 400, 415, 422; 404 only for unknown ids."""
    path = operation.path.format(**{parameter.name: "1" for parameter in operation.path_parameters})
    url, token = instance.url(path, operation.base), {"X-Access-Token": instance.token}

    def send(data: bytes | None, headers: dict[str, str]) -> Any:
        return instance.session.request(operation.method, url, data=data, headers={**token, **headers}, timeout=30)

    for media in (
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
    ):
        refused(send(b"{}", {"Content-Type": media}), 415)
    refused(send(b"{}", {}), 415)
    refused(send(b"{", JSON), 400)
    if operation.body_required:
        refused(send(b"", JSON), 400)
        refused(send(None, {}), 400)
    for wrong in (b"[]", b"1", b"null", b'"x"', b'{"no_such_field": 1}'):
        message = refused(send(wrong, JSON), 404, 422)
        if b"no_such_field" in wrong and "found" not in message:
            assert "no_such_field" in message or "required" in message


def test_message_names_the_field(instance: RunningInstance) -> None:
    """A body that does not fit is 422 and the field is named."""
    assert "name" in refused(instance.call("POST", "/tags", json={}), 422)
    assert "name" in refused(instance.call("POST", "/tags", json={"name": 1}), 422)
    assert "extra" in refused(instance.call("POST", "/tags", json={"name": "x", "extra": 1}), 422)
    wrong = {"name": "x", "icon": "i", "attribute_ids": ["a", 1]}
    assert "attribute_ids/1" in refused(instance.call("POST", "/segments/export/destinations", json=wrong), 422)
    refused(instance.call("POST", "/reports", json={"name": "x", "url": "y", "user_id": 1}), 422)


def test_whole_numbers(instance: RunningInstance) -> None:
    """Whole numbers may carry a fraction of zero; numbers beyond 64 bits are refused."""
    body = {"id": "numbers", "name": "n", "type": "t", "is_hidden": 0.0}
    assert instance.call("POST", "/customers/sources", json=body).json()["source"]["is_hidden"] == 0
    for number in ("9223372036854775808", "1e300", "-99999999999999999999"):
        data = f'{{"user_id":{number},"permission":"read"}}'
        refused(instance.call("POST", "/acl/segments/1", data=data, headers=JSON), 400, 404, 422)
    data = '{"name":"p","title_template":"t","body_template":"b","ttl_seconds":1e300}'
    refused(instance.call("POST", "/push_notifications", data=data, headers=JSON), 422)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=1001", "limit=1&limit=2", "limit=", "limit=%FF", "limit=1e1", "limit=٣", "limit=+1",
     "offset=0x1", "offset=1.0", "offset=%00", "load_full_structure=2", "load_full_structure=x", "order_by=nothing",
     "order_by=id&order_by=id", "order_dir=UP", "order_dir=", "tag_ids=x", "tag_ids=1,,x", "show_my=7",
     "name_filter=%C3%28",
     "name_filter=a&name_filter=b"],
)  # fmt: skip
def test_wrong_parameters(instance: RunningInstance, query: str) -> None:
    """A parameter with a value that it cannot have is 400 and named."""
    assert query.split("=")[0] in refused(instance.call("GET", f"/segments?{query}"), 400)


@pytest.mark.parametrize(
    "query", ["", "unknown=1", "limit=5&x=%FF", "&&&", "=", "limit=05", "order_dir=desc", "tag_ids=",
              "tag_ids=1,2&tag_ids=3",
              "tag_ids[]=1", "name_filter=%00", "name_filter=%25_*'\"", "name_filter=a%26b%23c"]
)  # fmt: skip
def test_harmless_parameters(instance: RunningInstance, query: str) -> None:
    """Unknown parameters are ignored; lists are taken in all their forms."""
    assert instance.call("GET", f"/segments?{query}").status_code == 200


@pytest.mark.parametrize(
    "id", ["0", "-1", "99999999", "abc", "1.5", "9" * 40, "%00", "%F0%9F%98%80", "1'--", "..%2F1", "01"]
)
@pytest.mark.parametrize("path", ["/segments/{}", "/emails/{}", "/sources/{}", "/customers/{}/events", "/users/{}"])
def test_unknown_ids(instance: RunningInstance, path: str, id: str) -> None:
    """An id that nothing has is 404 whatever it looks like."""
    refused(instance.call("GET", path.format(id)), 404)


def test_large_bodies(instance: RunningInstance) -> None:
    """A body beyond 64 MiB is 413 before it is read; one of a few megabytes is taken."""
    head = b"POST /api/tags HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"X-Access-Token: " + instance.token.encode() + b"\r\nContent-Length: 99999999999\r\n\r\n{"
    answer = raw(instance, head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/json" in answer
    text = "x" * 3_000_000
    tag = instance.call("POST", "/tags", json={"name": text}).json()["tag"]
    assert instance.get(f"/tags/{tag['id']}")["tag"]["name"] == text
    instance.call("DELETE", f"/tags/{tag['id']}")


@pytest.mark.parametrize(
    "data",
    [b"nonsense\r\n\r\n", b"GET /api/\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"FETCH /api HTTP/1.1\r\nHost: x\r\n\r\n",
     b"GET /api HTTP/1.1\r\nHost : x\r\n bad\x00: y\r\n\r\n", b"POST /api/tags HTTP/1.1\r\nContent-Length: x\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_http(instance: RunningInstance, data: bytes) -> None:
    """Bytes that are no request are refused in JSON, and the server goes on."""
    answer = raw(instance, data)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"404")
    assert b"application/json" in head
    assert json.loads(body)["message"]
    assert instance.call("GET", "/identity").status_code == 200


def test_two_tokens(instance: RunningInstance) -> None:
    """A token that is given twice is refused."""
    line = b"X-Access-Token: " + instance.token.encode() + b"\r\n"
    for lines, status in ((line, b"200"), (line + line, b"401"), (line + b"X-Access-Token: \xff\xfe\r\n", b"401")):
        answer = raw(instance, b"GET /api/tags HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + lines + b"\r\n")
        assert answer.split()[1] == status


def test_slow_client_does_not_block_others(instance: RunningInstance) -> None:
    """While a request hangs half sent, others are answered."""
    parts = urlsplit(instance.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(
            b"POST /api/tags HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nContent-Type: application/json\r\n"
        )
        assert instance.call("GET", "/identity").status_code == 200
        connection.sendall(b"X-Access-Token: " + instance.token.encode() + b"\r\n\r\n{")
        assert instance.call("GET", "/identity").status_code == 200


def test_accept_brings_json(instance: RunningInstance) -> None:
    """Whatever the client accepts, it gets JSON."""
    for accept in ("text/html", "application/xml", "*/*;q=0", "image/png, text/*"):
        response = instance.call("GET", "/tags", headers={"Accept": accept})
        assert response.headers["Content-Type"] == "application/json"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_text_survives(instance: RunningInstance, text: str) -> None:
    """Any text comes back as it was written, in the answer, when read, and in the list."""
    tag = instance.call("POST", "/tags", data=json.dumps({"name": text}), headers=JSON).json()["tag"]
    assert tag["name"] == text
    assert instance.get(f"/tags/{tag['id']}")["tag"]["name"] == text
    found = instance.get("/tags", name_filter=text, limit=1000)["tags"]
    assert text in [each["name"] for each in found]
    instance.call("DELETE", f"/tags/{tag['id']}")
