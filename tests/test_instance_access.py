"""Tokens, roles, and access beside the role."""

from __future__ import annotations

import uuid

import pytest

from instance.contract import Operation
from tests.contract_answers import CONTRACT, newest
from tests.running_instance import PASSWORD, RunningInstance

GUARDED = [operation for operation in CONTRACT.operations.values() if operation.auth == "token"]
FEATURED = [operation for operation in GUARDED if operation.features_mode == "anyOf"]


@pytest.fixture(scope="module")
def nobody(instance: RunningInstance) -> str:
    """The token of a user whose role has no feature."""
    return instance.user_with([], "nobody")[2]


def path_of(operation: Operation, id: str = "1") -> str:
    """The operation's path with some id for each parameter."""
    return operation.path.format(**{parameter.name: id for parameter in operation.path_parameters})


def send(instance: RunningInstance, operation: Operation, token: bytes | str | None, id: str = "1") -> tuple[int, str]:
    """Send the operation with a body that is no JSON; answers status and content type."""
    headers: dict[str, bytes | str] = {} if token is None else {"X-Access-Token": token}
    response = instance.session.request(
        operation.method, instance.url(path_of(operation, id), operation.base), headers=headers, data=b"{", timeout=30
    )
    if response.status_code >= 400:
        assert response.json()["message"]
    return response.status_code, response.headers["Content-Type"]


def test_every_operation_wants_a_token(instance: RunningInstance) -> None:
    """Without a token, or with a wrong one, everything guarded is 401 in JSON, whatever the id and the body are."""
    good = instance.token
    wrong: list[bytes | str | None] = [None, "", "x" * 5000, "žluť".encode(), good + "x", good[:-1], good.swapcase()]
    wrong += [f'"{good}"', "\xff\xfe".encode("latin-1"), f"Bearer {good}"]
    for number, operation in enumerate(GUARDED):
        for token in wrong if number % 20 == 0 else wrong[:2]:
            assert send(instance, operation, token) == (401, "application/json")


def test_token_counts_only_in_its_header(instance: RunningInstance) -> None:
    """A valid token in the query, a cookie or Authorization does not authenticate; nor does one given twice."""
    url, token = instance.url("/tags"), instance.token
    for more in (
        {"params": {"X-Access-Token": token, "token": token}},
        {"headers": {"Authorization": f"Bearer {token}"}},
        {"cookies": {"access_token": token}},
    ):
        assert instance.session.get(url, timeout=30, **more).status_code == 401  # type: ignore[arg-type]
    instance.session.cookies.clear()


def test_life_of_a_token(instance: RunningInstance) -> None:
    """Logged out tokens are refused at once; a renewed one works beside the old one."""
    token = instance.login(instance.email, instance.password)
    renewed = instance.session.patch(instance.url("/users/login"), json={"token": token}).json()["token"]
    assert renewed != token
    assert instance.call("GET", "/identity", token).status_code == 200
    ended = instance.session.delete(instance.url("/users/login"), json={"token": token})
    assert ended.json() == {"message": "OK"}
    assert instance.call("GET", "/identity", token).status_code == 401
    assert instance.call("GET", "/identity", renewed).status_code == 200
    assert instance.session.patch(instance.url("/users/login"), json={"token": token}).status_code == 401
    assert instance.session.delete(instance.url("/users/login"), json={"token": token}).status_code == 401


def test_wrong_credentials(instance: RunningInstance) -> None:
    """A wrong password and an unknown e-mail are refused in the same words."""
    answers = [
        instance.session.post(instance.url("/users/login"), json={"email": email, "password": password})
        for email, password in ((instance.email, "wrong"), ("nobody@example.net", instance.password))
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert instance.session.post(instance.url("/users/oidc_login"), json={"code": "x"}).status_code == 401


def test_small_role_is_refused_first(instance: RunningInstance, nobody: str) -> None:
    """Without its features every operation is 403, also with an unknown id and a body that is no JSON."""
    for operation in FEATURED:
        for id in ("1", "no-such-id"):
            assert send(instance, operation, nobody, id)[0] == 403, operation.id


def test_each_feature_is_enough(instance: RunningInstance) -> None:
    """Each feature of a list opens the operation, names that only resemble it do not; changes count at once."""
    role, _, token = instance.user_with([], "single")
    for operation in FEATURED:
        if operation.method != "GET":
            continue
        for name in sorted(operation.features):
            feature = name.replace("EXPORT_DESTINATION_ID", "1")
            near = [f"{feature}x", feature[:-1], feature.upper(), f" {feature}", feature.split("/")[0]]
            instance.call("PATCH", f"/users/user_roles/{role}", json={"features": [feature]})
            assert send(instance, operation, token, "1")[0] != 403, (operation.id, feature)
            near = [each for each in near if each not in operation.features]
            instance.call("PATCH", f"/users/user_roles/{role}", json={"features": near})
            assert send(instance, operation, token, "1")[0] == 403 or "segments/export" in feature, (operation.id, near)


def test_withdrawn_access(instance: RunningInstance) -> None:
    """Tokens of disabled or deleted users and roles are refused from the next request on."""
    for number, (kind, change) in enumerate(
        [("users", "PATCH"), ("users", "DELETE"), ("roles", "PATCH"), ("roles", "DELETE")]
    ):
        role, user, token = instance.user_with(["settings/tags"], f"withdrawn{number}")
        assert instance.call("GET", "/identity", token).json()["identity"]["features"] == ["settings/tags"]
        where = f"/users/{user}" if kind == "users" else f"/users/user_roles/{role}"
        assert instance.call(change, where, json={"disabled": 1} if change == "PATCH" else None).status_code == 200
        assert instance.call("GET", "/identity", token).status_code == 401
        body = {"email": f"withdrawn{number}@example.org", "password": PASSWORD}
        assert instance.session.post(instance.url("/users/login"), json=body).status_code == 401


def test_administrator_stays(instance: RunningInstance) -> None:
    """The administrator's account and role cannot be taken away."""
    assert instance.call("DELETE", "/users/1").status_code == 403
    assert instance.call("PATCH", "/users/1", json={"disabled": 1}).status_code == 403
    assert instance.call("DELETE", "/users/user_roles/1").status_code == 403
    assert instance.call("PATCH", "/users/user_roles/1", json={"features": []}).status_code == 403
    features = instance.get("/identity")["identity"]["features"]
    assert set(features) >= CONTRACT.features


def test_shared_segments(instance: RunningInstance) -> None:
    """Users without features see own and shared segments only; read lets read, write lets change."""
    _, user, token = instance.user_with(["segments/create"], "sharer")
    assert instance.get("/segments", token)["segments"] == []
    assert instance.call("GET", "/customers_count", token).status_code == 200
    made = instance.call("POST", "/segments", token, json={"name": "Mine", "settings": {}}).json()["segment"]["id"]
    foreign = int(newest(instance, "segment", {}))
    body = {"name": "Theirs", "settings": {}}
    foreign = instance.call("POST", "/segments", json=body).json()["segment"]["id"]
    assert instance.call("PATCH", f"/segments/{made}", token, json={"name": "Still mine"}).status_code == 200
    assert instance.call("GET", f"/segments/{foreign}", token).status_code == 403
    share = {"user_id": user, "permission": "read"}
    assert instance.call("POST", f"/acl/segments/{foreign}", json=share).status_code == 201
    assert instance.call("GET", f"/segments/{foreign}", token).status_code == 200
    assert instance.call("GET", f"/segments/{foreign}/notes", token).status_code == 200
    assert instance.call("PATCH", f"/segments/{foreign}", token, json={"name": "x"}).status_code == 403
    where = f"/acl/segments/{foreign}/users/{user}"
    assert instance.call("PATCH", where, json={"permission": "write"}).json()["segment_user"]["permission"] == "write"
    assert instance.call("PATCH", f"/segments/{foreign}", token, json={"name": "x"}).status_code == 200
    for flags, expected in (
        ({}, {made, foreign}),
        ({"show_my": 0}, {foreign}),
        ({"show_shared_with_me": 0}, {made}),
        ({"show_my": 0, "show_shared_with_me": 0}, set()),
    ):
        assert {each["id"] for each in instance.get("/segments", token, **flags)["segments"]} == expected
    assert instance.call("DELETE", where).status_code == 200
    assert instance.call("GET", f"/segments/{foreign}", token).status_code == 403


def test_any_segment_opens_attributes(instance: RunningInstance) -> None:
    """Attributes and the count of customers are open to whoever was shared a segment."""
    _, user, token = instance.user_with([], "anysegment")
    assert instance.call("GET", "/attributes", token).status_code == 403
    segment = newest(instance, "segment", {})
    instance.call("POST", f"/acl/segments/{segment}", json={"user_id": user, "permission": "read"})
    assert instance.call("GET", "/attributes", token).status_code == 200
    assert instance.call("GET", "/customers_count", token).status_code == 200
    instance.call("DELETE", f"/acl/segments/{segment}/users/{user}")
    assert instance.call("GET", "/customers_count", token).status_code == 403


def test_export_to_one_destination(instance: RunningInstance) -> None:
    """segments/export/<id> opens exports to that destination and no other."""
    listed = instance.get("/segments/export/destinations")["segment_export_destinations"]
    first, second = listed[0]["id"], listed[1]["id"]
    token = instance.user_with([f"segments/export/{first}"], "exporter")[2]
    segment = newest(instance, "segment", {})
    where = f"/segments/{segment}/exports"
    run = [
        instance.call("POST", where, token, json={"segment_export_destination_id": id}).status_code
        for id in (first, second)
    ]
    assert run == [201, 403]
    exports = instance.get(where, token, limit=1000)["segment_exports"]
    assert {each["segment_export_destination_id"] for each in exports} == {first}


def test_restricted_settings(instance: RunningInstance, nobody: str) -> None:
    """Some settings are only for holders of settings/global."""
    every = instance.get("/global_settings")["global_settings"]
    open_ones = instance.get("/global_settings", nobody)["global_settings"]
    assert 45 <= len(open_ones) < len(every)
    secret = next(each["id"] for each in every if each not in open_ones)
    for path in (f"/global_settings/{secret}", f"/global_settings/{secret}/history"):
        assert instance.call("GET", path).status_code == 200
        assert instance.call("GET", path, nobody).status_code == 403


def test_refused_write_changes_nothing(instance: RunningInstance, nobody: str) -> None:
    """A refused write leaves the collection as it was."""
    before = instance.get("/tags")
    assert instance.call("POST", "/tags", nobody, json={"name": str(uuid.uuid4())}).status_code == 403
    assert instance.call("POST", "/tags", "wrong", json={"name": str(uuid.uuid4())}).status_code == 401
    assert instance.get("/tags") == before
